"""A bad day in Discord, with the bot as its owner runs it: whatever goes wrong is told in a few
lines and over by itself, and nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.discordbot import BotProcess, Family, bot_process, until, working
from tests.pictures import photo
from tests.standins.discord import DiscordStandin, Fault, Seen
from tests.test_whole_path import free_port

PAGES, ONE = "/channels/*/messages", "/channels/*/messages/*"
CALLBACK, FOLLOWUP = "/interactions/*/*/callback", "/webhooks/*"


class Day:
    """Ann's family, the bot that she started, and what happens to them."""

    def __init__(self, world: DiscordStandin, bot: BotProcess, family: Family) -> None:
        self.world = world
        self.bot = bot
        self.family = family

    async def remembers(self) -> None:
        """All that is there, each once."""
        query = "SELECT key FROM photos WHERE refused IS NULL ORDER BY key"
        try:
            await until(lambda: [key for (key,) in self.bot.rows(query)] == self.family.keys, 40)
        except TimeoutError:
            raise AssertionError("".join(self.bot.said)) from None

    async def online(self) -> None:
        await self.world.until(lambda: self.world.online, 40)

    async def finds(self, words: str = "cake", photos: int = 3) -> Seen:
        """Bob asks, and is answered with photos that can be opened now."""
        family = self.family
        reply = await self.world.slash(family.bob, family.general, "find", words=words)
        found = await reply.shown(timeout=40)
        assert len(found.pictures) == photos, found.text
        for picture in found.pictures:
            assert self.world.cdn.open(picture.url)
        return found


async def test_nothing_is_lost_or_doubled_on_a_bad_day(tmp_path: Path) -> None:
    world, port = DiscordStandin(), free_port()
    family = Family(world)
    url = f"http://127.0.0.1:{port}/api/v10"
    async with bot_process(tmp_path, world, url) as bot:
        day = Day(world, bot, family)
        await bot.says("can't be reached")
        async with world.serving(port):
            await it_comes_up_at_last(day)
            await the_line_is_cut(day)
            await answers_are_slow_and_broken(day)
            await files_are_broken(day)
            await bot.indexed()
        family.post()
        await bot.says("what is posted is filled in afterwards")
        async with world.serving(port):
            await day.remembers()
            await bot.indexed()
            await day.finds()
            log = "".join(bot.said)
    query = "SELECT key FROM photos WHERE refused IS NULL ORDER BY key"
    assert [key for (key,) in bot.rows(query)] == family.keys
    assert bot.rows("SELECT count(*) FROM vectors") == [(len(family.keys),)]
    assert bot.rows("SELECT count(*) FROM groups") == [(1,)]
    assert len(bot.troubles) <= 24, log
    assert max(Counter(bot.troubles).values()) <= 6, log


async def it_comes_up_at_last(day: Day) -> None:
    world, family = day.world, day.family
    world.fail("/gateway/bot", status=503)
    world.fail("/users/@me", status=503, garbage=True)
    await day.online()
    await world.until(lambda: "find" in world.commands(family.bob, family.general), 40)
    family.post()
    await day.remembers()


async def the_line_is_cut(day: Day) -> None:
    world, family = day.world, day.family
    for _ in range(4):
        await day.online()
        world.cut()
        family.post()
        await day.remembers()
    world.reconnect()
    family.post()
    await day.remembers()
    await day.online()
    world.invalidate()
    world.cut()
    await world.until(lambda: not world.online)
    family.post()
    await day.remembers()
    world.close(4000)
    family.post()
    await day.remembers()


async def answers_are_slow_and_broken(day: Day) -> None:
    world, family = day.world, day.family
    await day.finds()
    world.fail(ONE, "GET", retry_after=0.2, times=2)
    await day.finds()
    world.fail(FOLLOWUP, retry_after=0.2, times=2)
    await day.finds()
    world.fail(FOLLOWUP, retry_after=0.2, everywhere=True)
    await day.finds()
    world.fail(FOLLOWUP, status=500)
    await day.finds()
    for trouble in ({"status": 503}, {"garbage": True, "status": 503}, {"cut": True}):
        answer = await day.finds()
        await its_answer_is_lost(day, FOLLOWUP, trouble)
        await its_answer_is_lost(day, CALLBACK, trouble)
        fault = world.fail(CALLBACK, "POST", **trouble)
        await world.slash(family.bob, family.general, "help")
        await used_up(world, fault)
        fault = world.fail(CALLBACK, "POST", **trouble)
        await world.autocomplete(family.bob, family.general, "find", "words", "c")
        await used_up(world, fault)
        fault = world.fail(CALLBACK, "POST", **trouble)
        (more,) = [b.custom_id for b in answer.buttons if b.label == "More"]
        await world.press(family.bob, answer, more or "")
        await used_up(world, fault)
        world.fail(ONE, "GET", **trouble)
        reply = await world.slash(family.bob, family.general, "find", words="cake")
        assert (await reply.shown(timeout=40)).pictures
    await day.finds()


async def its_answer_is_lost(day: Day, path: str, trouble: dict[str, Any]) -> None:
    fault = day.world.fail(path, **trouble)
    await day.world.slash(day.family.bob, day.family.general, "find", words="cake")
    await used_up(day.world, fault)


async def used_up(world: DiscordStandin, fault: Fault) -> None:
    await world.until(lambda: not fault.times, 40)


async def files_are_broken(day: Day) -> None:
    world, family = day.world, day.family
    await day.bot.indexed()
    world.switches.cut_after, world.switches.cuts_left = 200, 2
    world.fail("/cdn/*", status=503)
    world.fail("/cdn/*", garbage=True, status=502)
    world.fail("/cdn/*", cut=True)
    for _ in range(3):
        family.post()
    await day.remembers()
    await day.bot.indexed()
    world.switches.sized_proxy = False
    large = photo(777, (1600, 1200))
    family.posted.append(world.post(family.general, family.bob, "large", large))
    world.fail("/proxy/*", cut=True)
    for _ in range(2):
        family.post("late")
    world.expire_links()
    await day.remembers()
    await day.bot.indexed()


async def test_a_line_on_which_nothing_is_heard_any_more_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In this process, since discord.py waits for a minute before it gives a line up."""
    world = DiscordStandin()
    world.switches.heartbeat_interval = 100
    family = Family(world)
    async with world.serving() as url, working(tmp_path, world, url) as at:
        await until(lambda: at.note("heard"))
        assert at.chat._session is not None
        at.chat._session._client._connection.heartbeat_timeout = 0.4
        for _ in range(2):
            world.cut()
            await world.until(lambda: not world.online)
            await world.until(lambda: world.online)
            world.switches.acks = False
            await world.until(lambda: not world.online)
            world.switches.acks = True
            family.post()
            await at.remembers(lambda: family.keys)
    assert not [line for line in caplog.messages if "Discord" in line], "it mends itself"
