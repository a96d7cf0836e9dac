"""What is said in reply to photos: kept with them, found with them, gone with them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Signal
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Audience, Query
from storage.replies import MOST_CHARACTERS, MOST_REPLIES
from storage.sqlite import SqliteStore
from tests.stores import AnyStore, Rooms, selected, so_many, store_on, written
from tests.test_store import a_post

FAM = "local:fam"


async def post(store: AnyStore, message: str, **more: object) -> int:
    return (await store.remember(replace(a_post(message), **more))).added[0]  # type: ignore[arg-type]


async def found(
    store: AnyStore, *terms: str, group: str = FAM, audience: Audience = EVERYONE
) -> list[int]:
    items = (await store.search([group], audience, terms, [], None, 5)).items
    return [item.photo for item in items]


async def kept(store: AnyStore) -> list[str]:
    return [text for (text,) in await selected(store, "SELECT text FROM replies ORDER BY id")]


async def indexed(store: AnyStore) -> list[tuple[int]]:
    """Rows of SQLite's index that hold "tom"; it must forget what its table forgets."""
    if not isinstance(store, SqliteStore):
        return []
    return await selected(
        store, "SELECT rowid FROM replies_index WHERE replies_index MATCH '\"tom\"'"
    )


async def test_a_reply_finds_its_photo_and_says_so(store: AnyStore) -> None:
    photo = await post(store, "1")
    other = await post(store, "2", caption="tomato")
    assert await store.replies.hear(FAM, "main", "1", "7", "bob", "That is Tóm!") == 1
    assert await store.replies.hear(FAM, "main", "404", "8", "bob", "Tom") == 0, (
        "about no photo of ours"
    )
    assert sorted(await found(store, "tom")) == [photo, other]
    assert await found(store, "is") == [photo], "short words are found too"
    async with Decoder() as decoder:
        memory = PhotoMemory(store, ModelState("none", problem="none"), {}, decoder)
        first, second = (await memory.find(Query((FAM,), "Tom", EVERYONE))).hits
        assert (first.photo.id, first.why) == (photo, (Signal.REPLY,))
        assert first.reasons == ("said about it",)
        assert second.why == (Signal.CAPTION,), "the beginning of a word counts for less"
        (hit,) = (await memory.find(Query((FAM,), '"that is tom"', EVERYONE))).hits
        assert hit.photo.id == photo, "exact words are looked for in replies too"


async def test_edits_and_deletes_are_followed(store: AnyStore) -> None:
    photo = await post(store, "1")
    await store.replies.hear(FAM, "main", "1", "7", "bob", "Tom")
    await store.replies.hear(FAM, "main", "1", "7", "bob", "Tom")
    assert await kept(store) == ["tom"], "once, however often it is told"
    await store.replies.hear(FAM, "main", "1", "7", "bob", "Uncle Bob")
    assert await kept(store) == ["uncle bob"]
    assert await indexed(store) == []
    assert await found(store, "tom") == []
    assert await found(store, "bob") == [photo]
    await store.replies.unsay(FAM, "elsewhere", ["7"])
    await store.replies.unsay("local:other", "main", ["7"])
    assert await kept(store) == ["uncle bob"]
    await store.replies.unsay(FAM, "main", ["6", "7"])
    assert await kept(store) == []
    await store.replies.hear(FAM, "main", "1", "8", "bob", "Tom")
    await store.replies.hear(FAM, "main", "1", "8", "bob", " ")
    assert await kept(store) == [], "nothing is said any more"


async def test_a_reply_is_about_the_whole_album(store: AnyStore) -> None:
    album = [await post(store, str(n), album="trip") for n in (1, 2)]
    alone = await post(store, "3")
    elsewhere = await post(store, "4", album="trip", channel="other")
    assert await store.replies.hear(FAM, "main", "2", "9", "bob", "Tom on the boat") == 2
    assert await found(store, "tom") == album
    await store.forget(FAM, "main", "2")
    assert await found(store, "tom") == album[:1], "what is said of the others stays"
    assert {alone, elsewhere} & set(await found(store, "boat")) == set()


async def test_there_is_a_limit(store: AnyStore) -> None:
    await post(store, "1")
    for n in range(MOST_REPLIES + 5):
        await store.replies.hear(FAM, "main", "1", f"r{n}", "bob", f"word{n} " + "x" * 1000)
    said = await kept(store)
    assert len(said) == MOST_REPLIES
    assert max(map(len, said)) == MOST_CHARACTERS
    await store.replies.hear(FAM, "main", "1", "r3", "bob", "changed")
    assert "changed" in await kept(store), "an edit is no further one"


async def test_replies_go_with_the_photo_the_post_the_channel_and_the_group(
    store: AnyStore,
) -> None:
    async def said_about(message: str, **more: object) -> int:
        photo = await post(store, message, **more)
        where = (str(more.get("group", FAM)), str(more.get("channel", "main")))
        assert await store.replies.hear(*where, message, f"r{message}", "bob", "Tom")
        return photo

    await store.drop(await said_about("1"))
    await said_about("2")
    await store.forget(FAM, "main", "2")
    await said_about("3", channel="gone")
    await store.forget_channel(FAM, "gone")
    await said_about("4", group="local:left")
    await store.groups.erase("local:left")
    assert await kept(store) == []
    assert await indexed(store) == []


async def test_what_somebody_said_goes_with_all_else_of_theirs(store: AnyStore) -> None:
    photo = await post(store, "1")
    await post(store, "2", group="local:other")
    await store.replies.hear(FAM, "main", "1", "7", "bob", "Tom")
    await store.replies.hear(FAM, "main", "1", "8", "ann", "Uncle")
    await store.replies.hear("local:other", "main", "2", "9", "bob", "Tom elsewhere")
    assert await store.people.forget(FAM, "bob", 10) == 0
    assert await kept(store) == ["uncle", "tom elsewhere"], "each group is asked by itself"
    for again in ("Tom", "Tom!"):
        assert await store.replies.hear(FAM, "main", "1", "7", "bob", again) == 0
    assert await found(store, "tom") == [], "an edit, or a second look at history, can't bring it"
    assert await store.replies.hear(FAM, "main", "1", "10", "bob", "Later") == 1
    await store.people.refuse("bob", True)
    assert await store.replies.hear(FAM, "main", "1", "10", "bob", "Later on") == 0
    assert await found(store, "later") == [], "who refuses unsays by an edit"
    assert await found(store, "uncle") == [photo]


async def test_who_said_something_is_nowhere_to_be_read(store: AnyStore) -> None:
    await post(store, "1")
    await store.replies.hear(FAM, "main", "1", "7", "local:somebody-special", "Tom")
    there = await written(store)
    assert b"tom" in there
    assert b"somebody-special" not in there


async def test_replies_move_with_the_group(store: AnyStore) -> None:
    photo = await post(store, "1")
    await store.replies.hear(FAM, "main", "1", "7", "bob", "Tom")
    await post(store, "9", group="local:new")
    assert await store.groups.move(FAM, "local:new")
    assert await found(store, "tom", group="local:new") == [photo]


places = st.tuples(st.sampled_from(["local:a", "local:b"]), st.sampled_from(["x", "y"]))


def test_no_reply_of_another_group_or_channel_finds_anything(rooms: Rooms) -> None:
    @settings(max_examples=so_many(30, rooms), deadline=None)
    @given(
        posts=st.lists(places, min_size=1, max_size=6),
        said=st.lists(st.tuples(places, st.integers(0, 5)), max_size=8),
        asked=places,
    )
    def asked_for(
        posts: list[tuple[str, str]],
        said: list[tuple[tuple[str, str], int]],
        asked: tuple[str, str],
    ) -> None:
        async def walls() -> None:
            async with rooms() as url, store_on(url) as store:
                photos = {
                    n: await post(store, str(n), group=group, channel=channel)
                    for n, (group, channel) in enumerate(posts)
                }
                for n, ((group, channel), about) in enumerate(said):
                    await store.replies.hear(group, channel, str(about), f"r{n}", "bob", "secret")
                group, channel = asked
                seen = await found(
                    store, "secret", group=group, audience=Audience(frozenset({channel}))
                )
                assert seen == [
                    photos[n] for n, at in enumerate(posts) if at == asked and (at, n) in said
                ]

        asyncio.run(walls())

    asked_for()
