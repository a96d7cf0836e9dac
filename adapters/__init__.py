"""The door: which chat platforms the settings switch on. Platform files are imported lazily."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from adapters.sight import Sight
from adapters.telegram.ids import person_id
from bot.memory import PhotoMemory
from bot.photos import StoredPhoto
from bot.ports import ChatAdapter, Reminder
from bot.settings import Settings


class LiveChat(ChatAdapter, Reminder, Protocol):
    """A platform that the bot takes part in. Use as `async with`, then `serve`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    @property
    def up(self) -> bool:
        """Whether it takes in posts and questions now."""
        ...

    async def serve(self) -> None:
        """Take part until cancelled. Raises ShoeboxError when that can't work."""
        ...

    async def assist(self) -> None:
        """Only be able to fetch photos, until cancelled: nothing is taken in, and nobody answered.
        Raises TokenRefused."""
        ...

    async def sights(self, user: int) -> list[Sight]:
        """What this user may see of the groups they are in, asked of the platform now, as for an
        answer to them alone. What it doesn't tell counts as no."""
        ...

    async def is_posted(self, photo: StoredPhoto) -> bool:
        """Whether a photo may still be shown; one that has vanished is forgotten."""
        ...


def chats(settings: Settings, memory: PhotoMemory) -> list[LiveChat]:
    """The chat platforms whose tokens are set. Raises TokenRefused."""
    found: list[LiveChat] = []
    if settings.discord_token:
        from adapters.discord.chat import DiscordChat, DiscordSettings

        found.append(
            DiscordChat(
                memory,
                DiscordSettings(
                    settings.discord_token,
                    settings.discord_api_url,
                    settings.keep_after_leaving_days,
                    settings.discord_shards,
                ),
            )
        )
    if settings.telegram_token:
        from adapters.telegram.chat import TelegramChat, TelegramSettings

        found.append(
            TelegramChat(
                memory,
                TelegramSettings(
                    settings.telegram_token,
                    settings.telegram_api_url,
                    settings.telegram_webhook_url,
                    settings.telegram_webhook_listen,
                    settings.telegram_inline,
                    settings.keep_after_leaving_days,
                ),
            )
        )
    return found


def telegram_bot(settings: Settings) -> str:
    """Our bot in Telegram, as a person; a token begins with its id
    (https://core.telegram.org/bots/api#authorizing-your-bot)."""
    number = settings.telegram_token.partition(":")[0]
    return person_id(int(number)) if number.isdecimal() else ""


TokenCheck = Callable[[], Awaitable[str]]
"""Asks the platform who a token belongs to. Raises TokenRefused or PlatformUnreachable."""


def token_checks(settings: Settings) -> dict[str, TokenCheck]:
    """One check for each token that is set, by the token's key in .env."""
    checks: dict[str, TokenCheck] = {}
    if settings.discord_token:

        async def discord_check() -> str:
            from adapters.discord.token import who_is

            return await who_is(settings.discord_token, settings.discord_api_url)

        checks["DISCORD_TOKEN"] = discord_check
    if settings.telegram_token:

        async def telegram_check() -> str:
            from adapters.telegram.token import who_is

            return await who_is(settings.telegram_token, settings.telegram_api_url)

        checks["TELEGRAM_TOKEN"] = telegram_check
    return checks
