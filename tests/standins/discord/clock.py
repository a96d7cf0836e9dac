"""Time in the stand-in: the real one, and as much later as a test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simcord._clock import Clock


class RunningClock(Clock):
    """simcord's own stands still; here interactions really have three seconds."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.elapsed)
