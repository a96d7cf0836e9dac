"""Updates from Telegram, each confirmed only once it was taken in, so that no crash loses a post.

PTB's own Updater confirms updates when it has fetched them, before anybody has kept anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from adapters.telegram.bot import TelegramBot, reason, seconds_of
from adapters.trouble import Trouble
from bot.errors import StoreError

log = logging.getLogger(__name__)

KINDS = (
    Update.MESSAGE,
    Update.EDITED_MESSAGE,
    Update.CALLBACK_QUERY,
    Update.MY_CHAT_MEMBER,
    Update.INLINE_QUERY,
)
POLL_SECONDS = 50
REFUSED_SECONDS = 60.0
GOODBYE_SECONDS = 2.0

Take = Callable[[Update], Awaitable[None]]
"""Keeps what has to be kept. Raises StoreError when it can't be kept now."""
Raw = dict[str, Any]


class Updates:
    """Brings updates in, one after another and in order."""

    def __init__(self, bot: TelegramBot, take: Take, trouble: Trouble) -> None:
        self._bot = bot
        self._take = take
        self.trouble = trouble

    async def poll(self) -> None:
        """Ask for updates until cancelled."""
        trouble = self.trouble
        offset = 0
        try:
            while True:
                try:
                    for raw in await self._ask(offset, POLL_SECONDS):
                        if raw["update_id"] >= offset:
                            await self.take_in(raw)
                            offset = raw["update_id"] + 1
                    trouble.over()
                except RetryAfter as flood:
                    await trouble.pause(reason(flood, self._bot.token), seconds_of(flood))
                except InvalidToken as error:
                    await trouble.pause(reason(error, self._bot.token), REFUSED_SECONDS)
                except Conflict as error:
                    await trouble.pause(reason(error, self._bot.token))
                    if "webhook" in str(error).lower():
                        with contextlib.suppress(TelegramError):
                            await self._bot.delete_webhook()
                except TelegramError as error:
                    what = reason(error, self._bot.token)
                    await trouble.pause(f"{what}; posts wait there for 24 hours")
                except StoreError as error:
                    await trouble.pause(f"updates wait there, because {error}")
        finally:
            if offset:  # what was taken in must not come again after a restart
                with contextlib.suppress(TelegramError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_SECONDS):
                        await self._ask(offset, 0)

    async def _ask(self, offset: int, seconds: int) -> list[Raw]:
        # Not PTB's get_updates: one update that it can't read would hold up all others for ever.
        asked = urlencode(
            {"offset": offset, "timeout": seconds, "allowed_updates": json.dumps(KINDS)}
        )
        found = await self._bot.request.post(
            f"{self._bot.base_url}/getUpdates?{asked}", read_timeout=seconds + 10
        )
        if not isinstance(found, list):
            raise TelegramError("the answer to getUpdates is no list")
        return [raw for raw in found if isinstance(raw, dict) and "update_id" in raw]

    async def take_in(self, raw: Raw) -> None:
        """Take one update in. Raises StoreError; no other trouble with it may stop the next one."""
        number = raw.get("update_id")
        try:
            update = Update.de_json(raw, self._bot)
        except Exception as error:
            wrong = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
            log.error("Telegram: update %s can't be understood and is left out (%s)", number, wrong)
            return
        try:
            await self._take(update)
        except StoreError:
            raise
        except Exception:
            log.exception("Telegram: something went wrong with update %s", number)
