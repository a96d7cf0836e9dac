"""Memories and the picture of /stats in Discord."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import simcord
from PIL import Image

from adapters.discord import text
from adapters.discord.chat import DiscordSettings, Session
from adapters.discord.client import Client
from adapters.trouble import Trouble
from bot.memories import DONE, Memories
from bot.ports import Recall
from tests.discord import CDN, Scene, Shown, scene
from tests.pictures import photo

MORNING = datetime(2031, 5, 17, 7, 10, tzinfo=UTC)
"""9:10 in Berlin."""


@dataclass
class Chat:
    """The adapter's face to the core, for one session."""

    session: Session
    platform: str = "discord"

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        await self.session.remind(group, place, recall)


async def morning(at: Scene, now: datetime = MORNING, session: Session | None = None) -> None:
    """The bot looks whether it is morning somewhere."""
    memories = Memories(at.store, at.memory.model, lambda: now)
    await memories.round([Chat(session or at.session)])
    await at.env.settle()


async def posted(
    at: Scene, years: int, number: int, where: simcord.ChannelHandle | None = None, **more: Any
) -> discord.Message:
    """A photo that Ann posted so many years ago, as far as the bot knows."""
    message = await at.post(at.ann, "<b>@everyone", photo(number), where=where, **more)
    then = MORNING.replace(year=MORNING.year - years).isoformat()
    async with at.store._db.write() as db:
        await db.execute(
            "UPDATE posts SET posted_at = ? WHERE message = ?", (then, str(message.id))
        )
    return message


def by_bot(at: Scene, where: simcord.ChannelHandle) -> list[Shown]:
    """The photos that the bot has shown in a channel."""
    backend = at.env.backend
    messages = backend.messages[where.id].values()
    own = [Shown.of(each) for each in messages if each.author_id == backend.bot_user.id]
    return [each for each in own if each.pictures]


async def present(at: Scene, there: bool) -> None:
    """Until the bot takes itself to be in the guild, or not."""
    async with asyncio.timeout(10):
        while bool(await at.store.groups.present(at.group)) is not there:
            await asyncio.sleep(0.01)


def said(result: Any) -> str:
    return str(result.response.content)


async def test_a_channel_sees_its_memories_once_also_after_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        quiet, den = at.channel("secret", at.eve), at.channel("den")
        assert "I show no memories" in said(await at.ann.slash(at.general, "memories"))
        unknown = await at.ann.slash(at.general, "memories", switch="on", zone="@Berln")
        assert "Europe\\/Berlin" in said(unknown)
        done = await at.ann.slash(at.general, "memories", zone="berlin", channel=den)
        assert "\\(Europe\\/Berlin\\)" in said(done)
        assert said(done).endswith(f"→ <#{den.id}>")
        assert done.ephemeral
        vanished = await posted(at, 1, 1)
        three = [await posted(at, years, years) for years in (2, 3, 4)]
        await posted(at, 1, 5, quiet)
        await posted(at, 1, 6, name="SPOILER_a.jpg")
        at.env.backend.messages[at.general.id].pop(vanished.id)
        await morning(at, MORNING - timedelta(minutes=11))
        assert by_bot(at, den) == []
        await morning(at)
        (shown,) = by_bot(at, den)
        assert shown.texts[0] == "On this day in earlier years\\:"
        assert shown.attachments == [each.attachments[0].id for each in three]
        assert "> \\<b\\>\\@\u2060" in shown.text
        assert list(shown.buttons) == ["Similar to 1", "Similar to 2", "Similar to 3"]
        client = Client(True, Trouble("Discord"))
        async with Session(at.memory, DiscordSettings("token", CDN), client) as session:
            await at.env.restart_bot(client)
            guild = client.get_guild(at.guild.id)
            assert guild is not None
            await present(at, False)  # SimCord doesn't tell of it anew, as Discord does
            session.guild_here(guild)
            await present(at, True)
            await morning(at, session=session)
            assert len(by_bot(at, den)) == 1
            await morning(at, MORNING.replace(year=2032), session)
            assert len(by_bot(at, den)) == 2
            off = await at.ann.slash(at.general, "memories", switch="off")
            assert "no memories" in said(off)
            await morning(at, MORNING.replace(year=2033), session)
            assert len(by_bot(at, den)) == 2


async def test_what_not_all_may_see_or_not_all_ages_is_no_memory(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        adult = at.channel("adult")
        known = at.session._client.get_channel(adult.id)
        assert isinstance(known, discord.TextChannel)
        known.nsfw = True  # SimCord knows no such channels
        await at.ann.slash(adult, "memories", switch="on", zone="Europe/Berlin")
        await posted(at, 1, 1, adult)
        await posted(at, 1, 2, at.channel("secret", at.eve))
        await morning(at)
        assert by_bot(at, adult) == [], "of an age-restricted channel not even there"
        fine = await posted(at, 1, 3)
        await morning(at, MORNING.replace(year=2032))
        (shown,) = by_bot(at, adult)
        assert shown.attachments == [fine.attachments[0].id]
        assert shown.texts[0] == "2 years ago today\\:"


async def test_who_may_not_manage_the_server_chooses_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        guild = discord.Object(at.guild.id)
        offered = await at.session._client.tree.fetch_commands(guild=guild)
        (command,) = [each for each in offered if each.name == "memories"]
        at.guild.set_command_permissions(command, {at.bob: True})
        refused = await at.bob.slash(at.general, "memories", switch="on")
        assert said(refused) == text.ADMINS_ONLY
        zones = await at.ann.autocomplete(at.general, "memories", "zone", "berl")
        assert zones[0]["value"] == "Europe/Berlin"


async def test_where_the_bot_may_not_write_it_shows_none(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        mute = at.channel("mute")
        await at.ann.slash(mute, "memories", switch="on", zone="Europe/Berlin")
        await posted(at, 1, 1)
        closed = simcord.backend.models.Overwrite(
            at.env.backend.bot_user.id,
            simcord.enums.OverwriteType.MEMBER,
            deny=discord.Permissions(send_messages=True).value,
        )
        at.env.backend.set_overwrite(mute.id, closed)
        await at.env.settle()
        await morning(at)
        assert await at.store.groups.note(at.group, DONE) != "2031-05-17", "it may yet be allowed"
        again = await at.ann.slash(mute, "memories", switch="on")
        assert said(again).startswith(f"I must be allowed to write in <#{mute.id}>")


async def test_stats_are_a_picture_of_what_the_asker_may_see(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        nothing = (await at.eve.slash(at.general, "stats")).response
        assert nothing is not None
        assert not nothing.attachments, "there is nothing to draw"
        secret = at.channel("secret", at.eve)
        await posted(at, 7, 1)
        await at.post(at.bob, "", photo(2), where=secret)
        seen, hidden = [await who.slash(at.general, "stats") for who in (at.bob, at.eve)]
        assert seen.ephemeral
        assert {line[3:] for line in said(seen).splitlines()[1:3]} == {
            "bob: 1 photo",
            "ann: 1 photo",
        }
        assert "1. ann: 1 photo" in said(hidden)
        assert "bob" not in said(hidden)
        assert hidden.response is not None
        (picture,) = hidden.response.attachments
        assert (
            picture.description
            == "Bars: photos by month, May 2024 to May 2024. Most in May 2024: 1 photo."
        )
        with Image.open(io.BytesIO(await picture.read())) as image:
            assert image.format == "PNG"
