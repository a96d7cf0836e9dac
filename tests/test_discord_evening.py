"""A group's evening in Discord, with the bot as its owner runs it: forty photos in channels,
threads and forwards, questions in between, a restart with links that have expired."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.starter.album import album
from tests.discordbot import BotProcess, bot_process, until
from tests.standins.discord import Channel, DiscordStandin, Message, Seen, User

PHOTOS = 40


class Evening:
    """Three members post out of the drawn album, by its numbers, and ask."""

    def __init__(self, world: DiscordStandin) -> None:
        self.world = world
        self.mia, self.jonas, self.lei = (world.user(name) for name in ("mia", "jonas", "lei"))
        self.guild = world.guild("Family", self.mia, self.jonas, self.lei)
        self.general = world.channel(self.guild, "general")
        self.garden = world.channel(self.guild, "garden")
        self.parents = world.channel(
            self.guild,
            "parents",
            hidden_but_from=(self.mia, self.jonas, world.bot_role(self.guild)),
        )
        self.jpegs = [picture.jpeg for picture in list(album(datetime.now(UTC)))[:PHOTOS]]
        self.posted: dict[int, str] = {}
        """Ids of the attachments, by number of the scene."""
        self.forwarded: list[str] = []

    def post(
        self, who: User, numbers: Sequence[int], words: str = "", where: Channel | None = None
    ) -> Message:
        place = where or self.general
        message = self.world.post(place, who, words, *(self.jpegs[n] for n in numbers))
        files = [str(file["id"]) for file in message.attachments]
        self.posted |= dict(zip(numbers, files, strict=True))
        return message

    def numbers(self, answer: Seen) -> list[int]:
        """Which scenes an answer shows; each can be opened at this moment."""
        found = []
        for picture in answer.pictures:
            assert self.world.cdn.open(picture.url) in self.jpegs
            (key,) = re.findall(r"/attachments/\d+/(\d+)/", picture.url)
            found += [number for number, known in self.posted.items() if known == key]
        assert len(found) == len(answer.pictures)
        return found

    async def finds(
        self, who: User, words: str, where: Channel | None = None, **options: object
    ) -> Seen:
        place = where or self.general
        reply = await self.world.slash(who, place, "find", words=words, **options)
        return await reply.shown(timeout=30)

    async def presses(self, who: User, answer: Seen, label: str) -> Seen:
        """The answer that a button leads to."""
        button, *_ = [b.custom_id for b in answer.buttons if b.label and b.label.startswith(label)]
        assert button is not None
        reply = await self.world.press(who, answer, button)
        (found,) = await reply.followups(timeout=30)
        return found

    def ranked(self, bot: BotProcess, answer: Seen) -> list[int]:
        """The first nine scenes of an answer, as they were ranked when it was given."""
        (more,) = [b.custom_id or "" for b in answer.buttons if b.label == "More"]
        kept = bot.rows(
            "SELECT key FROM answer_photos JOIN photos ON photos.id = photo_id"
            " WHERE answer_id = ? ORDER BY rank LIMIT 9",
            more.split(":")[1],
        )
        return [n for (key,) in kept for n, known in self.posted.items() if known == key]

    @property
    def keys(self) -> list[str]:
        """What the bot is to remember: every photo that is there, and forwards once more."""
        return sorted([*self.posted.values(), *self.forwarded])

    async def remembered(self, bot: BotProcess) -> None:
        await until(
            lambda: [key for (key,) in bot.rows("SELECT key FROM photos ORDER BY key")] == self.keys
        )

    def public(self) -> list[int]:
        """Scenes in all that the bot has shown where everybody reads along."""
        shown = []
        for place in (self.general, self.garden):
            for message in self.world.visible(self.lei, place):
                if message.message.author_id == self.world.bot and not message.ephemeral:
                    keys = [re.findall(r"/(\d+)/", each.url)[-1] for each in message.pictures]
                    shown += [n for n, known in self.posted.items() if known in keys]
        return shown


async def test_forty_photos_and_a_restart(tmp_path: Path) -> None:
    world = DiscordStandin()
    at = Evening(world)
    mia, jonas, lei, general = at.mia, at.jonas, at.lei, at.general
    private = [8, 15, 38]
    async with world.serving() as url:
        async with bot_process(tmp_path, world, url) as bot:
            await bot.says("is here, in 1 servers", 60)
            await world.until(lambda: "find" in world.commands(lei, general))
            party = at.post(mia, [0, 1, 2, 4, 5, 6, 7], "Zwettl")
            cake = at.post(jonas, [3], "he blew them all out")
            at.post(mia, [8, 15], "for us alone", at.parents)
            trip = world.thread(general, "the trip", lei, message=party)
            train = at.post(lei, [9, 10], "on the way", trip)
            plan = world.thread(general, "a surprise", mia, jonas, private=True)
            world.add(plan, world.backend.bot_user)
            at.post(jonas, [11, 12, 13], "nobody tells lei", plan)
            await at.remembered(bot)
            await until(lambda: not bot.rows("SELECT 1 FROM jobs WHERE task = 'embed'"), 60)
            found = await at.finds(lei, "watermelon")
            assert at.numbers(found)[0] == 6
            assert "**mia**" in found.text
            zwettl = await at.finds(lei, "Zwettl")
            pages = at.numbers(zwettl)
            assert len(pages) == 3
            own = await at.finds(mia, "for us alone", private=True)
            assert own.ephemeral
            assert set(at.numbers(own)[:2]) == {8, 15}
            assert not set(at.numbers(await at.finds(mia, "for us alone"))) & set(private)
            world.edit(cake, "the loudest cake of the year")
            gone = at.post(lei, [14])
            world.delete(gone)
            twice = at.post(lei, [16, 17], "fireworks and skis")
            world.drop(twice, 1)
            del at.posted[14], at.posted[17]
            await at.remembered(bot)
        # It is stopped; the evening goes on without it, and a day passes for the links.
        at.post(jonas, range(18, 24), "winter")
        at.post(lei, [24, 25], "a balloon", trip)
        at.post(mia, [38], "nobody else", at.parents)
        world.expire_links()
        async with bot_process(tmp_path, world, url) as bot:
            await bot.says("were posted while away", 60)
            more = await at.presses(jonas, zwettl, "More")
            pages += at.numbers(more)
            rest = await at.presses(lei, more, "More")
            pages += at.numbers(rest)
            assert pages == at.ranked(bot, zwettl), "three pages from two starts, in one order"
            similar = await at.presses(mia, found, "Similar")
            assert 6 not in at.numbers(similar)
            for number in (26, 27, 28):
                at.post(mia, [number])
            at.post(lei, range(29, 36), "all of the summer", at.garden)
            forward = world.forward(train, at.garden, lei).snapshots[0]["message"]
            at.forwarded = [str(file["id"]) for file in forward["attachments"]]
            at.post(jonas, [36, 37, 39])
            await at.remembered(bot)
            await bot.indexed()
            reply = await world.slash(lei, general, "find", words="loudest cake of the year")
            answer = await reply.shown(timeout=30)
            assert at.numbers(answer)[0] == 3
            for where, cakes in ((general, {3, 24}), (at.parents, {3, 24, 38})):
                answer = await at.finds(mia, "birthday cake", where)
                keys = set(at.numbers(answer))
                assert cakes <= keys, keys
            private_answer = await at.finds(mia, "birthday cake", private=True)
            assert {3, 24, 38} == set(at.numbers(private_answer))
            shared = await at.presses(mia, private_answer, "Share")
            assert not shared.ephemeral
            assert {3, 24} == set(at.numbers(shared)), "the third is of the parents' channel"
            assert mia.name in shared.text or str(mia.id) in shared.text
    kept = bot.rows("SELECT key FROM photos WHERE refused IS NULL ORDER BY key")
    assert [key for (key,) in kept] == at.keys, "every photo, and once"
    assert bot.rows("SELECT count(*) FROM vectors") == [(len(at.keys),)]
    assert len(at.keys) == PHOTOS
    assert bot.rows("SELECT count(*) FROM jobs") == [(0,)]
    assert not set(at.public()) & {*private, 11, 12, 13}, "what is private stays private"
    assert bot.troubles == []
