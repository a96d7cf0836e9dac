"""Somebody who asks gets an answer, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

import discord
from discord import Interaction

from adapters.discord import text
from adapters.discord.files import REACH, reason
from adapters.discord.interaction_language import language_of
from bot.language import say, speak
from bot.photos import ShoeboxError

log = logging.getLogger(__name__)


async def guarded(interaction: Interaction, answering: Awaitable[None]) -> None:
    """Somebody who asks gets an answer, whatever happens."""
    try:
        speak(await language_of(interaction))
        await answering
        return
    except ShoeboxError as error:
        log.error("Discord: a question could not be answered: %s", error)
    except REACH as error:
        log.warning("Discord: an answer could not be given: %s", reason(error))
    except discord.DiscordException as error:
        log.warning("Discord: an answer could not be given: %s", error)
    except Exception:
        if interaction.client.is_closed():
            return  # the bot was stopped meanwhile
        log.exception("Discord: a question could not be answered")
    try:
        if interaction.response.is_done():
            await interaction.followup.send(say(text.WENT_WRONG), ephemeral=True)
        else:
            await interaction.response.send_message(say(text.WENT_WRONG), ephemeral=True)
    except (discord.DiscordException, *REACH):
        log.info("Discord: nor could that be said")
