"""One process of all does what only one may do; the next takes over when it ends, hangs or is cut
off. On a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from bot.elections import Alone, lead
from bot.errors import LeadershipLost
from bot.ports import Elections
from storage.pg import election
from storage.pg.election import PgElections, key_of
from tests.postgres import Server
from tests.wire import Wire


@pytest.fixture
def postgres(postgres_server: Server) -> Server:
    return postgres_server


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in the same proportions."""
    for name in ("BEAT_SECONDS", "ANSWER_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(election, name, getattr(election, name) / 5)


def elections(port: int) -> PgElections:
    url = f"postgresql://shoebox:secret-word@127.0.0.1:{port}/postgres"
    return PgElections(lambda: asyncpg.connect(url))


@asynccontextmanager
async def connected(postgres: Server) -> AsyncIterator[Any]:
    db = await asyncpg.connect(postgres.url())
    try:
        yield db
    finally:
        await db.close()


async def led(chosen: Elections, what_happens: Callable[[], None]) -> None:
    async with chosen.leading("a word"):
        what_happens()
        await asyncio.Event().wait()


@dataclass
class Office:
    """Who does something, by name, as it came and went."""

    now: list[str] = field(default_factory=list)
    most: int = 0
    """Who did it at the same time."""
    terms: list[str] = field(default_factory=list)

    async def held(self, by: str) -> None:
        self.now.append(by)
        self.terms.append(by)
        self.most = max(self.most, len(self.now))
        try:
            await asyncio.Event().wait()
        finally:
            self.now.remove(by)

    async def becomes(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while self.now != list(names):
                await asyncio.sleep(0.01)

    async def begins(self, term: int) -> None:
        """Wait until somebody does it for the nth time."""
        async with asyncio.timeout(20):
            while len(self.terms) < term:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def stands(self, by: str, chosen: Elections, name: str) -> AsyncIterator[None]:
        """Somebody wants to do it, until the block ends."""
        standing = asyncio.create_task(lead(chosen, name, lambda: self.held(by)))
        try:
            yield
        finally:
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)


async def test_a_memory_of_one_process_has_no_rival() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await lead(Alone(), "anything", work)


async def test_the_next_takes_over_when_one_ends(postgres: Server) -> None:
    office, other = Office(), Office()
    async with office.stands("b", elections(postgres.port), "to end"):
        await office.becomes("b")
        async with (
            other.stands("c", elections(postgres.port), "another thing"),
            office.stands("a", elections(postgres.port), "to end"),
        ):
            await other.becomes("c")
            assert office.now == ["b"]
    assert office.now == []
    async with office.stands("a", elections(postgres.port), "to end"):
        await office.becomes("a")
    assert office.most == 1


async def test_when_its_session_is_ended_somebody_is_elected_anew(postgres: Server) -> None:
    """Who it is does not matter; the one that is told at once may be first again."""
    office, key = Office(), "to be ended"
    async with (
        connected(postgres) as db,
        office.stands("a", elections(postgres.port), key),
        office.stands("b", elections(postgres.port), key),
    ):
        for term in range(1, 4):
            await office.begins(term)
            assert await db.fetchval(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                " AND (classid::bigint << 32 | objid::bigint) = $1",
                key_of(key),
            )
        await office.begins(4)
    assert office.most == 1


async def test_who_is_cut_off_stops_before_another_begins(postgres: Server) -> None:
    office, key = Office(), "to be cut off"
    async with Wire(postgres.port).open() as wire:
        async with office.stands("a", elections(wire.port), key):
            await office.becomes("a")
            async with office.stands("b", elections(postgres.port), key):
                wire.die()
                await office.becomes()
                await office.becomes("b")
                wire.revive()
            await office.becomes("a")
        assert office.terms == ["a", "b", "a"]
        assert office.most == 1


async def test_work_is_cancelled_with_a_word_why(postgres: Server) -> None:
    async with Wire(postgres.port).open() as wire:
        with pytest.raises(LeadershipLost, match=r"'a word'.*does not answer"):
            await led(elections(wire.port), wire.cut)
        current = asyncio.current_task()
        assert current is not None
        assert not current.cancelling(), "nothing of it is left"


async def test_a_timeout_of_the_work_is_its_own(postgres: Server) -> None:
    def too_slow() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await led(elections(postgres.port), too_slow)


async def test_a_server_that_comes_late_is_waited_for(
    postgres: Server, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office()
    async with Wire(1).open() as wire, office.stands("a", elections(wire.port), "late"):
        while "waits for the database" not in caplog.text:
            await asyncio.sleep(0.01)
        wire._to = postgres.port
        await office.becomes("a")
    assert caplog.text.count("waits for the database") == 1
    assert "secret-word" not in caplog.text
