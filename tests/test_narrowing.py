"""Whom and what filters mean, within what an audience may see; on the real SQLite and model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import clip
from bot.answers import Answer, Signal
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.minus import looks_like
from bot.model_state import ModelState
from bot.narrowing import people_called
from bot.photos import EVERYONE, Audience, Only, PhotoRef, Query
from bot.starter import evaluate
from bot.starter.concepts import concept
from bot.starter.scenes import Painter, compose
from bot.words import fold
from storage.sqlite import SqliteStore
from tests import kept
from tests.test_store import a_post

FAMILY = "local:fam"
START = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "box.db") as store:
        yield store


@pytest.fixture
async def memory(store: SqliteStore) -> AsyncIterator[PhotoMemory]:
    async with Decoder() as decoder:
        yield PhotoMemory(store, ModelState("none", problem="None here."), {}, decoder)


async def post(store: SqliteStore, message: str, name: str, **more: object) -> int:
    values = {"author": name.casefold(), "author_name": name, "channel": "open"} | more
    (photo,) = (await store.remember(replace(a_post(message), **values))).added  # type: ignore[arg-type]
    return photo


def found(answer: Answer) -> list[int]:
    return [hit.photo.id for hit in (*answer.hits, *answer.spare)]


def asking(words: str, seen: Sequence[str] | None = None, **more: object) -> Query:
    audience = EVERYONE if seen is None else Audience(frozenset(seen))
    return replace(Query((FAMILY,), words, audience), **more)  # type: ignore[arg-type]


KNOWN = [
    ("1", "Ann Lee"),
    ("2", "Ann Kim"),
    ("3", "Anna"),
    ("4", "José"),
    ("5", "王小明"),
    ("6", "Bob"),
    ("7", "bob"),
    ("8", "Bobby Tables"),
]


@pytest.mark.parametrize(
    ("typed", "people"),
    [
        ("ann", "12"),
        ("Ann Lee", "1"),
        ("anna", "3"),
        ("ann k", "2"),
        ("lee", "1"),
        ("an", None),
        ("jose", "4"),
        ("JOS", "4"),
        ("小明", "5"),
        ("bob", "67"),
        ("bobb", "8"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_names_of_people(typed: str, people: str | None) -> None:
    assert people_called(fold(typed), KNOWN) == (None if people is None else frozenset(people))


async def test_people_are_those_whose_photos_the_audience_may_see(store: SqliteStore) -> None:
    await post(store, "1", "Ann")
    await post(store, "2", "Zoe", channel="secret")
    await post(store, "3", "Guy", group="local:other")
    await post(store, "4", "Pia", protected=True)
    await store.refuse(await post(store, "5", "Bad"), "no picture", final=True)
    people = store.scopes.people
    everybody = {("ann", "Ann"), ("zoe", "Zoe"), ("pia", "Pia")}
    assert set(await people([FAMILY], EVERYONE)) == everybody
    assert set(await people([FAMILY], Audience(frozenset(["open"])))) == everybody - {
        ("zoe", "Zoe")
    }
    assert set(await people([FAMILY], Audience(None, protected=False))) == {
        ("ann", "Ann"),
        ("zoe", "Zoe"),
    }


async def test_who_posts_only_out_of_sight_is_nobody(
    store: SqliteStore, memory: PhotoMemory
) -> None:
    ann = await post(store, "1", "Ann", caption="cake")
    zoe = await post(store, "2", "Zoe", channel="secret", caption="cake")
    hidden = await memory.find(asking("cake from:zoe", ["open"]))
    nobody = await memory.find(asking("cake from:yoe", ["open"]))
    assert found(hidden) == found(nobody) == [ann]
    assert hidden.hint is not None
    assert nobody.hint == hidden.hint.replace("zoe", "yoe")
    seen = await memory.find(asking("cake from:zoe", ["open", "secret"]))
    assert (found(seen), seen.hint) == ([zoe], None)


async def test_the_beginning_of_a_name_is_counted_in_sight_only(
    store: SqliteStore, memory: PhotoMemory
) -> None:
    ann = await post(store, "1", "Annabel", caption="cake")
    await post(store, "2", "Annika", channel="secret", caption="cake")
    seen = await memory.find(asking("cake from:ann", ["open"]))
    assert (found(seen), seen.hint) == ([ann], None)
    both = await memory.find(asking("cake from:ann"))
    assert both.hint is not None
    assert "several" in both.hint


async def test_filters_alone_show_the_newest_first(store: SqliteStore, memory: PhotoMemory) -> None:
    ids = [await post(store, str(n), "Ann", posted_at=START + timedelta(days=n)) for n in (2, 0, 1)]
    await post(store, "9", "Bob", posted_at=START + timedelta(days=9))
    for words in ("from:ann", "photos from:ann", "from:ann after:2024-05-01"):
        answer = await memory.find(asking(words))
        assert found(answer) == [ids[0], ids[2], ids[1]]
        assert {hit.why for hit in answer.hits} == {(Signal.NEWEST,)}
        assert answer.hits[0].fit == "as asked"
    assert found(await memory.find(asking("from:ann on:2024-05-02"))) == [ids[2]]
    assert found(await memory.find(asking("from:ann before:2024"))) == []


async def test_typed_filters_and_options_combine(store: SqliteStore, memory: PhotoMemory) -> None:
    ann = await post(store, "1", "Ann", caption="cake")
    bob = await post(store, "2", "Bob", caption="cake", posted_at=START + timedelta(days=400))
    only_ann = Only(authors=frozenset({"ann"}))
    assert found(await memory.find(asking("cake", only=only_ann))) == [ann]
    assert found(await memory.find(asking("cake from:bob", only=only_ann))) == []
    assert found(await memory.find(asking("cake from:bob from:ann"))) == [bob, ann]
    late = Only(after=START + timedelta(days=100))
    assert found(await memory.find(asking("cake after:2020", only=late))) == [bob]
    assert found(await memory.find(asking("cake before:2025", only=late))) == []
    mine = await memory.find(asking("cake from:me", asker="bob"))
    assert found(mine) == [bob]
    mentioned = asking("cake from:<@7>", people=(("<@7>", "ann"),))
    assert found(await memory.find(mentioned)) == [ann]


async def test_places_are_those_that_the_adapter_names(
    store: SqliteStore, memory: PhotoMemory
) -> None:
    kitchen = await post(store, "1", "Ann", caption="cake", channel="12")
    garden = await post(store, "2", "Ann", caption="cake", channel="34")
    other = await post(store, "3", "Ann", caption="cake", group="local:club")
    named = (("🍳┃kitchen", "12"), ("back-garden", "34"))
    for words in ("cake in:kitchen", "cake in:#kitchen", 'cake in:"🍳┃Kitchen"'):
        assert found(await memory.find(asking(words, channels=named))) == [kitchen]
    assert found(await memory.find(asking('cake in:"back garden"', channels=named))) == [garden]
    # Even if an adapter named too many, the audience holds.
    walled = await memory.find(asking("cake in:kitchen", ["34"], channels=named))
    assert found(walled) == []
    nowhere = await memory.find(asking("cake in:#attic", channels=named))
    assert found(nowhere) == [garden, kitchen]
    assert nowhere.hint is not None
    assert "“#attic”" in nowhere.hint
    two = replace(asking("cake in:club"), groups=(FAMILY, "local:club"))
    titles = (("The Family", FAMILY), ("Club", "local:club"))
    assert found(await memory.find(replace(two, titles=titles))) == [other]


@pytest.mark.parametrize(
    ("typed", "holds"),
    [
        ('"cat"', [True, False, False, True, False, True]),
        ('"a cat"', [True, False, False, False, False, False]),
        ('"CAT, née"', [True, False, False, False, False, False]),
        ('"*"', [False, False, True, False, False, False]),
        ("“生日”", [False, False, False, False, True, False]),
        ('"cat" "sign"', [False, False, False, False, False, True]),
        ("-cat", [False, True, True, False, True, False]),
        ('-"a cat"', [False, True, True, True, True, True]),
    ],
)
async def test_exact_words(
    store: SqliteStore, memory: PhotoMemory, typed: str, holds: list[bool]
) -> None:
    captions = ["a Cat, née Tom", "education", "[ed]ucat* ?", "big-cat", "小明的生日蛋糕", "cat"]
    ids = [await post(store, str(n), "Ann", caption=text) for n, text in enumerate(captions)]
    await store.save_text(ids[-1], "SIGN")
    answer = await memory.find(asking(typed))
    assert sorted(found(answer)) == [p for p, held in zip(ids, holds, strict=True) if held]


async def test_more_goes_on_within_what_was_asked(store: SqliteStore, memory: PhotoMemory) -> None:
    ids = [await post(store, str(n), "Ann" if n % 2 else "Bob", caption="cake") for n in range(14)]
    query = asking("cake from:ann", asker="eve", place=FAMILY)
    answer = await memory.find(query)
    assert answer.token is not None
    page = await memory.page(answer.token, replace(query, words=""), 3)
    assert found(page) == ids[1::2][::-1][3:]
    assert "cake from:ann" in page.sentence


# --- looking like what is unwanted


@given(
    st.dictionaries(st.integers(1, 10**6), st.floats(-1, 1), max_size=60),
    st.floats(0.1, 10),
    st.floats(-1, 1),
)
def test_what_stands_out_is_nearer_than_all_the_rest(
    cosines: dict[int, float], scale: float, shift: float
) -> None:
    away = looks_like(cosines)
    if away:
        rest = [cosine for photo, cosine in cosines.items() if photo not in away]
        assert rest, "never everything"
        assert max(rest) <= min(cosines[photo] for photo in away)
        moved = looks_like({photo: scale * value + shift for photo, value in cosines.items()})
        assert abs(len(moved) - len(away)) <= 1, "only relations count"


def test_few_and_equal_photos_stand_out_of_nothing() -> None:
    assert looks_like({}) == frozenset()
    assert looks_like(dict.fromkeys(range(50), 0.3)) == frozenset()
    assert looks_like({n: n / 10 for n in range(5)}) == frozenset()


async def test_cats_are_taken_away_by_their_looks(
    encoder: clip.ClipEncoder, store: SqliteStore, painter: Painter
) -> None:
    rng = Random(7)
    cat, others = (
        concept("cat"),
        [concept(n) for n in ("pizza", "bicycle", "guitar", "umbrella")],
    )
    scenes = [compose(rng, painter.has, 1, cat if n % 5 == 0 else others[n % 4]) for n in range(80)]
    row = [encoded(painter, scene) for scene in scenes]
    vectors = await encoder.encode_images(evaluate.decoded(row, encoder.image_spec))
    ids = [await post(store, str(n), "Ann") for n in range(len(scenes))]
    await store.save_vectors(encoder.model, ids, vectors)
    cats = set(ids[::5])
    async with Decoder() as decoder:
        memory = PhotoMemory(
            store, ModelState("starter", encoder), {}, decoder, models_folder=kept.models()
        )
        with_cats = set(found(await memory.find(asking("cat"))))
        assert len(cats & with_cats) >= 14
        answer = await memory.find(asking("-cat", top=80))
        left = set(found(answer))
        assert len(cats & left) <= 2, "of 16"
        assert len(left - cats) >= 60, "of 64"
        assert answer.hint is not None
        assert "“-cat” leaves out" in answer.hint
        again = await memory.find(asking("animal -cat", top=10))
        assert not set(found(again)[:10]) & (cats - left)
        narrowed = set(found(await memory.find(asking("-cat in:nowhere", ["elsewhere"]))))
        assert narrowed == set()
        cosines = await store.scopes.cosines(
            [FAMILY], Audience(frozenset()), np.asarray(vectors[0]), encoder.model
        )
        assert cosines == {}


def encoded(painter: Painter, scene: object) -> bytes:
    import io

    file = io.BytesIO()
    painter.draw(scene, 256).save(file, "JPEG", quality=85)  # type: ignore[arg-type]
    return file.getvalue()


async def test_a_photo_in_question_combines_with_filters(
    store: SqliteStore, encoder: clip.ClipEncoder
) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((4, encoder.model.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [
        await post(store, str(n), "Ann" if n % 2 else "Bob", photos=(PhotoRef("web", str(n), ""),))
        for n in range(4)
    ]
    await store.save_vectors(encoder.model, ids, vectors)
    async with Decoder() as decoder:
        memory = PhotoMemory(
            store, ModelState("starter", encoder), {}, decoder, models_folder=kept.models()
        )
        like = await memory.find(asking("from:ann", like=PhotoRef("web", "0", "")))
        assert set(found(like)) == {ids[1], ids[3]}
