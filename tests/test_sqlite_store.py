"""What is SQLite's own in the store: its file, its threads, what is left in its tables."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from bot.errors import StoreError
from storage.sqlite import SqliteStore
from tests.test_store import MODEL, a_post, a_vector


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "data/box.db") as store:
        yield store


async def test_nothing_derived_outlives_its_photo(store: SqliteStore, tmp_path: Path) -> None:
    (photo,) = (await store.remember(a_post(caption="unicorn"))).added
    await store.save_text(photo, "zanzibar")
    await store.save_vectors(MODEL, [photo], a_vector(1)[None])
    await store.forget("local:fam", "main", "1")
    with sqlite3.connect(tmp_path / "data/box.db") as db:
        for table in ("posts", "photos", "jobs", "vectors", "texts"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        db.execute("INSERT INTO texts_index (texts_index) VALUES ('integrity-check')")
        hits = "SELECT count(*) FROM texts_index WHERE texts_index MATCH 'unicorn OR zanzibar'"
        assert db.execute(hits).fetchone() == (0,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def test_a_cancelled_write_leaves_no_open_transaction(store: SqliteStore) -> None:
    for delay in np.linspace(0, 0.004, 25):
        task = asyncio.create_task(store.remember(a_post(f"c{delay}", keys="abcdef")))
        await asyncio.sleep(float(delay))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        after = await store.remember(a_post(f"d{delay}"))
        assert len(after.added) == 1
    path = store._db.path
    with sqlite3.connect(path) as db:
        counts = db.execute("SELECT count(*) FROM photos GROUP BY post_id").fetchall()
    db.close()
    assert {count for (count,) in counts} <= {1, 6}, "a post is remembered whole or not at all"


@pytest.mark.parametrize("where", ["folder", "under a file", "not a database"])
async def test_a_database_that_cannot_be_is_one_line(tmp_path: Path, where: str) -> None:
    threads = threading.enumerate()
    path = tmp_path / "box.db"
    if where == "folder":
        path.mkdir()
    elif where == "under a file":
        (tmp_path / "file").write_text("x")
        path = tmp_path / "file" / "box.db"
    else:
        path.write_bytes(b"This is a letter, not a database." * 100)
    with pytest.raises(StoreError, match=r"can't be opened.*DATABASE_URL") as error:
        async with SqliteStore(path):
            pass
    assert "\n" not in str(error.value)
    started = [t for t in threading.enumerate() if t not in threads and "asyncio" not in t.name]
    for thread in started:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive(), "a thread left behind keeps the process from ending"
    assert where != "not a database" or path.read_bytes().startswith(b"This is a letter")


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "box.db"):
        pass
    with sqlite3.connect(tmp_path / "box.db") as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        async with SqliteStore(tmp_path / "box.db"):
            pass


async def test_a_start_that_is_stopped_says_nothing_of_the_database(tmp_path: Path) -> None:
    """Cancelled at any moment of opening and migrating, it is that, and opens the next time."""
    cancelled = 0
    for moment in range(30):
        store = SqliteStore(tmp_path / f"{moment}.db")
        opening = asyncio.create_task(store.__aenter__())
        await asyncio.sleep(moment * 0.002)
        opening.cancel()
        (outcome,) = await asyncio.gather(opening, return_exceptions=True)
        assert outcome is store or isinstance(outcome, asyncio.CancelledError), moment
        cancelled += outcome is not store
        await store.__aexit__(None, None, None)
        async with SqliteStore(tmp_path / f"{moment}.db") as again:
            assert (await again.remember(a_post())).added
    assert cancelled > 3
