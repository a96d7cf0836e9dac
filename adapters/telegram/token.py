"""Whose token is it?"""

from __future__ import annotations

from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from bot.errors import PlatformUnreachable, TokenRefused

NOT_KNOWN = "Telegram does not know this token; get one from @BotFather"
HIDDEN = (
    "privacy mode hides photos from it in groups where it is no admin: send /setprivacy to "
    "@BotFather, choose Disable, and add it to its groups again"
)


async def who_is(token: str, api_url: str) -> str:
    """The bot's @name (https://core.telegram.org/bots/api#getme).

    Raises TokenRefused, or PlatformUnreachable; neither message holds the token.
    """
    try:
        bot = Bot(token, base_url=f"{api_url}/bot", base_file_url=f"{api_url}/file/bot")
        async with bot:  # enters with getMe
            hidden = bot.bot.can_read_all_group_messages is False
            return f"@{bot.username}{f' ({HIDDEN})' if hidden else ''}"
    except InvalidToken:
        raise TokenRefused(NOT_KNOWN) from None
    except TelegramError as error:
        reason = str(error).replace(token, "…")
        raise PlatformUnreachable(f"Telegram at {api_url} can't be reached: {reason}") from None
