"""The group's own names: given by examples, found by likeness, seen by nobody else."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import clip
from bot.answers import Signal
from bot.candidates import Meant
from bot.decoder import Decoder
from bot.errors import NameRefused
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.names import Names, checked, key_of, spoken
from bot.photos import ALL, EVERYONE, Audience, Model, Only, Query, StoredPhoto, Vector
from bot.starter import evaluate
from bot.starter.concepts import Concept, concept, concepts
from bot.starter.scenes import Painter, compose
from storage import names
from tests import kept
from tests.stores import AnyStore, Rooms, so_many, store_on
from tests.test_store import MODEL, OTHER, a_post, a_vector

FAM = "local:fam"


async def post(
    store: AnyStore, message: str, vector: Vector | None = None, **more: object
) -> StoredPhoto:
    (photo,) = (await store.remember(replace(a_post(message), **more))).added  # type: ignore[arg-type]
    if vector is not None:
        await store.save_vectors(MODEL, [photo], vector[None])
    return (await store.photos([photo]))[0]


def near(vector: Vector, seed: int, how: float = 0.3) -> Vector:
    """Another one, not far from it."""
    moved: Vector = vector + how * a_vector(seed)
    return moved / np.float32(np.linalg.norm(moved))


async def alike(
    store: AnyStore,
    *keys: str,
    group: str = FAM,
    audience: Audience = EVERYONE,
    model: Model = MODEL,
    only: Only | None = None,
) -> dict[int, float]:
    found = await store.search(
        [group], audience, (), (), model, 5, only or ALL, Meant(keys, audience)
    )
    return {item.photo: item.alike for item in found.items if item.name}


# --- names in words


def test_small_differences_make_no_other_name() -> None:
    assert key_of("The  Göose!") == key_of("goose") == "goose"
    assert checked("  The\n Goose ") == ("goose", "The Goose")
    assert checked("大鹅") == ("大鹅", "大鹅")


@pytest.mark.parametrize("name", ["", "  ", "the", "!!", "x" * 41, "\u202e\n"])
def test_what_can_not_be_a_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(NameRefused) as refused:
        checked(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("question", "meant", "besides"),
    [
        ("The Goose", ["goose"], ""),
        ("a photo of the goose", ["goose"], ""),
        ("the goose at night", ["goose"], "at night"),
        ("mongoose", [], "mongoose"),
        ("goose king", ["goose king"], ""),
        ("goose-king and goose", ["goose king", "goose"], ""),
        ("大鹅在晚上", ["大鹅"], "在晚上"),
        ("找herbert照片", ["herbert"], "找 照片"),
    ],
)
def test_a_question_means_names_and_says_more(
    question: str, meant: list[str], besides: str
) -> None:
    found, rest = spoken(question, ["goose", "goose king", "大鹅", "herbert"])
    assert found == meant
    assert rest == besides


@given(st.text(max_size=60), st.lists(st.text(max_size=20).map(key_of).filter(bool), max_size=5))
def test_any_question_is_taken_apart(question: str, keys: list[str]) -> None:
    meant, _ = spoken(question, keys)
    assert set(meant) <= set(keys)
    for key in keys:
        assert spoken(f"the {key}", [key])[0] == [key]


# --- the store


async def test_examples_are_found_first_and_what_looks_like_them_next(store: AnyStore) -> None:
    goose = a_vector(1)
    named = await post(store, "1", goose)
    like = await post(store, "2", near(goose, 2))
    for n in range(10, 20):
        await post(store, str(n), a_vector(n))
    await store.names.give(named.id, "goose", "The Goose", "ann")
    found = await alike(store, "goose")
    assert found[named.id] == 1
    assert found[like.id] == max(how for photo, how in found.items() if photo != named.id)
    assert 0.5 < found[like.id] < 1
    assert await alike(store, "duck") == {}
    assert (await alike(store, "goose", only=Only(authors=frozenset({"nobody"})))) == {}
    again = await post(store, "3", goose)
    assert (await alike(store, "goose"))[again.id] < 1, "the same picture, but not named itself"
    await store.drop(named.id)
    assert await alike(store, "goose") == {}, "an example takes its contribution along"
    assert await store.names.of([FAM], EVERYONE) == {}


async def test_a_name_counts_whatever_the_question_is_narrowed_to(store: AnyStore) -> None:
    goose = a_vector(1)
    named = await post(store, "1", goose, author="ann")
    theirs = await post(store, "2", near(goose, 2), author="bob")
    for n in range(10, 20):
        await post(store, str(n), a_vector(n))
    await store.names.give(named.id, "goose", "goose", "ann")
    assert theirs.id in await alike(store, "goose", only=Only(authors=frozenset({"bob"})))
    assert named.id not in await alike(store, "goose", only=Only(authors=frozenset({"bob"})))


async def test_another_model_has_other_vectors(store: AnyStore) -> None:
    named = await post(store, "1", a_vector(1))
    await post(store, "2", a_vector(1))
    await store.names.give(named.id, "goose", "goose", "ann")
    assert await alike(store, "goose", model=OTHER) == {named.id: 1}, "by its name alone"
    for n, seed in enumerate((4, 5, 6)):
        photo = await post(store, f"{n}o")
        await store.save_vectors(OTHER, [photo.id], a_vector(seed)[None])
    await store.save_vectors(OTHER, [named.id], near(a_vector(4), 9, 0.1)[None])
    found = await alike(store, "goose", model=OTHER)
    assert sorted(found.values())[-2] > 0.5, "as soon as it is embedded again"


async def test_names_have_limits(store: AnyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_NAMES", 2)
    monkeypatch.setattr(names, "MOST_EXAMPLES", 2)
    photos = [await post(store, str(n)) for n in range(3)]
    other = await post(store, "9", group="local:other")
    for key in ("a", "b"):
        await store.names.give(photos[0].id, key, key, "ann")
    with pytest.raises(NameRefused, match="2 names"):
        await store.names.give(photos[0].id, "c", "c", "ann")
    await store.names.give(photos[1].id, "a", "a", "ann")
    await store.names.give(photos[1].id, "a", "a", "ann")
    with pytest.raises(NameRefused, match="2 examples"):
        await store.names.give(photos[2].id, "a", "a", "ann")
    await store.names.give(other.id, "c", "c", "ann")


async def test_who_gave_a_name_takes_it_away_and_an_admin_too(store: AnyStore) -> None:
    names = Names(store.names)
    first, second = [await post(store, n) for n in "12"]
    assert "one example" in await names.give(first, "The Goose", "ann", EVERYONE)
    assert "2 examples" in await names.give(second, "goose!", "bob", EVERYONE)
    (name,) = await names.of([FAM], EVERYONE)
    assert (name.name, name.examples) == ("The Goose", 2)
    assert "Only who" in await names.take_back(FAM, EVERYONE, "goose", "eve")
    assert "Your examples" in await names.take_back(FAM, EVERYONE, "goose", "ann")
    assert [each.examples for each in await names.of([FAM], EVERYONE)] == [1]
    assert "no longer" in await names.take_back(FAM, EVERYONE, "the goose", None)
    assert "no such name" in await names.take_back(FAM, EVERYONE, "the goose", None)
    gone = await post(store, "3")
    await store.drop(gone.id)
    with pytest.raises(NameRefused, match="don't remember"):
        await names.give(gone, "goose", "ann", EVERYONE)


async def test_names_move_with_the_group_and_go_with_it(store: AnyStore) -> None:
    photo = await post(store, "1")
    await store.names.give(photo.id, "goose", "goose", "ann")
    await post(store, "9", group="local:new")
    assert await store.groups.move(FAM, "local:new")
    assert list(await store.names.of(["local:new"], EVERYONE)) == ["goose"]
    await store.groups.erase("local:new")
    assert await store.names.of(["local:new"], EVERYONE) == {}


async def test_who_sees_no_example_learns_nothing_of_a_name(store: AnyStore) -> None:
    names, room = Names(store.names), Audience(frozenset({"open"}))
    hidden = await post(store, "1", channel="secret")
    await names.give(hidden, "goose", "ann", EVERYONE)
    assert await names.of([FAM], room) == []
    assert "no such name" in await names.take_back(FAM, room, "goose", "eve")
    shown = await post(store, "2", channel="open")
    assert "one example" in await names.give(shown, "GOOSE", "eve", room)
    assert [(each.name, each.examples) for each in await names.of([FAM], room)] == [("GOOSE", 1)]


spots = st.tuples(st.sampled_from(["local:a", "local:b"]), st.sampled_from(["x", "y"]))


def test_no_example_beyond_the_walls_has_any_influence(rooms: Rooms) -> None:
    """An answer is the same as if what its audience can't see, or is of another group, were not
    there at all."""

    @settings(max_examples=so_many(30, rooms), deadline=None)
    @given(
        posts=st.lists(st.tuples(spots, st.integers(0, 5), st.booleans()), min_size=1, max_size=8),
        asked=st.frozensets(spots, min_size=1, max_size=3),
    )
    def answered(
        posts: list[tuple[tuple[str, str], int, bool]],
        asked: frozenset[tuple[str, str]],
    ) -> None:
        async def answer(group: str, channels: frozenset[str], whole: bool) -> dict[str, float]:
            async with rooms() as url, store_on(url) as store:
                ids: dict[int, str] = {}
                for n, ((at, channel), seed, is_named) in enumerate(posts):
                    if whole or (at == group and channel in channels):
                        photo = await post(store, str(n), a_vector(seed), group=at, channel=channel)
                        ids[photo.id] = str(n)
                        if is_named:
                            await store.names.give(photo.id, "goose", f"goose{n}", "ann")
                groups = [group, "local:c"]
                audience = Audience(channels)
                found = await store.search(
                    groups, audience, (), (), MODEL, 9, meant=Meant(("goose",), audience)
                )
                listed = await store.names.of([group], audience)
                told = {name.name: float(name.examples) for name in listed.values()}
                return told | {ids[item.photo]: item.alike for item in found.items}

        async def walls() -> None:
            group = min(asked)[0]
            channels = frozenset(channel for _, channel in asked)
            assert await answer(group, channels, whole=True) == pytest.approx(
                await answer(group, channels, whole=False), abs=1e-6
            )

        asyncio.run(walls())

    answered()


async def test_over_several_groups_a_name_stays_in_its_own(store: AnyStore) -> None:
    goose = a_vector(1)
    named = await post(store, "1", goose, group="local:a")
    theirs = await post(store, "2", goose, group="local:b")
    await store.names.give(named.id, "goose", "goose", "ann")
    found = await store.search(
        ["local:a", "local:b"], EVERYONE, (), (), MODEL, 9, meant=Meant(("goose",))
    )
    assert [item.photo for item in found.items] == [named.id]
    assert theirs.id not in [item.photo for item in found.items]


# --- with the starter's eyes


class Album:
    """Drawings in a memory: some of each wanted concept, among many of others."""

    def __init__(self, store: AnyStore, encoder: clip.ClipEncoder, decoder: Decoder) -> None:
        self.store = store
        self.encoder = encoder
        self.memory = PhotoMemory(
            store, ModelState("starter", encoder), {}, decoder, models_folder=kept.models()
        )
        self.of: dict[str, list[StoredPhoto]] = {}

    async def fill(self, painter: Painter, wanted: list[Concept], each: int, others: int) -> None:
        rng = Random(11)
        drawable = [c for c in concepts() if any(map(painter.has, c.emoji)) and c not in wanted]
        mains = [c for c in wanted for _ in range(each)] + rng.choices(drawable, k=others)
        scenes = [compose(rng, painter.has, 1, main) for main in mains]
        jpegs = [encoded(painter, scene) for scene in scenes]
        vectors = await self.encoder.encode_images(evaluate.decoded(jpegs, self.encoder.image_spec))
        for n, (main, vector) in enumerate(zip(mains, vectors, strict=True)):
            photo = await post(self.store, str(n))
            await self.store.save_vectors(self.encoder.model, [photo.id], vector[None])
            self.of.setdefault(main.name, []).append(photo)


def encoded(painter: Painter, scene: object) -> bytes:
    file = io.BytesIO()
    painter.draw(scene, 224).save(file, "JPEG", quality=85)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("thing", ["robot", "bicycle", "guitar"])
async def test_a_name_finds_what_the_word_does_not_mean(
    store: AnyStore, encoder: clip.ClipEncoder, painter: Painter, thing: str
) -> None:
    async with Decoder() as decoder:
        album = Album(store, encoder, decoder)
        await album.fill(painter, [concept(thing)], each=8, others=120)
        mine = {photo.id for photo in album.of[thing]}

        async def ask(words: str) -> list[tuple[int, tuple[str, ...]]]:
            answer = await album.memory.find(Query((FAM,), words, EVERYONE, top=6))
            return [(hit.photo.id, hit.reasons) for hit in answer.hits]

        before = {photo for photo, _ in await ask("Herbert")}
        assert len(before & mine) <= 2, "the word itself means nothing"
        named = album.of[thing][:3]
        for photo in named:
            await album.memory.names.give(photo, "Herbert", "ann", EVERYONE)
        hits = await ask("find herbert")
        assert {photo for photo, _ in hits[:3]} == {photo.id for photo in named}
        assert len({photo for photo, _ in hits} & mine) >= 5
        assert all("name: Herbert" in reasons for _, reasons in hits)
        await album.memory.names.take_back(FAM, EVERYONE, "herbert", "ann")
        assert {photo for photo, _ in await ask("Herbert")} == before


async def test_words_besides_a_name_still_count(
    store: AnyStore, encoder: clip.ClipEncoder, painter: Painter
) -> None:
    async with Decoder() as decoder:
        album = Album(store, encoder, decoder)
        await album.fill(painter, [concept("robot"), concept("duck")], each=6, others=60)
        robots, ducks = album.of["robot"], album.of["duck"]
        await album.memory.names.give(robots[0], "Herbert", "ann", EVERYONE)
        await store.revise(FAM, "main", robots[3].post.message, "at night", None)
        await store.revise(FAM, "main", ducks[0].post.message, "at night", None)
        answer = await album.memory.find(Query((FAM,), "Herbert night", EVERYONE, top=3))
        assert [hit.photo.id for hit in answer.hits[:2]] == [robots[0].id, robots[3].id]
        assert set(answer.hits[1].why) >= {Signal.CAPTION, Signal.NAME}


async def test_a_name_leads_on_through_more(
    store: AnyStore, encoder: clip.ClipEncoder, painter: Painter
) -> None:
    async with Decoder() as decoder:
        album = Album(store, encoder, decoder)
        await album.fill(painter, [concept("robot")], each=6, others=40)
        await album.memory.names.give(album.of["robot"][0], "Herbert", "ann", EVERYONE)
        query = Query((FAM,), "Herbert", EVERYONE, top=1, place=FAM, asker="ann")
        answer = await album.memory.find(query)
        assert answer.token is not None
        more = await album.memory.page(answer.token, query, 1)
        assert "name: Herbert" in more.hits[0].reasons
