"""Groups take turns: none waits for another's flood, nothing is taken early, twice or never."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.photos import PhotoRef, Post, Task
from tests.postgres import Server
from tests.stores import AnyStore, Opened, store_on

NOW, LATER = 1000.0, 2000.0


async def posted(store: AnyStore, group: int, photos: int, message: str = "1") -> list[int]:
    refs = tuple(PhotoRef("web", f"{n}", f"{n}.jpg") for n in range(photos))
    when = datetime(2026, 5, 1, tzinfo=UTC)
    post = Post(f"local:{group}", "main", message, "ann", "Ann", when, refs)
    return list((await store.remember(post)).added)


async def test_a_flood_keeps_nobody_waiting(opened: Opened) -> None:
    async with opened(lambda: NOW) as store:
        flood = await posted(store, 0, 500)
        others = [(await posted(store, group, 1))[0] for group in range(1, 10)]
        first = [job.photo for job in await store.take(Task.EMBED, 8, ())]
        second = [job.photo for job in await store.take(Task.EMBED, 8, first)]
        assert set(others) <= {*first, *second}
        assert [photo for photo in first if photo in flood] == flood[:1]
        ahead = await store.take(Task.EMBED, 8, [*first, *second])
        taken = len([photo for photo in (*first, *second) if photo in flood])
        assert [job.photo for job in ahead] == flood[taken : taken + 8], "alone it gets everything"


async def test_a_group_that_moved_keeps_its_turn(opened: Opened) -> None:
    async with opened(lambda: NOW) as store:
        photos = await posted(store, 1, 3)
        await store.groups.move("local:1", "local:2")
        newer = await posted(store, 2, 1, "2")
        assert [job.photo for job in await store.take(Task.READ, 9, ())] == [*photos, *newer]


Queue = list[tuple[int, bool]]
"""(photos, whether they are due) of one group."""
QUEUES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=7)


@settings(max_examples=40, deadline=None)
@given(QUEUES, st.integers(1, 9))
def test_every_photo_that_is_due_gets_its_turn(queues: Queue, limit: int) -> None:
    with TemporaryDirectory() as folder:
        store = store_on(f"sqlite:///{folder}/box.db", lambda: NOW)
        asyncio.run(everyone_gets_a_turn(store, queues, limit))


@settings(max_examples=4, deadline=None)
@given(queues=QUEUES, limit=st.integers(3, 9))
def test_every_photo_that_is_due_gets_its_turn_in_postgres(
    postgres_server: Server, queues: Queue, limit: int
) -> None:
    async def check() -> None:
        async with postgres_server.database() as url:
            await everyone_gets_a_turn(store_on(url, lambda: NOW), queues, limit)

    asyncio.run(check())


async def everyone_gets_a_turn(closed: AnyStore, queues: Queue, limit: int) -> None:
    async with closed as store:
        owner: dict[int, int] = {}
        waiting: dict[int, list[int]] = {}
        for group, (photos, due) in enumerate(queues):
            ids = await posted(store, group, photos)
            owner |= dict.fromkeys(ids, group)
            if due:
                waiting[group] = ids
            for photo in ids if not due else ():
                until = datetime.fromtimestamp(LATER, UTC)
                await store.postpone(photo, Task.READ, until, "not now")
        while waiting:
            jobs = await store.take(Task.READ, limit, ())
            assert len(jobs) == min(limit, sum(map(len, waiting.values())))
            shares = Counter(owner[job.photo] for job in jobs)
            for group, line in waiting.items():
                others = max(shares.values())
                assert shares[group] >= min(len(line), others - 1), "nobody gets two ahead"
            for job in jobs:
                assert job.photo == waiting[owner[job.photo]].pop(0), "the oldest first"
                await store.save_text(job.photo, "")
            waiting = {group: line for group, line in waiting.items() if line}
        assert await store.take(Task.READ, limit, ()) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.integers(1, 3))
def test_one_at_a_time_every_group_comes_before_any_comes_again(groups: int, limit: int) -> None:
    with TemporaryDirectory() as folder:
        store = store_on(f"sqlite:///{folder}/box.db", lambda: NOW)
        asyncio.run(all_come_before_any_comes_again(store, groups, limit))


async def test_in_postgres_too_every_group_comes_before_any_comes_again(
    postgres_server: Server,
) -> None:
    for groups, limit in ((3, 1), (4, 2)):
        async with postgres_server.database() as url:
            store = store_on(url, lambda: NOW)
            await all_come_before_any_comes_again(store, groups, limit)


async def all_come_before_any_comes_again(closed: AnyStore, groups: int, limit: int) -> None:
    async with closed as store:
        owner = {photo: group for group in range(groups) for photo in await posted(store, group, 6)}
        served: list[int] = []
        while len(served) < 3 * groups:
            for job in await store.take(Task.READ, limit, ()):
                served.append(owner[job.photo])
                await store.save_text(job.photo, "")
        for n in range(len(served) - groups + 1):
            counts = Counter(served[:n])
            most, least = (
                max(counts.values(), default=0),
                min((counts[g] for g in range(groups)), default=0),
            )
            assert most - least <= 1 + (limit > 1)
