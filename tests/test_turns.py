"""Groups take turns: none waits for another's flood, nothing is taken early, twice or never."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.photos import PhotoRef, Post, Task
from storage.sqlite import SqliteStore

NOW, LATER = 1000.0, 2000.0


async def posted(store: SqliteStore, group: int, photos: int, message: str = "1") -> list[int]:
    refs = tuple(PhotoRef("web", f"{n}", f"{n}.jpg") for n in range(photos))
    when = datetime(2026, 5, 1, tzinfo=UTC)
    post = Post(f"local:{group}", "main", message, "ann", "Ann", when, refs)
    return list((await store.remember(post)).added)


async def test_a_flood_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "box.db", clock=lambda: NOW) as store:
        flood = await posted(store, 0, 500)
        others = [(await posted(store, group, 1))[0] for group in range(1, 10)]
        first = [job.photo for job in await store.take(Task.EMBED, 8, ())]
        second = [job.photo for job in await store.take(Task.EMBED, 8, first)]
        assert set(others) <= {*first, *second}
        assert [photo for photo in first if photo in flood] == flood[:1]
        ahead = await store.take(Task.EMBED, 8, [*first, *second])
        taken = len([photo for photo in (*first, *second) if photo in flood])
        assert [job.photo for job in ahead] == flood[taken : taken + 8], "alone it gets everything"


async def test_a_group_that_moved_keeps_its_turn(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "box.db", clock=lambda: NOW) as store:
        photos = await posted(store, 1, 3)
        await store.groups.move("local:1", "local:2")
        newer = await posted(store, 2, 1, "2")
        assert [job.photo for job in await store.take(Task.READ, 9, ())] == [*photos, *newer]


Queue = list[tuple[int, bool]]
"""(photos, whether they are due) of one group."""


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=7),
    st.integers(1, 9),
)
def test_every_photo_that_is_due_gets_its_turn(queues: Queue, limit: int) -> None:
    async def check(folder: str) -> None:
        async with SqliteStore(Path(folder) / "box.db", clock=lambda: NOW) as store:
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

    with TemporaryDirectory() as folder:
        asyncio.run(check(folder))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.integers(1, 3))
def test_one_at_a_time_every_group_comes_before_any_comes_again(groups: int, limit: int) -> None:
    async def check(folder: str) -> None:
        async with SqliteStore(Path(folder) / "box.db", clock=lambda: NOW) as store:
            owner = {
                photo: group for group in range(groups) for photo in await posted(store, group, 6)
            }
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

    with TemporaryDirectory() as folder:
        asyncio.run(check(folder))
