"""Channels, authors and times in the store, and what people asked before: on the real SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Hit, Signal
from bot.decoder import Decoder
from bot.errors import AnswerGone
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import ALL, EVERYONE, Audience, Only, Query
from storage.sqlite import SqliteStore
from tests.test_store import a_post

EAST = datetime.fromisoformat("2026-01-01T00:30:00+09:00")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "box.db") as store:
        yield store


async def post(store: SqliteStore, message: str, **more: object) -> int:
    (photo,) = (await store.remember(replace(a_post(message), **more))).added  # type: ignore[arg-type]
    return photo


async def found(store: SqliteStore, only: Only) -> list[int]:
    items = (await store.search(["local:fam"], EVERYONE, ["cake"], [], None, 5, only)).items
    return [item.photo for item in items]


async def test_channels_with_photos_are_known_and_forgotten(store: SqliteStore) -> None:
    for message, channel in (("1", "a"), ("2", "a"), ("3", "b")):
        await post(store, message, channel=channel)
    await post(store, "4", channel="c", group="local:other")
    assert await store.channels("local:fam") == {"a", "b"}
    assert await store.forget_channel("local:fam", "a") == 2
    assert await store.forget_channel("local:fam", "c") == 0, "another group's"
    assert await store.channels("local:fam") == {"b"}
    assert await store.channels("local:other") == {"c"}


async def test_one_photo_is_dropped_and_its_post_stays(store: SqliteStore) -> None:
    photo = await post(store, "1", caption="cake")
    await store.drop(photo)
    assert await store.photos([photo]) == []
    assert await store.knows("local:fam", a_post("1").channel, "1")
    assert await found(store, ALL) == []


async def test_a_search_is_narrowed_by_author_and_time(store: SqliteStore) -> None:
    ann = await post(store, "1", caption="cake", author="ann", posted_at=EAST)
    bob = await post(store, "2", caption="cake", author="bob", posted_at=EAST + timedelta(hours=9))
    assert await found(store, ALL) == [ann, bob]
    assert await found(store, Only(authors=frozenset({"ann"}))) == [ann]
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    assert await found(store, Only(before=new_year)) == [ann], "it is still 2025 in UTC"
    assert await found(store, Only(after=new_year)) == [bob]
    assert await found(store, Only(authors=frozenset({"ann"}), after=new_year)) == []


moments = st.builds(
    lambda seconds, micro, zone: datetime.fromtimestamp(seconds, zone) + micro,
    st.integers(1_000_000_000, 2_000_000_000),
    st.sampled_from([timedelta(0), timedelta(microseconds=1)]),
    st.timezones(),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(moments, min_size=1, max_size=5, unique=True), moments, moments)
def test_times_are_compared_as_moments(
    tmp_path_factory: pytest.TempPathFactory,
    posted: list[datetime],
    after: datetime,
    before: datetime,
) -> None:
    async def check() -> None:
        async with SqliteStore(tmp_path_factory.mktemp("moments") / "box.db") as store:
            photos = {
                await post(store, str(n), caption="cake", posted_at=at): at
                for n, at in enumerate(posted)
            }
            expected = [photo for photo, at in photos.items() if after <= at < before]
            assert await found(store, Only(after=after, before=before)) == expected

    asyncio.run(check())


async def test_what_somebody_asked_is_offered_to_them_alone(store: SqliteStore) -> None:
    photo = (await store.photos([await post(store, "1")]))[0]
    hits = [Hit(1, photo, 0.5, (Signal.CAPTION,))]
    for asker, words in (("ann", "Cake"), ("ann", "goose"), ("bob", "cat"), ("ann", "cake")):
        await store.answers.keep(None, asker, words, hits)
    assert await store.answers.asked("ann", "CA", 5) == ["cake", "Cake"]
    assert await store.answers.asked("ann", "", 1) == ["cake"]
    assert await store.answers.asked("bob", "g", 5) == []


async def test_a_private_answer_is_shared_as_far_as_the_room_may_see(store: SqliteStore) -> None:
    ids = [
        await post(store, str(n), channel=channel, caption="cake")
        for n, channel in enumerate(["open", "closed", "open"])
    ]
    async with Decoder() as decoder:
        memory = PhotoMemory(store, ModelState("none"), {}, decoder)
        mine = Query(("local:fam",), "cake", Audience(frozenset(["open", "closed"])), asker="ann")
        private = await memory.find(mine)
        assert private.token is not None
        room = replace(mine, audience=Audience(frozenset(["open"])), place="local:fam")
        shared = await memory.share(private.token, room, range(1, 4))
        assert [hit.photo.id for hit in shared.hits] == [ids[2], ids[0]]
        assert shared.token is not None
        for somebody in ("bob", "ann"):  # the room's answer leads on for all who are in it
            page = await memory.page(shared.token, replace(room, asker=somebody), 0)
            assert len(page.hits) == 2
        with pytest.raises(AnswerGone):
            await memory.share(private.token, replace(room, asker="bob"), range(1, 4))
        nothing = replace(room, audience=Audience(frozenset()))
        assert (await memory.share(private.token, nothing, range(1, 4))).hits == ()
