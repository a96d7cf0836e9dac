"""What was posted while the bot was away, filled in from history."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import discord
from discord.utils import snowflake_time, time_snowflake

from adapters.discord.files import REACH, reason
from adapters.discord.places import group_id
from adapters.discord.reading import PAGE, Reader, Source, archived, parents, readable
from bot.memory import PhotoMemory
from bot.photos import StoreError

log = logging.getLogger(__name__)

NOTE = "heard"
"""Note on a guild: the id of a message up to which everything was taken in."""
KEEP_SECONDS = 20.0
OVERLAP = timedelta(minutes=1)
"""Messages of several channels don't come strictly in the order of their ids."""
ARCHIVED_AFTER = timedelta(hours=1)
"""Threads are archived after an hour without messages at the earliest, unless by hand."""
PAUSES = (2.0, 10.0, 60.0)


class Missed:
    """Keeps up to where each guild was heard, and fills in the rest after the bot was away."""

    def __init__(self, memory: PhotoMemory, reader: Reader) -> None:
        self._memory = memory
        self._reader = reader
        self._heard: dict[int, int] = {}
        self._kept: dict[int, int] = {}
        self._filling: dict[int, asyncio.Task[None]] = {}

    def hear(self, message: discord.Message) -> None:
        """A message was taken in."""
        assert message.guild is not None
        guild = message.guild.id
        self._heard[guild] = max(message.id, self._heard.get(guild, 0))

    async def fill_in(self, guild: discord.Guild) -> None:
        """A guild is there (again): read what was posted since it was last heard; in the
        background. Raises StoreError."""
        self.leave(guild.id)
        kept = await self._memory.groups.note(group_id(guild.id), NOTE)
        since = self._kept.get(guild.id) or int(kept or 0)
        if not since:  # news from now on; what was before is for /history
            now = time_snowflake(datetime.now(UTC))
            await self._memory.groups.take_note(group_id(guild.id), NOTE, str(now))
            self._kept[guild.id] = now
            return
        self._kept[guild.id] = since
        task = asyncio.create_task(self._fill(guild, since))
        self._filling[guild.id] = task

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
            if guild in self._filling or heard <= self._kept.get(guild, 0):
                continue
            try:
                await self._memory.groups.take_note(group_id(guild), NOTE, str(heard))
                self._kept[guild] = heard
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
        start = time_snowflake(snowflake_time(since) - OVERLAP)
        photos = 0
        try:
            for source in await _sources(guild, start):
                photos += await self._insist(source, start)
        except REACH as error:
            log.warning("Discord, guild %s: not all is filled in: %s", guild.id, reason(error))
            return  # stays in _filling: the next start begins from the same message
        except Exception as error:
            log.error("Discord, guild %s: not all is filled in", guild.id, exc_info=error)
            return
        if self._filling.get(guild.id) is asyncio.current_task():
            del self._filling[guild.id]
        if photos:
            log.info("Discord, guild %s: %d photos were posted while away", guild.id, photos)

    async def _insist(self, source: Source, after: int) -> int:
        photos, tries = 0, 0
        while True:
            try:
                page = await self._reader.newer(source, after)
            except (discord.Forbidden, discord.NotFound):
                return photos
            except REACH:
                if tries >= len(PAUSES):
                    raise
                await asyncio.sleep(PAUSES[tries])
                tries += 1
                continue
            photos += page.photos
            if page.messages < PAGE or page.last is None:
                return photos
            after = page.last


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
