"""What is to be done next: groups take turns, in each the oldest photo goes first.

Any number of processes take at once; none waits for another, and no two get the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from bot.photos import Job, PhotoRef, Task
from storage.pg.ids import LAST_GROUP
from storage.pg.pool import Pool
from storage.pg.rows import Connection, rows, run
from storage.pg.workers import Worker

ROUNDS = 6
"""So often others may come first to all that was looked at, each time at twice as much."""
_FREE = "jobs.due <= ? AND (jobs.worker IS NULL OR jobs.worker <> ALL(?))"
_DUE = f"jobs.task = ? AND {_FREE} AND jobs.photo_id <> ALL(?)"
_FIRST = (
    " AND NOT EXISTS (SELECT 1 FROM jobs AS first WHERE first.group_id = jobs.group_id"
    " AND first.photo_id = jobs.photo_id AND first.task = ?)"
)
# Each step looks up the next group in the index, so that a long queue costs nothing; rows are
# made one by one, so that no more groups are looked at than are needed.
_GROUPS = f"""
WITH RECURSIVE waiting (id) AS (
    (SELECT group_id FROM jobs WHERE task = ? AND group_id > ? ORDER BY group_id LIMIT 1)
    UNION ALL
    SELECT (SELECT group_id FROM jobs WHERE task = ? AND group_id > waiting.id
        ORDER BY group_id LIMIT 1)
    FROM waiting WHERE waiting.id < ?
)
SELECT id FROM waiting CROSS JOIN LATERAL
    (SELECT 1 FROM jobs WHERE jobs.group_id = waiting.id AND {_DUE}{{after}} LIMIT 1) AS due
WHERE id <= ? LIMIT ? /* every group */
"""
# More are looked at than are taken: others may just be taking the first ones.
_TAKE = f"""
WITH looked_at AS MATERIALIZED (
    SELECT turns.group_id, line.photo_id, line.place, turns.turn
    FROM unnest(?::integer[]) WITH ORDINALITY AS turns (group_id, turn)
    CROSS JOIN LATERAL (
        SELECT jobs.photo_id, row_number() OVER (ORDER BY jobs.photo_id) AS place FROM jobs
        WHERE jobs.group_id = turns.group_id AND {_DUE}{{after}} ORDER BY jobs.photo_id LIMIT ?
    ) AS line ORDER BY line.place, turns.turn LIMIT ?
), taken AS MATERIALIZED (
    SELECT jobs.group_id, jobs.photo_id, jobs.attempts FROM looked_at
    JOIN jobs ON jobs.group_id = looked_at.group_id AND jobs.photo_id = looked_at.photo_id
    WHERE jobs.task = ? AND {_FREE}
    ORDER BY looked_at.place, looked_at.turn LIMIT ? FOR UPDATE OF jobs SKIP LOCKED
), leased AS (
    UPDATE jobs SET worker = ? FROM taken WHERE jobs.group_id = taken.group_id
    AND jobs.photo_id = taken.photo_id AND jobs.task = ? AND jobs.worker IS DISTINCT FROM ?
)
SELECT looked_at.group_id, looked_at.photo_id, platform, photos.key, locator, name, attempts
FROM looked_at
LEFT JOIN taken ON taken.group_id = looked_at.group_id AND taken.photo_id = looked_at.photo_id
LEFT JOIN photos ON photos.group_id = taken.group_id AND photos.id = taken.photo_id
ORDER BY looked_at.place, looked_at.turn
"""


class Turns:
    """Whose turn it is, task by task. A group whose photos were taken goes to the end."""

    def __init__(self, pool: Pool, clock: Callable[[], float], worker: Worker) -> None:
        self._pool = pool
        self._clock = clock
        self._worker = worker
        self._last: dict[Task, int] = {}

    async def take(
        self, task: Task, limit: int, skip: Collection[int], after: Task | None = None
    ) -> list[Job]:
        """(see PhotoStore.take) They are this process's until it ends, or is silent for long."""
        found: list[Any] = []
        passed = list(skip)
        async with self._pool.write() as db:
            await run(db, "SET LOCAL synchronous_commit = off")  # a lease may well be lost
            others = await self._worker.others(db)
            for turn in range(ROUNDS):
                due = (task, self._clock(), others, passed, *(() if after is None else (after,)))
                missing = limit - len(found)
                wide = missing << turn
                groups = await self._groups(db, task, due, wide)
                if not groups:
                    break
                looked_at = await self._lease(db, task, groups, due, wide, missing)
                passed += [each[1] for each in looked_at]
                found += [each for each in looked_at if each[2] is not None]
                if len(found) >= limit:
                    break
        if found:
            self._last[task] = found[-1][0]
        return [Job(each[1], task, PhotoRef(*each[2:6]), each[6]) for each in found]

    async def _groups(
        self, db: Connection, task: Task, due: Sequence[Any], limit: int
    ) -> list[int]:
        """Whose turn it is, as many as needed."""
        last = self._last.get(task, 0)
        sql = _GROUPS.format(after=_FIRST if len(due) > 4 else "")
        groups: list[int] = []
        for begin, end in ((last, LAST_GROUP), (0, last)):
            if begin < end and len(groups) < limit:
                values = (task, begin, task, end, *due, end, limit - len(groups))
                groups += [int(each) for (each,) in await rows(db, sql, values)]
        return groups

    async def _lease(
        self,
        db: Connection,
        task: Task,
        groups: Sequence[int],
        due: Sequence[Any],
        wide: int,
        limit: int,
    ) -> list[Any]:
        """What was looked at, in its order; with nothing more than an id where others were first,
        or where it isn't needed."""
        most = 3 * wide + 8
        each = most if len(groups) < wide else -(-most // wide)
        me = self._worker.id
        sql = _TAKE.format(after=_FIRST if len(due) > 4 else "")
        free = due[1:3]
        return await rows(db, sql, (groups, *due, each, most, task, *free, limit, me, task, me))
