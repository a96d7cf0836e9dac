"""What imports have in common: what they did, and waiting until what they brought can be found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from bot.memory import PhotoMemory
from bot.photos import Task

REPORT_SECONDS = 0.5
STALLED_SECONDS = 60.0
"""How long the process that indexes may finish nothing before it is no longer waited for."""

Progress = Callable[[int, int], None]
"""Told photos done and photos in all."""


@dataclass(slots=True)
class ImportSummary:
    """What an import did, photo by photo; or what it would do."""

    added: int = 0
    known: int = 0
    left_out: int = 0
    """Forgotten before, too old, or of somebody who opted out."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(path or message, reason)"""
    waiting: dict[Task, int] = field(default_factory=dict)
    """Photos that can't be found by every signal yet."""
    replies: int = 0
    """That say something about these photos."""
    places: list[str] = field(default_factory=list)
    """A line about each chat, and about groups that the bot is not in."""
    dry: bool = False
    """Nothing was kept."""


class Watch:
    """Tells how far the photos of an import are."""

    def __init__(
        self,
        memory: PhotoMemory,
        awaited: Callable[[], tuple[Task, ...]],
        progress: Progress,
        total: int,
    ) -> None:
        """`awaited` tells which tasks are worth waiting for; without a model, not EMBED."""
        self._memory = memory
        self._awaited = awaited
        self._progress = progress
        self._total = total
        self._reported = 0.0
        progress(0, total)

    async def saw(self, seen: int, photos: Collection[int]) -> None:
        """So many were looked at, and these ids came of it; shown now and then."""
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._progress(seen - await self._unfinished(photos), self._total)
            self._reported = time.monotonic()

    async def until_found(self, photos: Collection[int]) -> None:
        """Wait while anything awaited is being finished."""
        last, moved = -1, time.monotonic()
        while unfinished := await self._unfinished(photos):
            if unfinished != last:
                last, moved = unfinished, time.monotonic()
            elif time.monotonic() - moved > STALLED_SECONDS:
                break
            self._progress(self._total - unfinished, self._total)
            await asyncio.sleep(REPORT_SECONDS / 2)
        self._progress(self._total - await self._unfinished(photos), self._total)

    async def _unfinished(self, photos: Collection[int]) -> int:
        counts = await self._memory.unfinished(photos)
        return max((counts[task] for task in self._awaited()), default=0)
