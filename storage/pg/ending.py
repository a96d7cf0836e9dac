"""What is done, or given up, waits no longer."""

from __future__ import annotations

from collections.abc import Iterable

from bot.photos import Task
from storage.pg.ids import groups_of
from storage.pg.rows import Connection, run


async def end_jobs(db: Connection, task: Task, photos: Iterable[int]) -> None:
    """One task of these photos."""
    ended = list(photos)
    await run(
        db,
        "DELETE FROM jobs WHERE group_id = ANY(?) AND photo_id = ANY(?) AND task = ?",
        (groups_of(ended), ended, task),
    )
