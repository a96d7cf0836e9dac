"""What waits and what did not work, of all groups; and another chance for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.backlog import Failure, Failures, Kind
from bot.photos import AT_FIRST, Task, Waiting
from storage.pg.again import done_again
from storage.pg.counters import shrink
from storage.pg.ids import groups_of
from storage.pg.joins import ON_POST
from storage.pg.listening import WORK
from storage.pg.pool import Pool
from storage.pg.rows import Connection, rows, run

_KINDS = """
SELECT reason, task, final, photos FROM (
    SELECT refused AS reason, NULL AS task, final, count(*) AS photos FROM photos
    WHERE refused IS NOT NULL GROUP BY refused, final
    UNION ALL
    SELECT coalesce(reason, ''), task, false, count(*) FROM jobs WHERE attempts > 0
    GROUP BY task, reason
) AS kinds ORDER BY final, photos DESC, reason, task NULLS FIRST LIMIT ? /* every group */
"""
# Ids tell what is newer within a group only.
_GIVEN_UP = f"""
SELECT photos.id, groups.key, photos.name, 0, NULL FROM photos
JOIN posts ON {ON_POST} JOIN groups ON groups.id = photos.group_id
WHERE refused = ? AND final = ? ORDER BY posted_at DESC, photos.id DESC LIMIT ? /* every group */
"""
_LATER = f"""
SELECT photos.id, groups.key, photos.name, attempts, due FROM jobs
JOIN photos ON photos.group_id = jobs.group_id AND photos.id = jobs.photo_id
JOIN posts ON {ON_POST} JOIN groups ON groups.id = photos.group_id
WHERE coalesce(reason, '') = ? AND task = ? AND attempts > 0
ORDER BY posted_at DESC, photos.id DESC LIMIT ? /* every group */
"""
_AGAIN = "UPDATE jobs SET attempts = 0, due = 0, reason = NULL WHERE attempts > 0"


@done_again
class PgBacklog:
    """BacklogStore on PostgreSQL."""

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._clock = clock

    async def waiting(self) -> dict[Task, Waiting]:
        now = self._clock()
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT task, count(*), min(greatest(since, due)) FILTER (WHERE due <= ?),"
                " count(*) FILTER (WHERE attempts > 0 AND due > ?) FROM jobs GROUP BY task"
                " /* every group */",
                (now, now),
            )
        return dict.fromkeys(Task, Waiting()) | {
            Task(task): Waiting(photos, 0.0 if oldest is None else max(0.0, now - oldest), later)
            for task, photos, oldest, later in found
        }

    async def failures(self, kinds: int, each: int) -> list[Failures]:
        async with self._pool.snapshot() as db:
            found = [
                (Kind(reason, task and Task(task), bool(final)), photos)
                for reason, task, final, photos in await rows(db, _KINDS, (kinds,))
            ]
            return [Failures(kind, photos, await _latest(db, kind, each)) for kind, photos in found]

    async def retry(self, photos: Collection[int]) -> int:
        chosen, groups = list(photos), groups_of(photos)
        async with self._pool.write() as db:
            revived = await _revive(
                db,
                "refused IS NOT NULL AND group_id = ANY(?) AND id = ANY(?)",
                (groups, chosen),
            )
            hastened = await rows(
                db,
                f"{_AGAIN} AND group_id = ANY(?) AND photo_id = ANY(?) RETURNING photo_id",
                (groups, chosen),
            )
            await _queue(db, revived)
        return len({*revived, *(photo for (photo,) in hastened)})

    async def retry_all(self, kind: Kind) -> int:
        if kind.final:
            return 0
        async with self._pool.write() as db:
            if kind.task is None:
                again = await _revive(db, "refused = ? /* every group */", (kind.reason,))
                await _queue(db, again)
                return len(again)
            hastened = await run(
                db,
                f"{_AGAIN} AND task = ? AND coalesce(reason, '') = ? /* every group */",
                (kind.task, kind.reason),
            )
            await _queue(db, ())
        return hastened


async def _latest(db: Connection, kind: Kind, most: int) -> tuple[Failure, ...]:
    if kind.task is None:
        found = await rows(db, _GIVEN_UP, (kind.reason, kind.final, most))
    else:
        found = await rows(db, _LATER, (kind.reason, kind.task, most))
    return tuple(
        Failure(photo, group, name, attempts, _moment(due))
        for photo, group, name, attempts, due in found
    )


async def _revive(db: Connection, which: str, values: Sequence[Any]) -> list[int]:
    """Make photos wanted again that were given up for now; returns which."""
    groups = await rows(
        db,
        f"SELECT DISTINCT group_id FROM photos WHERE NOT final AND {which}",
        values,
    )
    if not groups:
        return []
    await shrink(db, sorted(group for (group,) in groups))
    revived = await rows(
        db, f"UPDATE photos SET refused = NULL WHERE NOT final AND {which} RETURNING id", values
    )
    return [photo for (photo,) in revived]


async def _queue(db: Connection, photos: Collection[int]) -> None:
    await run(
        db,
        "INSERT INTO jobs (group_id, photo_id, task) SELECT photos.group_id, photos.id, task"
        " FROM photos CROSS JOIN unnest(?::text[]) AS task WHERE photos.group_id = ANY(?)"
        " AND photos.id = ANY(?) ON CONFLICT DO NOTHING",
        ([str(task) for task in AT_FIRST], groups_of(photos), list(photos)),
    )
    await run(db, "SELECT pg_notify(?, '')", (WORK,))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
