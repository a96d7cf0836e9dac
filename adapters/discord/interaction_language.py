"""In which language an interaction is answered."""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

import discord
from discord import Interaction, app_commands

from adapters.discord.places import group_id
from bot.errors import StoreError
from bot.language import ENGLISH, Language, language
from bot.language_choice import LanguageChoice

PATIENCE_SECONDS = 1.0
"""Discord waits 3 s for a first word."""
TO_ALL = ("find", "similar", "which")
"""Commands whose answers everybody sees, unless `private` is chosen."""


@runtime_checkable
class Speaker(Protocol):
    """A client that knows what is spoken where."""

    languages: LanguageChoice | None


async def language_of(interaction: Interaction, private: bool | None = None) -> Language:
    """What its guild has chosen; else to the asker alone what their own Discord speaks, to all
    what the guild says it speaks. `private`: None if the interaction itself tells. A database that
    is away for a while must not keep it from being answered in time."""
    client = interaction.client
    if not isinstance(client, Speaker) or client.languages is None or interaction.guild is None:
        return language(ENGLISH)
    alone = is_private(interaction) if private is None else private
    told = interaction.locale.value if alone else preferred(interaction.guild)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await client.languages.of(group_id(interaction.guild.id), told)
    except (StoreError, TimeoutError):
        return client.languages.guess(group_id(interaction.guild.id), told)


def preferred(guild: discord.Guild) -> str | None:
    """The language that a guild says it speaks. American English is what Discord says where
    nobody was asked (https://docs.discord.com/developers/resources/guild#guild-object)."""
    locale = guild.preferred_locale
    return None if locale is discord.Locale.american_english else locale.value


def is_private(interaction: Interaction) -> bool:
    """Whether its answer is for the asker alone."""
    if interaction.message is not None:
        return interaction.message.flags.ephemeral
    command = interaction.command
    if not isinstance(command, app_commands.Command) or command.name not in TO_ALL:
        return True
    return bool(getattr(interaction.namespace, "private", False))
