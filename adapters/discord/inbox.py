"""What Discord tells, taken in one by one and in order, guild by guild."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bot.errors import StoreError

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before something is tried again that the database could not keep; the last is kept."""

STOP_SECONDS = 3.0
"""How long what was told may take when the bot is stopped."""

T = TypeVar("T")
Work = Callable[[], Awaitable[T]]
Item = tuple[Work[Any], asyncio.Future[Any]]


class Inbox:
    """discord.py runs handlers side by side, so that a delete could overtake the post that it
    deletes. Here they wait for each other; other guilds don't wait for them."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Item]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}

    def put(self, guild: int, work: Work[T]) -> asyncio.Future[T]:
        """Do this once everything before it is done. The future holds its result or error; what
        the database can't keep now is tried until it can."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(guild, deque()).append((work, result))
        if guild not in self._workers:
            self._workers[guild] = asyncio.create_task(self._work(guild))
        return result

    def tell(self, guild: int, work: Work[object]) -> None:
        """The same where nobody waits for the result: an error is one line in the log."""

        def done(result: asyncio.Future[object]) -> None:
            if not result.cancelled() and (error := result.exception()) is not None:
                log.error("Discord, guild %s: an event is left out", guild, exc_info=error)

        self.put(guild, work).add_done_callback(done)

    async def close(self) -> None:
        """Finish, as far as that is quick: nobody tells of a delete again. What is left is filled
        in from history at the next start."""
        workers = list(self._workers.values())
        if workers:
            await asyncio.wait(workers, timeout=STOP_SECONDS)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for waiting in self._waiting.values():
            for _, result in waiting:
                result.cancel()
        self._waiting.clear()

    async def _work(self, guild: int) -> None:
        waiting = self._waiting[guild]
        try:
            while waiting:
                await _do(guild, *waiting.popleft())
        finally:
            del self._workers[guild]
            if not waiting:
                del self._waiting[guild]


async def _do(guild: int, work: Work[Any], result: asyncio.Future[Any]) -> None:
    try:
        found = await _insist(guild, work)
        if not result.done():
            result.set_result(found)
    except asyncio.CancelledError:
        result.cancel()
        raise
    except Exception as error:
        if not result.done():
            result.set_exception(error)


async def _insist(guild: int, work: Work[Any]) -> Any:
    tries = 0
    while True:
        try:
            return await work()
        except StoreError as error:
            if not tries:
                log.warning("Discord, guild %s: posts wait, because %s", guild, error)
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
