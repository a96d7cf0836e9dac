"""Groups as such, answers that buttons lead on from, albums, similar photos: on both
databases."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answers import Hit, Signal
from bot.errors import AnswerGone
from bot.photos import EVERYONE, Audience, Group, PhotoRef, StoredPhoto, Task
from storage.kept_hits import KEPT_SECONDS
from storage.sqlite import SqliteStore
from tests.stores import AnyStore, Opened, Rooms, selected, so_many, store_on, written
from tests.test_store import MODEL, OTHER, a_post, a_vector

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "telegram:-5", "telegram:-1005"


async def posted(store: AnyStore, message: str = "1", **more: object) -> StoredPhoto:
    added = (await store.remember(a_post(message, **more))).added  # type: ignore[arg-type]
    return (await store.photos(added))[0]


async def captions(store: AnyStore, *words: str, group: str = "local:fam") -> list[int]:
    found = await store.search([group], EVERYONE, words, [], None, 5)
    return [item.photo for item in found.items]


async def test_a_group_is_met_left_and_met_again(store: AnyStore) -> None:
    fam = Group("local:fam", "fam")
    assert await store.groups.meet(fam)
    assert not await store.groups.meet(fam)
    assert await store.groups.leave(fam.id, NOW)
    assert not await store.groups.leave(fam.id, NOW), "once is enough"
    assert await store.groups.present("local:") == []
    assert await store.groups.meet(Group("local:fam", "Family"))
    assert await store.groups.present("local:") == [Group("local:fam", "Family")]
    assert await store.groups.present("telegram:") == []
    assert not await store.groups.leave("local:nowhere", NOW)


async def test_left_groups_are_erased_after_the_grace_period_only(store: AnyStore) -> None:
    photo = await posted(store)
    await posted(store, group="local:other")
    await store.groups.leave("local:fam", NOW)
    assert await store.groups.erase_left(NOW - timedelta(seconds=1)) == []
    assert await store.photos([photo.id])
    assert await store.groups.erase_left(NOW) == [Group("local:fam", "fam")]
    assert await store.photos([photo.id]) == []
    assert [g.group for g in await store.groups.status()] == ["local:other"]


async def test_a_group_that_came_back_is_not_erased(store: AnyStore) -> None:
    await posted(store)
    await store.groups.leave("local:fam", NOW)
    await store.groups.meet(Group("local:fam", ""))
    assert await store.groups.erase_left(NOW + timedelta(days=99)) == []
    (status,) = await store.groups.status("local:fam")
    assert (status.name, status.photos) == ("fam", 1), "an empty name changes nothing"


async def test_everything_of_a_group_is_erased(store: AnyStore) -> None:
    photo = await posted(store, caption="cake")
    await store.save_vectors(MODEL, [photo.id], a_vector(1)[None])
    await store.groups.see("local:fam", "u1")
    await store.groups.take_note("local:fam", "hidden", "told")
    await store.answers.keep("local:fam", "u1", "cake", [Hit(1, photo, 1.0, ())])
    await store.forget("local:fam", "main", "99")
    assert await store.groups.erase("local:fam") == 1
    assert await store.groups.erase("local:fam") == 0
    tables = ("groups", "posts", "photos", "jobs", "vectors", "texts", "people", "notes")
    for table in (*tables, "answers", "answer_photos", "forgotten"):
        assert await selected(store, f"SELECT count(*) FROM {table}") == [(0,)], table


async def test_people_are_known_in_the_groups_they_were_seen_in(store: AnyStore) -> None:
    for group in ("local:a", "local:b", "local:c"):
        await store.groups.meet(Group(group, group[-1]))
    for group in ("local:b", "local:a", "local:a"):
        await store.groups.see(group, "ann")
    await store.groups.see("local:nowhere", "ann")
    assert [g.id for g in await store.groups.of("ann")] == ["local:a", "local:b"]
    await store.groups.leave("local:a", NOW)
    assert [g.id for g in await store.groups.of("ann")] == ["local:b"]
    assert await store.groups.of("bob") == []


async def test_notes_are_kept_and_crossed_out(store: AnyStore) -> None:
    await store.groups.meet(Group("local:fam", "fam"))
    assert await store.groups.note("local:fam", "hidden") is None
    await store.groups.take_note("local:fam", "hidden", "told")
    await store.groups.take_note("local:fam", "hidden", "twice")
    assert await store.groups.note("local:fam", "hidden") == "twice"
    await store.groups.take_note("local:fam", "hidden", None)
    assert await store.groups.note("local:fam", "hidden") is None


@pytest.mark.parametrize("both", [False, True])
async def test_a_group_moves_with_everything(store: AnyStore, both: bool) -> None:
    old = await posted(store, "7", group=OLD, channel="-5", caption="cake", group_name="Family")
    await store.save_vectors(MODEL, [old.id], a_vector(1)[None])
    await store.groups.see(OLD, "ann")
    await store.groups.take_note(OLD, "hidden", "told")
    token = await store.answers.keep(OLD, "ann", "cake", [Hit(1, old, 1.0, (Signal.CAPTION,))])
    await store.forget(OLD, "-5", "8")
    await store.groups.leave(OLD, NOW)
    if both:  # the supergroup's first message may come before the news of the move
        await posted(store, "7", group=NEW, channel="-1005", caption="cake too", group_name="")
    assert await store.groups.move(OLD, NEW)
    assert not await store.groups.move(OLD, NEW), "the news comes twice: from either chat"
    found = await captions(store, "cake", group=NEW)
    assert old.id in found
    assert len(found) == 1 + both
    assert [(g.group, g.name) for g in await store.groups.status()] == [(NEW, "Family")]
    assert [g.id for g in await store.groups.of("ann")] == [NEW], "moved, so not left"
    assert await store.groups.note(NEW, "hidden") == "told"
    words, hits = await store.answers.page(token, NEW, "bob", [NEW], EVERYONE, 0)
    assert (words, [hit.photo.id for hit in hits]) == ("cake", [old.id])
    found = (await store.search([NEW], EVERYONE, [], [a_vector(1)], MODEL, 5)).items  # type: ignore[assignment]
    assert found[0].photo == old.id  # type: ignore[attr-defined]
    forgotten = a_post("8", group=NEW, channel="-5")
    assert (await store.remember(forgotten)).added == (), "what was forgotten stays so"


async def test_a_small_group_becomes_part_of_a_large_one(store: AnyStore) -> None:
    """Its photos may have other ids afterwards; what hangs on them goes along all the same."""
    old = await posted(store, "7", group=OLD, channel="-5", caption="cake", protected=True)
    await store.save_vectors(MODEL, [old.id], a_vector(1)[None])
    await store.save_text(old.id, "akai")
    await store.names.give(old.id, "tom", "Tom", "ann")
    await store.replies.hear(OLD, "-5", "7", "r7", "bob", "so sweet")
    await posted(store, "1", group=OLD, channel="both", caption="of the old one")
    token = await store.answers.keep(OLD, "ann", "cake", [Hit(1, old, 1.0, (Signal.CAPTION,))])
    for n in range(9):
        await posted(store, str(n), group=NEW, channel="both", caption="of the new one")
    await store.save_vectors(
        MODEL, [(await store.posted(NEW, "both", "1"))[0].id], a_vector(2)[None]
    )
    assert await store.groups.move(OLD, NEW)
    (photo,) = await store.posted(NEW, "-5", "7")
    assert photo.post == replace(old.post, group=NEW, group_name=photo.post.group_name)
    for words in ("cake", "akai", "sweet"):
        assert await captions(store, words, group=NEW) == [photo.id], words
    assert await captions(store, "old", group=NEW) == [], "the same message was there already"
    assert len(await captions(store, "new", group=NEW)) == 9
    found = await store.search([NEW], EVERYONE, [], [a_vector(1)], MODEL, 1)
    assert [item.photo for item in found.items] == [photo.id]
    assert list(await store.names.of([NEW], EVERYONE)) == ["tom"]
    _, hits = await store.answers.page(token, NEW, "bob", [NEW], EVERYONE, 0)
    assert [hit.photo.id for hit in hits] == [photo.id]
    (status,) = await store.groups.status()
    assert (status.group, status.photos, status.waiting_text) == (NEW, 10, 9)
    later = await posted(store, "99", group=NEW, caption="cake")
    assert await captions(store, "cake", group=NEW) == [photo.id, later.id], "no id is given twice"


async def test_an_album_shares_its_caption(store: AnyStore) -> None:
    first = await posted(store, "1", album="a")
    second = await posted(store, "2", album="a", caption="birthday cake")
    third = await posted(store, "3", album="a")
    elsewhere = await posted(store, "4", album="b")
    await posted(store, "5", album="a", group="local:other")
    both = [first.id, second.id, third.id]
    assert await captions(store, "birthday") == both
    assert await captions(store, "birthday", group="local:other") == []
    assert {p.post.caption for p in await store.photos(both)} == {"birthday cake"}
    await store.revise("local:fam", "main", "2", "wedding", None)
    assert await captions(store, "birthday") == []
    assert await captions(store, "wedding") == both
    await store.revise("local:fam", "main", "1", "the bride", None)
    assert await captions(store, "bride") == [first.id]
    assert await captions(store, "wedding") == [second.id], "each has its own now"
    await store.revise("local:fam", "main", "1", "", None)
    assert await captions(store, "wedding") == both
    await store.forget("local:fam", "main", "2")
    assert await captions(store, "wedding") == []
    assert (await store.photos([elsewhere.id]))[0].post.caption == ""


async def test_what_was_forgotten_is_not_remembered_again(store: AnyStore) -> None:
    await posted(store, "1")
    await store.forget("local:fam", "main", "1")
    again = await store.remember(a_post("1", caption="edited"))
    assert (again.added, again.known) == ((), ())
    assert not await store.knows("local:fam", "main", "1")
    assert (await store.remember(a_post("1", group="local:other"))).added, "of this group only"
    assert (await store.remember(a_post("2"))).added


async def test_forgotten_ids_are_not_kept_as_such(store: AnyStore) -> None:
    await posted(store, "canary-4711")
    assert b"canary-4711" in await written(store)
    await store.forget("local:fam", "main", "canary-4711")
    assert b"canary-4711" not in await written(store)


async def test_copies_of_a_photo_are_found_in_their_group_only(store: AnyStore) -> None:
    first = await posted(store, "1", keys="k")
    second = await posted(store, "2", keys="k", author="u2")
    await posted(store, "3", keys="x")
    await posted(store, "1", keys="k", group="local:other")
    ref = PhotoRef("file", "k", "anything")
    assert await store.copies("local:fam", ref) == [first, second]
    assert await store.copies("local:fam", PhotoRef("telegram", "k", "")) == []


async def test_a_photos_vector_is_found_by_its_key(store: AnyStore) -> None:
    photo = await posted(store, keys="k")
    ref = PhotoRef("file", "k", "")
    assert await store.vector_of(["local:fam"], ref, MODEL) is None
    await store.save_vectors(MODEL, [photo.id], a_vector(3)[None])
    found = await store.vector_of(["local:x", "local:fam"], ref, MODEL)
    assert found is not None
    np.testing.assert_allclose(found, a_vector(3), atol=1e-3)
    assert await store.vector_of(["local:other"], ref, MODEL) is None, "not from elsewhere"
    assert await store.vector_of(["local:fam"], ref, OTHER) is None
    assert await store.vector_of(["local:fam"], PhotoRef("web", "k", ""), MODEL) is None


async def test_several_groups_are_searched_at_once(store: AnyStore) -> None:
    ids = {
        group: (await posted(store, group=group, caption="cake")).id
        for group in ("local:a", "local:b", "local:c")
    }
    found = await store.search(["local:a", "local:c"], EVERYONE, ["cake"], [], None, 5)
    assert [item.photo for item in found.items] == [ids["local:a"], ids["local:c"]]
    assert found.total == 2


async def test_protected_photos_are_not_for_readers_elsewhere(store: AnyStore) -> None:
    await posted(store, "1", caption="cake", protected=True)
    free = await posted(store, "2", caption="cake")
    elsewhere = Audience(None, protected=False)
    found = await store.search(["local:fam"], elsewhere, ["cake"], [], None, 5)
    assert [item.photo for item in found.items] == [free.id]
    assert found.total == 1


async def test_two_vectors_count_alike_whatever_their_ranges(store: AnyStore) -> None:
    """A photo that is second best for both must beat those that are best for one only, although
    the cosines of one vector are spread ten times wider."""
    wide, narrow = np.eye(8, dtype=np.float32)[:2]
    cosines = [(0.9, 0.10), (0.8, 0.19), (0.1, 0.20), (0.1, 0.10), (0.1, 0.11)]
    photos = [await posted(store, str(n)) for n in range(len(cosines))]
    for photo, (a, b) in zip(photos, cosines, strict=True):
        vector = a * wide + b * narrow
        vector[7] = np.sqrt(1 - a * a - b * b)
        await store.save_vectors(MODEL, [photo.id], vector[None])
    found = await store.search(["local:fam"], EVERYONE, [], [wide, narrow], MODEL, 5)
    best = max(found.items, key=lambda item: item.cosine or 0)
    assert best.photo == photos[1].id
    assert found.median_cosine < (best.cosine or 0)


async def test_an_answer_leads_on_where_it_was_given(store: AnyStore) -> None:
    photos = [await posted(store, str(n)) for n in range(5)]
    hits = [Hit(n, p, 1 / n, (Signal.MEANING,)) for n, p in enumerate(photos, start=1)]
    token = await store.answers.keep("local:fam", "ann", "cake", hits)
    words, found = await store.answers.page(
        token, "local:fam", "bob", ["local:fam"], EVERYONE, after=3
    )
    assert (words, found) == ("cake", hits[3:])
    await store.forget("local:fam", "main", "4")
    _, found = await store.answers.page(token, "local:fam", "bob", ["local:fam"], EVERYONE, 2)
    assert [hit.rank for hit in found] == [3, 4], "ranks stay"
    for place, asker in (("local:other", "ann"), (None, "ann"), (None, "bob")):
        with pytest.raises(AnswerGone):
            await store.answers.page(token, place, asker, ["local:fam"], EVERYONE, 0)
    with pytest.raises(AnswerGone):
        await store.answers.page(token + 1, "local:fam", "ann", ["local:fam"], EVERYONE, 0)


async def test_old_answers_go(opened: Opened) -> None:
    now = [1000.0]
    async with opened(clock=lambda: now[0]) as store:
        photo = await posted(store)
        hits = [Hit(1, photo, 1.0, ())]
        token = await store.answers.keep("local:fam", "ann", "cake", hits)
        now[0] += KEPT_SECONDS + 1
        with pytest.raises(AnswerGone):
            await store.answers.page(token, "local:fam", "ann", ["local:fam"], EVERYONE, 0)
        later = await store.answers.keep("local:fam", "ann", "cake", hits)
        assert later > token, "an old button never leads on from another answer"
        assert await selected(store, "SELECT count(*) FROM answers") == [(1,)]


GROUPS = ("local:a", "local:b", "local:c")
SPOTS = st.tuples(st.sampled_from(GROUPS), st.booleans())


def test_pages_never_leave_their_place_and_audience(rooms: Rooms) -> None:
    @given(
        spots=st.lists(SPOTS, min_size=1, max_size=8),
        place=st.sampled_from([*GROUPS, None]),
        reader=st.sampled_from([*GROUPS, None]),
        asker=st.sampled_from(["ann", "bob"]),
        shared=st.sets(st.sampled_from(GROUPS)),
        protected=st.booleans(),
        after=st.integers(0, 8),
    )
    @settings(max_examples=so_many(60, rooms), deadline=None)
    def looked_at(
        spots: list[tuple[str, bool]],
        place: str | None,
        reader: str | None,
        asker: str,
        shared: set[str],
        protected: bool,
        after: int,
    ) -> None:
        async def check() -> None:
            async with rooms() as url, store_on(url) as store:
                for group in GROUPS:
                    await store.groups.meet(Group(group, group))
                photos = [
                    await posted(store, str(n), group=group, protected=is_protected)
                    for n, (group, is_protected) in enumerate(spots)
                ]
                hits = [
                    Hit(n, p, 0.5, ()) for n, p in zip(itertools.count(1), photos, strict=False)
                ]
                token = await store.answers.keep(place, "ann", "cake", hits)
                audience = Audience(None, protected=protected)
                try:
                    _, found = await store.answers.page(
                        token, reader, asker, sorted(shared), audience, after
                    )
                except AnswerGone:
                    assert reader != place or (place is None and asker != "ann")
                    return
                assert reader == place
                assert place is not None or asker == "ann"
                assert found == [
                    hit
                    for hit in hits
                    if hit.rank > after
                    and hit.photo.post.group in shared
                    and (protected or not hit.photo.post.protected)
                ]

        asyncio.run(check())

    looked_at()


async def test_an_older_memory_is_brought_up_to_date(tmp_path: Path) -> None:
    """The first schema's file, with a photo in it, opened by this version."""
    path = tmp_path / "box.db"
    first = (Path(__file__).parent.parent / "storage/schema/001_memory.sql").read_text()
    with sqlite3.connect(path) as db:
        db.executescript(first)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO groups VALUES (1, 'local:fam', 'fam')")
        db.execute(
            "INSERT INTO posts VALUES (1, 1, 'main', '1', 'u1', 'Ann', '2024-05-01T12:00:00+00:00',"
            " 'Cake', NULL, 0, 0)"
        )
        db.execute(
            "INSERT INTO photos (id, post_id, group_id, platform, key, locator, name)"
            " VALUES (1, 1, 1, 'file', 'a', '/p/a', 'a.jpg')"
        )
        db.execute("INSERT INTO texts VALUES (1, 'cake', '')")
        db.execute("INSERT INTO jobs (photo_id, task) VALUES (1, 'embed')")
    async with SqliteStore(path) as store:
        assert await captions(store, "cake") == [1]
        (photo,) = await store.photos([1])
        assert photo.post == a_post(caption="Cake")
        assert len(await store.take(Task.EMBED, 5, ())) == 1
        assert (await store.remember(a_post("2"))).added
