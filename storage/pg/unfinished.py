"""Whether a database is half a memory: a move into it was begun, and is not finished."""

from __future__ import annotations

from storage.pg.rows import Connection, value

TABLE = "moving"
"""Is there from a move's beginning to its end, and says how far it has come."""


async def is_unfinished(db: Connection) -> bool:
    return await value(db, "SELECT to_regclass(?)", (TABLE,)) is not None
