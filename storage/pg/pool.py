"""Connections to one PostgreSQL database through asyncpg."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from pgvector.asyncpg import register_vector

from bot.errors import StoreError
from storage.pg.migrations import migrate
from storage.pg.rows import Connection
from storage.pg.trouble import FOREIGN, LOST, trouble
from storage.pg.unfinished import is_unfinished

CONNECTIONS = 12
"""At most, for one process; some wait while a search computes."""
PATIENCE_SECONDS = 20.0
"""How long a server that restarts, or a free connection, is waited for."""
STATEMENT_SECONDS = 120.0
PAUSE_SECONDS = 0.25
APPLICATION = "shoebox"


class Pool:
    """Reads and writes as transactions of their own; foreign errors become StoreErrors."""

    def __init__(
        self,
        url: str,
        refused: Callable[[StoreError], None] = lambda error: None,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE_SECONDS,
        unfinished: bool = False,
    ) -> None:
        """`refused` is told of everything that the server can't do; `unfinished`: also a database
        is opened that a move into it has not filled yet."""
        self._url = url
        self._refused = refused
        self._connections = connections
        self._patience = patience
        self._unfinished = unfinished
        self._pool: asyncpg.Pool[Any] | None = None
        self.place = place_of(url)

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Raises StoreError, naming the place and the
        cause."""
        try:
            first = await self._patiently(self.connect)
            try:
                await migrate(first)
                if not self._unfinished and await is_unfinished(first):
                    raise StoreError(
                        f"the move into the database {self.place} is not finished: say again what "
                        "began it (python -m bot move), or drop the database"
                    )
            finally:
                await first.close()
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=self._connections,
                command_timeout=STATEMENT_SECONDS,
                init=register_vector,
                server_settings={"application_name": APPLICATION},
            )
        except FOREIGN as error:
            raise trouble(self.place, "opened", error) from error

    async def close(self) -> None:
        """Close all connections; safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), self._patience)
            except FOREIGN:
                pool.terminate()

    async def connect(self) -> asyncpg.Connection[Any]:
        """A connection of one's own, e.g. to hold a lock or to listen; whoever has it closes it.
        Foreign errors come through."""
        return await asyncpg.connect(
            self._url,
            timeout=self._patience,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"application_name": APPLICATION},
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """For queries. Raises StoreError."""
        async with self._acquired("read") as db:
            yield db

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """For several queries that must see the same moment. Raises StoreError."""
        async with (
            self._acquired("read") as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield db

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end, rolled back on any error. Raises StoreError."""
        async with self._acquired("written") as db, db.transaction():
            yield db

    def trouble(self, what: str, error: BaseException) -> StoreError:
        """What to raise instead of a foreign error. `what`: read or written."""
        told = trouble(self.place, what, error)
        self._refused(told)
        return told

    @asynccontextmanager
    async def _acquired(self, what: str) -> AsyncIterator[Connection]:
        assert self._pool is not None, "the database is not open"
        pool = self._pool
        try:
            db = await self._patiently(lambda: pool.acquire(timeout=self._patience))
            try:
                yield db
            finally:
                await pool.release(db)
        except FOREIGN as error:
            raise self.trouble(what, error) from error

    async def _patiently(self, connect: Callable[[], Any]) -> Any:
        """Try again while the server is away for a moment."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return await connect()
            except LOST:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)


def place_of(url: str) -> str:
    """Host and database of a URL, without its secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'localhost'}{port}{parts.path}"
