"""Processes that do what waits, and the signs of life by which others know of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress

from bot.errors import StoreError
from bot.photos import Task
from storage.pg.ids import group_of
from storage.pg.pool import Pool
from storage.pg.rows import Connection, row, run

BEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""What a worker has taken is free again when it has been silent for so long. One that only stalled
goes on with what it has at hand: whatever it saves was saved meanwhile, or is saved now; but it
gives nothing up any more."""
OLD_SECONDS = 3600.0
BEATS_OF_CLEANING = 100
log = logging.getLogger(__name__)


class Worker:
    """This process, known by a number of its own from its start to its end."""

    def __init__(self, pool: Pool, every: float = BEAT_SECONDS) -> None:
        """`every`: seconds between two signs of life."""
        self.id = uuid.uuid4()
        self._pool = pool
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Give signs of life from now on. Raises StoreError."""
        async with self._pool.write() as db:
            await self.sign(db)
            await _clean(db)
        self._task = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """What it has taken is free at once. Safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        with suppress(StoreError):  # then it is free after the lease
            async with self._pool.write() as db:
                await run(db, "DELETE FROM workers WHERE id = ?", (self.id,))

    async def sign(self, db: Connection) -> None:
        """It lives."""
        await run(
            db,
            "INSERT INTO workers (id, seen_at) VALUES (?, now())"
            " ON CONFLICT (id) DO UPDATE SET seen_at = now()",
            (self.id,),
        )

    async def others(self, db: Connection) -> list[uuid.UUID]:
        """Who else lives. That this one does is sure for a while afterwards."""
        found = await row(
            db,
            "SELECT (SELECT coalesce(array_agg(id), '{}') FROM workers"
            " WHERE id <> ? AND seen_at > now() - ? * interval '1 s'),"
            " EXISTS (SELECT 1 FROM workers"
            " WHERE id = ? AND seen_at > now() - ? * interval '1 s')",
            (self.id, LEASE_SECONDS, self.id, LEASE_SECONDS / 2),
        )
        others, sure = found
        if not sure:  # it stalled, or the server has forgotten everybody in a crash
            await self.sign(db)
        return list(others)

    async def has(self, db: Connection, photo: int, task: Task) -> bool:
        """Whether that is still to be done, and by nobody else; until this transaction ends."""
        found = await row(
            db,
            "SELECT 1 FROM jobs WHERE group_id = ? AND photo_id = ? AND task = ?"
            " AND (worker IS NULL OR worker = ?) FOR UPDATE",
            (group_of(photo), photo, task, self.id),
        )
        return found is not None

    async def _beat(self) -> None:
        silent, beats = False, 0
        while True:
            await asyncio.sleep(self._every)
            try:
                async with self._pool.write() as db:
                    await self.sign(db)
                    if not beats % BEATS_OF_CLEANING:
                        await _clean(db)
            except StoreError as error:
                if not silent:
                    log.warning("other processes may take over what this one does: %s", error)
                silent = True
            else:
                silent = False
            beats += 1


async def _clean(db: Connection) -> None:
    await run(db, "DELETE FROM workers WHERE seen_at < now() - ? * interval '1 s'", (OLD_SECONDS,))
