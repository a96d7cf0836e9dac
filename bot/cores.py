"""How much of the machine there is for this process."""

from __future__ import annotations

import os


def cores() -> int:
    """How many cores it may use; a container often gives fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
