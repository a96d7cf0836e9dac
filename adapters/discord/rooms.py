"""Whose photos an answer may hold: a person and a place -> a query for both."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable

import aiohttp
import discord
from discord import Interaction

from adapters.discord import audience
from adapters.discord.places import Place, group_id, person_id
from adapters.discord.posts import place_of
from adapters.sight import Sight
from bot.memory import PhotoMemory
from bot.photos import ALL, Audience, Group, Only, PhotoRef, Query

SHOWN = 3
_MENTION = re.compile(r"<@!?(\d{1,20})>")
"""How Discord writes somebody who was chosen while typing
(https://docs.discord.com/developers/reference#message-formatting)."""


class Rooms:
    """Asks Discord, at that moment, who may see what."""

    def __init__(self, memory: PhotoMemory, client: discord.Client) -> None:
        self._memory = memory
        self._client = client

    async def query(
        self,
        interaction: Interaction,
        private: bool,
        words: str = "",
        like: PhotoRef | None = None,
        only: Only = ALL,
        channel: int | None = None,
    ) -> Query:
        """A question by this person, answered to them alone or to all who see this channel.
        `channel`: photos of that channel or thread alone."""
        guild, member = interaction.guild, interaction.user
        assert guild is not None
        assert isinstance(member, discord.Member)
        room = place_of(interaction.channel)
        group = group_id(guild.id)
        known: Iterable[str] = await self._memory.channels(group)
        if channel is not None:
            known = [key for key in known if channel in (Place.of(key).channel, Place.of(key).id)]
        if private:
            seen = await audience.one(member, room, known, self._is_in(member))
        else:
            seen = audience.everybody(guild, room, known)
        return Query(
            groups=(group,),
            words=" ".join(words.split()),
            audience=Audience(seen),
            top=SHOWN,
            like=like,
            place=None if private else group,
            asker=person_id(member.id),
            only=only,
            channels=_names(guild, seen) if words else (),
            people=tuple((at[0], person_id(int(at[1]))) for at in _MENTION.finditer(words)),
        )

    async def sights(self, user: int) -> list[Sight]:
        """What somebody may see of the guilds that they and the bot are in now."""
        turn = asyncio.Semaphore(audience.AT_ONCE)

        async def look(guild: discord.Guild) -> Sight | None:
            async with turn:
                try:
                    member = await guild.fetch_member(user)
                except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError):
                    return None  # what can't be told counts as no
            known = await self._memory.channels(group_id(guild.id))
            seen = await audience.one(member, None, known, self._is_in(member))
            return Sight(Group(group_id(guild.id), guild.name), Audience(seen)) if seen else None

        found = await asyncio.gather(*(look(guild) for guild in self._client.guilds))
        return [sight for sight in found if sight is not None]

    def _is_in(self, member: discord.Member) -> Callable[[int], Awaitable[bool]]:
        async def is_in(thread: int) -> bool:
            # https://docs.discord.com/developers/resources/channel#get-thread-member
            try:
                await self._client.http.get_thread_member(thread, member.id)
            except discord.HTTPException:
                return False  # what can't be told counts as no
            return True

        return is_in


def _names(guild: discord.Guild, seen: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(name, key) of channels and threads, by name and as Discord writes them. A channel's name
    stands for its threads too; the name of a thread that Discord has archived isn't known."""
    found: list[tuple[str, str]] = []
    for key in seen:
        place = Place.of(key)
        for id_ in {place.channel, place.id}:
            room = guild.get_channel_or_thread(id_)
            found.append((f"<#{id_}>", key))
            if room is not None:
                found.append((room.name, key))
    return tuple(found)
