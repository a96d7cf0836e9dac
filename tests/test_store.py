"""The PhotoStore contract, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from bot.errors import UnknownGroup
from bot.photos import AT_FIRST, EVERYONE, Audience, Model, PhotoRef, Post, Task, Vector
from bot.words import fold
from storage.models import GRACE_SECONDS
from tests.stores import AnyStore, Opened

MODEL = Model("tiny", "f00d", 8)
OTHER = Model("other", "beef", 8)


def a_post(
    message: str = "1", *, group: str = "local:fam", keys: str = "a", **more: object
) -> Post:
    values: dict[str, object] = {
        "group": group,
        "group_name": group.partition(":")[2],
        "channel": "main",
        "message": message,
        "author": "u1",
        "author_name": "Ann",
        "posted_at": datetime(2024, 5, 1, 12, tzinfo=UTC),
        "photos": tuple(PhotoRef("file", key, f"/p/{key}", f"{key}.jpg") for key in keys),
        "caption": "",
    }
    return Post(**(values | more))  # type: ignore[arg-type]


def a_vector(seed: int) -> Vector:
    vector = np.random.default_rng(seed).standard_normal(8).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


async def found_by_words(store: AnyStore, *terms: str, **scope: object) -> list[int]:
    group = str(scope.get("group", "local:fam"))
    audience = scope.get("audience", EVERYONE)
    assert isinstance(audience, Audience)
    candidates = await store.search([group], audience, terms, [], None, 10)
    return [item.photo for item in candidates.items]


async def test_a_post_is_remembered_once(store: AnyStore) -> None:
    first = await store.remember(a_post(keys="ab"))
    assert len(first.added) == 2
    assert not first.known
    again = await store.remember(a_post(keys="abc"))
    assert again.known == first.added
    assert len(again.added) == 1, "an edit may bring another photo"
    assert await store.knows("local:fam", "main", "1")
    assert not await store.knows("local:other", "main", "1")
    photo = (await store.photos(first.added))[0]
    assert photo.post == a_post(keys="a"), "everything comes back as it was"


async def test_both_tasks_wait_and_end(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post())).added
    assert [job.photo for job in await store.take(Task.EMBED, 5, ())] == [photo]
    assert await store.take(Task.EMBED, 5, [photo]) == []
    assert await store.unfinished([photo]) == dict.fromkeys(AT_FIRST, 1) | {Task.RENEW: 0}
    await store.save_vectors(MODEL, [photo], a_vector(1)[None])
    await store.save_text(photo, "AKAI")
    await store.save_fingerprints({photo: b"seen"})
    assert await store.unfinished([photo]) == dict.fromkeys(Task, 0)
    (group,) = await store.groups.status()
    assert (group.photos, group.waiting_embedding, group.waiting_text) == (1, 0, 0)


async def test_the_oldest_photos_come_first(store: AnyStore) -> None:
    ids = [(await store.remember(a_post(str(n)))).added[0] for n in range(5)]
    assert [job.photo for job in await store.take(Task.READ, 3, ())] == ids[:3]


async def test_postponed_jobs_come_back_when_due(opened: Opened) -> None:
    now = [1000.0]
    async with opened(lambda: now[0]) as store:
        (photo,) = (await store.remember(a_post())).added
        await store.postpone(photo, Task.EMBED, datetime.fromtimestamp(1300, UTC), "no network")
        assert await store.take(Task.EMBED, 1, ()) == []
        assert (await store.unfinished([photo]))[Task.EMBED] == 0, "not worth waiting for"
        assert len(await store.take(Task.READ, 1, ())) == 1
        now[0] = 1301.0
        (job,) = await store.take(Task.EMBED, 1, ())
        assert job.attempts == 1


async def test_refused_photos_are_told_and_not_found(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post(caption="cake"))).added
    await store.refuse(photo, "the file is empty", final=True)
    assert await found_by_words(store, "cake") == []
    (group,) = await store.groups.status()
    assert group.photos == 0
    assert [(r.name, r.reason) for r in group.refused] == [("a.jpg", "the file is empty")]
    assert (await store.remember(a_post(caption="cake"))).known == (photo,)
    assert await store.take(Task.EMBED, 1, ()) == [], "never tried again"


async def test_what_was_done_meanwhile_is_not_given_up(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post(caption="cake"))).added
    await store.save_vectors(MODEL, [photo], a_vector(1)[None])
    await store.refuse(photo, "out of reach", False, Task.EMBED)
    assert await found_by_words(store, "cake") == [photo]
    await store.refuse(photo, "out of reach", False, Task.READ)
    assert await found_by_words(store, "cake") == []


async def test_what_was_out_of_reach_gets_another_chance(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post(caption="cake"))).added
    await store.refuse(photo, "the file is no longer where it was", final=False)
    moved = a_post(caption="cake", photos=(PhotoRef("file", "a", "/new/a", "a.jpg"),))
    assert (await store.remember(moved)).known == (photo,)
    (job,) = await store.take(Task.EMBED, 1, ())
    assert job.ref.locator == "/new/a"
    assert await found_by_words(store, "cake") == [photo]


async def test_words_are_found_in_parts_in_chinese_and_when_short(store: AnyStore) -> None:
    (cake,) = (await store.remember(a_post("1", caption="Birthday CAKE for Tom"))).added
    (bus,) = (await store.remember(a_post("2"))).added
    await store.save_text(bus, "开往汽车总站\nBUS 12")
    assert await found_by_words(store, "birth") == [cake]
    assert await found_by_words(store, "汽车") == [bus]
    assert await found_by_words(store, "汽车总站") == [bus]
    assert await found_by_words(store, "站") == [bus]
    assert await found_by_words(store, "12") == [bus]
    assert await found_by_words(store, "tom", "bus") == [cake, bus]
    assert await found_by_words(store, "nothing") == []


@pytest.mark.parametrize(
    "evil", ['"', '""', "a* OR b", "NEAR(", "(((", "-", "'; DROP TABLE x", "%"]
)
async def test_no_query_is_syntax(store: AnyStore, evil: str) -> None:
    await store.remember(a_post(caption="harmless"))
    assert await found_by_words(store, evil, evil * 3) == []
    (photo,) = (await store.remember(a_post("2", caption=f"has {evil} in it"))).added
    assert await found_by_words(store, fold(evil)) == [photo]


async def test_groups_are_walls_and_audiences_too(store: AnyStore) -> None:
    (ours,) = (await store.remember(a_post("1", caption="cake"))).added
    (theirs,) = (await store.remember(a_post("1", group="local:b", caption="cake"))).added
    (secret,) = (await store.remember(a_post("2", channel="secret", caption="cake"))).added
    await store.save_vectors(MODEL, [ours, theirs, secret], np.stack([a_vector(1)] * 3))
    main = Audience(frozenset({"main"}))
    for audience, expected in (
        (EVERYONE, [ours, secret]),
        (main, [ours]),
        (Audience(frozenset()), []),
    ):
        found = await store.search(["local:fam"], audience, ["cake"], [a_vector(1)], MODEL, 10)
        assert [item.photo for item in found.items] == expected
        assert found.total == len(expected)


async def test_meaning_is_the_exact_cosine(store: AnyStore) -> None:
    ids = [(await store.remember(a_post(str(n)))).added[0] for n in range(600)]
    vectors = np.stack([a_vector(n) for n in range(600)])
    await store.save_vectors(MODEL, ids, vectors)
    query = a_vector(99_999)
    found = await store.search(["local:fam"], EVERYONE, [], [query], MODEL, 5)
    cosines = vectors @ query
    best = np.argsort(-cosines)[:5]
    assert {item.photo for item in found.items} == {ids[n] for n in best}
    for item in found.items:
        assert item.cosine == pytest.approx(cosines[ids.index(item.photo)], abs=1e-3)
    assert found.median_cosine == pytest.approx(float(np.median(cosines)), abs=1e-3)


async def test_another_model_takes_the_place_of_the_first(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post())).added
    assert (await store.models.answering(), await store.models.coming()) == (None, None)
    await store.models.answer(MODEL)
    assert await store.models.require(MODEL) == 0, "it waits for its first embedding anyway"
    await store.save_vectors(MODEL, [photo], a_vector(1)[None])
    assert await store.models.require(MODEL) == 0
    await store.models.expect(OTHER)
    assert await store.models.require(OTHER) == 1
    assert not await store.models.succeed(OTHER)
    assert (await store.models.answering(), await store.models.coming()) == (MODEL, OTHER)
    (group,) = await store.groups.status()
    assert (group.waiting_embedding, group.waiting_renewal) == (0, 1)
    found = await store.search(["local:fam"], EVERYONE, [], [a_vector(1)], OTHER, 5)
    assert not found.items, "vectors of different models are never compared"
    await store.models.answer(MODEL)
    assert await store.models.require(MODEL) == 0, "back to the first: its vectors are still here"
    await store.models.expect(OTHER)
    assert await store.models.require(OTHER) == 1
    await store.save_vectors(OTHER, [photo], a_vector(2)[None])
    assert await store.models.succeed(OTHER)
    for model, vector in ((MODEL, 1), (OTHER, 2)):
        found = await store.search(["local:fam"], EVERYONE, [], [a_vector(vector)], model, 5)
        assert [item.photo for item in found.items] == [photo]
    assert (await store.models.answering(), await store.models.coming()) == (OTHER, None)


async def test_what_a_retired_model_made_goes_bit_by_bit(opened: Opened) -> None:
    now = 1000.0
    async with opened(lambda: now) as store:
        ids = [(await store.remember(a_post(str(n)))).added[0] for n in range(5)]
        await store.models.answer(MODEL)
        await store.save_vectors(MODEL, ids, np.stack([a_vector(n) for n in range(5)]))
        await store.models.expect(OTHER)
        await store.save_vectors(OTHER, ids[1:], np.stack([a_vector(n) for n in range(1, 5)]))
        await store.models.require(OTHER)
        await store.models.overlook(ids[0], OTHER, "its original is gone")
        assert await store.models.succeed(OTHER)
        (group,) = await store.groups.status()
        assert (group.unseen, group.waiting_renewal) == (1, 0)
        seen = await store.search(["local:fam"], EVERYONE, [], [a_vector(3)], OTHER, 5)
        assert not await store.models.clear(2), "somebody may still be asking it"
        now += GRACE_SECONDS
        rounds = 0
        while await store.models.clear(2):
            rounds += 1
            again = await store.search(["local:fam"], EVERYONE, [], [a_vector(3)], OTHER, 5)
            assert again.items == seen.items
        assert rounds == 3
        old = await store.search(["local:fam"], EVERYONE, [], [a_vector(3)], MODEL, 5)
        assert not old.items


async def test_what_a_model_could_not_see_can_be_brought_again(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post(caption="old words"))).added
    await store.models.answer(MODEL)
    await store.save_vectors(MODEL, [photo], a_vector(1)[None])
    await store.models.expect(OTHER)
    assert await store.models.require(OTHER) == 1
    await store.models.overlook(photo, OTHER, "gone")
    assert await store.models.require(OTHER) == 0
    assert await found_by_words(store, "old") == [photo]
    assert (await store.remember(a_post(caption="old words"))).known == (photo,)
    assert [job.photo for job in await store.take(Task.RENEW, 5, ())] == [photo]


async def test_thumbnails_are_kept_of_what_may_be_shown_elsewhere(store: AnyStore) -> None:
    (photo,) = (await store.remember(a_post("1"))).added
    (secret,) = (await store.remember(a_post("2", protected=True))).added
    await store.thumbnails.keep({photo: b"small", secret: b"small", 99: b"small"})
    assert await store.thumbnails.of(photo) == b"small"
    assert await store.thumbnails.of(secret) is None
    await store.refuse(photo, "no photo", final=True)
    assert await store.thumbnails.of(photo) is None
    (photo,) = (await store.remember(a_post("3"))).added
    await store.thumbnails.keep({photo: b"small"})
    assert await store.thumbnails.drop(5)
    assert not await store.thumbnails.drop(5)
    assert await store.thumbnails.of(photo) is None


async def test_revising_and_forgetting(store: AnyStore) -> None:
    first, second = (await store.remember(a_post(keys="ab", caption="old words"))).added
    dropped = await store.revise("local:fam", "main", "1", "new words", keep={"a"})
    assert [ref.key for ref in dropped] == ["b"]
    assert await found_by_words(store, "old") == []
    assert await found_by_words(store, "new") == [first]
    assert await store.photos([first, second]) == await store.photos([first])
    await store.save_vectors(MODEL, [first, second], np.stack([a_vector(1), a_vector(2)]))
    assert [r.key for r in await store.forget("local:fam", "main", "1")] == ["a"]
    assert await store.photos([first]) == []
    assert await found_by_words(store, "new") == []
    assert await store.forget("local:fam", "main", "1") == ()


async def test_groups_are_known_by_name_and_id(store: AnyStore) -> None:
    with pytest.raises(UnknownGroup, match="known groups: none yet"):
        await store.groups.resolve("fam")
    await store.remember(a_post())
    await store.remember(a_post(group="telegram:-1", group_name="Trip"))
    await store.remember(a_post(group="discord:2", group_name="Trip"))
    assert await store.groups.resolve("fam") == "local:fam"
    assert await store.groups.resolve("telegram:-1") == "telegram:-1"
    with pytest.raises(UnknownGroup, match="discord:2 or telegram:-1"):
        await store.groups.resolve("Trip")
    with pytest.raises(UnknownGroup, match=r"known groups:.*fam"):
        await store.groups.resolve("nobody")


async def test_reads_and_writes_at_once_give_right_answers(store: AnyStore) -> None:
    async def write(n: int) -> int:
        added = (await store.remember(a_post(str(n), caption=f"word{n:03}"))).added
        return added[0]

    async def read(n: int) -> list[int]:
        return await found_by_words(store, f"word{n:03}")

    ids = await asyncio.gather(*(write(n) for n in range(50)))
    answers, _ = await asyncio.gather(
        asyncio.gather(*(read(n) for n in range(50))),
        asyncio.gather(*(write(n) for n in range(50, 100))),
    )
    assert answers == [[photo] for photo in ids]


async def test_everything_is_still_there_after_opening_again(opened: Opened) -> None:
    async with opened() as store:
        (photo,) = (await store.remember(a_post(caption="cake"))).added
    async with opened() as store:
        assert await found_by_words(store, "cake") == [photo]
        await store.prove_writable()
        assert len(await store.groups.status()) == 1
