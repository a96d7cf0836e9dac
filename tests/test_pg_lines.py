"""Bad lines to the server, and too few of them: each call works or says in one line what is wrong,
none hangs, and what was answered is so."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import numpy as np
import pytest
from asyncpg.connect_utils import TLSUpgradeProto

from bot.errors import StoreError
from bot.photos import EVERYONE, Task
from storage.pg import pool, transactions, workers
from storage.pg.counters import lock
from storage.pg.ids import group_of
from storage.pg.pool import Pool
from storage.pg.rows import value
from storage.postgres import PostgresStore
from tests.postgres import Server
from tests.test_store import MODEL, a_post, a_vector
from tests.wire import Wire

T = TypeVar("T")
GROUPS = ("local:fam", "local:club")
WORDS, ASKED = ["cake"], [a_vector(1)]
FOREVER_SECONDS = 20
"""Nothing here takes as long, however bad the line is."""


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in the same proportions."""
    for module, name in (
        (pool, "STATEMENT_SECONDS"),
        (pool, "SILENCE_SECONDS"),
        (pool, "ANSWER_SECONDS"),
        (transactions, "ROLLBACK_SECONDS"),
        (workers, "LEASE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / 20)


@asynccontextmanager
async def stores_on(url: str, count: int) -> AsyncIterator[list[PostgresStore]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(PostgresStore(url, patience=1)) for _ in range(count)
        ]


def through(wire: Wire, url: str) -> str:
    """The same database, at the other end of a line."""
    return f"postgresql://shoebox:secret-word@127.0.0.1:{wire.port}/{url.rpartition('/')[2]}"


async def asked(url: str, sql: str) -> list[Any]:
    db = await asyncpg.connect(url)
    try:
        return [tuple(each) for each in await db.fetch(sql)]
    finally:
        await db.close()


class Caller:
    """Makes calls, of which each works or fails properly."""

    def __init__(self) -> None:
        self.failures = 0
        self.calls = 0

    async def tries(self, call: Callable[[], Awaitable[T]]) -> T | None:
        self.calls += 1
        try:
            async with asyncio.timeout(FOREVER_SECONDS):
                return await call()
        except StoreError as error:
            self.failures += 1
            line = str(error)
            assert "\n" not in line
            assert "secret-word" not in line
            assert "the database 127.0.0.1" in line
            return None

    async def insists(self, call: Callable[[], Awaitable[T]]) -> T:
        """As a platform does that tells of something until it is taken in."""
        while (found := await self.tries(call)) is None:
            await asyncio.sleep(0.02)
        return found


async def work(store: PostgresStore, caller: Caller) -> int:
    """What waits, once; how much that was."""
    done = 0
    for job in await caller.tries(lambda: store.take(Task.EMBED, 4, ())) or ():
        vector = a_vector(job.photo)[None]
        await caller.tries(lambda p=job.photo, v=vector: store.save_vectors(MODEL, [p], v))  # type: ignore[misc]
        done += 1
    for job in await caller.tries(lambda: store.take(Task.READ, 4, ())) or ():
        await caller.tries(lambda p=job.photo: store.save_text(p, "sign"))  # type: ignore[misc]
        done += 1
    taken = await caller.tries(lambda: store.take(Task.FINGERPRINT, 4, ())) or ()
    seen = {job.photo: b"seen" for job in taken}
    await caller.tries(lambda: store.save_fingerprints(seen))
    return done + len(seen)


async def mischief(wire: Wire, chance: random.Random) -> None:
    for what in ("cut", "dead", "cut", "slow", "cut", "dead", "cut"):
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        match what:
            case "cut":
                wire.cut()
            case "slow":
                wire.delay = chance.uniform(0.01, 0.1)
                await asyncio.sleep(0.2)
                wire.delay = 0.0
            case "dead":
                wire.die()
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                wire.cut()  # what it has swallowed does not come up again
                wire.revive()


async def test_on_a_bad_line_nothing_is_lost_and_nothing_is_twice(
    postgres_server: Server, postgres_url: str
) -> None:
    chance = random.Random(5)
    caller = Caller()
    remembered: dict[tuple[str, str], set[int]] = {}
    forgotten: set[tuple[str, str]] = set()

    async def post(store: PostgresStore, group: str, message: str) -> None:
        a = a_post(message, group=group, keys="ab", caption=f"cake {message}")
        found = await caller.insists(lambda: store.remember(a))
        there = remembered.setdefault((group, message), {*found.added, *found.known})
        if (group, message) not in forgotten:
            assert {*found.added, *found.known} in (there, set())

    async def posts(store: PostgresStore, first: int) -> None:
        for number in range(first, first + 100):
            if trouble.done():
                break
            group = chance.choice(GROUPS)
            for to in {store, chance.choice(stores)}:  # or it is told twice
                await post(to, group, str(number))
            if number % 4 == 0:
                await caller.insists(lambda g=group, n=number: store.forget(g, "main", str(n)))  # type: ignore[misc]
                forgotten.add((group, str(number)))
            await asyncio.sleep(0.1)

    async def works(store: PostgresStore) -> None:
        while True:
            await work(store, caller)
            await asyncio.sleep(0.05)

    async def searches(store: PostgresStore) -> None:
        while True:
            await caller.tries(lambda: store.search(GROUPS, EVERYONE, WORDS, ASKED, MODEL, 5))
            await asyncio.sleep(0.05)

    async with (
        Wire(postgres_server.port).open() as wire,
        stores_on(through(wire, postgres_url), 3) as stores,
    ):
        trouble = asyncio.create_task(mischief(wire, chance))
        others = [
            *(asyncio.create_task(works(store)) for store in stores),
            asyncio.create_task(searches(stores[0])),
        ]
        try:
            await asyncio.gather(*(posts(s, 100 * n) for n, s in enumerate(stores)))
        finally:
            trouble.cancel()
            await asyncio.gather(trouble, return_exceptions=True)
            wire.revive()
            for task in others:
                task.cancel()
            ended = await asyncio.gather(*others, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
        assert caller.failures
        async with asyncio.timeout(60):  # what was taken and not done is free after the lease
            while await work(stores[0], caller) or await asked(
                postgres_url, "SELECT 1 FROM jobs LIMIT 1"
            ):
                await asyncio.sleep(0.1)
        for (group, message), photos in remembered.items():
            again = await stores[1].remember(a_post(message, group=group, keys="ab"))
            gone = (group, message) in forgotten
            assert set(again.known) == (set() if gone else photos)
            assert not again.added
    found = await asked(
        postgres_url,
        "SELECT groups.key, message, array_agg(photos.id ORDER BY photos.id), count(vectors.*),"
        " count(fingerprints.*), min(texts.text), min(texts.caption) FROM posts"
        " JOIN groups ON groups.id = group_id JOIN photos ON post_id = posts.id"
        " LEFT JOIN vectors ON vectors.photo_id = photos.id"
        " LEFT JOIN texts ON texts.photo_id = photos.id"
        " LEFT JOIN fingerprints ON fingerprints.photo_id = photos.id GROUP BY 1, 2",
    )
    assert {each[:2] for each in found} == remembered.keys() - forgotten
    for group, message, photos, *rest in found:
        assert set(photos) == remembered[group, message]
        assert rest == [2, 2, "sign", f"cake {message}"]


async def test_what_was_kept_and_not_answered_is_known_when_it_is_told_again(
    postgres_server: Server, postgres_url: str
) -> None:
    caller = Caller()

    async def loses(store: PostgresStore, call: Callable[[], Awaitable[T]]) -> T:
        wire.loses_answer_to = b"COMMIT"
        assert await caller.tries(call) is None
        return await call()

    async with (
        Wire(postgres_server.port).open() as wire,
        stores_on(through(wire, postgres_url), 1) as (store,),
    ):
        found = await loses(store, lambda: store.remember(a_post(keys="abc")))
        assert (len(found.known), found.added) == (3, ())
        for task in (Task.EMBED, Task.READ, Task.FINGERPRINT):
            jobs = await loses(store, lambda t=task: store.take(t, 9, ()))  # type: ignore[misc]
            assert [job.photo for job in jobs] == list(found.known)
        vectors = np.stack([a_vector(n) for n in range(3)])
        await loses(store, lambda: store.save_vectors(MODEL, found.known, vectors))
        await loses(store, lambda: store.save_text(found.known[0], "sign"))
        await loses(store, lambda: store.forget("local:fam", "main", "1"))
        assert caller.failures == 7
    for table in ("posts", "photos", "jobs", "vectors", "texts"):
        assert await asked(postgres_url, f"SELECT 1 FROM {table}") == []


async def test_who_is_cut_off_keeps_no_group_from_others(
    postgres_server: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = "SET LOCAL idle_in_transaction_session_timeout = '0.5s'"
    monkeypatch.setattr(pool, "WRITING", f"BEGIN; {silence}")
    async with (
        Wire(postgres_server.port).open() as wire,
        stores_on(postgres_url, 1) as (near,),
        stores_on(through(wire, postgres_url), 1) as (far,),
    ):
        (photo,) = (await near.remember(a_post())).added

        async def stalls() -> None:
            async with far._pool.write() as db:
                await lock(db, group_of(photo))
                wire.die()
                await near.remember(a_post("2"))
                wire.cut()
                await lock(db, group_of(photo))

        with pytest.raises(StoreError, match="cut"):
            await stalls()
        wire.revive()
        assert (await far.remember(a_post("2"))).known


async def test_a_line_that_died_in_silence_is_replaced(
    postgres_server: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SILENCE_SECONDS", 0.0)
    async with Wire(postgres_server.port).open() as wire:
        far = Pool(through(wire, postgres_url), patience=5)
        await far.open()
        async with far.read() as db:
            first = await value(db, "SELECT pg_backend_pid()")
        wire.die()
        reading = asyncio.create_task(_backend(far))
        await asyncio.sleep(2 * pool.ANSWER_SECONDS)
        wire.cut()
        wire.revive()
        assert await reading != first
        await far.close()


async def test_a_line_that_is_lost_while_it_is_given_back_is_no_error(postgres_url: str) -> None:
    opened = Pool(postgres_url, connections=1)
    await opened.open()
    loop = asyncio.get_running_loop()
    async with opened.read() as db:
        # asyncpg lets go of it one step of the loop before it marks its place as free
        loop.call_soon(loop.call_soon, db._con.terminate)
    assert await _backend(opened), "its place is free again"
    await opened.close()


async def _backend(of: Pool) -> object:
    async with of.read() as db:
        return await value(db, "SELECT pg_backend_pid()")


async def test_a_connection_that_is_given_up_half_made_is_no_error(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    opened = Pool(postgres_url)
    await opened.open()
    await opened.close()
    half_made = TLSUpgradeProto(asyncio.get_running_loop(), "127.0.0.1", 1, None, False)
    half_made.connection_lost(None)  # and whoever waited for it has gone
    del half_made
    gc.collect()
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []


async def test_when_all_connections_are_in_use_calls_wait_and_then_say_so(
    postgres_url: str,
) -> None:
    told: list[StoreError] = []
    few = Pool(postgres_url, told.append, connections=2, patience=0.3)
    await few.open()
    try:
        async with few.read(), few.snapshot():
            with pytest.raises(StoreError, match=r"all 2 connections are in use: look at what"):
                async with few.write():
                    raise AssertionError
            assert len(told) == 1
        async with few.read():
            waiting = [asyncio.create_task(_backend(few)) for _ in range(9)]
            assert len(await asyncio.gather(*waiting)) == 9, "each gets it in its turn"
    finally:
        await few.close()


async def test_when_the_server_takes_no_more_it_is_waited_for(
    postgres_url: str,
) -> None:
    role = f"few{random.getrandbits(32)}"
    await asked(
        postgres_url,
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret-word' CONNECTION LIMIT 1 IN ROLE shoebox",
    )
    url = postgres_url.replace("//shoebox:", f"//{role}:")
    one, other = Pool(url, patience=0.5), Pool(url, patience=0.5)
    try:
        await one.open()
        async with one.read():
            with pytest.raises(StoreError, match=r"too many connections.*raise its max_conn"):
                await other.open()
            opening = asyncio.create_task(other.open())
        await one.close()
        await opening
        assert await _backend(other)
    finally:
        await one.close()
        await other.close()
        await asked(postgres_url, f"DROP ROLE {role}")


async def test_a_server_that_crashes_is_waited_for(postgres_url: str) -> None:
    """It ends all its processes, recovers, and knows of no workers any more."""
    caller, name = Caller(), postgres_url.rpartition("/")[2]
    await asked(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = on")
    async with PostgresStore(postgres_url) as store:
        for number in range(40):
            if number == 10:
                async with store._pool.read() as db:
                    os.kill(await value(db, "SELECT pg_backend_pid()"), signal.SIGKILL)
            await caller.insists(lambda n=number: store.remember(a_post(str(n))))  # type: ignore[misc]
        assert caller.failures <= 1, "of what was just being asked"
        taken = [job.photo for job in await store.take(Task.EMBED, 99, ())]
    assert [(photo,) for photo in taken] == await asked(
        postgres_url, "SELECT id FROM photos ORDER BY id"
    )
    assert len(taken) == 40


async def test_who_loses_a_deadlock_does_it_again(postgres_url: str) -> None:
    async with PostgresStore(postgres_url) as store:
        (photo,) = (await store.remember(a_post())).added
        db = await asyncpg.connect(postgres_url)
        await db.execute("BEGIN; SELECT 1 FROM photos FOR UPDATE")
        forgetting = asyncio.create_task(store.forget("local:fam", "main", "1"))
        while not await asked(postgres_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await db.execute("UPDATE counters SET grown = grown + 1; ROLLBACK")
        assert len(await forgetting) == 1
        await db.close()
        assert await store.photos([photo]) == []
