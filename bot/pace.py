"""How fast one person may ask, so that nobody's searches keep the others waiting."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

FORGET_AT = 10_000
"""People whose pace is known at most, before those who rested are forgotten."""


class Pace:
    """A token bucket a person (https://en.wikipedia.org/wiki/Token_bucket): questions may come in
    a row, but on average no more than so many a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` 0: as fast as they like."""
        self._most = per_minute
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        """(questions left, when that was counted) by person."""

    def wait(self, asker: str) -> int:
        """Whole seconds until this person may ask again; 0: they may, and just did."""
        if not self._most or not asker:
            return 0
        now = self._clock()
        left = self._now(asker, now)
        if left < 1:
            return math.ceil((1 - left) * 60 / self._most)
        if len(self._left) >= FORGET_AT:
            self._left = {
                each: kept for each, kept in self._left.items() if self._now(each, now) < self._most
            }
        self._left[asker] = left - 1, now
        return 0

    def _now(self, asker: str, now: float) -> float:
        left, then = self._left.get(asker, (float(self._most), now))
        return min(float(self._most), left + (now - then) * self._most / 60)
