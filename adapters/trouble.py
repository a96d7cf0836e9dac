"""Trouble with a platform: told once when it begins, once when it is over."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries while a platform can't be reached; the last is kept."""


class Trouble:
    """Says once that something is wrong, and once that it is over."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._said = ""
        self._tries = 0

    @property
    def told(self) -> bool:
        """Whether something is wrong now."""
        return bool(self._said)

    def tell(self, what: str) -> None:
        """One line, unless it was the last that was said."""
        if what != self._said:
            log.warning("%s: %s; trying again", self._platform, what)
            self._said = what

    async def pause(self, what: str, seconds: float | None = None) -> None:
        """Tell, and wait before the next try, for longer and longer."""
        self.tell(what)
        await asyncio.sleep(
            PAUSES[min(self._tries, len(PAUSES) - 1)] if seconds is None else seconds
        )
        self._tries += 1

    def over(self) -> None:
        """It works again."""
        if self._said:
            log.info("%s: all is well again", self._platform)
        self._said = ""
        self._tries = 0
