"""One SQLite file through aiosqlite: WAL, one writer."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiosqlite

from bot.errors import StoreError
from storage.trouble import FOREIGN, damage, trouble
from storage.upgrade import upgrade

BUSY_SECONDS = 30
"""How long a writer waits for another process that writes."""
CLOSING_MS = 500
"""How long a stop waits for another process that reads."""
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")


class Database:
    """Two connections to one file: reads never wait for writes (WAL), writes queue up."""

    def __init__(
        self,
        path: str | Path,
        schema: str,
        refused: Callable[[StoreError], None] = lambda error: None,
    ) -> None:
        """`schema` names the package that holds the numbered migrations; `refused` is told of
        everything that the file can't do, in whatever thread that is."""
        self.path = Path(path)
        self._refused = refused
        self._schema = schema
        self._lock = asyncio.Lock()
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None

    async def open(self) -> None:
        """Create or migrate the file. Raises StoreError, naming the file and the cause."""
        try:
            await asyncio.to_thread(_make_private, self.path)
            self._writer = await self._connect()
            await upgrade(self._writer, self.path, self._schema)
            self._reader = await self._connect()
            await self._reader.execute("PRAGMA query_only = ON")
        except FOREIGN as error:
            await self.close()
            raise trouble(self.path, "opened", error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close both connections; safe to call twice. All is in the file itself then: SQLite alone
        leaves its log behind where a statement was cancelled right before."""
        if self._writer is not None:
            with suppress(sqlite3.Error):
                await self._writer.execute(f"PRAGMA busy_timeout = {CLOSING_MS}")
                await self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for connection in (self._reader, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._writer = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction: committed at the end, rolled back on any error."""
        assert self._writer is not None, "the database is not open"
        async with self._lock:
            try:
                try:
                    await self._writer.execute("BEGIN IMMEDIATE")
                    yield self._writer
                    await self._writer.execute("COMMIT")
                except BaseException:
                    # A cancelled BEGIN or COMMIT still runs in the connection's thread, so that
                    # only SQLite knows whether there is something to roll back.
                    with suppress(sqlite3.Error):
                        await self._writer.execute("ROLLBACK")
                    raise
            except FOREIGN as error:
                raise self.trouble("written", error) from error

    def trouble(self, what: str, error: Exception) -> StoreError:
        """What to raise instead of a foreign error. `what`: read or written."""
        told = trouble(self.path, what, error)
        self._refused(told)
        return told

    async def alone(self, statement: str) -> list[Any]:
        """Run what SQLite runs outside of transactions only, e.g. VACUUM; its rows. Whoever stops
        waiting for it stops SQLite too. Raises StoreError."""
        assert self._writer is not None, "the database is not open"
        async with self._lock:
            work = asyncio.ensure_future(self._writer.execute_fetchall(statement))
            try:
                return list(await asyncio.shield(work))
            except asyncio.CancelledError:
                await self._writer.interrupt()
                await asyncio.gather(work, return_exceptions=True)
                raise
            except FOREIGN as error:
                raise self.trouble("written", error) from error

    async def prove_sound(self, seconds: float) -> bool:
        """Look whether the file's structure is whole, table by table, the smallest first; whether
        that was done in so many seconds. Flipped bits inside of texts and vectors don't show.
        Raises StoreError for damage."""
        until = time.monotonic() + seconds
        async with self.read() as db:
            await db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
            try:
                for table in await self._tables(db):
                    if time.monotonic() > until:
                        return False
                    if (problem := await _problem(db, table)) is not None:
                        raise damage(self.path, problem)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    return False
                raise
            finally:
                until = 0.0  # whoever stops waiting for it stops SQLite too
                await db.set_progress_handler(None, 0)  # type: ignore[arg-type]
        return True

    async def _tables(self, db: aiosqlite.Connection) -> list[str]:
        """The largest ones last."""
        names = await db.execute_fetchall(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
            " ORDER BY name IN ('vectors', 'texts_index_data', 'texts', 'posts'), name = 'vectors'"
        )
        return [name for (name,) in names]

    @asynccontextmanager
    async def read(self) -> AsyncIterator[aiosqlite.Connection]:
        """For queries, each with a cursor of its own."""
        assert self._reader is not None, "the database is not open"
        try:
            yield self._reader
        except FOREIGN as error:
            raise self.trouble("read", error) from error

    async def _connect(self) -> aiosqlite.Connection:
        db = await aiosqlite.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            for pragma in PRAGMAS:
                await db.execute(f"PRAGMA {pragma}")
        except BaseException:
            await db.close()  # its thread would keep the process from ending
            raise
        return db


def _make_private(path: Path) -> None:
    """A new database is for its owner's eyes only; SQLite gives its logs the same permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


async def _problem(db: aiosqlite.Connection, table: str) -> str | None:
    """What is wrong with a table, if anything.

    Of tables without rowid whose key has its columns in another order SQLite's quick check (3.40)
    says that they hold NULLs. The full one, which takes longer, knows better.
    """
    problem: str | None = None
    for check in ("quick_check", "integrity_check"):
        found = await db.execute_fetchall(f"PRAGMA {check}('{table}')")
        problem = next((str(each) for (each,) in found if each != "ok"), None)
        if problem is None:
            return None
    return problem
