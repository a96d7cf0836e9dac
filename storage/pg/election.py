"""One process of all, elected by a lock that a connection of its own holds.

The lock goes with the session, so that a process that ends, however it ends, lets go of it at once.
Of one that hangs or is cut off nobody is told: so whoever leads says every second that it is still
there. It gives up by itself when that isn't answered, before the server gives it up for silence and
another one can lead.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bot.errors import LeadershipLost, StoreError
from storage.pg.trouble import FOREIGN

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
"""Between two signs of life, and between two tries to be elected."""
ANSWER_SECONDS = 2.0
"""That the server may take to answer a sign of life. With the pause before, this process knows
after 3 s at most that it no longer leads."""
SILENCE_SECONDS = 5.0
"""After which the server gives a process up of which it hears nothing."""
CONNECT_SECONDS = 5.0

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]
"""A connection that nobody else uses. Raises what asyncpg does, or StoreError."""


class PgElections:
    """Elections by session-level advisory locks of one database.

    They need a session of their own: no pooler that shares sessions out may be in between.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @asynccontextmanager
    async def leading(self, name: str) -> AsyncIterator[None]:
        """(see Elections)"""
        session = await self._elected(name)
        watching: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(None) as term:
                watching = asyncio.create_task(_watch(session, term))
                session.add_termination_listener(lambda _: _end(term))
                if session.is_closed():
                    _end(term)
                yield
        except TimeoutError:
            if not term.expired():
                raise
            session.terminate()
            raise LeadershipLost(
                f"this process no longer does {name!r}: the database does not answer, or has cut "
                "the connection; the next that reaches it does"
            ) from None
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await _let_go(session)

    async def _elected(self, name: str) -> asyncpg.Connection[Any]:
        """A session that holds the lock. Waits for it as long as it takes."""
        key, told = key_of(name), False
        while True:
            session: asyncpg.Connection[Any] | None = None
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    session = await self._connect()
                    await session.execute(f"SET idle_session_timeout = {SILENCE_SECONDS * 1000:g}")
                while not await _is_mine(session, key):
                    told = False
                    await asyncio.sleep(BEAT_SECONDS)
                await asyncio.sleep(BEAT_SECONDS)  # whoever was cut off may be stopping only now
                await _give_a_sign(session)
                mine, session = session, None
                return mine
            except (*FOREIGN, StoreError) as error:
                if not told:
                    kind = type(error).__name__
                    log.warning("%r waits for the database to tell who does it (%s)", name, kind)
                    told = True
            finally:
                if session is not None:
                    await _let_go(session)
            await asyncio.sleep(BEAT_SECONDS)


def key_of(name: str) -> int:
    """The lock's number, the same in every process."""
    digest = hashlib.sha256(f"shoebox {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


async def _is_mine(session: asyncpg.Connection[Any], key: int) -> bool:
    async with asyncio.timeout(ANSWER_SECONDS):
        return bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", key))


async def _give_a_sign(session: asyncpg.Connection[Any]) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        await session.execute("SELECT 1")


async def _watch(session: asyncpg.Connection[Any], term: asyncio.Timeout) -> None:
    """Ends the term when the session is not known to be alive any more."""
    try:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await _give_a_sign(session)
    except Exception:  # whatever it is: it is not known any more that this process leads
        _end(term)


def _end(term: asyncio.Timeout) -> None:
    if not term.expired():
        with contextlib.suppress(RuntimeError):  # it is over
            term.reschedule(asyncio.get_running_loop().time())


async def _let_go(session: asyncpg.Connection[Any]) -> None:
    """The lock goes with the session; one that doesn't answer is cut."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await session.close()
    except FOREIGN:
        session.terminate()
