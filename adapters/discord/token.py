"""Whose token is it, and what does Discord let the bot see?"""

from __future__ import annotations

import aiohttp
import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL

from bot.errors import PlatformUnreachable, TokenRefused

NOT_KNOWN = "Discord does not know this token; copy it again from the developer portal, page Bot"
HIDDEN = (
    "photos are hidden from it: switch on Message Content Intent in the developer portal, page Bot"
)


def speak_to(api_url: str) -> None:
    """Have discord.py speak to this server."""
    Route.BASE = api_url


async def listen_to_its_gateway(client: discord.Client) -> None:
    """Have discord.py begin sessions where this server says, also after one was lost: by itself
    it then goes to Discord's. Raises discord.GatewayNotFound."""
    _, url, _ = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = URL(url)


async def who_is(token: str, api_url: str) -> str:
    """The bot's name (https://docs.discord.com/developers/resources/user#get-current-user), and
    what it lacks.

    Raises TokenRefused, or PlatformUnreachable; neither message holds the token.
    """
    speak_to(api_url)
    client = discord.Client(intents=discord.Intents(guilds=True))
    try:
        await client.login(token)
        hidden = "" if sees_content(client) else f" ({HIDDEN})"
        return f"{client.user}{hidden}; invite it with {invitation(client)}"
    except discord.LoginFailure:
        raise TokenRefused(NOT_KNOWN) from None
    except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
        reason = str(error).replace(token, "…")
        raise PlatformUnreachable(f"Discord at {api_url} can't be reached: {reason}") from None
    finally:
        await client.close()


def invitation(client: discord.Client) -> str:
    """Where an admin adds the bot to a server, with all that it needs."""
    needed = discord.Permissions(
        view_channel=True,
        read_message_history=True,
        send_messages=True,
        send_messages_in_threads=True,
        embed_links=True,
        attach_files=True,
    )
    assert client.application_id is not None
    return discord.utils.oauth_url(
        client.application_id, permissions=needed, scopes=("bot", "applications.commands")
    )


def sees_content(client: discord.Client) -> bool:
    """Whether the owner switched the Message Content intent on, as login found out."""
    flags = client.application_flags
    return flags.gateway_message_content or flags.gateway_message_content_limited
