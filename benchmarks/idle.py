"""The bot without its chat platform, for benchmarks.start: starts, answers once, tells, ends.

Prints seconds since the moment it is given (Unix time) until it could take messages, had its model,
and had answered the first question; and the megabytes that it holds then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

from bot import app, settings
from bot.errors import ShoeboxError
from bot.photos import EVERYONE, Query


async def idle(began: float) -> list[float]:
    chosen = settings.load(Path("no.env"))
    async with app.opened(chosen) as opened, opened.indexer().running():
        ready = time.time() - began
        await opened.loader.load_until_there()
        loaded = time.time() - began
        encoder = opened.memory.model.encoder
        assert encoder is not None
        with contextlib.suppress(ShoeboxError):
            await opened.memory.prepare(encoder)
        await opened.memory.find(Query(("g",), "birthday cake", EVERYONE, 3))
        answered = time.time() - began
    return [ready, loaded, answered, _megabytes()]


def _megabytes() -> float:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * 4096 / 1e6


if __name__ == "__main__":
    print(json.dumps(asyncio.run(idle(float(sys.argv[1])))))
