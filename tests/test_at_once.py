"""Several processes change the same groups in PostgreSQL at once: each does as if it were alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from bot.answers import Hit
from bot.backlog import Kind
from bot.errors import NameRefused
from bot.photos import EVERYONE, Group, Task
from storage import names as names_module
from storage.postgres import PostgresStore
from tests.stores import selected
from tests.test_store import MODEL, a_post, a_vector

GROUPS = ("t:1", "t:2", "t:3")
THEN = datetime(2025, 1, 1, tzinfo=UTC)
TABLES = ("posts", "photos", "jobs", "vectors", "texts", "replies", "names", "people", "counters")


@pytest.fixture
async def both(postgres_url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two that know nothing of each other."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(PostgresStore(postgres_url))
        yield one, await stack.enter_async_context(PostgresStore(postgres_url))


async def test_it_is_news_once(both: tuple[PostgresStore, PostgresStore]) -> None:
    for n in range(5):
        fam = Group(f"local:{n}", "fam")
        met = await asyncio.gather(*(store.groups.meet(fam) for store in both * 4))
        left = await asyncio.gather(*(store.groups.leave(fam.id, THEN) for store in both * 4))
        back = await asyncio.gather(*(store.groups.meet(fam) for store in both * 4))
        assert [sum(met), sum(left), sum(back)] == [1, 1, 1]
    assert await selected(both[0], "SELECT max(id) FROM groups") == [(5,)], "no number is lost"


@pytest.mark.parametrize("known", [True, False])
async def test_a_group_moves_once(both: tuple[PostgresStore, PostgresStore], known: bool) -> None:
    await both[0].remember(a_post("1", group="t:old", channel="old"))
    if known:
        await both[0].remember(a_post("2", group="t:new"))
    others = asyncio.gather(
        *(store.remember(a_post(f"m{n}", group="t:new")) for n, store in enumerate(both * 3)),
        *(store.groups.see("t:new", "ann") for store in both),
    )
    moved = await asyncio.gather(*(store.groups.move("t:old", "t:new") for store in both * 3))
    await others
    assert sum(moved) == 1
    (status,) = await both[1].groups.status()
    assert (status.group, status.photos) == ("t:new", 7 + known)


async def test_there_are_never_too_many(
    both: tuple[PostgresStore, PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_module, "MOST_EXAMPLES", 3)
    photos = [(await both[0].remember(a_post(str(n)))).added[0] for n in range(8)]
    given = await asyncio.gather(
        *(both[n % 2].names.give(photo, "tom", "Tom", "ann") for n, photo in enumerate(photos)),
        return_exceptions=True,
    )
    assert [type(each) for each in given if each is not None] == [NameRefused] * 5


async def test_whatever_happens_at_once_nobody_waits_for_ever(
    both: tuple[PostgresStore, PostgresStore],
) -> None:
    chance = random.Random(11)

    async def something(store: PostgresStore) -> None:
        group, message, word = chance.choice(GROUPS), str(chance.randrange(8)), chance.choice("ab")
        where = (group, "main", message)
        known = [*await store.posted(*where), *await store.posted(group, "main", "0")]
        hits = [Hit(n, photo, 1.0, ()) for n, photo in enumerate(known, start=1)]
        photos = sorted({photo.id for photo in known})
        photo = (photos or [0])[0]
        verbs: list[Callable[[], Awaitable[object]]] = [
            *[lambda: store.remember(a_post(message, group=group, keys="ab"))] * 5,
            lambda: store.revise(*where, word, [word]),
            lambda: store.forget(*where),
            lambda: store.forget_channel(group, "main"),
            lambda: store.forget_older(datetime(2024, 5, 2, tzinfo=UTC), 2),
            lambda: store.people.forget(group, "u1", 3),
            lambda: store.people.refuse("eve", word == "a"),
            lambda: store.groups.move(group, chance.choice(GROUPS)),
            lambda: store.groups.erase(group),
            lambda: store.groups.leave(group, THEN),
            lambda: store.groups.erase_left(THEN),
            lambda: store.groups.meet(Group(group, word)),
            lambda: store.groups.see(group, message),
            lambda: store.groups.take_note(group, word, word),
            lambda: store.replies.hear(*where, f"r{word}", "bob", word),
            lambda: store.replies.unsay(group, "main", ["ra", "rb"]),
            lambda: store.names.take_back(group, EVERYONE, "tom", None),
            lambda: store.take(Task.EMBED, 3, ()),
            lambda: store.save_vectors(MODEL, photos, a_vector(1)[None].repeat(len(photos), 0)),
            lambda: store.save_text(photo, word),
            lambda: store.answers.keep(group, "ann", word, hits),
            lambda: store.thumbnails.keep(dict.fromkeys(photos, b"jpeg")),
            lambda: store.models.overlook(photo, MODEL, word),
            lambda: store.models.require(MODEL),
            lambda: store.backlog.retry(photos),
            lambda: store.backlog.retry_all(Kind("bad", None, False)),
            lambda: store.save_fingerprints({photo: b"12345678"}),
            lambda: store.refuse(photo, "bad", False),
            lambda: store.drop(photo),
            lambda: store.names.give(photo, "tom", "Tom", "ann"),
        ]
        await chance.choice(verbs)()

    for _ in range(20):
        await asyncio.gather(*(something(store) for store in both * 8))
    for table in TABLES:
        of_no_group = f"SELECT count(*) FROM {table} WHERE group_id NOT IN (SELECT id FROM groups)"
        assert await selected(both[0], of_no_group) == [(0,)], table
    for table, column in (("posts", "id"), ("photos", "id"), ("photos", "post_id")):
        elsewhere = f"SELECT count(*) FROM {table} WHERE {column} >> 29 <> group_id"
        assert await selected(both[0], elsewhere) == [(0,)], "an id holds its group"
