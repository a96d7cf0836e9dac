"""A bad day in Telegram, with the bot as its owner runs it: whatever goes wrong is told in a few
lines and over by itself, and nothing is lost or doubled."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from adapters.telegram.ids import group_id
from tests.pictures import photo
from tests.standins.telegram import Api, Chat, Message, TelegramWorld, User
from tests.telegram import BotProcess, bot_process, serving, until

TROUBLES = (
    "can't be reached",
    "Invalid server response",
    "Bad Gateway",
    "asks to wait",
    "another program polls",
    "somebody set a webhook",
    "ot enough rights",
    "can't be understood",
)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    file = folder / "data" / "shoebox.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return list(db.execute(query))


class Day:
    """Ann's family and club, the bot that she started, and what happens to them."""

    def __init__(self, folder: Path, world: TelegramWorld, api: Api, bot: BotProcess) -> None:
        self.folder = folder
        self.world = world
        self.api = api
        self.bot = bot
        self.ann: User = world.user("Ann")
        self.family = world.group("Family", [self.ann])
        self.club = world.group("Club", [self.ann], kind="group")
        self.posted: list[Message] = []

    def post(self, chat: Chat, caption: str = "cake") -> Message:
        number = len(self.posted)
        sent = self.world.post_photo(chat, self.ann, photo(number), f"{caption} {number}")
        self.posted.append(sent)
        return sent

    async def told(self, words: str) -> None:
        await until(lambda: any(words in line for line in self.bot.said), 30)

    async def is_polled(self) -> None:
        await until(lambda: self.api.is_polled, 30)

    async def finds(self, chat: Chat, words: str, photos: int) -> list[Message]:
        self.world.say(chat, self.ann, f"/find {words}")
        *found, under = await self.world.bot_sends(chat, photos + 1, timeout=30)
        assert all(each.photo for each in found)
        assert under.kind == "text"
        return found


async def test_nothing_is_lost_or_doubled_on_a_bad_day(tmp_path: Path) -> None:
    world = TelegramWorld()
    async with serving(world) as api, bot_process(tmp_path, api) as bot:
        day = Day(tmp_path, world, api, bot)
        await its_welcome_is_flooded(day)
        await the_network_goes_away(day)
        await updates_come_badly(day)
        await others_use_the_token(day)
        new = await the_club_moves_while_it_is_answered(day)
        await answers_are_refused(day)
        await files_are_broken(day)
        found = await day.finds(new, "boat", 1)
        assert "Ann" in found[0].text
        log = "".join(bot.said)
    kept = rows(tmp_path, "SELECT key FROM photos WHERE refused IS NULL ORDER BY key")
    assert [key for (key,) in kept] == sorted(each.file_unique_id for each in day.posted)
    assert rows(tmp_path, "SELECT count(*) FROM vectors") == [(len(day.posted),)]
    groups = dict(rows(tmp_path, "SELECT key, name FROM groups"))
    assert groups == {group_id(day.family.id): "Family", group_id(new.id): "Club"}
    lines = [line for line in log.splitlines() if " WARNING " in line or " ERROR " in line]
    for trouble in TROUBLES:
        assert 1 <= sum(trouble in line for line in lines) <= 4, trouble
    assert len(lines) <= 20, log
    assert max(Counter(line[24:] for line in lines).values()) <= 4, log


async def its_welcome_is_flooded(day: Day) -> None:
    flood = "Too Many Requests: retry after 1"
    day.world.fail("sendMessage", status=429, description=flood, retry_after=1)
    day.world.add_bot(day.family, day.ann)
    day.world.add_bot(day.club, day.ann)
    await day.world.bot_sends(day.family, timeout=60)
    await day.world.bot_sends(day.club, timeout=60)


async def the_network_goes_away(day: Day) -> None:
    day.post(day.family)
    await day.world.idle()
    await day.api.stop()
    for _ in range(3):
        day.post(day.family)
    await day.told("can't be reached")
    await day.api.start()
    await day.world.idle(30)


async def updates_come_badly(day: Day) -> None:
    await day.is_polled()
    day.world.garbage("getUpdates")
    day.post(day.family)
    await day.world.idle(30)
    await day.is_polled()
    day.world.fail("getUpdates", status=502, description="Bad Gateway")
    day.post(day.family)
    await day.world.idle(30)
    await day.is_polled()
    day.world.cut("getUpdates", after=True)
    day.post(day.family)
    await day.world.idle(30)
    await day.is_polled()
    flood = "Too Many Requests: retry after 1"
    day.world.fail("getUpdates", status=429, description=flood, retry_after=1)
    day.world.queue("message", {"message_id": "x", "chat": None})
    day.post(day.family)
    await day.world.idle(30)


async def others_use_the_token(day: Day) -> None:
    at = f"{day.api.url}/bot{day.world.token}"
    async with aiohttp.ClientSession() as other:
        await day.is_polled()
        async with other.get(f"{at}/getUpdates", params={"timeout": "0"}) as response:
            assert response.ok
        await day.told("another program polls")
        await day.is_polled()
        async with other.get(f"{at}/setWebhook", params={"url": "http://127.0.0.1:9/"}) as response:
            assert response.ok
    await day.told("somebody set a webhook")
    day.post(day.family)
    await day.world.idle(30)


async def the_club_moves_while_it_is_answered(day: Day) -> Chat:
    boat = day.post(day.club, "boat")
    await day.world.idle(30)
    day.world.say(day.club, day.ann, "/find boat")
    new = day.world.migrate(day.club)
    found, _ = await day.world.bot_sends(new, 2, timeout=30)
    assert found.file_unique_id == boat.file_unique_id
    return new


async def answers_are_refused(day: Day) -> None:
    day.family.muted = True
    day.world.say(day.family, day.ann, "/stats")
    await day.told("ot enough rights")
    day.family.muted = False
    day.world.garbage("sendMediaGroup")
    day.world.say(day.family, day.ann, "/find cake")
    await until(lambda: sum("nvalid server" in line for line in day.bot.said) > 1)
    day.world.flood_limit = (4, 2)
    first = await day.finds(day.family, "cake", 3)
    assert await day.finds(day.family, "cake", 3)
    assert {m.file_unique_id for m in first} <= {m.file_unique_id for m in day.posted}
    day.world.flood_limit = None


async def files_are_broken(day: Day) -> None:
    world = day.world
    world.drip = 2
    world.garbage("download")
    world.cut("download")
    world.fail("getFile", 2, status=500)
    flood = "Too Many Requests: retry after 1"
    world.fail("getFile", status=429, description=flood, retry_after=1)
    world.post_document(day.family, day.ann, b"\x89PNG broken", "a.png", "image/png")
    world.spoil_file(world.post_photo(day.family, day.ann, photo(90)))
    for _ in range(8):
        day.post(day.family)
    await world.idle(30)
    await until(lambda: rows(day.folder, "SELECT count(*) FROM jobs") == [(0,)], 60)
    refused = rows(day.folder, "SELECT refused FROM photos WHERE refused IS NOT NULL ORDER BY id")
    assert refused == [("the file is not a picture",)] * 2
