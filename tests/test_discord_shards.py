"""Discord's shards divided over processes, and photos fetched by one that takes no part."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.discord.chat import DiscordChat, DiscordSettings
from bot.errors import FetchFailed, PhotoGone, TokenRefused
from bot.photos import PhotoRef
from bot.sharing import Shards
from tests.discordbot import Family, Working, _discord_py, until, working
from tests.pictures import photo
from tests.standins.discord import DiscordStandin


@pytest.fixture
def world() -> DiscordStandin:
    return DiscordStandin()


@pytest.fixture
async def url(world: DiscordStandin) -> AsyncIterator[str]:
    async with world.serving() as url:
        yield url


async def test_each_process_serves_its_shards_and_judges_no_others(
    tmp_path: Path, world: DiscordStandin, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Else one would think that the bot was removed from the guilds of all others, which would be
    forgotten then."""
    caplog.set_level(logging.INFO)
    world.switches.shards = 1  # what Discord would want doesn't matter
    ann = world.user("ann")
    guilds = [world.guild(f"Shard {n}", ann, shard=n, shards=4) for n in range(4)]
    places = [world.channel(guild, "photos") for guild in guilds]
    lower, upper = Shards(0, 1, 4), Shards(2, 3, 4)

    def left(at: Working) -> list[str]:
        return [name for (name,) in at.rows("SELECT name FROM groups WHERE left_at IS NOT NULL")]

    async with (
        working(tmp_path, world, url, shards=lower) as one,
        working(tmp_path, world, url, shards=upper) as other,
    ):
        await world.until(lambda: world.online == 4)
        posted = [world.post(place, ann, "cake", photo(n)) for n, place in enumerate(places)]
        await one.remembers(lambda: sorted(each.attachments[0]["id"] for each in posted))
        for place in places:
            reply = await world.slash(ann, place, "stats")
            assert "**1 photo** of this server" in (await reply.shown()).text
        await until(lambda: one.chat.up and other.chat.up)
        assert left(one) == []
    assert sum("is here, in 2 servers" in line for line in caplog.messages) == 2
    asked = world.asked("/applications/*/guilds/*/commands", "PUT")
    assert len(asked) == 4, "each guild was offered commands by one of them"
    world.dismiss(guilds[1])
    world.dismiss(guilds[2])
    async with working(tmp_path, world, url, shards=lower) as one:
        await until(lambda: left(one))
        await until(lambda: one.chat.up)
        assert left(one) == ["Shard 1"]


async def test_a_process_that_takes_no_part_fetches_photos(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    family = Family(world)
    async with working(tmp_path, world, url) as at:
        await world.until(lambda: world.online)
        family.post()
        message = family.post()
        await at.remembers(lambda: family.keys)
        refs = [
            PhotoRef(*row) for row in at.rows("SELECT platform, key, locator, name FROM photos")
        ]
    await world.until(lambda: not world.online)
    identified = len(world.sessions)
    async with working(tmp_path / "other", world, url) as unused:
        unused.serving.cancel()
        async with assisting(unused, DiscordSettings(world.token, url)) as chat:
            sessions = len(world.sessions)
            assert {await chat.fetch(ref) for ref in refs} == {photo(0), photo(10)}
            world.delete(message)
            gone = next(ref for ref in refs if ref.key == message.attachments[0]["id"])
            chat._files.pictures.drop(gone.key)  # type: ignore[union-attr]
            with pytest.raises(PhotoGone):
                await chat.fetch(gone)
            assert len(world.sessions) == sessions
        with pytest.raises(FetchFailed, match="can't be reached yet"):
            await chat.fetch(refs[0])
    assert identified == 1


@contextlib.asynccontextmanager
async def assisting(at: Working, chosen: DiscordSettings) -> AsyncIterator[DiscordChat]:
    """A chat that was entered and is not served."""
    with _discord_py():
        async with DiscordChat(at.memory, chosen) as chat:
            task = asyncio.create_task(chat.assist())
            try:
                await until(lambda: chat.up)
                yield chat
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def test_a_token_that_is_refused_ends_it(
    tmp_path: Path, world: DiscordStandin, url: str
) -> None:
    async with working(tmp_path, world, url) as at:
        with pytest.raises(TokenRefused, match="DISCORD_TOKEN"):
            await DiscordChat(at.memory, DiscordSettings("MTIz.no.token", url)).assist()
