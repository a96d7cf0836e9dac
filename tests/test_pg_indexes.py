"""The memory in which a large group's index is made."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg
import numpy as np
import pytest

from storage.pg import indexes
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
