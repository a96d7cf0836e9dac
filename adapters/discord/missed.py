"""What was posted while the bot was away, filled in from history."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial

import discord
from discord.utils import snowflake_time, time_snowflake

from adapters.discord.places import group_id
from adapters.discord.reading import PAGE, Reader, Source, archived, insist, parents, readable
from bot.errors import StoreError
from bot.memory import PhotoMemory

log = logging.getLogger(__name__)

NOTE = "heard"
"""Note on a guild: everything up to this id, a moment's or a message's, was taken in."""
KEEP_SECONDS = 20.0
OVERLAP = timedelta(minutes=1)
"""Messages of several channels don't come strictly in the order of their ids."""
ARCHIVED_AFTER = timedelta(hours=1)
"""Threads are archived after an hour without messages at the earliest, unless by hand."""
WHAT = "what was posted while away"


class Missed:
    """Keeps up to where each guild was heard, and fills in the rest after the bot was away."""

    def __init__(self, memory: PhotoMemory, reader: Reader) -> None:
        self._memory = memory
        self._reader = reader
        self._heard: dict[int, int] = {}
        self._kept: dict[int, int] = {}
        self._behind: set[int] = set()
        """Guilds in which something may be missing before what was heard last."""
        self._filling: dict[int, asyncio.Task[None]] = {}

    def hear(self, guild: int, message: int) -> None:
        """A message was taken in."""
        self._heard[guild] = max(message, self._heard.get(guild, 0))

    def begin(self, guild: int) -> None:
        """A guild is there (again): until `fill_in` is through, something may be missing."""
        self._behind.add(guild)

    async def fill_in(self, guild: discord.Guild) -> None:
        """Read what was posted since a guild was last heard; in the background. Raises
        StoreError."""
        self.leave(guild.id)
        kept = await self._memory.groups.note(group_id(guild.id), NOTE)
        if not kept:  # what was before is for /history
            await self.from_now_on(guild.id)
            return
        since = self._kept.setdefault(guild.id, int(kept))
        self._filling[guild.id] = asyncio.create_task(self._fill(guild, since))

    async def from_now_on(self, guild: int) -> None:
        """What was posted so far is never filled in. Raises StoreError."""
        self.leave(guild)
        now = time_snowflake(datetime.now(UTC))
        await self._memory.groups.take_note(group_id(guild), NOTE, str(now))
        self._kept[guild] = now
        self._behind.discard(guild)

    def leave(self, guild: int) -> None:
        """The guild is gone, or comes anew."""
        if (task := self._filling.pop(guild, None)) is not None:
            task.cancel()

    async def keep_for_ever(self) -> None:
        """Write down now and then how far each guild was heard; until cancelled."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            await self.keep()

    async def keep(self) -> None:
        """Not where it is still being filled in: else a crash now would leave a gap."""
        for guild, heard in list(self._heard.items()):
            until = time_snowflake(snowflake_time(heard) - OVERLAP)
            if guild in self._behind or until <= self._kept.get(guild, 0):
                continue
            try:
                await self._memory.groups.take_note(group_id(guild), NOTE, str(until))
                self._kept[guild] = until
            except StoreError as error:
                log.warning("Discord: how far was heard can't be kept: %s", error)

    async def close(self) -> None:
        """Stop and write down."""
        tasks = list(self._filling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.keep()

    async def _fill(self, guild: discord.Guild, since: int) -> None:
        photos = 0
        try:
            for source in await insist(WHAT, lambda: _sources(guild, since)):
                photos += await self._read(source, since)
        except Exception as error:
            log.error("Discord, guild %s: not all is filled in", guild.id, exc_info=error)
            return  # it stays behind: the next start begins from the same message
        del self._filling[guild.id]
        self._behind.discard(guild.id)
        if photos:
            log.info("Discord, guild %s: %d photos were posted while away", guild.id, photos)

    async def _read(self, source: Source, after: int) -> int:
        photos = 0
        while True:
            try:
                page = await insist(WHAT, partial(self._reader.newer, source, after))
            except (discord.Forbidden, discord.NotFound):
                return photos
            photos += page.photos
            if page.last is not None:
                after = page.last
                self.hear(source.guild.id, after)
            if page.messages < PAGE:
                return photos


async def _sources(guild: discord.Guild, since: int) -> list[Source]:
    """Where something may have been posted since. Raises discord.HTTPException."""
    found = [c for c in readable(guild) if c.last_message_id and c.last_message_id > since]
    threads = [t for t in guild.threads if not t.last_message_id or t.last_message_id > since]
    away = datetime.now(UTC) - snowflake_time(since)
    if away >= ARCHIVED_AFTER:
        for parent in parents(guild):
            try:
                threads += [t async for t in archived(parent, snowflake_time(since))]
            except (discord.Forbidden, discord.NotFound):
                continue
    return list({source.id: source for source in [*found, *threads]}.values())
