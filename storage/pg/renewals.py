"""Photos that wait to be seen by another model than the one that has embedded them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.photos import Task
from storage.pg.ids import groups_of
from storage.pg.listening import WORK
from storage.pg.pool import Pool
from storage.pg.rows import Connection, rows, run, value

GROUPS = 200
"""That are gone through in one transaction."""
OTHERS_SECONDS = 60.0
"""How long a photo is left to processes that have the model which it waits for."""
_LACKING = """
    SELECT photos.group_id, photos.id, ? FROM photos
    WHERE photos.group_id = ANY(?) AND refused IS NULL
    AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.group_id = photos.group_id
        AND vectors.photo_id = photos.id AND vectors.model_id = ?)
    AND NOT EXISTS (SELECT 1 FROM unseen WHERE unseen.group_id = photos.group_id
        AND unseen.photo_id = photos.id AND unseen.model_id = ?)
"""


async def require(pool: Pool, model: int) -> int:
    """Make every photo without a vector of this model wait for one; returns how many do. Photos
    that no model has seen wait for that anyway."""
    async with pool.read() as db:
        groups = [group for (group,) in await rows(db, "SELECT id FROM groups ORDER BY id")]
    for start in range(0, len(groups), GROUPS):
        async with pool.write() as db:
            await _require(db, model, groups[start : start + GROUPS])
    async with pool.read() as db:
        waiting = "SELECT count(*) FROM jobs WHERE task = ? /* every group */"
        return int(await value(db, waiting, (Task.RENEW,)))


async def _require(db: Connection, model: int, groups: Sequence[int]) -> None:
    await run(
        db,
        "DELETE FROM jobs USING vectors WHERE jobs.group_id = ANY(?) AND task = ?"
        " AND vectors.group_id = jobs.group_id AND vectors.photo_id = jobs.photo_id"
        " AND vectors.model_id = ?",
        (groups, Task.RENEW, model),
    )
    new = await run(
        db,
        f"INSERT INTO jobs (group_id, photo_id, task) {_LACKING}"
        " AND NOT EXISTS (SELECT 1 FROM jobs AS first WHERE first.group_id = photos.group_id"
        " AND first.photo_id = photos.id AND first.task = ?)"
        " ORDER BY photos.group_id, photos.id FOR KEY SHARE OF photos ON CONFLICT DO NOTHING",
        (Task.RENEW, groups, model, model, Task.EMBED),
    )
    if new:
        await run(db, "SELECT pg_notify(?, '')", (WORK,))


async def settle(db: Connection, model: int, photos: Collection[int], now: float) -> None:
    """These photos have been shown to this model, and wait for it no longer. Where another one must
    see them, which is coming or has taken this one's place, they wait for that: the process that
    has shown them may not know of it."""
    groups, chosen = groups_of(photos), list(photos)
    wanted = await _wanted(db, model)
    await run(
        db,
        "DELETE FROM jobs WHERE group_id = ANY(?) AND photo_id = ANY(?) AND task = ?"
        " AND (?::integer = ? OR EXISTS (SELECT 1 FROM vectors WHERE model_id = ?"
        " AND vectors.group_id = jobs.group_id AND vectors.photo_id = jobs.photo_id))",
        (groups, chosen, Task.RENEW, wanted, model, wanted),
    )
    if wanted != model:
        await run(
            db,
            f"INSERT INTO jobs (group_id, photo_id, task) {_LACKING} AND photos.id = ANY(?)"
            " ORDER BY photos.group_id, photos.id FOR KEY SHARE OF photos"
            " ON CONFLICT (group_id, photo_id, task) DO UPDATE SET due = ?, worker = NULL",
            (Task.RENEW, groups, wanted, wanted, chosen, now + OTHERS_SECONDS),
        )


async def _wanted(db: Connection, model: int) -> int:
    """The model that must see what this one has seen. A stand-in has no role, and hands nothing
    on: it does what waits for the one that it stands in for."""
    found = await value(
        db,
        "SELECT id FROM models WHERE role IN ('coming', 'answering') AND EXISTS"
        " (SELECT 1 FROM models AS mine WHERE mine.id = ? AND mine.role <> '')"
        " ORDER BY role = 'answering' LIMIT 1",
        (model,),
    )
    return model if found is None else int(found)
