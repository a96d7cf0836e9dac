"""Discord, through discord.py. So far: is the token valid, and whose is it."""

from __future__ import annotations

from bot.photos import PlatformUnreachable, TokenRefused


async def who_is(token: str, api_url: str) -> str:
    """The bot's name (https://docs.discord.com/developers/resources/user#get-current-user).

    Raises TokenRefused, or PlatformUnreachable; neither message holds the token.
    """
    import aiohttp
    import discord
    from discord.http import Route

    Route.BASE = api_url
    client = discord.Client(intents=discord.Intents.none())
    try:
        await client.login(token)
        return str(client.user)
    except discord.LoginFailure:
        raise TokenRefused(
            "Discord does not know this token; copy it again from the developer portal, page Bot"
        ) from None
    except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
        reason = str(error).replace(token, "…")
        raise PlatformUnreachable(f"Discord at {api_url} can't be reached: {reason}") from None
    finally:
        await client.close()
