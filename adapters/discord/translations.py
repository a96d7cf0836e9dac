"""Commands as Discord shows them to people whose Discord speaks another language."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import ContextMenu, TranslationContextLocation, locale_str

from bot.language import ENGLISH, Language, fitting

DESCRIPTIONS = (
    TranslationContextLocation.command_description,
    TranslationContextLocation.parameter_description,
)


class Translations(app_commands.Translator):
    """Descriptions, and what stands in the menus of messages. What is typed is the same for all,
    so that people can tell each other."""

    async def translate(
        self,
        string: locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """None: as it is."""
        spoken = fitting(locale.value)
        in_menu = isinstance(context.data, ContextMenu)
        if spoken is None or not (in_menu or context.location in DESCRIPTIONS):
            return None
        return translated(spoken, string.message)


def translated(spoken: Language, text: str) -> str | None:
    """None where there is no translation."""
    said = spoken.say(text)
    return None if spoken.code == ENGLISH or said == text else said
