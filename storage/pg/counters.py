"""What is counted of each group: numbers for posts and photos, and changes that searches see."""

from __future__ import annotations

from collections.abc import Collection

from storage.pg.ids import id_of
from storage.pg.rows import Connection, run, value


async def take_number(db: Connection, group: int) -> int:
    """An id for a new post or photo. Whoever else adds to the group waits for this transaction."""
    number = await value(
        db, "UPDATE counters SET last = last + 1 WHERE group_id = ? RETURNING last", (group,)
    )
    return id_of(group, int(number))


async def lock(db: Connection, group: int) -> bool:
    """Let nobody else add to this group before this transaction ends; whether it is still there."""
    return await run(db, "SELECT 1 FROM counters WHERE group_id = ? FOR UPDATE", (group,)) > 0


async def grow(db: Connection, group: int) -> int:
    """Searches find more in this group from now on; returns the serial of what is new."""
    serial = await value(
        db, "UPDATE counters SET grown = grown + 1 WHERE group_id = ? RETURNING grown", (group,)
    )
    return int(serial or 0)


async def shrink(db: Connection, groups: Collection[int]) -> None:
    """Searches find less in these groups, or other things, from now on. Whoever locks several
    does so in this order."""
    await run(
        db,
        "UPDATE counters SET shrunk = shrunk + 1 FROM (SELECT group_id FROM counters"
        " WHERE group_id = ANY(?) ORDER BY group_id FOR UPDATE) AS held"
        " WHERE counters.group_id = held.group_id",
        (list(groups),),
    )
