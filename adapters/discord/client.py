"""The connection to Discord: which events it asks for, and what is said of its troubles."""

from __future__ import annotations

import logging
from typing import Any, Protocol, TypedDict

import discord
from discord import Interaction, Message, app_commands
from discord.app_commands import CommandTree

from adapters.discord.commands import Tree
from adapters.discord.files import REACH, reason
from adapters.trouble import Trouble
from bot.language_choice import LanguageChoice
from bot.sharing import Shards

log = logging.getLogger(__name__)

UNREACHABLE = "it can't be reached; what is posted is filled in afterwards"
QUESTIONS = "discord.app_commands.tree"
LIBRARY = (
    "discord.client",
    "discord.shard",
    "discord.gateway",
    "discord.http",
    "discord.webhook.async_",
    QUESTIONS,
)
"""Loggers of discord.py that speak of the connection, with tracebacks and addresses in which
tokens stand. What matters of it is said here, in one line."""


class Listener(Protocol):
    """Who is told of events, in the order in which they come."""

    def posted(self, message: Message) -> None: ...

    def edited(self, message: Message) -> None: ...

    def deleted(self, guild: int, channel: int, messages: list[int]) -> None: ...

    def channel_deleted(self, guild: int, channel: int) -> None: ...

    def guild_here(self, guild: discord.Guild) -> None: ...

    def guild_renamed(self, guild: discord.Guild) -> None: ...

    def guild_gone(self, guild: discord.Guild) -> None: ...

    def shard_here(self, shard: int, told: set[int]) -> None: ...

    def all_here(self) -> None: ...

    async def pressed(self, interaction: Interaction) -> None: ...


class Part(TypedDict, total=False):
    """What of Discord a client asks for, if not all."""

    shard_ids: list[int]
    shard_count: int


class Client(discord.AutoShardedClient):
    """Hands on what Discord tells. It keeps no messages and no members."""

    def __init__(self, sees_content: bool, trouble: Trouble, shards: Shards | None = None) -> None:
        """`shards`: those of this process; None: all."""
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = True
        intents.message_content = sees_content
        part: Part = {}
        if shards is not None:
            part = {"shard_ids": shards.ids, "shard_count": shards.count}
        super().__init__(
            **part,
            intents=intents,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.listener: Listener | None = None
        self.languages: LanguageChoice | None = None
        self._trouble = trouble
        self._told: dict[int, set[int]] = {}
        """The guilds that each shard's session has told of so far."""
        self.tree: Tree = CommandTree(self)

    async def on_message(self, message: Message) -> None:
        if self.listener and message.guild is not None:
            self.listener.posted(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        if self.listener and event.message.guild is not None:
            self.listener.edited(event.message)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        if self.listener and event.guild_id is not None:
            self.listener.deleted(event.guild_id, event.channel_id, [event.message_id])

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        if self.listener and event.guild_id is not None:
            self.listener.deleted(event.guild_id, event.channel_id, sorted(event.message_ids))

    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        if self.listener:
            self.listener.channel_deleted(event.guild_id, event.thread_id)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        if self.listener:
            self.listener.channel_deleted(channel.guild.id, channel.id)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        self._told.setdefault(guild.shard_id, set()).add(guild.id)
        if self.listener:
            self.listener.guild_here(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.on_guild_available(guild)

    async def on_guild_update(self, before: discord.Guild, after: discord.Guild) -> None:
        if self.listener and before.name != after.name:
            self.listener.guild_renamed(after)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        if self.listener:
            self.listener.guild_gone(guild)

    async def on_interaction(self, interaction: Interaction) -> None:
        if self.listener and interaction.type is discord.InteractionType.component:
            await self.listener.pressed(interaction)

    async def on_shard_connect(self, shard: int) -> None:
        self._told[shard] = set()

    async def on_shard_ready(self, shard: int) -> None:
        self._trouble.over()
        if self.listener:
            self.listener.shard_here(shard, self._told.setdefault(shard, set()))

    async def on_ready(self) -> None:
        if self.listener:
            self.listener.all_here()

    async def on_resumed(self) -> None:
        self._trouble.over()

    async def on_error(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        log.exception("Discord: %s could not be taken in", event)


class OneLine(logging.Filter):
    """Turns what discord.py logs of a broken connection into one line of ours."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name == QUESTIONS:
            return not _is_told(error)
        if error is not None and record.levelno >= logging.ERROR:
            self._trouble.tell(UNREACHABLE)
        return record.levelno < logging.WARNING  # who asks for DEBUG still gets it


def _is_told(error: BaseException | None) -> bool:
    """Say in one line that a question could not be answered, unless that is our own fault."""
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, REACH):
        told = reason(error)
    elif isinstance(error, app_commands.AppCommandError):
        told = str(error)
    else:
        return False
    log.warning("Discord: an answer could not be given: %s", told)
    return True
