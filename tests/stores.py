"""Stores of either kind, for tests of what both do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from storage.pg import rows as pg
from storage.postgres import PostgresStore
from storage.rows import rows
from storage.sqlite import SqliteStore

AnyStore: TypeAlias = "SqliteStore | PostgresStore"
Opened: TypeAlias = "Callable[..., AnyStore]"
"""Makes a store on the same database each time, with a clock; not yet opened."""
Rooms: TypeAlias = "Callable[[], AbstractAsyncContextManager[str]]"
"""Gives the URL of an empty memory, as often as wanted."""
QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where each commit needn't wait for a disk."""


def store_on(url: str, clock: Callable[[], float] = time.time) -> AnyStore:
    """Not yet opened."""
    if url.startswith("sqlite:///"):
        return SqliteStore(url.removeprefix("sqlite:///"), clock=clock)
    return PostgresStore(url, clock=clock)


@asynccontextmanager
async def a_file() -> AsyncIterator[str]:
    """Rooms in SQLite."""
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        yield f"sqlite:///{folder}/box.db"


def so_many(examples: int, rooms: Rooms) -> int:
    """Of these examples of hypothesis: fewer where each takes longer."""
    return examples if rooms is a_file else max(1, examples // 3)


async def selected(store: AnyStore, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a statement that both databases understand."""
    if isinstance(store, SqliteStore):
        async with store._db.read() as db:
            return [tuple(each) for each in await rows(db, sql)]
    async with store._pool.read() as pg_db:
        return [tuple(each) for each in await pg.rows(pg_db, sql)]


async def written(store: AnyStore) -> bytes:
    """All that there is to be read in the tables; of SQLite in its files, whoever wrote it."""
    if isinstance(store, SqliteStore):
        async with store._db.read() as db:
            await rows(db, "PRAGMA wal_checkpoint(TRUNCATE)")
        folder = Path(store._db.path).parent
        return b"".join(each.read_bytes() for each in sorted(folder.iterdir()))
    tables = await selected(store, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = [await selected(store, f"SELECT * FROM {table}") for (table,) in tables]
    values = (value for rows_ in found for row in rows_ for value in row)
    return b" ".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
