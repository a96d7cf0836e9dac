"""Hears of what other processes have added."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

from storage.pg.pool import Pool
from storage.pg.trouble import FOREIGN

WORK = "shoebox_work"
"""The channel on which it is told that photos wait."""
AGAIN_SECONDS = 2.0
ALIVE_SECONDS = 15.0
"""How often a silent connection is asked whether it still is one."""
log = logging.getLogger(__name__)


class Listener:
    """Calls back whenever it is told that photos wait, and after each time that it was deaf."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._task: asyncio.Task[None] | None = None

    def heed(self, wake: Callable[[], None]) -> None:
        """Call `wake` from now on. Once."""
        assert self._task is None
        self._task = asyncio.create_task(self._listen(wake))

    async def close(self) -> None:
        """Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen(self, wake: Callable[[], None]) -> None:
        while True:
            try:
                db = await self._pool.connect()
            except FOREIGN as error:
                log.debug("new photos are found by looking only: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            try:
                await _until_deaf(db, wake)
            except FOREIGN:
                pass
            finally:
                with suppress(*FOREIGN):
                    await db.close(timeout=1)
            await asyncio.sleep(AGAIN_SECONDS)


async def _until_deaf(db: asyncpg.Connection[Any], wake: Callable[[], None]) -> None:
    await db.add_listener(WORK, lambda *_: wake())
    wake()
    while True:
        await asyncio.sleep(ALIVE_SECONDS)
        await db.fetchval("SELECT 1", timeout=ALIVE_SECONDS)
