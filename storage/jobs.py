"""What is to be done next: groups take turns, in each the oldest photo goes first."""

from __future__ import annotations

import json
from collections.abc import Collection

import aiosqlite

from bot.photos import Job, PhotoRef, Task
from storage.rows import rows

SOON = 60.0
"""Seconds; a job that is postponed for longer isn't worth waiting for."""
_DUE = (
    "jobs.task = :task AND jobs.due <= :now"
    " AND jobs.photo_id NOT IN (SELECT value FROM json_each(:skip))"
    " AND NOT EXISTS (SELECT 1 FROM jobs AS first"
    " WHERE first.task = :after AND first.photo_id = jobs.photo_id)"
)
# Each step looks up the next group in the index, so that a long queue costs nothing; rows are
# made one by one, so that no more groups are looked at than are needed.
_GROUPS = f"""
WITH RECURSIVE waiting (id) AS (
    SELECT min(group_id) FROM jobs WHERE task = :task AND group_id > :from
    UNION ALL
    SELECT (SELECT min(group_id) FROM jobs WHERE task = :task AND group_id > waiting.id)
    FROM waiting WHERE waiting.id IS NOT NULL
)
SELECT id FROM waiting WHERE id IS NOT NULL
AND EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_of_group
    WHERE jobs.group_id = waiting.id AND {_DUE}) LIMIT :limit
"""
_FIRST = f"""
SELECT photos.id, platform, photos.key, locator, name, attempts FROM jobs INDEXED BY jobs_of_group
CROSS JOIN photos ON photos.id = photo_id
WHERE jobs.group_id = :group AND {_DUE} ORDER BY jobs.photo_id LIMIT :limit
"""


class Turns:
    """Whose turn it is, task by task. A group whose photos were taken goes to the end."""

    def __init__(self) -> None:
        self._last: dict[Task, int] = {}

    async def take(
        self,
        db: aiosqlite.Connection,
        task: Task,
        now: float,
        limit: int,
        skip: Collection[int],
        after: Task | None,
    ) -> list[Job]:
        """(see PhotoStore.take)"""
        last = self._last.get(task, 0)
        asked = {
            "task": task,
            "now": now,
            "skip": json.dumps(list(skip)),
            "after": after,
            "limit": limit,
        }
        groups = [int(each) for (each,) in await rows(db, _GROUPS, {**asked, "from": last})]
        if len(groups) < limit and last:
            begin = [int(each) for (each,) in await rows(db, _GROUPS, {**asked, "from": 0})]
            groups += [each for each in begin if each <= last][: limit - len(groups)]
        lines = [await rows(db, _FIRST, {**asked, "group": each}) for each in groups]
        found = [
            (group, each)
            for place in range(limit)
            for group, line in zip(groups, lines, strict=True)
            for each in line[place : place + 1]
        ][:limit]
        if found:
            self._last[task] = found[-1][0]
        return [Job(each[0], task, PhotoRef(*each[1:5]), each[5]) for _, each in found]
