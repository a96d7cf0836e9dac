"""Messages of the past, page by page, between what is told live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import discord
from discord import Message

from adapters.discord.files import REACH, Files, reason
from adapters.discord.inbox import Inbox
from adapters.discord.pictures import pictures_in
from adapters.discord.posts import as_post
from adapters.discord.replies import answered_by, hear
from bot.memory import PhotoMemory

log = logging.getLogger(__name__)

PAGE = 100
"""Messages that Discord gives out at once."""

PAUSES = (2.0, 10.0, 60.0, 300.0)
"""Seconds before Discord is asked again; the last is kept."""

T = TypeVar("T")
Source = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
"""Where messages are."""
Parent = discord.TextChannel | discord.ForumChannel


@dataclass(frozen=True, slots=True)
class Page:
    """What was read at once."""

    messages: int
    photos: int
    """Those that are new to the memory."""
    first: int | None
    last: int | None
    """Ids of the oldest and the newest message; None where there was none."""


class Reader:
    """Reads channels' history into the memory."""

    def __init__(self, memory: PhotoMemory, files: Files, inbox: Inbox) -> None:
        self._memory = memory
        self._files = files
        self._inbox = inbox

    async def take(self, message: Message) -> int:
        """Keep what is to be kept of a message, new or edited; returns how many photos are new."""
        post = as_post(message)
        if post is None:
            await hear(self._memory, message)
            return 0
        self._files.pictures.see(*pictures_in(message))
        return len((await self._memory.remember(post)).added)

    async def _take_answered(self, message: Message) -> int:
        """Going backwards, a reply is read before the photo that it is about: take that first."""
        about = message.reference.resolved if answered_by(message) and message.reference else None
        return await self.take(about) if isinstance(about, Message) else 0

    async def older(self, source: Source, before: int | None) -> Page:
        """The page before a message, or the newest one. Raises discord.HTTPException."""
        return await self._page(source, before=None if before is None else discord.Object(before))

    async def newer(self, source: Source, after: int) -> Page:
        """The page after a message. Raises discord.HTTPException."""
        return await self._page(source, after=discord.Object(after))

    async def _page(
        self,
        source: Source,
        before: discord.Object | None = None,
        after: discord.Object | None = None,
    ) -> Page:
        async def read() -> Page:
            # Fetched in turn with what is told live: a message that is deleted now is either
            # not in the page any more, or its delete is taken in afterwards.
            photos, page = 0, list[Message]()
            async for message in source.history(
                limit=PAGE, before=before, after=after, oldest_first=after is not None
            ):
                page.append(message)
            for message in sorted(page, key=lambda message: message.id):
                if after is None:
                    photos += await self._take_answered(message)
                photos += await self.take(message)
            ids = [message.id for message in page]
            return Page(len(ids), photos, min(ids, default=None), max(ids, default=None))

        return await self._inbox.put(source.guild.id, read)


async def insist(what: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask Discord until it answers. Raises discord.Forbidden, discord.NotFound."""
    tries = 0
    while True:
        try:
            return await ask()
        except (discord.Forbidden, discord.NotFound):
            raise
        except REACH as error:
            if not tries:
                log.warning("Discord: %s waits: %s", what, reason(error))
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1


def readable(guild: discord.Guild) -> list[Source]:
    """Channels whose history the bot may read."""
    channels = with_messages(guild)
    return [c for c in channels if not isinstance(c, discord.ForumChannel) and may_read(c)]


def with_messages(
    guild: discord.Guild,
) -> list[discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel]:
    """Channels in which messages, or threads with messages, can be at all."""
    return [
        *guild.text_channels,
        *guild.voice_channels,
        *guild.stage_channels,
        *guild.forums,
    ]


def may_read(channel: discord.abc.GuildChannel) -> bool:
    """Whether the bot may see a channel and its history."""
    rights = channel.permissions_for(channel.guild.me)
    return rights.view_channel and rights.read_message_history


def parents(guild: discord.Guild) -> list[Parent]:
    """Channels that have threads which the bot may read."""
    channels: list[Parent] = [*guild.text_channels, *guild.forums]
    return [channel for channel in channels if may_read(channel)]


async def archived(parent: Parent, since: datetime | None = None) -> AsyncIterator[discord.Thread]:
    """A channel's archived threads; private ones as far as the bot may see them.

    Raises discord.HTTPException.
    """
    listings = [(parent.archived_threads(limit=None), True)]
    if isinstance(parent, discord.TextChannel) and not parent.is_news():
        sees_all = parent.permissions_for(parent.guild.me).manage_threads
        private = parent.archived_threads(private=True, joined=not sees_all, limit=None)
        listings.append((private, sees_all))
    for listing, latest_first in listings:
        async for thread in listing:
            if since is None or thread.archive_timestamp >= since:
                yield thread
            elif latest_first:
                break
