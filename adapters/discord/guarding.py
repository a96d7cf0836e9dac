"""Somebody who asks gets an answer, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Coroutine

import discord
from discord import Interaction

from adapters.discord import text
from adapters.discord.files import REACH, reason
from adapters.discord.interaction_language import language_of
from bot.errors import ShoeboxError
from bot.language import say, speak

log = logging.getLogger(__name__)


async def guarded(interaction: Interaction, answering: Coroutine[None, None, None]) -> None:
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
    finally:
        answering.close()  # it has not begun if the language could not be told
    try:
        if interaction.response.is_done():
            await interaction.followup.send(say(text.WENT_WRONG), ephemeral=True)
        else:
            await interaction.response.send_message(say(text.WENT_WRONG), ephemeral=True)
    except (discord.DiscordException, *REACH):
        log.info("Discord: nor could that be said")
