"""Nobody else works on a database while a memory is moved out of it or into it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.errors import StoreError
from storage.pg.pool import APPLICATION, Pool
from storage.pg.rows import Connection, row, value
from storage.pg.trouble import FOREIGN, trouble
from storage.pg.workers import LEASE_SECONDS

LOCK = 0x5B0EB7  # any number that nobody else locks
LINGERING_SECONDS = 5.0
"""How long the connections of a process that was killed may still be there."""


@asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[None]:
    """Raises StoreError while any process of this program is connected, leads, or has worked just
    now. The pool is not to be open yet."""
    try:
        db = await pool.connect()
    except FOREIGN as error:
        raise trouble(pool.place, "opened", error) from error
    try:
        until = time.monotonic() + LINGERING_SECONDS
        while (who := await _others(db)) is not None:
            if time.monotonic() >= until:
                raise StoreError(f"{who} the database {pool.place}: stop it first")
            await asyncio.sleep(0.1)
        if not await value(db, "SELECT pg_try_advisory_lock(?)", (LOCK,)):
            raise StoreError(f"another move works on the database {pool.place}")
        yield
    finally:
        await db.close()


async def _others(db: Connection) -> str | None:
    connected, locks, working = await row(
        db,
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = ? AND pid <> pg_backend_pid()),"
        " (SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
        " AND pid <> pg_backend_pid()), to_regclass('workers') IS NOT NULL",
        (APPLICATION,),
    )
    if connected or locks:
        return f"another Shoebox runs on {max(connected, locks)} connections to"
    if working and await value(
        db,
        "SELECT count(*) FROM workers WHERE seen_at > now() - make_interval(secs => ?)",
        (LEASE_SECONDS,),
    ):
        return f"another Shoebox worked within the last {LEASE_SECONDS:g} s on"
    return None
