"""Groups by the numbers that the database knows them by, held so that nobody else changes them."""

from __future__ import annotations

from collections.abc import Collection

from storage.pg.counters import lock
from storage.pg.rows import Connection, number_of_group, numbers_of_groups, row, run, value

RESERVING = 0x5B0EB6  # any class of locks that nobody else takes


async def group_number(db: Connection, key: str, name: str) -> int:
    """The number of a group that is new if need be; an empty name changes nothing. Nobody else
    changes the group before this transaction ends."""
    number, _ = await met(db, key, name)
    return number


async def met(db: Connection, key: str, name: str) -> tuple[int, bool]:
    """The same, and whether the group is new."""
    while True:
        known = await row(db, "SELECT id, name FROM groups WHERE key = ?", (key,))
        if known is None:
            await reserve(db, key)
            number = await value(  # a number that isn't used is lost: there are only so many
                db,
                "INSERT INTO groups (key, name) SELECT ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM groups WHERE key = ?) RETURNING id",
                (key, name, key),
            )
            if number is not None:
                await run(db, "INSERT INTO counters (group_id) VALUES (?)", (number,))
                return int(number), True
        elif await lock(db, known["id"]):  # else it was erased a moment ago
            if name not in ("", known["name"]):
                await run(db, "UPDATE groups SET name = ? WHERE id = ?", (name, known["id"]))
            return int(known["id"]), False


async def reserve(db: Connection, key: str) -> None:
    """Let nobody else give this id to a group before this transaction ends. It comes before the
    groups themselves are locked."""
    await run(db, "SELECT pg_advisory_xact_lock(?, hashtext(?))", (RESERVING, key))


async def held(db: Connection, key: str) -> int | None:
    """The number of a group that nobody else changes before this transaction ends, if there is
    one."""
    number = await number_of_group(db, key)
    return number if number is not None and await lock(db, number) else None


async def all_held(db: Connection, keys: Collection[str]) -> dict[str, int]:
    """The same of several groups."""
    while True:
        found = await numbers_of_groups(db, keys)
        for number in sorted(found.values()):
            await lock(db, number)
        if await numbers_of_groups(db, keys) == found:
            return found
