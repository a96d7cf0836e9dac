"""Over random servers, no answer in Discord ever holds a photo that somebody in the room, or for a
private answer the asker, could not see where it was posted.

`WALLS=500 pytest tests/test_discord_walls.py` asks in as many servers as wanted.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from simcord.backend.errors import BackendError, SetupError
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType

from adapters.discord.posts import place_of
from bot.memories import SET, Mornings
from tests.discord import ChannelType, Scene, Shown, scene
from tests.pictures import photo
from tests.test_discord_memories import MORNING, by_bot, morning

SERVERS = int(os.environ.get("WALLS", "4"))
SEED = 20261124
FLAGS = ("view_channel", "read_message_history", "connect", "manage_threads")
COMMANDS = discord.Permissions(use_application_commands=True, send_messages=True)


@dataclass
class Server:
    """A random server, and where each of its photos was posted."""

    at: Scene
    random: random.Random
    members: list[simcord.MemberActor] = field(default_factory=list)
    channels: list[simcord.ChannelHandle] = field(default_factory=list)
    source: dict[int, simcord.ChannelHandle] = field(default_factory=dict)

    def may_see(self, who: simcord.MemberActor, channel: simcord.ChannelHandle) -> bool:
        """By SimCord's own arithmetic."""
        return self._has(who, channel, "view_channel") and self._is_in(who, channel)

    def may_read(self, who: simcord.MemberActor, channel: simcord.ChannelHandle) -> bool:
        vocal = self._model(channel).type in (ChannelType.VOICE, ChannelType.STAGE_VOICE)
        needed = FLAGS[: 3 if vocal else 2]
        return self._is_in(who, channel) and all(self._has(who, channel, flag) for flag in needed)

    def _has(self, who: simcord.MemberActor, channel: simcord.ChannelHandle, flag: str) -> bool:
        where = self._model(channel).permission_channel_id()
        value = self.at.env.backend.compute_permissions(self.at.guild.id, who.id, where)
        return bool(getattr(discord.Permissions(int(value)), flag))

    def _is_in(self, who: simcord.MemberActor, channel: simcord.ChannelHandle) -> bool:
        model = self._model(channel)
        return (
            model.type != ChannelType.PRIVATE_THREAD
            or who.id in model.thread_members
            or self._has(who, channel, "manage_threads")
        )

    def _model(self, channel: simcord.ChannelHandle) -> Any:
        return self.at.env.backend.get_channel(channel.id)

    def in_room(self, room: simcord.ChannelHandle) -> Iterator[simcord.MemberActor]:
        return (member for member in self.members if self.may_see(member, room))


async def build(at: Scene, seed: int) -> Server:
    """Roles, members, channels of several kinds, threads, overwrites, a photo in each."""
    chance = random.Random(seed)
    server = Server(at, chance)
    backend = at.env.backend
    everyone = chance.choice([("view_channel", "read_message_history"), ("view_channel",), ()])
    given = discord.Permissions(**dict.fromkeys(everyone, True)) | COMMANDS
    backend.edit_role(at.guild.id, at.guild.id, {"permissions": given.value})
    roles = []
    for n in range(3):
        flags = [flag for flag in FLAGS if chance.random() < 0.3]
        if chance.random() < 0.1:
            flags.append("administrator")
        rights = discord.Permissions(**dict.fromkeys(flags, True))
        roles.append(at.guild.create_role(f"role-{n}", permissions=rights))
    server.members = [at.ann]
    for n in range(5):
        mine = [role for role in roles if chance.random() < 0.4]
        server.members.append(at.guild.add_member(at.env.create_user(f"m{n}"), roles=mine))
    kinds = (ChannelType.TEXT, ChannelType.TEXT, ChannelType.VOICE, ChannelType.NEWS)
    server.channels = [at.general]
    for n, kind in enumerate(kinds):
        made = backend.create_channel(at.guild.id, f"c{n}", type=kind)
        server.channels.append(simcord.ChannelHandle(at.env, at.guild, made))
    for channel in list(server.channels):
        targets = [(at.guild.id, OverwriteType.ROLE)]
        targets += [(role.id, OverwriteType.ROLE) for role in roles]
        targets += [(member.id, OverwriteType.MEMBER) for member in server.members[1:3]]
        for target, named in targets:
            if chance.random() < 0.45:
                allow, deny = (_some(chance) for _ in range(2))
                backend.set_overwrite(channel.id, Overwrite(target, named, allow, deny & ~allow))
        if channel is not at.general and chance.random() < 0.6:
            kind_ = chance.choice([ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD])
            made = backend.create_thread(
                channel.id, "t", chance.choice(server.members).id, type=kind_
            )
            server.channels.append(simcord.ChannelHandle(at.env, at.guild, made))
    bot = Overwrite(
        backend.bot_user.id, OverwriteType.MEMBER, allow=discord.Permissions.all_channel().value
    )
    for channel in server.channels:
        if not channel.is_thread:
            backend.set_overwrite(channel.id, bot)
        await _post(server, channel)
    return server


def _some(chance: random.Random) -> int:
    flags = [flag for flag in FLAGS if chance.random() < 0.3]
    return discord.Permissions(**dict.fromkeys(flags, True)).value


async def _post(server: Server, channel: simcord.ChannelHandle) -> None:
    """The story's narrator posts, whoever may."""
    backend = server.at.env.backend
    for n in range(2):
        number = backend.snowflake()
        file = backend.cdn.store_attachment(number, channel.id, "a.jpg", photo(n), None)
        backend.create_message(channel.id, server.at.ann.id, "cake", attachments=[file])
        server.source[number] = channel
    await server.at.env.settle()


async def ask_everywhere(server: Server) -> int:
    """Everybody asks in every room, in public and in private, and presses what there is to press;
    returns how many photos were shown."""
    shown = 0
    for room in server.channels:
        for who in list(server.in_room(room)):
            for private in (False, True):
                try:
                    result = await who.slash(room, "find", words="cake", private=private)
                except (SetupError, BackendError):
                    continue  # Discord itself does not let them ask there
                answer = result.response
                assert answer is not None
                found = Shown.of(answer)
                shown += check(server, room, who, found, private)
                labels = server.random.sample(sorted(found.buttons), min(1, len(found.buttons)))
                for label in {*labels, *({"Share"} & found.buttons.keys())}:
                    pressed = await who.click(answer, custom_id=found.buttons[label])
                    alone = private and label != "Share"
                    for message in pressed.followups:
                        shown += check(server, room, who, Shown.of(message), alone)
    return shown


def check(
    server: Server,
    room: simcord.ChannelHandle,
    who: simcord.MemberActor,
    shown: Shown,
    private: bool,
) -> int:
    """Everybody who sees this answer may read the channel of each of its photos."""
    for number in shown.attachments:
        source = server.source[number]
        if source.id == room.id:
            continue
        for reader in [who] if private else server.in_room(room):
            assert server.may_read(reader, source), (
                f"{reader.name} in {room.name} was shown a photo of {source.name}"
            )
    return len(shown.attachments)


@pytest.mark.parametrize("seed", range(SEED, SEED + SERVERS))
async def test_no_answer_shows_what_somebody_in_the_room_may_not_see(
    tmp_path: Path, seed: int
) -> None:
    async with scene(tmp_path) as at:
        server = await build(at, seed)
        assert await ask_everywhere(server) > 0


async def test_in_private_everything_is_searched_that_the_asker_may_read(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        server = await build(at, SEED)
        for who in server.members:
            for room in server.channels:
                if not server.may_see(who, room):
                    continue
                try:
                    result = await who.slash(room, "find", words="cake", private=True)
                except (SetupError, BackendError):
                    continue
                readable = sum(server.may_read(who, c) or c.id == room.id for c in server.channels)
                found = len(Shown.of(result.response).attachments)
                assert found == min(3, 2 * readable)
                told = Shown.of((await who.slash(room, "stats")).response).text
                assert (f"**{2 * readable} photos**" in told) == (readable > 0), told
                assert (f"1. ann: {2 * readable} photos" in told) == (readable > 0), told


async def test_no_memory_shows_what_somebody_in_the_room_may_not_see(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        server, shown = await build(at, SEED), 0
        async with at.store._db.write() as db:
            then = MORNING.replace(year=2030).isoformat()
            await db.execute("UPDATE posts SET posted_at = ?", (then,))
        for n, room in enumerate(server.channels, start=1):
            known = at.session._client.get_channel(room.id)
            chosen = Mornings(place_of(known).key, "Europe/Berlin")
            await at.store.groups.take_note(at.group, SET, chosen.text())
            await morning(at, MORNING.replace(year=2030 + n))
            for found in by_bot(at, room):
                shown += check(server, room, at.ann, found, private=False)
        assert shown > 0


async def test_the_owners_page_shows_what_the_owner_may_read(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        server = await build(at, SEED)
        keys = {
            number: photo.post.channel
            for photo in await at.remembered()
            if (number := int(photo.ref.key)) in server.source
        }
        for who in server.members:
            sights = await at.session.rooms.sights(who.id)
            seen = {key for sight in sights for key in sight.audience.channels or ()}
            readable = {
                keys[number]
                for number, channel in server.source.items()
                if server.may_read(who, channel)
            }
            assert seen == readable, who.name
            assert [sight.group.id for sight in sights] == ([at.group] if readable else [])
        assert await at.session.rooms.sights(1) == [], "who isn't in it"
