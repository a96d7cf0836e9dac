"""The door: which chat platforms the settings switch on. Platform files are imported lazily."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.settings import Settings

TokenCheck = Callable[[], Awaitable[str]]
"""Asks the platform who a token belongs to. Raises TokenRefused or PlatformUnreachable."""


def token_checks(settings: Settings) -> dict[str, TokenCheck]:
    """One check for each token that is set, by the token's key in .env."""
    checks: dict[str, TokenCheck] = {}
    if settings.discord_token:

        async def discord_check() -> str:
            from adapters.discord import who_is

            return await who_is(settings.discord_token, settings.discord_api_url)

        checks["DISCORD_TOKEN"] = discord_check
    if settings.telegram_token:

        async def telegram_check() -> str:
            from adapters.telegram import who_is

            return await who_is(settings.telegram_token, settings.telegram_api_url)

        checks["TELEGRAM_TOKEN"] = telegram_check
    return checks
