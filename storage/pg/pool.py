"""Connections to one PostgreSQL database through asyncpg."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from pgvector.asyncpg import register_vector

from bot.errors import StoreError
from storage.pg.letters import look_at_letters
from storage.pg.migrations import migrate
from storage.pg.rows import Connection
from storage.pg.transactions import ONE_MOMENT, WRITING, cut, transaction
from storage.pg.trouble import FOREIGN, LOST, NO_ANSWER, Busy, Clash, trouble
from storage.pg.unfinished import is_unfinished

CONNECTIONS = 12
"""At most, for one process; some wait while a search computes."""
PATIENCE_SECONDS = 20.0
"""How long a server that restarts, or a free connection, is waited for."""
STATEMENT_SECONDS = 120.0
PAUSE_SECONDS = 0.25
SILENCE_SECONDS = 5.0
"""A connection that was silent for longer is asked whether it still is one: nobody is told of a
line that is cut somewhere in the middle."""
ANSWER_SECONDS = 5.0
"""That it may take to answer, and to be given back."""
APPLICATION = "shoebox"
T = TypeVar("T")


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
        self._heard: dict[int, float] = {}
        """When connections, by the server's number for them, were last heard of."""
        self._returning: set[asyncio.Task[None]] = set()
        """Connections that are given back."""
        self.place = place_of(url)

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Raises StoreError, naming the place and the
        cause."""
        logging.getLogger("asyncio").addFilter(_tells_something)
        try:
            await self._patiently(self._prepare)
            self._pool = await self._patiently(self._fill)
        except FOREIGN as error:
            raise trouble(self.place, "opened", error) from error

    async def _prepare(self, seconds: float) -> None:
        first = await self._connect(seconds)
        try:
            await migrate(first)
            await look_at_letters(first)
            if not self._unfinished and await is_unfinished(first):
                raise StoreError(
                    f"the move into the database {self.place} is not finished: say again what "
                    "began it (python -m bot move), or drop the database"
                )
        finally:
            with suppress(*FOREIGN):
                await first.close(timeout=ANSWER_SECONDS)

    async def _fill(self, seconds: float) -> asyncpg.Pool[Any]:
        pool = await asyncpg.create_pool(
            self._url,
            min_size=0,  # of what it wants to keep it tells with tracebacks
            max_size=self._connections,
            timeout=self._patience,
            command_timeout=STATEMENT_SECONDS,
            init=self._greet,
            setup=self._make_sure,
            server_settings={"application_name": APPLICATION},
        )
        async with pool.acquire(timeout=seconds):
            return pool

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
        return await self._connect(self._patience)

    async def _connect(self, seconds: float) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            self._url,
            timeout=seconds,
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
        async with self._acquired("read") as db, transaction(db, ONE_MOMENT):
            yield db

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed at the end, rolled back on any error. Raises StoreError."""
        async with self._acquired("written") as db, transaction(db, WRITING):
            yield db

    def trouble(self, what: str, error: BaseException) -> StoreError:
        """What to raise instead of a foreign error. `what`: read or written."""
        told = trouble(self.place, what, error)
        if not isinstance(told, Clash):  # which is done again
            self._refused(told)
        return told

    @asynccontextmanager
    async def _acquired(self, what: str) -> AsyncIterator[Connection]:
        assert self._pool is not None, "the database is not open"
        pool = self._pool
        try:
            db = await self._patiently(lambda seconds: self._free(pool, seconds))
            try:
                yield db
            except NO_ANSWER:
                cut(db)  # else the next one would wait for it too
                raise
            finally:
                back = asyncio.create_task(self._give_back(pool, db))
                self._returning.add(back)
                back.add_done_callback(self._returning.discard)
                await asyncio.shield(back)  # also of who is stopped
        except FOREIGN as error:
            raise self.trouble(what, error) from error

    async def _free(self, pool: asyncpg.Pool[Any], seconds: float) -> Connection:
        try:
            return await pool.acquire(timeout=seconds)
        except TimeoutError:
            if not pool.get_idle_size() and pool.get_size() == pool.get_max_size():
                raise Busy(f"all {self._connections} connections are in use") from None
            raise

    async def _give_back(self, pool: asyncpg.Pool[Any], db: Connection) -> None:
        # What was done is done. InternalClientError: its line was lost in this very moment, and
        # asyncpg has taken it back by itself.
        with suppress(*FOREIGN, asyncpg.InternalClientError):
            self._hear(db)
            await pool.release(db, timeout=ANSWER_SECONDS)

    async def _greet(self, db: asyncpg.Connection[Any]) -> None:
        """It is new."""
        await register_vector(db)
        self._hear(db)

    async def _make_sure(self, db: Connection) -> None:
        """That it is one that works, before somebody relies on it."""
        heard = self._heard.get(db.get_server_pid())
        if heard is None or time.monotonic() - heard > SILENCE_SECONDS:
            try:
                await db.execute("SELECT 1", timeout=ANSWER_SECONDS)
            except FOREIGN:
                cut(db)
                raise
            self._hear(db)

    def _hear(self, db: Connection) -> None:
        if len(self._heard) > 4 * self._connections:
            self._heard.clear()
        self._heard[db.get_server_pid()] = time.monotonic()

    async def _patiently(self, connect: Callable[[float], Awaitable[T]]) -> T:
        """Try again while the server is away for a moment. `connect` is told how many seconds it
        may take."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return await connect(max(until - time.monotonic(), PAUSE_SECONDS))
            except LOST:
                if time.monotonic() + PAUSE_SECONDS >= until:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)


def _tells_something(record: logging.LogRecord) -> bool:
    """Not of asyncpg's connections that were given up while they were made, which it forgets."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ConnectionError) and "unexpected connection_lost()" in str(error))


def place_of(url: str) -> str:
    """Host and database of a URL, without its secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'localhost'}{port}{parts.path}"
