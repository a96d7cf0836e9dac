"""`/memories`: where a guild sees in the morning what it posted on that day years ago."""

from __future__ import annotations

import asyncio
import logging

import discord
from discord import Interaction
from discord.app_commands import Choice

from adapters.discord import audience, text
from adapters.discord.answers import Answers
from adapters.discord.files import REACH, reason
from adapters.discord.interaction_language import preferred
from adapters.discord.places import Place, group_id, guild_id
from adapters.discord.posts import place_of
from bot import zones
from bot.language import say, speaking, to_say
from bot.memory import PhotoMemory
from bot.photos import Audience
from bot.ports import Recall

log = logging.getLogger(__name__)

CANT_WRITE = to_say("I must be allowed to write in {channel}, to show memories there.")


class Memories:
    """Sets them and posts them."""

    def __init__(self, memory: PhotoMemory, client: discord.Client, answers: Answers) -> None:
        self._memory = memory
        self._client = client
        self._answers = answers

    async def choose(
        self, interaction: Interaction, switch: str, zone: str, channel: int | None
    ) -> None:
        """For who may manage the server. Raises StoreError, discord.DiscordException."""
        guild = interaction.guild
        assert guild is not None
        if not interaction.permissions.manage_guild:
            await interaction.response.send_message(say(text.ADMINS_ONLY), ephemeral=True)
            return
        room = place_of(interaction.channel)
        if channel is not None:
            chosen = guild.get_channel_or_thread(channel)
            room = Place(channel) if chosen is None else place_of(chosen)
        if switch == "on" and not _may_write(guild, room):
            words = say(CANT_WRITE, channel=f"<#{room.id}>")
            await interaction.response.send_message(words, ephemeral=True)
            return
        group = group_id(guild.id)
        said = await self._memory.memories.choose(group, room.key, f"{switch} {zone}".strip())
        words = text.plain(said, 600)
        if (kept := await self._memory.memories.choice(group)) is not None:
            words += f" → <#{Place.of(kept.place).id}>"
        await interaction.response.send_message(words, ephemeral=True)

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """(see Reminder) Only of what everybody may see who can see that channel, and nothing from
        age-restricted ones."""
        guild, room = self._client.get_guild(guild_id(group)), Place.of(place)
        if guild is None or guild.unavailable or not _may_write(guild, room):
            return
        known = await self._memory.channels(group)
        seen = audience.everybody(guild, room, known)
        seen = frozenset(key for key in seen if _is_for_all_ages(guild, Place.of(key)))
        with speaking(await self._memory.languages.of(group, preferred(guild))):
            try:
                if (answer := await recall(Audience(seen))) is not None:
                    channel = self._client.get_partial_messageable(room.id, guild_id=guild.id)
                    await self._answers.post(channel, answer)
            except REACH as error:
                log.warning("Discord, guild %s: no memories today: %s", guild.id, reason(error))


async def offer_zones(typed: str) -> list[Choice[str]]:
    """Time zones that somebody could mean who has typed so far."""
    found = await asyncio.to_thread(zones.offers, typed)
    return [Choice(name=each, value=each) for each in found]


def _may_write(guild: discord.Guild, room: Place) -> bool:
    """Whether the bot may show something there; a thread's parent tells."""
    channel = guild.get_channel(room.channel)
    if channel is None or isinstance(channel, discord.CategoryChannel):
        return False
    if room.thread is None and isinstance(channel, discord.ForumChannel):
        return False
    rights = channel.permissions_for(guild.me)
    writes = rights.send_messages if room.thread is None else rights.send_messages_in_threads
    return rights.view_channel and writes


def _is_for_all_ages(guild: discord.Guild, place: Place) -> bool:
    channel = guild.get_channel(place.channel)
    nsfw = getattr(channel, "is_nsfw", None)
    return nsfw is not None and not nsfw()
