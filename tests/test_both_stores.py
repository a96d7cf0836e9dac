"""The same memory in SQLite and in PostgreSQL gives the same answers, hit by hit."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bot.answers import Hit, Signal
from bot.candidates import Background, Candidate, Candidates, Meant
from bot.photos import ALL, EVERYONE, Audience, Group, Model, Only, PhotoRef, Post, Task, Vector
from storage.pg import near
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from tests.stores import AnyStore

WIDTH = 32
MODEL = Model("both", "ab12", WIDTH)
GROUPS = ("discord:1", "telegram:-2", "local:empty")
CHANNELS = ("kitchen", "garden", "secrets")
WORDS = ("birthday", "cake", "生日蛋糕", "goose", "ab-12", "o'neill", "50%", "under_score", "鹅")
CLOSE = 2e-3
"""PostgreSQL keeps embeddings in half precision."""


@dataclass
class Twins:
    """Two stores with the same memory; photos are told apart by the order they came in."""

    sqlite: AnyStore
    postgres: AnyStore
    ids: list[tuple[int, int]] = field(default_factory=list)

    @property
    def both(self) -> tuple[AnyStore, AnyStore]:
        return self.sqlite, self.postgres

    def place(self, which: int, photo: int) -> int:
        return next(n for n, pair in enumerate(self.ids) if pair[which] == photo)

    async def remember(self, post: Post) -> None:
        done = [await store.remember(post) for store in self.both]
        assert len(done[0].added) == len(done[1].added)
        self.ids += zip(done[0].added, done[1].added, strict=True)


def unit(random_: np.random.Generator, around: Vector | None = None) -> Vector:
    vector = random_.standard_normal(WIDTH).astype(np.float32)
    if around is not None:
        vector = around + 0.15 * vector
    return vector / np.float32(np.linalg.norm(vector))


def a_background(random_: np.random.Generator) -> Background:
    def many(count: int) -> Vector:
        return np.stack([unit(random_) for _ in range(count)])

    plain = many(3)
    return Background(many(20), many(40), np.concatenate([plain, many(5)]), plain, 0.9)


@pytest.fixture
async def twins(tmp_path: Path, postgres_url: str) -> AsyncIterator[Twins]:
    async with AsyncExitStack() as stack:
        sqlite = await stack.enter_async_context(SqliteStore(tmp_path / "box.db"))
        postgres = await stack.enter_async_context(PostgresStore(postgres_url))
        yield Twins(sqlite, postgres)


async def fill(twins: Twins, rng: random.Random, random_: np.random.Generator) -> None:
    """Posts with all that can hang on them."""
    middles = [unit(random_) for _ in range(6)]
    at = datetime(2021, 2, 27, tzinfo=UTC)
    for number in range(90):
        at += timedelta(hours=rng.randrange(1, 900))
        group = GROUPS[number % 2]
        album = f"album{number // 10}" if rng.random() < 0.2 else ""
        refs = tuple(
            PhotoRef("file", f"k{number}.{n}", f"/p/{number}", f"{number}.jpg")
            for n in range(rng.choice((1, 1, 2)))
        )
        author = rng.choice(("ann", "bob", "周"))
        caption = " ".join(rng.sample(WORDS, rng.randrange(3)))
        post = Post(
            *(group, rng.choice(CHANNELS), str(number), author, author.title(), at, refs, caption),
            album=album,
            group_name=group.partition(":")[2],
            protected=rng.random() < 0.1,
            spoiler=rng.random() < 0.1,
        )
        first = len(twins.ids)
        await twins.remember(post)
        for pair in twins.ids[first:]:
            vector = unit(random_, rng.choice(middles))
            text = rng.choice(("", "", "AKAI professional", "生日快乐", "50% off_now"))
            seen = bool(rng.random() < 0.9)
            for store, photo in zip(twins.both, pair, strict=True):
                if seen:
                    await store.save_vectors(MODEL, [photo], vector[None])
                await store.save_text(photo, text)
                await store.save_fingerprints({photo: bytes([number % 250]) * 8})
        if rng.random() < 0.3:
            said = rng.choice(WORDS)
            for store in twins.both:
                await store.replies.hear(
                    group, post.channel, str(number), f"r{number}", "bob", said
                )
    for place, key in ((3, "goose"), (8, "goose"), (11, "鹅")):
        for store, photo in zip(twins.both, twins.ids[place], strict=True):
            await store.names.give(photo, key, key.title(), "ann")
    for place in (5, 17):
        for store, photo in zip(twins.both, twins.ids[place], strict=True):
            await store.refuse(photo, "it is a video", final=bool(place == 5))
    for store in twins.both:
        await store.models.answer(MODEL)
        await store.forget(GROUPS[0], "kitchen", "20")
        await store.groups.meet(Group(GROUPS[2], "Nobody's"))


def alike(one: Candidates, other: Candidates, twins: Twins, close: float) -> None:
    assert one.total == other.total
    assert one.median_cosine == pytest.approx(other.median_cosine, abs=close)
    if one.level is None or other.level is None:
        assert one.level == other.level
    else:
        for name in type(one.level).__dataclass_fields__:
            mine, theirs = getattr(one.level, name), getattr(other.level, name)
            assert mine == pytest.approx(theirs, abs=10 * close), name
    mine_, theirs_ = (
        {twins.place(which, item.photo): item for item in each.items}
        for which, each in enumerate((one, other))
    )
    assert mine_.keys() == theirs_.keys()
    for place, item in mine_.items():
        same(item, theirs_[place], close)


def same(one: Candidate, other: Candidate, close: float) -> None:
    assert (one.caption, one.text, one.said, one.name) == (
        other.caption,
        other.text,
        other.said,
        other.name,
    )
    assert one.plain == other.plain
    assert one.alike == pytest.approx(other.alike, abs=10 * close)
    assert one.neutral == pytest.approx(other.neutral, abs=close)
    for mine, theirs in ((one.cosine, other.cosine), (one.rival, other.rival)):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine == pytest.approx(theirs, abs=close)


def a_narrowing(rng: random.Random, twins: Twins, which: int) -> Only:
    seed = rng.random()
    if seed < 0.4:
        return ALL
    places = [n for n in range(len(twins.ids)) if (n * 7 + round(seed * 100)) % 5 < 3]
    return Only(
        authors=frozenset({"ann", "周"}) if seed < 0.55 else None,
        after=datetime(2021, 9, 1, tzinfo=UTC) if 0.5 < seed < 0.75 else None,
        before=datetime(2023, 9, 1, tzinfo=UTC) if 0.6 < seed < 0.8 else None,
        holding=("cake",) if 0.8 < seed < 0.86 else (),
        lacking=("生日",) if 0.84 < seed < 0.9 else (),
        apart=frozenset(twins.ids[n][which] for n in places) if 0.9 < seed < 0.95 else frozenset(),
        among=frozenset(twins.ids[n][which] for n in places) if seed > 0.95 else None,
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_they_answer_alike(twins: Twins, seed: int) -> None:
    rng, random_ = random.Random(seed), np.random.default_rng(seed)
    await fill(twins, rng, random_)
    background = a_background(random_)
    for turn in range(60):
        groups = rng.choice(([GROUPS[0]], [GROUPS[1]], list(GROUPS), ["local:nowhere"]))
        audience = rng.choice(
            (EVERYONE, Audience(frozenset({"kitchen"})), Audience(None, protected=False))
        )
        vectors = [unit(random_) for _ in range(rng.choice((0, 1, 1, 1, 2)))]
        terms = [word.lower() for word in rng.sample(WORDS, rng.randrange(3))]
        meant = rng.choice((None, Meant(("goose",)), Meant(("goose", "鹅"), audience)))
        state = rng.getstate()
        found = []
        for which, store in enumerate(twins.both):
            rng.setstate(state)
            only = a_narrowing(rng, twins, which)
            found.append(
                await store.search(
                    *(groups, audience, terms, vectors, MODEL, 1000, only, meant),
                    background=background if turn % 3 else None,
                )
            )
        alike(found[0], found[1], twins, CLOSE if len(vectors) < 2 else 20 * CLOSE)


async def test_all_else_is_alike_too(twins: Twins) -> None:
    rng, random_ = random.Random(3), np.random.default_rng(3)
    await fill(twins, rng, random_)
    query = unit(random_)

    async def told(which: int, store: AnyStore) -> list[object]:
        def places(photos: list[int]) -> list[int]:
            return [twins.place(which, photo) for photo in photos]

        groups, few = list(GROUPS[:2]), Audience(frozenset({"garden", "secrets"}))
        waiting = [await store.take(task, 500, ()) for task in Task]
        total, newest = await store.scopes.newest(groups, few, ALL, 12)
        days = await store.scopes.anniversaries(groups, EVERYONE, [(2, 28), (3, 1), (7, 9)])
        cosines = await store.scopes.cosines(groups, few, query, MODEL)
        shown = await store.photos([pair[which] for pair in twins.ids[:9]])
        hits = [Hit(n + 1, photo, 0.5, (Signal.MEANING,)) for n, photo in enumerate(shown[:6])]
        token = await store.answers.keep(GROUPS[0], "ann", "cake", hits)
        words, page = await store.answers.page(token, GROUPS[0], "ann", groups, few, 0)
        looks = await store.looks([pair[which] for pair in twins.ids], MODEL)
        status = [
            (g.group, g.name, g.photos, g.waiting_embedding, g.waiting_text, g.unseen)
            for g in await store.groups.status()
        ]
        refused = [r.reason for g in await store.groups.status() for r in g.refused]
        return [
            [sorted(twins.place(which, job.photo) for job in jobs) for jobs in waiting],
            (total, places(newest)),
            sorted((twins.place(which, photo), at) for photo, at in days),
            {twins.place(which, photo): round(value, 1) for photo, value in cosines.items()},
            [(photo.post, photo.refused) for photo in shown],
            (words, [(hit.rank, twins.place(which, hit.photo.id), hit.why) for hit in page]),
            await store.answers.asked("ann", "c", 5),
            {twins.place(which, p): (look.fingerprint, look.text) for p, look in looks.items()},
            (status, refused),
            await store.tallies.months(groups, EVERYONE),
            await store.tallies.posters(groups, few, 2),
            await store.names.of(groups, few),
            sorted(await store.scopes.people(groups, EVERYONE)),
            await store.people.photos_of(GROUPS[0], "ann"),
            await store.channels(GROUPS[1]),
            await store.replies.heard(GROUPS[0], "kitchen", [f"r{n}" for n in range(90)]),
            await store.totals(),
            await store.models.answering(),
        ]

    one, other = [await told(which, store) for which, store in enumerate(twins.both)]
    for mine, theirs in zip(one, other, strict=True):
        assert mine == theirs


async def test_large_groups_answer_alike(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an index, where many photos are in scope; and one by one where it is a few."""
    random_ = np.random.default_rng(4)
    background, at = a_background(random_), datetime(2024, 1, 1, tzinfo=UTC)
    async with (
        SqliteStore(tmp_path / "box.db") as sqlite,
        PostgresStore(postgres_url, indexed_from=100) as postgres,
    ):
        twins = Twins(sqlite, postgres)
        vectors = np.stack([unit(random_) for _ in range(300)])
        for n in range(300):
            channel, ref = "few" if n % 60 == 0 else "many", PhotoRef("file", f"k{n}", "/p")
            await twins.remember(Post("g", channel, str(n), "ann", "Ann", at, (ref,)))
        for which, store in enumerate(twins.both):
            await store.save_vectors(MODEL, [pair[which] for pair in twins.ids], vectors)
        assert await postgres.tend() == 1
        for name in (None, "many", "few"):
            audience = EVERYONE if name is None else Audience(frozenset({name}))
            if name == "few":
                monkeypatch.setattr(near, "SAMPLE", 20)  # none of these is in it
            for _ in range(3):
                query = unit(random_)
                found = [
                    await store.search(
                        ["g"], audience, [], [query], MODEL, 3, background=background
                    )
                    for store in twins.both
                ]
                assert found[0].level is not None
                alike(found[0], found[1], twins, CLOSE)
