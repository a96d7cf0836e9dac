"""What there is in a memory, for who only counts: without search, which takes a third of a second
to import."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from storage.connection import Database
from storage.groups import SqliteGroups
from storage.models import SqliteModels


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one memory, as long as it is open."""

    groups: SqliteGroups
    models: SqliteModels


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[Overview]:
    """Raises StoreError."""
    db = Database(path, "storage.schema")
    await db.open()
    try:
        yield Overview(SqliteGroups(db), SqliteModels(db, time.time))
    finally:
        await db.close()
