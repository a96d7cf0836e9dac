"""The connection to the Bot API: who may send how fast, and what is said of its troubles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import httpx
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

log = logging.getLogger(__name__)

MOST_RETRIES = 5
"""How often a message is sent again after the time that Telegram asked to wait."""
CONNECT_SECONDS, READ_SECONDS, WAIT_SECONDS = 10.0, 30.0, 30.0
CONNECTIONS = 32
MOST_BYTES = 50 * 1024 * 1024
"""Of an answer, a file's content too."""


NAME = "Telegram"
TelegramBot = ExtBot[int]


class Limiter(AIORateLimiter):
    """PTB's limiter for everything that puts a message into a chat, which is what Telegram
    counts (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
    Questions to the API are not kept waiting behind messages."""

    def __init__(self) -> None:
        super().__init__(max_retries=MOST_RETRIES)

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Run one request when it may run; one log line for each wait that Telegram asks for."""
        if not endpoint.startswith("send") or endpoint == "sendChatAction":
            return await callback(*args, **kwargs)

        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as flood:
                log.warning(
                    "Telegram asks to wait %.0f s before the next message to %s",
                    seconds_of(flood),
                    data.get("chat_id"),
                )
                raise

        return await super().process_request(watched, args, kwargs, endpoint, data, rate_limit_args)


def connect(token: str, api_url: str) -> TelegramBot:
    """A bot that is not initialized yet. Raises InvalidToken for what can't be one."""
    for chatty in ("telegram.request.BaseRequest", "telegram.ext.AIORateLimiter"):
        # With tracebacks, and the whole page that a proxy answers with; we say it in one line.
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    request = HTTPXRequest(
        connection_pool_size=CONNECTIONS,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        write_timeout=READ_SECONDS,
        pool_timeout=WAIT_SECONDS,
        httpx_kwargs={"event_hooks": {"response": [_bounded]}},
    )
    return ExtBot(
        token,
        base_url=f"{api_url}/bot",
        base_file_url=f"{api_url}/file/bot",
        request=request,
        rate_limiter=Limiter(),
    )


async def _bounded(answer: httpx.Response) -> None:
    """Asked before the content is read."""
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > MOST_BYTES:
        await answer.aclose()
        raise httpx.ReadError("the answer is too large", request=answer.request)


def seconds_of(flood: RetryAfter) -> float:
    """How long Telegram asks to wait; PTB is on the way from seconds to timedelta."""
    wait = flood.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def reason(error: TelegramError, token: str) -> str:
    """What went wrong and what to do about it, in one line without the token."""
    match error:
        case Conflict() if "webhook" in str(error).lower():
            return "somebody set a webhook for this bot; it is removed again"
        case Conflict():
            return (
                "another program polls with the same token: stop it, or get a token of its own "
                "from @BotFather"
            )
        case InvalidToken():
            return (
                "it refuses the token: if it was revoked, put the new one from @BotFather into "
                ".env and start again"
            )
        case RetryAfter():
            return f"it asks to wait {seconds_of(error):.0f} s"
        case Forbidden():
            return f"it is not allowed ({_short(error, token)})"
        case TimedOut():
            return "no answer in time"
        case BadRequest():
            return f"it refuses a request ({_short(error, token)})"
        case NetworkError():
            return f"it can't be reached ({_short(error, token)})"
        case _:
            return _short(error, token)


def is_gone(error: TelegramError) -> bool:
    """Whether an error says that the bot is no longer in a chat, or that there is no such chat."""
    text = str(error).lower()
    if isinstance(error, Forbidden):
        return "kicked" in text or "not a member" in text or "deleted" in text
    return isinstance(error, BadRequest) and "chat not found" in text


def _short(error: TelegramError, token: str) -> str:
    return " ".join(str(error).replace(token, "…").split())[:200]
