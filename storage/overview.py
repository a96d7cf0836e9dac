"""What there is in a memory, for who only counts: without search, which takes a third of a second
to import."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.stores import GroupStore, ModelStore


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one memory, as long as it is open."""

    groups: GroupStore
    models: ModelStore


@asynccontextmanager
async def in_sqlite(path: str) -> AsyncIterator[Overview]:
    """Raises StoreError."""
    from storage.connection import Database
    from storage.groups import SqliteGroups
    from storage.models import SqliteModels

    db = Database(path, "storage.schema")
    await db.open()
    try:
        yield Overview(SqliteGroups(db), SqliteModels(db, time.time))
    finally:
        await db.close()


@asynccontextmanager
async def in_postgres(url: str) -> AsyncIterator[Overview]:
    """Raises StoreError."""
    from storage.pg.groups import PgGroups
    from storage.pg.models import PgModels
    from storage.pg.pool import Pool

    pool = Pool(url)
    await pool.open()
    try:
        yield Overview(PgGroups(pool), PgModels(pool, time.time))
    finally:
        await pool.close()
