"""What was deleted is made unreadable in the files as well.

`secure_delete` overwrites rows with zeros where they lie, but not everything lies there:

- Full-text indexes keep the terms of deleted rows in their segments until those are merged
  (https://www.sqlite.org/fts5.html#the_merge_command; their own secure-delete came with 3.42).
- When rows move to another page of a B-tree, copies may stay in the old page's free space. Only
  VACUUM writes every page anew.
- The WAL holds old pages until it is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from storage.connection import Database
from storage.rows import row

log = logging.getLogger(__name__)

PAGES = 256
"""Of an index, written in one transaction: writers wait for some hundredths of a second."""
REST = 100.0
"""Times as long as the last scrub took are to pass before the next one: a group that deletes all
day doesn't keep a large file busy with that."""
MOST_REST = 900.0
"""Seconds of that at most: what is to be forgotten waits no longer, however large the file is."""


class Scrubber:
    """Scrubs one file, when something was deleted."""

    def __init__(
        self,
        db: Database,
        indexes: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`indexes` are the file's FTS5 tables; its table `scrub` counts deletions."""
        self._db = db
        self._indexes = indexes
        self._clock = clock
        self._not_before = float("-inf")
        self._turn = asyncio.Lock()

    async def scrub(self) -> bool:
        """Whether nothing of what was deleted until now is left. Not so while the file is too
        busy, or was scrubbed just before. Raises StoreError, e.g. where the disk is too full to
        write the file anew."""
        async with self._turn:
            async with self._db.read() as db:
                wanted, done = await row(db, "SELECT wanted, done FROM scrub")
            if wanted == done:
                return True
            began = self._clock()
            if began < self._not_before:
                return False
            try:
                for index in self._indexes:
                    await self._merge(index)
                await self._db.alone("VACUUM")
                ((busy, *_),) = await self._db.alone("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                took = self._clock() - began
                self._not_before = self._clock() + min(REST * took, MOST_REST)
            if busy:
                return False
            async with self._db.write() as db:
                await db.execute("UPDATE scrub SET done = ?", (wanted,))
        log.debug("%s was scrubbed in %.1f s", self._db.path, took)
        return True

    async def _merge(self, index: str) -> None:
        """All segments into one; what is deleted is not taken along."""
        pages = -PAGES  # negative: begin with all there are; then go on
        while True:
            async with self._db.write() as db:
                before = db.total_changes
                await db.execute(
                    f"INSERT INTO {index} ({index}, rank) VALUES ('merge', ?)", (pages,)
                )
                changes = db.total_changes - before
            if changes < 2 and pages > 0:
                return
            pages = PAGES
