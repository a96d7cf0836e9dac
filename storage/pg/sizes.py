"""How many photos large groups have: counted now and then, not for each question."""

from __future__ import annotations

import time
from collections import OrderedDict

from bot.photos import ALL, Audience, Only
from storage.pg.near import count_in
from storage.pg.rows import Connection
from storage.pg.scope import Scope

FRESH_SECONDS = 30.0
KEPT = 10_000


class Sizes:
    """Kept in memory by group and audience; the least used go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, Audience], tuple[float, int]] = OrderedDict()

    async def of(self, db: Connection, group: int, audience: Audience, only: Only) -> int:
        """How many photos of a group are in scope; nearly so, if it is asked again and again."""
        scope = Scope([group], audience, only)
        if only != ALL:
            return await count_in(db, scope)
        key, now = (group, audience), time.monotonic()
        at, size = self._known.get(key, (-FRESH_SECONDS, 0))
        if now - at >= FRESH_SECONDS:
            size = await count_in(db, scope)
            self._known[key] = now, size
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return size
