"""Several sandboxes for one kind of work."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.sandbox import Sandbox


class Sandboxes:
    """As many requests at a time as there are sandboxes; others wait in turn.

    What was used last is used first, so that where one is enough the others' children are never
    started, and where they are no longer needed they end.
    """

    def __init__(self, count: int, timeout: float, memory: int, niceness: int = 0) -> None:
        """(see Sandbox)"""
        self._all = [Sandbox(timeout, memory, niceness) for _ in range(count)]
        self._free = list(self._all)
        self._turns = asyncio.Semaphore(count)

    @property
    def started(self) -> int:
        """Children so far."""
        return sum(each.started for each in self._all)

    @property
    def lost(self) -> int:
        """Those of them that hung or died."""
        return sum(each.lost for each in self._all)

    async def call(
        self, verb: str, header: dict[str, Any], payload: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """(see Sandbox.call)"""
        async with self._turns:
            sandbox = self._free.pop()
            try:
                return await sandbox.call(verb, header, payload)
            finally:
                self._free.append(sandbox)

    async def close(self) -> None:
        """End all children."""
        for each in self._all:
            await each.close()
