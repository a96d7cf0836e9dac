"""What searches keep in memory says the same as the database, whatever was done to it by whom."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.candidates import Background, Candidates, Meant
from bot.photos import EVERYONE, Audience, Model, Only, PhotoRef, Post, Vector
from bot.words import fold
from storage import loading, packing, roll, rolls
from storage.cohort import Cohort
from storage.columns import Columns
from storage.roll import Kind
from storage.scan import largest
from storage.sqlite import SqliteStore

DIMENSION = 16
MODEL = Model("tiny", "f00d", DIMENSION)
GROUPS, CHANNELS, AUTHORS = ("t:a", "t:b"), ("one", "two", "three"), ("ann", "bob")
START = datetime(2024, 1, 1, tzinfo=UTC)


def unit(*seeds: int, count: int | None = None) -> Vector:
    shape = (DIMENSION,) if count is None else (count, DIMENSION)
    drawn = np.random.default_rng(seeds).standard_normal(shape).astype(np.float32)
    vectors: Vector = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
    return vectors


BACKGROUND = Background(
    unit(1, count=9), unit(4, count=20), unit(2, count=6), unit(3, count=3), 0.9
)


@dataclass(frozen=True)
class Row:
    photo: int
    group: str
    channel: str
    author: str
    posted_at: datetime
    caption: str
    protected: bool
    vector: Vector | None


def rows_of(path: Path) -> list[Row]:
    """All photos that may be found, read with nothing of the store's."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(
            "SELECT photos.id, groups.key, channel, author, posted_at, posts.caption, protected,"
            " (SELECT vector FROM vectors WHERE photo_id = photos.id) FROM photos"
            " JOIN posts ON posts.id = post_id JOIN groups ON groups.id = photos.group_id"
            " WHERE refused IS NULL ORDER BY photos.id"
        ).fetchall()
    return [
        Row(
            each[0],
            each[1],
            each[2],
            each[3],
            datetime.fromisoformat(each[4]),
            fold(each[5]),
            bool(each[6]),
            None if each[7] is None else np.frombuffer(each[7], "<f4"),
        )
        for each in found
    ]


def may_be_shown(row: Row, groups: tuple[str, ...], audience: Audience, only: Only) -> bool:
    return (
        row.group in groups
        and (audience.channels is None or row.channel in audience.channels)
        and (audience.protected or not row.protected)
        and (only.authors is None or row.author in only.authors)
        and (only.after is None or row.posted_at >= only.after)
        and (only.before is None or row.posted_at < only.before)
        and row.photo not in only.apart
        and (only.among is None or row.photo in only.among)
        and all(phrase == row.caption for phrase in only.holding)
        and not any(phrase == row.caption for phrase in only.lacking)
    )


def check(
    found: Candidates, rows: list[Row], query: Vector, nearest: int, tolerance: float
) -> None:
    """What was found is what a look at every photo in scope finds."""
    assert found.total == len(rows)
    cosines = {row.photo: float(row.vector @ query) for row in rows if row.vector is not None}
    best = sorted(cosines, key=lambda photo: -cosines[photo])[:nearest]
    assert {item.photo for item in found.items} == set(best)
    for item in found.items:
        assert item.cosine == pytest.approx(cosines[item.photo], abs=1e-5)
    if not cosines:
        assert found.level is None
        return
    values = np.array(list(cosines.values()))
    assert found.median_cosine == pytest.approx(np.median(values), abs=tolerance)
    vectors = np.stack([row.vector for row in rows if row.vector is not None])
    said = vectors @ BACKGROUND.texts.T
    level = found.level
    assert level is not None
    assert level.neutral == pytest.approx(np.median(said.max(axis=0)), abs=4 * tolerance)
    bulk = np.concatenate([values, BACKGROUND.pictures @ query])
    assert level.median == pytest.approx(np.median(bulk), abs=tolerance)
    by_photo = dict(zip(cosines, said, strict=True))
    for item in found.items:
        texts = by_photo[item.photo]
        assert item.neutral == pytest.approx(texts.mean(), abs=1e-4)
        vector = next(row.vector for row in rows if row.photo == item.photo)
        assert vector is not None
        assert item.rival == pytest.approx(rival(query, vector), abs=1e-4)


def rival(query: Vector, photo: Vector) -> float:
    """The photo's cosine to the best word that means something else than the question."""
    words = BACKGROUND.words
    near = [float(word @ query) for word in words]
    middle = sum(near) / len(near)
    same = 0.9 * (max(near) - middle)
    others = [w for w, n in zip(words, near, strict=True) if n - middle < same]
    return max(float(word @ photo) for word in others)


class Life:
    """A memory that things happen to, seen by two processes' stores."""

    def __init__(self, here: SqliteStore, other: SqliteStore, path: Path) -> None:
        self.stores = (here, other)
        self.path = path
        self._messages = 0

    async def happen(self, what: str, a: int, b: int) -> None:
        store = self.stores[b % 3 == 2]
        group, channel = GROUPS[a % 2], CHANNELS[b % 3]
        with closing(sqlite3.connect(self.path)) as db:
            posts = db.execute(
                "SELECT groups.key, channel, message, max(photos.id), author FROM posts"
                " JOIN groups ON groups.id = posts.group_id JOIN photos ON post_id = posts.id"
                " GROUP BY posts.id ORDER BY posts.id"
            ).fetchall()
            waiting = db.execute("SELECT photo_id FROM jobs WHERE task = 'embed'").fetchall()
        post = posts[(7 * a + b) % len(posts)] if posts else None
        if what == "remember":
            self._messages += 1
            await store.remember(self._post(group, channel, str(self._messages), a, b))
        elif what == "embed" and waiting:
            ids = [photo for (photo,) in waiting][a % 2 :: 1 + b % 2]
            await store.save_vectors(MODEL, ids, np.array([unit(p, b) for p in ids]))
        elif what == "erase":
            await store.groups.erase(group)
        elif what == "move":
            await store.groups.move(group, GROUPS[1 - a % 2])
        elif what == "forget channel":
            await store.forget_channel(group, channel)
        elif post is not None:
            where: tuple[str, str, str] = post[:3]
            if what == "embed again":
                await store.save_vectors(MODEL, [post[3]], unit(post[3], a, b)[None])
            elif what == "forget":
                await store.forget(*where)
            elif what == "revise":
                await store.revise(*where, f"caption {a}", ["0"])
            elif what == "drop":
                await store.drop(post[3])
            elif what == "refuse":
                await store.refuse(post[3], "unreadable", final=False)
            elif what == "again":  # refused ones get another chance; protection may change
                await store.remember(self._post(*where, a, b))

    def _post(self, group: str, channel: str, message: str, a: int, b: int) -> Post:
        return Post(
            group=group,
            channel=channel,
            message=message,
            author=AUTHORS[a % 2],
            author_name=AUTHORS[a % 2],
            posted_at=START + timedelta(days=b, microseconds=a),
            photos=tuple(PhotoRef("file", str(n), "/p") for n in range(1 + a % 3)),
            caption=f"caption {b}",
            protected=b % 4 == 1,
        )

    async def ask(self, a: int, b: int, nearest: int, tolerance: float) -> None:
        channels = (None, {"one"}, {"one", "three"}, {"two", "nowhere"}, set[str]())[b % 5]
        audience = Audience(None if channels is None else frozenset(channels), a % 3 > 0)
        only = (
            Only(),
            Only(),
            Only(authors=frozenset({"ann"})),
            Only(after=START + timedelta(days=3), before=START + timedelta(days=8)),
            Only(holding=(f"caption {a}",)),
            Only(lacking=(f"caption {b}",), apart=frozenset({a, b, 12})),
            Only(among=frozenset(range(a, a + 3 * b, 2))),
        )[(a + b) % 7]
        groups = (GROUPS[:1], GROUPS[1:], GROUPS)[a % 3]
        query = unit(a, b)
        found = await self.stores[0].search(
            groups, audience, [], [query], MODEL, nearest, only, background=BACKGROUND
        )
        rows = [row for row in rows_of(self.path) if may_be_shown(row, groups, audience, only)]
        check(found, rows, query, nearest, tolerance)


@asynccontextmanager
async def life(folder: str | Path, cache_megabytes: int = 64) -> AsyncIterator[Life]:
    path = Path(folder) / "box.db"
    async with (
        SqliteStore(path, cache_megabytes=cache_megabytes) as here,
        SqliteStore(path) as other,
    ):
        yield Life(here, other, path)


WHAT = st.sampled_from(
    (
        *(("remember",) * 6),
        *(("embed",) * 4),
        *("embed again", "forget", "revise", "drop", "refuse", "again"),
        *("move", "erase", "forget channel"),
    )
)
DAYS = st.lists(st.tuples(WHAT, st.integers(0, 11), st.integers(0, 11)), max_size=24)


@pytest.mark.parametrize(
    ("exact", "megabytes"), [(4096, 64), (0, 64), (0, 0)], ids=["exact", "coded", "passing"]
)
def test_memory_finds_what_a_look_at_every_photo_finds(
    monkeypatch: pytest.MonkeyPatch, exact: int, megabytes: int
) -> None:
    """With blocks and packs of a few photos, so that all borders are crossed."""
    monkeypatch.setattr(roll, "ROWS", 4)
    monkeypatch.setattr(rolls, "WORTH_PACKING", 2)
    for module in (loading, packing):
        monkeypatch.setattr(module, "PACK", 3)
    tolerance = 1e-5 if exact else 0.01

    async def live(days: list[tuple[str, int, int]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with life(folder, megabytes) as each:
                each.stores[0]._searcher._rolls._exact = exact
                for what, a, b in days:
                    await each.happen(what, a, b)
                    await each.ask(a, b, 3, tolerance)
                for n in range(6):
                    await each.ask(n, 5 * n, 100, tolerance)
            # What was packed meanwhile serves the next start.
            async with life(folder, megabytes) as again:
                again.stores[0]._searcher._rolls._exact = exact
                for n in range(6):
                    await again.ask(n, 7 * n, 100, tolerance)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DAYS)
    def run(days: list[tuple[str, int, int]]) -> None:
        asyncio.run(live(days))

    run()


@given(st.lists(st.lists(st.integers(0, 6), max_size=300), max_size=5), st.integers(0, 9))
def test_the_largest_are_found_block_by_block(blocks: list[list[int]], count: int) -> None:
    arrays = [np.array(block, np.float32) for block in blocks]
    whole = np.concatenate([*arrays, np.zeros(0, np.float32)])
    assert largest(arrays, count).tolist() == np.argsort(-whole, kind="stable")[:count].tolist()


async def big_group(store: SqliteStore, count: int) -> tuple[list[int], Vector]:
    """A group of so many photos, 100 a post."""
    ids: list[int] = []
    for start in range(0, count, 100):
        refs = tuple(PhotoRef("file", str(n), "/p") for n in range(100))
        post = Post("t:a", CHANNELS[start // 100 % 3], str(start), "ann", "Ann", START, refs)
        ids += (await store.remember(post)).added
    vectors = unit(5, count=len(ids))
    await store.save_vectors(MODEL, ids, vectors)
    return ids, vectors


async def test_a_small_group_and_a_large_one_are_asked_together(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "box.db") as store:
        store._searcher._rolls._exact = (
            50  # the small one's are kept exactly, the large one's coded
        )
        await big_group(store, 200)
        refs = tuple(PhotoRef("file", str(n), "/p") for n in range(30))
        post = Post("t:b", "one", "1", "bob", "Bob", START, refs)
        ids = (await store.remember(post)).added
        await store.save_vectors(MODEL, ids, unit(6, count=30))
        rows = rows_of(tmp_path / "box.db")
        for n in range(5):
            query = unit(7, n)
            found = await store.search(
                GROUPS, EVERYONE, [], [query], MODEL, 9, background=BACKGROUND
            )
            check(found, rows, query, 9, 0.02)
        kinds = {roll.exact for roll in store._searcher._rolls._known.values()}
        assert kinds == {True, False}


async def test_a_group_is_packed_for_the_next_start_and_a_deleted_photo_leaves_its_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PACK", 128)
    monkeypatch.setattr(packing, "PACK", 128)
    monkeypatch.setattr(rolls, "WORTH_PACKING", 256)
    path = tmp_path / "box.db"

    def packs() -> list[tuple[int, int]]:
        with closing(sqlite3.connect(path)) as db:
            return list(db.execute("SELECT first, last FROM packs ORDER BY last"))

    query = unit(9)
    async with SqliteStore(path) as store:
        store._searcher._rolls._exact = 0
        ids, vectors = await big_group(store, 1000)
        before = await store.search(["t:a"], EVERYONE, [], [query], MODEL, 5, background=BACKGROUND)
        task = store._searcher._packing
        assert task is not None
        await task
    assert len(packs()) == 1000 // 128
    async with SqliteStore(path) as store:
        store._searcher._rolls._exact = 0

        async def ask() -> Candidates:
            return await store.search(
                ["t:a"], EVERYONE, [], [query], MODEL, 5, background=BACKGROUND
            )

        assert await ask() == before
        best = max(before.items, key=lambda item: item.cosine or 0).photo
        code = np.rint(vectors[ids.index(best)] / np.abs(vectors[ids.index(best)]).max() * 127)
        assert code.astype(np.int8).tobytes() in path.read_bytes() + _wal(path)
        await store.drop(best)
        assert not any(first <= best <= last for first, last in packs())
        after = {item.photo for item in (await ask()).items}
        assert best not in after
        assert len(after) == 5
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert code.astype(np.int8).tobytes() not in path.read_bytes() + _wal(path)


async def test_two_processes_that_pack_never_pack_a_photo_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PACK", 64)
    monkeypatch.setattr(packing, "PACK", 64)
    async with life(tmp_path) as each:
        ids, _ = await big_group(each.stores[0], 500)
        kind = Kind(1, DIMENSION, Cohort(BACKGROUND))
        packers = [packing.pack(s._db, s._searcher._reading, 1, kind) for s in each.stores]
        await asyncio.gather(*packers)
        await each.stores[1].drop(ids[100])
        packers = [packing.pack(s._db, s._searcher._reading, 1, kind) for s in each.stores]
        await asyncio.gather(*packers)
        with closing(sqlite3.connect(each.path)) as db:
            packs = [Columns.from_bytes(c) for (c,) in db.execute("SELECT content FROM packs")]
        packed = np.concatenate([pack.ids for pack in packs]).tolist()
        assert len(packed) == len(set(packed)) >= 500 - 64
        assert set(packed) <= set(ids) - {ids[100]}


def _wal(path: Path) -> bytes:
    wal = path.with_name(path.name + "-wal")
    return wal.read_bytes() if wal.exists() else b""


async def test_more_changes_than_are_kept_are_no_trouble(tmp_path: Path) -> None:
    async with life(tmp_path) as each:
        here, other = each.stores
        await big_group(other, 300)
        await each.ask(0, 0, 5, 1e-5)
        with closing(sqlite3.connect(each.path, isolation_level=None)) as db:
            db.execute("UPDATE posts SET protected = 1")
            db.execute("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)")
        await each.ask(0, 0, 5, 1e-5)
        found = await here.search(["t:a"], Audience(None, protected=False), [], [unit(1)], MODEL, 5)
        assert (found.total, found.items) == (0, ())


async def test_the_log_of_changes_stays_short(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    async with SqliteStore(path) as store:
        await big_group(store, 100)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for n in range(120):
            db.execute("UPDATE posts SET author = ?", (str(n),))
        db.execute("COMMIT")
        [kept] = db.execute("SELECT count(*) FROM changes").fetchone()
        assert kept == 10_000


async def test_what_is_kept_in_memory_has_a_bound(tmp_path: Path) -> None:
    async with life(tmp_path, cache_megabytes=1) as each:
        store, _ = each.stores
        store._searcher._rolls._most = 60_000
        store._searcher._rolls._exact = 0
        ids, _ = await big_group(store, 600)  # 53 kB
        await store.remember(each._post("t:b", "one", "1", 0, 0))
        for n in (0, 1, 2, 0):
            await each.ask(n, 0, 5, 0.01)
            assert 0 < store._searcher.nbytes <= 60_000
        store._searcher._rolls._most = 40_000
        for n in (0, 1, 2, 0):  # as before, without keeping it
            await each.ask(n, 0, 5, 0.01)
            assert store._searcher.nbytes <= 40_000
        assert len(ids) == 600


async def test_several_vectors_and_names_are_looked_for_in_coded_blocks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll, "ROWS", 128)
    async with SqliteStore(tmp_path / "box.db") as store:
        ids, vectors = await big_group(store, 700)
        await store.names.give(ids[3], "goose", "The Goose", "ann")
        pair = [unit(1), unit(2)]
        meant = Meant(("goose",))
        answers = []
        for exact in (4096, 0):
            rolls_ = store._searcher._rolls
            rolls_._exact = exact
            rolls_._known.clear()
            found = await store.search(
                ["t:a"], EVERYONE, [], pair, MODEL, 8, Only(apart=frozenset(ids[:3])), meant
            )
            answers.append(found)
        exactly, coded = answers
        assert {item.photo for item in exactly.items} == {item.photo for item in coded.items}
        for one, other in zip(exactly.items, coded.items, strict=True):
            assert one.cosine == pytest.approx(other.cosine, abs=0.05)
            assert one.alike == pytest.approx(other.alike, abs=0.01)
        [goose] = [item for item in coded.items if item.alike == 1]
        assert (goose.photo, goose.name) == (ids[3], "The Goose")
        assert sum(item.alike > 0 for item in coded.items) >= 8
        cosines = await store.scopes.cosines(["t:a"], EVERYONE, pair[0], MODEL)
        assert list(cosines) == ids
        np.testing.assert_allclose(list(cosines.values()), vectors @ pair[0], atol=0.02)
