"""Transactions that end whatever becomes of the line to the server, or of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from storage.pg.rows import Connection
from storage.pg.trouble import FOREIGN, NO_ANSWER

SILENCE_SECONDS = 30
"""After which the server rolls back what a process has begun of which it hears nothing more: one
that was cut off is not told, and would keep its groups from everybody else for hours."""
ROLLBACK_SECONDS = 5.0
_SILENCE = f"SET LOCAL idle_in_transaction_session_timeout = '{SILENCE_SECONDS}s'"
WRITING = f"BEGIN; {_SILENCE}"
ONE_MOMENT = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SILENCE}"
"""All that is read is of the same moment."""


@asynccontextmanager
async def transaction(db: Connection, begin: str) -> AsyncIterator[None]:
    """Committed at the end, rolled back on any error; a connection that can't even do that soon is
    cut, which does it too. Raises foreign errors."""
    try:
        await db.execute(begin)
        yield
        await db.execute("COMMIT")
    except NO_ANSWER:
        cut(db)
        raise
    except BaseException:
        await _roll_back(db)
        raise


async def _roll_back(db: Connection) -> None:
    try:
        await db.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
    except FOREIGN:
        cut(db)


def cut(db: Connection) -> None:
    """End it without a word; safe to call twice."""
    with suppress(asyncpg.InterfaceError):
        db.terminate()
