"""The bot's own coming and going: joining, being removed, outages, commands that a guild lacks."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, datetime

import discord

from adapters.discord import text
from adapters.discord.commands import Tree, mentions
from adapters.discord.files import REACH, reason
from adapters.discord.interaction_language import preferred
from adapters.discord.places import PREFIX, group_id, guild_id
from adapters.discord.token import invitation
from adapters.wording import ageing, grace
from bot.language import language, languages, say, speak
from bot.memory import PhotoMemory
from bot.photos import Group

log = logging.getLogger(__name__)

PUSHED = "commands"
"""Note on a guild: hash of the commands that were pushed to it."""


class Guilds:
    """What the memory knows of the guilds that the bot is in."""

    def __init__(
        self,
        memory: PhotoMemory,
        client: discord.Client,
        tree: Tree,
        grace_days: int,
        sees_content: bool,
    ) -> None:
        self._groups = memory.groups
        self._languages = memory.languages
        self._retention = memory.retention
        self._client = client
        self._tree = tree
        self._days = grace_days
        self._sees_content = sees_content
        commands = [command.to_dict(tree) for command in tree.get_commands()]
        spoken = [language(code).say(words) for code in languages() for words in _texts(commands)]
        payload = json.dumps([commands, spoken], sort_keys=True)
        self._hash = hashlib.sha256(payload.encode()).hexdigest()

    async def met(self, guild: discord.Guild) -> None:
        """The bot is in a guild: greet, if that is news. Raises StoreError."""
        if await self._groups.meet(Group(group_id(guild.id), guild.name)):
            await self._greet(guild)

    async def offer_commands(self, guild: discord.Guild) -> None:
        """Push the commands to a guild, if it has others. Raises StoreError."""
        group = group_id(guild.id)
        if await self._groups.note(group, PUSHED) == self._hash:
            return
        try:
            self._tree.copy_global_to(guild=guild)
            await self._tree.sync(guild=guild)
        except discord.Forbidden:
            log.warning(
                "Discord, guild %s: it does not let the bot have commands: invite it again with %s",
                guild.id,
                invitation(self._client),
            )
        except REACH as error:
            log.warning("Discord, guild %s: no new commands yet: %s", guild.id, reason(error))
        else:
            await self._groups.take_note(group, PUSHED, self._hash)

    async def renamed(self, guild: discord.Guild) -> None:
        """A guild has another name. Raises StoreError."""
        await self._groups.meet(Group(group_id(guild.id), guild.name))

    async def left(self, guild: int) -> None:
        """The bot was removed; what it remembers goes after the grace period. Raises StoreError."""
        if await self._groups.leave(group_id(guild), datetime.now(UTC)):
            await self._groups.take_note(group_id(guild), PUSHED, None)
            log.info("removed from guild %s: what is kept of it goes %s", guild, grace(self._days))

    async def look_around(self, shard: int, told: set[int]) -> None:
        """Notice removals of which nobody told, while there was no session. Raises StoreError.

        Only once a shard has told of its guilds, and of them only: others may be served by another
        process. Guilds with an outage are listed too; those that
        an earlier session knew stay in the cache, as if they were there.
        """
        for group in await self._groups.present(PREFIX):
            guild = guild_id(group.id)
            if (guild >> 22) % (self._client.shard_count or 1) != shard:
                continue
            known = self._client.get_guild(guild)
            if guild not in told and (known is None or not known.unavailable):
                await self.left(guild)

    async def _greet(self, guild: discord.Guild) -> None:
        channel = _where_to_greet(guild)
        if channel is None:
            return
        speak(await self._languages.of(group_id(guild.id), preferred(guild)))
        words = say(text.GREETING, when=grace(self._days), **mentions(self._tree))
        if age := ageing(self._retention):
            words += f"\n{age}"
        if not self._sees_content:
            words += f"\n\n{say(text.HIDDEN)}"
        try:
            await channel.send(words)
        except REACH as error:
            log.info("Discord, guild %s: no hello: %s", guild.id, reason(error))


def _texts(payload: object) -> list[str]:
    """All strings in it: some of them are translated."""
    if isinstance(payload, dict):
        return [text for value in payload.values() for text in _texts(value)]
    if isinstance(payload, list):
        return [text for value in payload for text in _texts(value)]
    return [payload] if isinstance(payload, str) else []


def _where_to_greet(guild: discord.Guild) -> discord.TextChannel | None:
    """The channel where Discord welcomes people, or the first that the bot may write in."""
    wanted = [guild.system_channel, *guild.text_channels]
    for channel in wanted:
        if channel is not None:
            rights = channel.permissions_for(guild.me)
            if rights.view_channel and rights.send_messages:
                return channel
    return None
