"""The memory in which a large group's index is made."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg
import numpy as np
import pytest

from bot.photos import EVERYONE, Model
from storage.pg import indexes, near
from storage.pg.ids import groups_of
from storage.pg.scope import Scope
from storage.postgres import PostgresStore
from tests.test_store import MODEL, a_post, a_vector


async def an_index(url: str, caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    """What was warned of while a group got one."""
    caplog.clear()
    async with PostgresStore(url, indexed_from=5) as store:
        for n in range(5):
            photos = (await store.remember(a_post(str(n), keys="a"))).added
            await store.save_vectors(MODEL, photos, np.stack([a_vector(n)]))
        assert await store.tend() == 1
        assert await store.tend() == 0, "it is whole"
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


async def test_too_little_memory_is_told_with_how_much_it_takes(
    postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "AROUND_BYTES", 1 << 27)
    (told,) = await an_index(postgres_url, caplog)
    assert "5 photos takes hours in 512 MB" in told
    assert "set maintenance_work_mem of the database server to 640 MB" in told


@pytest.mark.parametrize(("set_to", "enough"), [("1GB", True), ("600MB", False)])
async def test_what_the_server_gives_is_taken(
    postgres_url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    set_to: str,
    enough: bool,
) -> None:
    db = await asyncpg.connect(postgres_url)
    name = postgres_url.rpartition("/")[2]
    await db.execute(f"ALTER DATABASE {name} SET maintenance_work_mem = '{set_to}'")
    await db.close()
    monkeypatch.setattr(indexes, "AROUND_BYTES", 1 << 27)
    told = await an_index(postgres_url, caplog)
    assert [*told] == [] if enough else "in 600 MB" in told[0]


async def test_a_small_one_fits(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await an_index(postgres_url, caplog) == []


async def test_what_the_index_brings_late_counts_too(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at one photo first, and brings the others nearly in order."""
    monkeypatch.setattr(near, "LOOKED_AT", 1)
    monkeypatch.setattr(near, "SHARE", 1.0)
    model, random_ = Model("wide", "w1de", 64), np.random.default_rng(3)
    vectors = random_.normal(size=(300, model.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    async with PostgresStore(postgres_url, indexed_from=100) as store:
        posts = [a_post(str(n), keys="a") for n in range(len(vectors))]
        photos = [(await store.remember(post)).added[0] for post in posts]
        await store.save_vectors(model, photos, vectors)
        assert await store.tend() == 1
        async with store._pool.snapshot() as db:
            await db.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            await db.execute(
                "SET LOCAL hnsw.ef_search = 1; SET LOCAL hnsw.iterative_scan = relaxed_order"
            )
            kind = await near.kind_of(db, model.fingerprint)
            (group,) = groups_of(photos)
            for query in vectors[:20] + 0.2 * random_.normal(size=(20, 64)).astype(np.float32):
                found = await near.nearest_in(
                    db, Scope([group], EVERYONE), kind, group, query, 3, len(photos)
                )
                nearest = np.argsort(-(vectors @ query))[:3]
                assert found == [photos[n] for n in nearest.tolist()]
