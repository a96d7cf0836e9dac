"""What becomes of all that a group has when the group goes, or becomes part of another one."""

from __future__ import annotations

from collections.abc import Iterator

from storage.pg.counters import shrink
from storage.pg.ids import id_of
from storage.pg.rows import Connection, run, value

STEP = 20_000
"""Ids that one statement is about: what hangs on them is looked for one by one, and no statement
may take too long."""
_POST = "channel, message, author, author_name, posted_at, caption, album, link, spoiler, protected"


async def erase(db: Connection, group: int) -> None:
    """Delete a group, which is locked, with everything in it."""
    await _alone(db, group)
    for after, last in await _spans(db, group):
        await run(
            db, "DELETE FROM posts WHERE group_id = ? AND id > ? AND id <= ?", (group, after, last)
        )
    await run(db, "DELETE FROM groups WHERE id = ?", (group,))


async def merge(db: Connection, source: int, target: int) -> int:
    """Make one of two groups, both locked; which one that is now. Where both have the same, the
    target's stays. Ids hold their group: those of the one that has more remain what they were."""
    await _alone(db, source, target)
    await run(
        db,
        "DELETE FROM posts USING posts AS known WHERE posts.group_id = ? AND known.group_id = ?"
        " AND known.channel = posts.channel AND known.message = posts.message",
        (source, target),
    )
    await run(
        db,
        "DELETE FROM notes WHERE group_id = ?"
        " AND name IN (SELECT name FROM notes WHERE group_id = ?)",
        (source, target),
    )
    goes, stays = (source, target)
    if await _given(db, target) <= await _given(db, source):
        goes, stays = (target, source)
    await _move(db, goes, stays)
    await erase(db, goes)
    await shrink(db, [stays])
    return stays


async def _alone(db: Connection, *groups: int) -> None:
    """Until nobody else has something in hand that is about these groups."""
    await run(db, "SELECT 1 FROM groups WHERE id = ANY(?) ORDER BY id FOR UPDATE", (list(groups),))


async def _move(db: Connection, old: int, new: int) -> None:
    """Give to `new` what `old` has and `new` hasn't."""
    for table, column in (("people", "person"), ("forgotten", "digest"), ("notes", "name, value")):
        await run(
            db,
            f"INSERT INTO {table} (group_id, {column}) SELECT ?, {column} FROM {table}"
            " WHERE group_id = ? ON CONFLICT DO NOTHING",
            (new, old),
        )
    await run(db, "UPDATE answers SET group_id = ? WHERE group_id = ?", (new, old))
    shift = id_of(new, await _join_counters(db, old, new)) - id_of(old, 0)
    await run(
        db,
        f"INSERT INTO posts (group_id, id, {_POST}) SELECT ?, id + ?, {_POST} FROM posts"
        " WHERE group_id = ?",
        (new, shift, old),
    )
    for after, last in await _spans(db, old):
        await run(
            db,
            "UPDATE photos SET group_id = ?, id = id + ?, post_id = post_id + ?"
            " WHERE group_id = ? AND id > ? AND id <= ?",
            (new, shift, shift, old, after, last),
        )


async def _join_counters(db: Connection, old: int, new: int) -> int:
    """Make room in `new` for the numbers of `old`, and for its serials; the last number before
    that room."""
    given = await _given(db, old)
    last = await value(
        db,
        "UPDATE counters SET last = last + ?,"
        " grown = greatest(grown, (SELECT grown FROM counters WHERE group_id = ?))"
        " WHERE group_id = ? RETURNING last",
        (given, old, new),
    )
    return int(last) - given


async def _given(db: Connection, group: int) -> int:
    return int(await value(db, "SELECT last FROM counters WHERE group_id = ?", (group,)) or 0)


async def _spans(db: Connection, group: int) -> Iterator[tuple[int, int]]:
    """(id, id): behind the one up to the other there are not too many."""
    first, given = id_of(group, 0), await _given(db, group)
    return ((first + n, first + n + STEP) for n in range(0, given, STEP))
