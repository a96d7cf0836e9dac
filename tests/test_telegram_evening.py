"""A group's evening in Telegram, with the bot as its owner runs it: forty photos, edits, questions,
a restart, a power cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bot.starter.album import album
from tests.standins.telegram import Chat, Message, TelegramWorld, User
from tests.telegram import bot_process, serving, until

PHOTOS = 40


def count(folder: Path, what: str) -> int:
    """Rows in the memory of a bot that may be running."""
    file = folder / "data" / "shoebox.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def keys(messages: Iterable[Message]) -> list[str]:
    return [message.file_unique_id for message in messages]


@dataclass
class Evening:
    """What three people post out of the drawn album, by its numbers."""

    world: TelegramWorld
    group: Chat
    jpegs: list[bytes]
    posted: dict[int, Message] = field(default_factory=dict)

    def photo(self, who: User, number: int, caption: str = "") -> Message:
        sent = self.world.post_photo(self.group, who, self.jpegs[number], caption)
        self.posted[number] = sent
        return sent

    def album(self, who: User, numbers: Sequence[int], caption: str = "") -> list[Message]:
        jpegs = [self.jpegs[number] for number in numbers]
        sent = self.world.post_album(self.group, who, jpegs, caption)
        self.posted |= dict(zip(numbers, sent, strict=True))
        return sent

    async def asks(self, who: User, words: str, photos: int) -> tuple[list[Message], Message]:
        """The photos of the answer, and the words under them."""
        question = self.world.say(self.group, who, words)
        *found, under = await self.world.bot_sends(self.group, photos + 1, timeout=30)
        assert under.reply_to == question.id
        return found, under


async def test_forty_photos_a_restart_and_a_power_cut(tmp_path: Path) -> None:
    drawn = list(album(datetime.now(UTC)))[:PHOTOS]
    cakes = [n for n, picture in enumerate(drawn) if "birthday cake" in picture.shows]
    assert cakes == [3, 24, 38]

    def waiting(task: str) -> int:
        return count(tmp_path, f"jobs WHERE task = '{task}'")

    world = TelegramWorld()
    mia, jonas, lei = (world.user(name) for name in ("Mia", "Jonas", "李雷"))
    group = world.group("Family", [mia, jonas, lei])
    world.add_bot(group, mia)
    evening = Evening(world, group, [picture.jpeg for picture in drawn])
    async with serving(world) as api:
        async with bot_process(tmp_path, api):
            (hello,) = await world.bot_sends(group, timeout=60)
            assert hello.text.startswith("Hello!")
            party = evening.album(mia, [0, 1, 2, 4, 5, 6, 7])
            evening.photo(jonas, 3, "he blew them all out")
            evening.photo(lei, 8)
            await world.idle(30)
            await until(lambda: waiting("embed") == 0, 60)
            world.say(group, jonas, "/find watermelon")
            first = (await world.bot_sends(group))[0]
            assert first.file_unique_id == evening.posted[6].file_unique_id
            await until(lambda: group.by_bot[-1].kind == "text")
            group.consumed = len(group.by_bot)
            world.edit_caption(party[3], "Zwettl")
            found, under = await evening.asks(lei, "/find Zwettl", 3)
            shown = keys(found)
            evening.album(lei, range(9, 16), "成都")
        # Stopped while it was being told; it stays away for a while.
        loud = evening.photo(mia, 16)
        evening.album(jonas, range(17, 21), "winter")
        world.edit_caption(loud, "the loudest night of the year")
        async with bot_process(tmp_path, api) as bot:
            world.press(under, "More", jonas)
            *found, under = await world.bot_sends(group, 4, timeout=60)
            shown += keys(found)
            await world.idle(30)
            found, _ = await evening.asks(jonas, "/find loudest night of the year", 1)
            assert keys(found) == keys([loud]), "the edit was made while the bot was away"
            before = count(tmp_path, "posts")
            evening.album(mia, range(21, 27))
            for number in range(27, 32):
                evening.photo(jonas, number)
            await until(lambda: count(tmp_path, "posts") > before)
            await bot.kill()
        async with bot_process(tmp_path, api):
            sea = evening.album(lei, range(32, 36))
            for number in range(36, PHOTOS):
                evening.photo(mia, number)
            world.edit_caption(sea[1], "a fox came by")
            world.press(under, "More", lei)
            last, *_ = await world.bot_sends(group, 4, timeout=60)
            shown += keys([last])
            assert sorted(shown) == sorted(keys(party)), (
                "a caption holds for the whole album; three pages of it came from three starts"
            )
            await world.idle(30)
            await until(lambda: waiting("embed") + waiting("read") == 0, 120)
            found, _ = await evening.asks(jonas, "/find birthday cake", 3)
            assert set(keys(found)) == set(keys(evening.posted[n] for n in cakes))
            assert len({each.media_group_id for each in found}) == 1, "as an album"
            by = [line.split(" · ")[0] for line in found[0].text.splitlines() if " · " in line]
            assert sorted(name[3:] for name in by) == ["Jonas", "Mia", "Mia"]
    media = world.called("sendMediaGroup")[-1]["media"]
    assert all(each["media"] in world.files.by_id for each in media), "nothing is uploaded again"
    with closing(sqlite3.connect(tmp_path / "data" / "shoebox.db")) as db:
        kept = [key for (key,) in db.execute("SELECT key FROM photos WHERE refused IS NULL")]
        seen = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
    assert sorted(kept) == sorted(keys(evening.posted.values())), "every photo, and once"
    assert (len(kept), seen) == (PHOTOS, PHOTOS)
    assert len(group.by_bot) == group.consumed, "it spoke when it was asked, and never else"
