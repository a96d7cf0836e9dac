"""What is forgotten is in no file of the data folder: canaries, looked for in raw bytes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bot.answers import Hit
from bot.photos import Group, Model, PhotoRef, Post, Vector
from storage.scrubbing import Scrubber
from storage.sqlite import SqliteStore

Change = Callable[[SqliteStore, Post, tuple[int, ...]], Awaitable[set[str]]]
MODEL = Model("tiny", "f00d", 32)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Canary:
    """One post with a mark of its own in everything that is kept of it."""

    number: int
    group: str = "g:1"

    def mark(self, kind: str) -> str:
        return f"{kind}canary{self.number * 7919:012d}"

    def word(self, first: int) -> str:
        """Three letters that no other canary has: one term of the full-text index."""
        return "".join(chr(first + 2000 * n + self.number) for n in range(3))

    @property
    def vector(self) -> Vector:
        vector = np.random.default_rng(self.number).standard_normal(32).astype(np.float32)
        return vector / np.float32(np.linalg.norm(vector))

    @property
    def post(self) -> Post:
        refs = tuple(
            PhotoRef("file", self.mark(f"key{n}"), self.mark(f"locator{n}"), self.mark(f"name{n}"))
            for n in range(2)
        )
        return Post(
            group=self.group,
            channel=self.mark("channel"),
            message=self.mark("message"),
            author=self.mark("author"),
            author_name=self.mark("who"),
            posted_at=LONG_AGO + timedelta(days=self.number),
            caption=f"{self.mark('caption')} {self.word(0x20000)}",
            link=self.mark("link"),
            photos=refs,
        )

    @property
    def traces(self) -> Iterator[tuple[str, bytes]]:
        """Everything by which it could be found in a file."""
        for kind in ("channel", "message", "author", "who", "caption", "link", "read", "said"):
            yield kind, self.mark(kind).encode()
        for kind in ("key", "locator", "name"):
            yield from ((kind + n, self.mark(kind + n).encode()) for n in "01")
        for kind in ("called", "asked", "fingerprint"):
            yield kind, self.mark(kind).encode()
        yield "vector", self.vector.astype("<f4").tobytes()[:24]
        for kind, first in (("captioned", 0x20000), ("read", 0x23000), ("said", 0x26000)):
            # the beginning of a term may be left out where the term before it begins alike
            yield f"term {kind}", self.word(first)[1:].encode()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "data" / "box.db") as store:
        yield store


async def plant(store: SqliteStore, canary: Canary) -> tuple[int, ...]:
    post = canary.post
    photos = (await store.remember(post)).added
    assert len(photos) == 2
    await store.save_vectors(MODEL, photos, np.stack([canary.vector] * 2))
    await store.save_fingerprints({p: canary.mark("fingerprint").encode() for p in photos})
    for photo in photos:
        await store.save_text(photo, f"{canary.mark('read')} {canary.word(0x23000)}")
    said = f"{canary.mark('said')} {canary.word(0x26000)}"
    reply = canary.mark("reply")
    assert await store.replies.hear(post.group, post.channel, post.message, reply, "bob", said)
    await store.names.give(photos[0], canary.mark("key"), canary.mark("called"), post.author)
    hit = Hit(1, (await store.photos(photos))[0], 0.5, (), canary.mark("called"))
    await store.answers.keep(post.group, post.author, canary.mark("asked"), [hit])
    await store.groups.see(post.group, post.author)
    return photos


def everything_in(folder: Path) -> bytes:
    return b"\0".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


async def test_nothing_of_what_was_forgotten_is_left_in_any_file(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Every way to forget, among many posts that come and stay, so that pages split and merge."""
    chance = random.Random(8)
    living: dict[int, Canary] = {}
    dead: list[Canary] = []
    for group in ("g:1", "g:2"):
        await store.groups.meet(Group(group, group))
    for number in range(150):
        canary = Canary(number, "g:2" if number % 20 == 7 else "g:1")
        photos = await plant(store, canary)
        living[number] = canary
        post = canary.post
        if number % 50 == 49:
            await store.scrub()
        if chance.random() < 0.6:
            victim = living.pop(chance.choice([n for n in living if living[n].group == "g:1"]))
            post = victim.post
            where = (post.group, post.channel, post.message)
            match chance.randrange(4):
                case 0:
                    await store.forget(*where)
                case 1:
                    await store.forget_channel(post.group, post.channel)
                case _:
                    assert await store.people.forget(post.group, post.author, 10) == 2
            # a channel that is no more, or one forgotten message, leaves who posted and asked
            await store.people.forget(post.group, post.author, 10)
            dead.append(victim)
        assert photos
    old = [n for n in living if n < 60]
    assert await store.forget_older(LONG_AGO + timedelta(days=60), 1000) == len(old)
    await store.groups.erase("g:2")
    for n in [n for n in living if n in old or living[n].group == "g:2"]:
        if living[n].group == "g:1":
            await store.people.forget("g:1", living[n].post.author, 10)
        dead.append(living.pop(n))

    before = everything_in(tmp_path)
    found = {kind for canary in dead for kind, trace in canary.traces if trace in before}
    assert {"term captioned", "term read", "term said"} <= found, "deleting is not enough"
    assert len(living) > 20
    assert len(dead) > 80

    assert await Scrubber(store._db, ("texts_index", "replies_index")).scrub()
    after = everything_in(tmp_path)
    left = {(c.number, kind) for c in dead for kind, trace in c.traces if trace in after}
    assert left == set()
    lost = {(c.number, kind) for c in living.values() for kind, t in c.traces if t not in after}
    assert lost == set(), "what was not forgotten is still there"
    await the_indexes_are_sound(store, tmp_path)


async def the_indexes_are_sound(store: SqliteStore, folder: Path) -> None:
    def check() -> None:
        db = sqlite3.connect(folder / "data" / "box.db")
        try:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchone() is None
            for index in ("texts_index", "replies_index"):
                db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
        finally:
            db.close()

    await asyncio.to_thread(check)


async def drop(store: SqliteStore, post: Post, photos: tuple[int, ...]) -> set[str]:
    await store.drop(photos[0])
    return {"key0", "locator0", "name0", "called"}


async def revise(store: SqliteStore, post: Post, photos: tuple[int, ...]) -> set[str]:
    await store.revise(post.group, post.channel, post.message, "another", [post.photos[0].key])
    return {"key1", "locator1", "name1", "caption", "term captioned"}


async def unsay(store: SqliteStore, post: Post, photos: tuple[int, ...]) -> set[str]:
    reply = post.message.replace("message", "reply")
    assert await store.replies.unsay(post.group, post.channel, [reply]) == 2
    return {"said", "term said"}


async def forget_who_said_it(store: SqliteStore, post: Post, photos: tuple[int, ...]) -> set[str]:
    assert await store.people.forget(post.group, "bob", 10) == 0
    return {"said", "term said"}


async def say_otherwise(store: SqliteStore, post: Post, photos: tuple[int, ...]) -> set[str]:
    reply = post.message.replace("message", "reply")
    assert (
        await store.replies.hear(post.group, post.channel, post.message, reply, "bob", "other") == 2
    )
    return {"said", "term said"}


@pytest.mark.parametrize("change", [drop, revise, unsay, say_otherwise, forget_who_said_it])
async def test_what_an_edit_takes_away_is_gone_too(
    store: SqliteStore, tmp_path: Path, change: Change
) -> None:
    canary = Canary(3)
    photos = await plant(store, canary)
    assert await store.scrub()
    gone = await change(store, canary.post, photos)
    store._scrubber = Scrubber(store._db, ("texts_index", "replies_index"))
    assert await store.scrub()
    data = everything_in(tmp_path)
    left = {kind for kind, trace in canary.traces if trace in data}
    assert left == {kind for kind, _ in canary.traces} - gone


async def test_a_large_file_is_not_scrubbed_all_day(store: SqliteStore) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 2.0
        return now[0]

    scrubber = Scrubber(store._db, ("texts_index",), clock)
    assert await scrubber.scrub()
    assert await scrubber.scrub(), "nothing to do"
    await plant(store, Canary(1))
    await store.groups.erase("g:1")
    assert not await scrubber.scrub(), "it took two seconds, just before"
    now[0] += 200.0
    assert await scrubber.scrub()


async def test_nothing_waits_longer_than_a_quarter_of_an_hour(store: SqliteStore) -> None:
    now, step = [0.0], 60.0

    def clock() -> float:
        now[0] += step
        return now[0]

    scrubber = Scrubber(store._db, ("texts_index",), clock)
    assert await scrubber.scrub(), "a large file, which takes a minute"
    step = 0.0
    await plant(store, Canary(1))
    await store.groups.erase("g:1")
    now[0] += 890.0
    assert not await scrubber.scrub()
    now[0] += 15.0
    assert await scrubber.scrub()


async def test_who_waits_no_longer_stops_it_and_nothing_is_lost(store: SqliteStore) -> None:
    for n in range(20):
        await plant(store, Canary(n))
    await store.forget(*where(Canary(1).post))
    for pause in (0.0, 0.002, 0.01, 0.02):
        scrubbing = asyncio.create_task(Scrubber(store._db, ("texts_index",)).scrub())
        await asyncio.sleep(pause)
        scrubbing.cancel()
        await asyncio.gather(scrubbing, return_exceptions=True)
        post = Canary(int(1000 + pause * 1000)).post
        assert len((await store.remember(post)).added) == 2, "the next one is written at once"
    assert await Scrubber(store._db, ("texts_index", "replies_index")).scrub()
    assert (await store.groups.status())[0].photos == 2 * (20 - 1 + 4)


def where(post: Post) -> tuple[str, str, str]:
    return post.group, post.channel, post.message
