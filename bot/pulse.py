"""Whether loops that should never end still go round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STUCK_SECONDS = 300.0
"""Without a beat a loop hangs. Reading one photo may take 120 s, and a slow machine a minute or two
for a batch of pictures."""


@dataclass(slots=True)
class _Loop:
    beaten: float
    stumbles: bool = False
    ended: bool = False


class Pulse:
    """Of loops in asyncio tasks, which are known by their tasks' names."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loops: dict[str, _Loop] = {}

    @contextmanager
    def beating(self) -> Iterator[None]:
        """The task that runs this block is a loop; the block should never end by itself."""
        loop = self._loops[_name()] = _Loop(self._clock())
        try:
            yield
        finally:
            loop.ended = True

    def beat(self) -> None:
        """The loop goes on, whatever it does."""
        if (loop := self._loops.get(_name())) is not None:
            loop.beaten = self._clock()

    def round(self, *, well: bool) -> None:
        """The loop has been round once, or has failed to."""
        self.beat()
        if (loop := self._loops.get(_name())) is not None:
            loop.stumbles = not well

    @property
    def problems(self) -> list[str]:
        """What is wrong, a line for each loop with which something is."""
        now = self._clock()
        found = []
        for name, loop in self._loops.items():
            if loop.ended:
                found.append(f"indexing ({name}) has ended")
            elif now - loop.beaten > STUCK_SECONDS:
                found.append(f"indexing ({name}) hangs")
            elif loop.stumbles:
                found.append(f"indexing ({name}) fails")
        return found


def _name() -> str:
    task = asyncio.current_task()
    return "" if task is None else task.get_name()
