"""What waits and what did not work, of all groups; and another chance for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import aiosqlite

from bot.backlog import Failure, Failures, Kind
from bot.photos import AT_FIRST, Task, Waiting
from storage.connection import Database
from storage.rows import rows

_KINDS = """
SELECT reason, task, final, photos FROM (
    SELECT refused AS reason, NULL AS task, final, count(*) AS photos FROM photos
    WHERE refused IS NOT NULL GROUP BY refused, final
    UNION ALL
    SELECT coalesce(reason, ''), task, 0, count(*) FROM jobs WHERE attempts > 0
    GROUP BY task, reason
) ORDER BY final, photos DESC, reason, task LIMIT ?
"""
_GIVEN_UP = """
SELECT photos.id, groups.key, photos.name, 0, NULL FROM photos
JOIN groups ON groups.id = photos.group_id
WHERE refused = ? AND final = ? ORDER BY photos.id DESC LIMIT ?
"""
_LATER = """
SELECT photos.id, groups.key, photos.name, attempts, due FROM jobs
JOIN photos ON photos.id = photo_id JOIN groups ON groups.id = photos.group_id
WHERE coalesce(reason, '') = ? AND task = ? AND attempts > 0 ORDER BY photos.id DESC LIMIT ?
"""


class SqliteBacklog:
    """BacklogStore on SQLite."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    async def waiting(self) -> dict[Task, Waiting]:
        now = self._clock()
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT task, count(*), min(max(since, due)) FILTER (WHERE due <= ?1),"
                " sum(attempts > 0 AND due > ?1) FROM jobs GROUP BY task",
                (now,),
            )
        return dict.fromkeys(Task, Waiting()) | {
            Task(task): Waiting(photos, 0.0 if oldest is None else max(0.0, now - oldest), later)
            for task, photos, oldest, later in found
        }

    async def failures(self, kinds: int, each: int) -> list[Failures]:
        async with self._db.read() as db:
            found = [
                (Kind(reason, task and Task(task), bool(final)), photos)
                for reason, task, final, photos in await rows(db, _KINDS, (kinds,))
            ]
            return [Failures(kind, photos, await _latest(db, kind, each)) for kind, photos in found]

    async def retry(self, photos: Collection[int]) -> int:
        async with self._db.write() as db:
            chosen = json.dumps(list(photos))
            among = "IN (SELECT value FROM json_each(?))"
            revived = await rows(
                db,
                "UPDATE photos SET refused = NULL WHERE refused IS NOT NULL AND NOT final"
                f" AND id {among} RETURNING id",
                (chosen,),
            )
            hastened = await rows(
                db,
                "UPDATE jobs SET attempts = 0, due = 0, reason = NULL WHERE attempts > 0"
                f" AND photo_id {among} RETURNING photo_id",
                (chosen,),
            )
            await _queue(db, revived)
        return len({photo for (photo,) in (*revived, *hastened)})

    async def retry_all(self, kind: Kind) -> int:
        if kind.final:
            return 0
        async with self._db.write() as db:
            if kind.task is None:
                again = await rows(
                    db,
                    "UPDATE photos SET refused = NULL WHERE refused = ? AND NOT final RETURNING id",
                    (kind.reason,),
                )
                await _queue(db, again)
            else:
                again = await rows(
                    db,
                    "UPDATE jobs SET attempts = 0, due = 0, reason = NULL WHERE attempts > 0"
                    " AND task = ? AND coalesce(reason, '') = ? RETURNING photo_id",
                    (kind.task, kind.reason),
                )
        return len(again)


async def _latest(db: aiosqlite.Connection, kind: Kind, most: int) -> tuple[Failure, ...]:
    if kind.task is None:
        found = await rows(db, _GIVEN_UP, (kind.reason, kind.final, most))
    else:
        found = await rows(db, _LATER, (kind.reason, kind.task, most))
    return tuple(
        Failure(photo, group, name, attempts, _moment(due))
        for photo, group, name, attempts, due in found
    )


async def _queue(db: aiosqlite.Connection, photos: Collection[tuple[int]]) -> None:
    await db.executemany(
        "INSERT INTO jobs (photo_id, task) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(photo, task) for (photo,) in photos for task in AT_FIRST],
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
