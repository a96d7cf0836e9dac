"""One hit stands for a photo's copies; nothing is lost, misplaced or shown to the wrong eyes.

How well copies are told from similar things is measured by benchmarks/duplicates.py, of which a
small run is the last test here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import adapters.discord.text as discord_text
import adapters.telegram.text as telegram_text
from adapters.files import Files
from benchmarks import duplicates
from benchmarks.pictures import RECOMPRESSED
from bot import images, indexing, perceptual, terminal
from bot.answers import Answer, Hit, Signal
from bot.candidates import Look
from bot.decoder import Decoder
from bot.duplicates import BURST_SAME, SAME, collapse
from bot.errors import FetchFailed, PhotoGone
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import (
    EVERYONE,
    Audience,
    ImageSpec,
    Model,
    PhotoRef,
    Post,
    Query,
    StoredPhoto,
    Task,
    Vector,
)
from storage.chatlog import ChatLog, Find, Reply
from storage.sqlite import SqliteStore
from tests.discord import scene as discord_scene
from tests.pictures import encoded, photo, scene
from tests.telegram import scene as telegram_scene
from tests.test_indexing import ColourEncoder, World

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MODEL = Model("tiny", "f00d", 8)


def hit(id_: int, author: str = "Ann", **more: object) -> Hit:
    values: dict[str, object] = {
        "group": "g",
        "channel": "c",
        "message": str(id_),
        "author": f"id-{author}",
        "author_name": author,
        "posted_at": NOON + timedelta(days=id_),
        "photos": (PhotoRef("file", str(id_), f"/p/{id_}", f"{id_}.jpg"),),
    }
    post = Post(**(values | more))  # type: ignore[arg-type]
    return Hit(id_, StoredPhoto(id_, post), 1 / (1 + id_), (Signal.MEANING,))


def print_of(image: Image.Image) -> bytes:
    return images.fingerprint(encoded(image, "PNG"))


def far(a: Image.Image | bytes, b: Image.Image | bytes) -> float:
    prints = [each if isinstance(each, bytes) else print_of(each) for each in (a, b)]
    return float(perceptual.distances(prints)[0, 1])


def ids(hits: Sequence[Hit]) -> list[list[int]]:
    return [[each.photo.id for each in (found, *found.copies)] for found in hits]


# --- what looks the same


BIG = scene(3, (1600, 1200))


def test_a_copy_looks_the_same_whatever_was_done_to_its_file() -> None:
    original = images.fingerprint(encoded(BIG, quality=92))
    small = BIG.resize((400, 300), Image.Resampling.LANCZOS)
    turned = BIG.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    for copy in (
        encoded(BIG, quality=30),
        encoded(BIG, "WEBP", quality=50),
        encoded(BIG, "PNG"),
        encoded(small, quality=60),
        encoded(BIG.resize((3200, 2400)), quality=85),
        encoded(turned, quality=85, exif=exif),
    ):
        assert far(original, images.fingerprint(copy)) < SAME / 2


def test_a_little_may_be_cut_off_or_put_around() -> None:
    width, height = BIG.size
    assert far(BIG, BIG.crop((0, 0, round(0.95 * width), height))) <= SAME
    assert far(BIG, BIG.crop((30, 22, width - 30, height - 22))) <= SAME
    assert far(BIG, ImageOps.expand(BIG, 16, "white")) <= SAME


def test_other_things_do_not_look_the_same() -> None:
    prints = [print_of(scene(n)) for n in range(60)]
    apart = perceptual.distances(prints)
    np.fill_diagonal(apart, 9)
    assert apart.min() > SAME


def test_blank_frames_are_the_same_only_if_they_are() -> None:
    noise = np.random.default_rng(0).normal(0, 2, (240, 320, 3))
    shades = [Image.new("RGB", (320, 240), c) for c in ("black", "white", "#808080", "#803030")]
    shades += [Image.new("RGB", (320, 240), c) for c in ("#308030", "#303080", "#202020")]
    apart = perceptual.distances([print_of(each) for each in shades])
    np.fill_diagonal(apart, 9)
    assert apart.min() > SAME
    grainy = Image.fromarray((128 + noise).clip(0, 255).astype(np.uint8))
    assert far(shades[2], grainy) <= SAME, "grain does not make another picture of a grey wall"
    dim = Image.fromarray((np.asarray(scene(1)) / 16).astype(np.uint8))
    other = Image.fromarray((np.asarray(scene(2)) / 16).astype(np.uint8))
    assert far(dim, other) > SAME, "two things in the dark are two"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 1.2))
def test_what_is_too_far_apart_needs_not_be_looked_at(seed: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    prints = []
    for _ in range(12):
        patches = rng.integers(0, 256, (*rng.integers(2, 20, 2), 3), dtype=np.uint8)
        picture = Image.fromarray(patches).resize((200, 150), Image.Resampling.BICUBIC)
        left, top, right, bottom = rng.integers(0, 20, 4).tolist()
        cut = picture.crop((left, top, 200 - right, 150 - bottom))
        prints += [perceptual.fingerprint(picture), perceptual.fingerprint(cut)]
    exact, found = perceptual.distances(prints), perceptual.distances(prints, most)
    near = exact <= most
    np.testing.assert_allclose(found[near], exact[near], atol=1e-4)
    assert (found[~near] > most - 1e-4).all()


def test_distances_are_those_of_a_measure() -> None:
    prints = [print_of(scene(n)) for n in range(8)] + [print_of(Image.new("RGB", (9, 9)))]
    apart = perceptual.distances(prints)
    assert np.allclose(apart, apart.T)
    assert np.all(np.diagonal(apart) == 0)
    assert perceptual.distances([]).shape == (0, 0)
    assert all(len(each) == perceptual.SIZE for each in prints)


async def test_the_sandbox_gives_one_fingerprint_by_either_way() -> None:
    data = photo(5, (800, 600))
    async with Decoder() as decoder:
        spec = ImageSpec((224, 224))
        look = await decoder.look(data, spec)
        pixels, seen = look.pixels, look.fingerprint
        assert np.array_equal(pixels, await decoder.pixels(data, spec))
        # JPEGs are decoded at a scale that fits what is wanted.
        assert far(seen, await decoder.fingerprint(data)) < 0.05


# --- what is collapsed

_PRINTS = [print_of(scene(n)) for n in range(4)]
_PRINTS += [images.fingerprint(encoded(scene(n), quality=40)) for n in range(4)]
_VECTORS = [v / np.linalg.norm(v) for v in np.eye(3, dtype=np.float32) + np.float32(0.05)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Hit], dict[int, Look]]:
    hits, looks = [], {}
    for rank in range(1, draw(st.integers(0, 12)) + 1):
        found = hit(
            rank,
            draw(st.sampled_from(["Ann", "Bob"])),
            group=draw(st.sampled_from("gh")),
            channel=draw(st.sampled_from("cd")),
            posted_at=NOON + timedelta(seconds=draw(st.integers(0, 60))),
        )
        hits.append(found)
        if draw(st.integers(0, 9)):
            looks[rank] = Look(
                draw(st.sampled_from([*_PRINTS, None, b"of another version"])),
                draw(st.sampled_from([*_VECTORS, None])),
                draw(
                    st.sampled_from(
                        ["", None, "happy birthday dear bob", "the total is 12.50 euro"]
                    )
                ),
            )
    return hits, looks


@settings(max_examples=150, deadline=None)
@given(answers())
def test_collapsing_loses_nothing_keeps_the_order_and_is_done_once(
    answer: tuple[list[Hit], dict[int, Look]],
) -> None:
    hits, looks = answer
    found = collapse(hits, looks)
    assert sorted(id_ for same in ids(found) for id_ in same) == [h.photo.id for h in hits]
    firsts = [same[0] for same in ids(found)]
    assert firsts == sorted(firsts)
    assert all(same == sorted(same) for same in ids(found)), "the best ranked stands for the rest"
    assert [each.rank for each in found] == list(range(1, len(found) + 1))
    assert collapse(found, looks) == found
    for each in found:
        assert {copy.photo.post.group for copy in each.copies} <= {each.photo.post.group}
        assert all(copy.rank == each.rank and not copy.copies for copy in each.copies)
        scores = {h.photo.id: (h.score, h.why) for h in hits}
        assert all((c.score, c.why) == scores[c.photo.id] for c in (each, *each.copies))


def test_copies_collapse_whoever_posted_them_wherever() -> None:
    looks = {n: Look(_PRINTS[0 if n != 2 else 1]) for n in (1, 2, 3, 4)}
    hits = [hit(1), hit(2), hit(3, "Bob", channel="d"), hit(4, group="other")]
    assert ids(collapse(hits, looks)) == [[1, 3], [2], [4]]


def shaken(pixels: int) -> Image.Image:
    """The same scene, the camera moved."""
    return scene(9, (800, 600)).crop((pixels, pixels, 700 + pixels, 500 + pixels))


def test_a_burst_collapses_and_the_same_place_later_does_not() -> None:
    looks = [print_of(shaken(0)), print_of(shaken(30))]
    assert SAME < far(*looks) <= BURST_SAME, "the test's own photos are what they should be"
    v = _VECTORS[0]
    seen = {1: Look(looks[0], v), 2: Look(looks[1], v)}

    def burst(seconds: float, author: str = "Ann", channel: str = "c") -> list[Hit]:
        later = NOON + timedelta(seconds=seconds)
        return [hit(1, posted_at=NOON), hit(2, author, channel=channel, posted_at=later)]

    assert ids(collapse(burst(10), seen)) == [[1, 2]]
    assert ids(collapse(burst(60), seen)) == [[1], [2]]
    assert ids(collapse(burst(10, "Bob"), seen)) == [[1], [2]]
    assert ids(collapse(burst(10, channel="d"), seen)) == [[1], [2]]
    assert ids(collapse(burst(10), seen | {2: Look(looks[1], _VECTORS[1])})) == [[1], [2]]
    assert ids(collapse(burst(10), seen | {2: Look(looks[1])})) == [[1], [2]], "no model, no burst"
    unread = seen | {2: Look(looks[1], v, None)}
    assert ids(collapse(burst(10), unread)) == [[1], [2]], "they may be two pages of words"
    texts = ("milk 1.20 bread 2.00 total 3.20", "bread 2.00 milk 7.10 cake 9.99 total 19.09")
    pages = {n: Look(looks[n - 1], v, text) for n, text in enumerate(texts, start=1)}
    assert ids(collapse(burst(10), pages)) == [[1], [2]], "two receipts"


def test_the_same_picture_with_other_words_is_another() -> None:
    same = _PRINTS[0]
    green, late = "when the build is green", "nobody leaves early on friday"
    memes = {1: Look(same, None, green), 2: Look(same, None, late)}
    assert len(collapse([hit(1), hit(2)], memes)) == 2
    for misread in ("when tne buiid is gree", "wnen 17", "台创平安 build is green"):
        assert len(collapse([hit(1), hit(2)], {1: memes[1], 2: Look(same, None, misread)})) == 1
    signs = {1: Look(same, None, "开往汽车总站"), 2: Look(same, None, "开桂汽车总站 市镇公交")}
    assert len(collapse([hit(1), hit(2)], signs)) == 1
    assert len(collapse([hit(1), hit(2)], signs | {2: Look(same, None, "欢迎光临小店")})) == 2
    for text in (None, "", "the"):
        assert len(collapse([hit(1), hit(2)], {1: memes[1], 2: Look(same, None, text)})) == 1


def test_a_photo_without_a_fingerprint_is_like_no_other() -> None:
    assert ids(collapse([hit(1), hit(2)], {1: Look(None), 2: Look(None)})) == [[1], [2]]
    assert ids(collapse([hit(1), hit(2)], {})) == [[1], [2]]


# --- in the memory


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "box.db") as store:
        yield store


async def posted(
    store: SqliteStore,
    message: str,
    look: int,
    author: str = "Ann",
    channel: str = "c",
    group: str = "g",
) -> int:
    ref = PhotoRef("file", message, f"/{message}", message)
    day = NOON + timedelta(days=len(message))
    post = Post(group, channel, message, author, author, day, (ref,), caption="cake")
    (photo,) = (await store.remember(post)).added
    await store.save_fingerprints({photo: _PRINTS[look]})
    return photo


def memory_of(store: SqliteStore) -> PhotoMemory:
    return PhotoMemory(store, ModelState("none"), {}, Decoder())


def asking(channels: frozenset[str] | None = None, top: int = 3) -> Query:
    return Query(("g",), "cake", Audience(channels), top, place="g", asker="Ann")


async def test_an_answer_shows_different_photos_and_more_goes_on(store: SqliteStore) -> None:
    for n in range(4):
        for again in range(3):
            await posted(store, f"{n}{again}", n, ["Ann", "Bob", "Eve"][again])
    memory = memory_of(store)
    answer = await memory.find(asking())
    assert ids(answer.hits) == [[12, 11, 10], [9, 8, 7], [6, 5, 4]]
    assert ids(answer.spare) == [[3, 2, 1]]
    assert answer.hits[0].stands_for() == "and 2 more like it, also posted by Bob and Ann"
    assert answer.token is not None
    kept = await memory.page(answer.token, asking(), after=0)  # as after a restart
    assert (kept.hits, kept.spare) == (answer.hits, answer.spare)
    more = await memory.page(answer.token, asking(), after=3)
    assert ids(more.hits) == [[3, 2, 1]]
    assert not (await memory.page(answer.token, asking(), after=4)).hits


async def test_a_copy_takes_the_place_of_what_is_forgotten(store: SqliteStore) -> None:
    mine = await posted(store, "mine", 0, "Ann")
    bobs = await posted(store, "bobs", 0, "Bob")
    memory = memory_of(store)
    answer = await memory.find(asking())
    assert ids(answer.hits) == [[bobs, mine]]
    assert answer.token is not None
    await memory.forget("g", "c", "bobs")
    (left,) = (await memory.page(answer.token, asking(), after=0)).hits
    assert (left.photo.id, left.rank, left.copies) == (mine, 1, ())
    assert [each.photo.id for each in (await memory.find(asking())).hits] == [mine]


async def test_copies_that_a_reader_may_not_see_are_neither_counted_nor_named(
    store: SqliteStore,
) -> None:
    open_ = await posted(store, "1", 0, "Ann", "open")
    secret = await posted(store, "2", 0, "Bob", "secret")
    also = await posted(store, "3", 0, "Eve", "open")
    memory = memory_of(store)
    all_ = await memory.find(asking())
    assert ids(all_.hits) == [[also, secret, open_]]
    (hit,) = (await memory.find(asking(frozenset({"open"})))).hits
    assert (ids([hit]), hit.others) == ([[also, open_]], ("Ann",))
    assert all_.token is not None
    # The same holds for an answer that was given to more.
    (hit,) = (await memory.page(all_.token, asking(frozenset({"open"})), after=0)).hits
    assert (ids([hit]), hit.others) == ([[also, open_]], ("Ann",))
    (hit,) = (await memory.page(all_.token, asking(frozenset({"secret"})), after=0)).hits
    assert (ids([hit]), hit.stands_for()) == ([[secret]], "")


async def test_a_shared_answer_holds_the_copies_that_all_may_see(store: SqliteStore) -> None:
    first = await posted(store, "1", 0, "Ann", "open")
    secret = await posted(store, "2", 0, "Bob", "secret")
    memory = memory_of(store)
    alone = await memory.find(replace(asking(), place=None))
    assert ids(alone.hits) == [[secret, first]]
    assert alone.token is not None
    shared = await memory.share(alone.token, asking(frozenset({"open"})), range(1, 4))
    assert ids(shared.hits) == [[first]]
    assert shared.hits[0].rank == 1


async def test_two_groups_keep_their_own(store: SqliteStore) -> None:
    here = await posted(store, "1", 0)
    there = await posted(store, "2", 0, group="h")
    query = Query(("g", "h"), "cake", EVERYONE)
    assert ids((await memory_of(store).find(query)).hits) == [[there], [here]]


# --- in the background


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        yield World(store, decoder)


async def test_fingerprints_come_with_the_embedding(world: World) -> None:
    world.model.encoder = ColourEncoder()
    async with world.indexer.running():
        photo_ = await world.post("a", photo(1))
        await world.until(Task.FINGERPRINT, [photo_])
        await world.until(Task.EMBED, [photo_])
    looks = await world.store.looks([photo_], world.model.encoder.model)
    assert looks[photo_].fingerprint == images.fingerprint(photo(1))
    assert looks[photo_].vector is not None
    assert (await world.store.looks([photo_], None))[photo_].vector is None


async def test_fingerprints_come_without_a_model_and_for_what_was_embedded_before(
    world: World,
) -> None:
    async with world.indexer.running():
        photo_ = await world.post("a", photo(1))
        await world.until(Task.FINGERPRINT, [photo_])
        assert (await world.store.unfinished([photo_]))[Task.EMBED] == 1
    assert (await world.store.looks([photo_], None))[photo_].fingerprint is not None


async def test_an_original_that_is_out_of_reach_costs_a_fingerprint_and_no_photo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PAUSES", ())
    names: dict[str, bytes | Exception] = {
        "gone": PhotoGone("gone"),
        "away": FetchFailed("not now"),
        "bad": b"no picture",
    }
    found = {name: await world.post(name, content, "cake") for name, content in names.items()}
    for photo_ in found.values():  # as if they had been looked at when they still were there
        await world.store.save_vectors(MODEL, [photo_], _unit()[None])
        await world.store.save_text(photo_, "")
    async with world.indexer.running():
        await world.until(Task.FINGERPRINT, list(found.values()))
    (status,) = await world.store.groups.status()
    assert (status.photos, status.refused) == (3, ())


def _unit() -> Vector:
    first: Vector = np.eye(8, dtype=np.float32)[0]
    return first


async def test_an_older_database_gets_fingerprints_and_keeps_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    db = sqlite3.connect(path)
    for name in ("001_memory.sql", "002_groups.sql", "003_askers.sql"):
        db.executescript((resources.files("storage.schema") / name).read_text(encoding="utf-8"))
    db.executescript(
        """
        INSERT INTO groups VALUES (1, 'g', 'Group', NULL);
        INSERT INTO posts VALUES (1, 1, 'c', 'm', 'u', 'Ann', '2024-05-01T12:00:00+00:00', '',
            NULL, 0, 0, '');
        INSERT INTO photos VALUES (1, 1, 1, 'shelf', 'a', 'a', 'a.jpg', NULL, 0);
        INSERT INTO photos VALUES (2, 1, 1, 'shelf', 'b', 'b', 'b.jpg', 'no picture', 1);
        INSERT INTO photos VALUES (3, 1, 1, 'shelf', 'c', 'c', 'c.jpg', NULL, 0);
        INSERT INTO texts VALUES (1, '', ''), (2, '', ''), (3, '', '');
        INSERT INTO jobs VALUES (3, 'read', 2, 12.5, 'not now');
        INSERT INTO answers VALUES (7, 1, 'u', 'cake', 4e9);
        INSERT INTO answer_photos VALUES (7, 1, 3, 0.5, '["caption"]'), (7, 2, 1, 0.25, '[]');
        PRAGMA user_version = 3;
        """
    )
    db.close()
    async with SqliteStore(path) as store, Decoder() as decoder:
        assert [job.photo for job in await store.take(Task.FINGERPRINT, 9, ())] == [1, 3]
        (job,) = await store.take(Task.READ, 9, ())
        assert (job.photo, job.attempts) == (3, 2)
        _, hits = await store.answers.page(7, "g", "u", ["g"], EVERYONE, 0)
        assert [(h.rank, h.photo.id, h.score, h.copies) for h in hits] == [
            (1, 3, 0.5, ()),
            (2, 1, 0.25, ()),
        ]
        old = World(store, decoder)
        old.shelf.files = {"a": photo(1), "c": photo(1)}
        async with old.indexer.running():
            await old.until(Task.FINGERPRINT, [1, 3])
        looks = await store.looks([1, 2, 3], None)
        assert looks[1].fingerprint == looks[3].fingerprint is not None
        assert looks[2].fingerprint is None


# --- in words


def many() -> Hit:
    copies = tuple(hit(n, name) for n, name in enumerate(("Bob", "Ann", "<b>*Eve*"), start=2))
    return replace(hit(1), copies=copies)


def test_at_most_three_people_are_named() -> None:
    by = [hit(n, name) for n, name in enumerate(("Bob", "Eve", "Kim", "Lee", "Bob"), start=2)]
    said = [replace(hit(1), copies=tuple(by[:n])).stands_for() for n in range(6)]
    assert said == [
        "",
        "and 1 more like it, also posted by Bob",
        "and 2 more like it, also posted by Bob and Eve",
        "and 3 more like it, also posted by Bob, Eve and Kim",
        "and 4 more like it, also posted by Bob, Eve and 2 others",
        "and 5 more like it, also posted by Bob, Eve and 2 others",
    ]


def test_own_copies_name_nobody() -> None:
    assert replace(hit(1), copies=(hit(2),)).stands_for() == "and 1 more like it"


def test_telegram_says_it_harmlessly() -> None:
    said = telegram_text.caption([many()], False, {})
    assert "and 3 more like it, also posted by Bob and &lt;b&gt;*Eve*" in said
    assert "more like it" not in telegram_text.caption([hit(1)], False, {})


def test_discord_says_it_harmlessly() -> None:
    said = discord_text.about(many(), 1)
    assert r"and 3 more like it, also posted by Bob and \<b\>\*Eve\*" in said
    assert "more like it" not in discord_text.about(hit(1), 1)


def test_the_command_line_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer((many(), hit(5)), "2 photos:")
    terminal.print_answer(answer, Files(tmp_path, 1))
    assert (
        capsys.readouterr().out.count("   and 3 more like it, also posted by Bob and <b>*Eve*") == 1
    )
    told = json.loads(terminal.answer_json(answer, Files(tmp_path, 1)))
    assert [len(each["copies"]) for each in told] == [3, 0]
    assert told[0]["also_by"] == ["Bob", "<b>*Eve*"]


async def test_the_web_chat_keeps_it_until_the_posts_are_deleted(tmp_path: Path) -> None:
    def find(message: int, author: str) -> Find:
        return Find(message, author, NOON, "", ("meaning",), "a.jpg", message)

    async with ChatLog(tmp_path / "chat.db") as log:
        ann, bob, eve = [(await log.add("g", name, "")).id for name in ("Ann", "Bob", "Eve")]
        question = await log.add("g", "Ann", "/find cake", question="cake")
        shown = replace(find(ann, "Ann"), copies=(find(bob, "Bob"), find(eve, "Eve")))
        await log.answer(question.id, Reply("One photo:", None, (shown,)))
        kept = await log.get(question.id)
        assert kept is not None
        assert kept.reply is not None
        assert kept.reply.finds == (shown,)
        assert kept.reply.finds[0].others == ("Bob", "Eve")
        await log.delete(eve)
        await log.delete(ann)
        kept = await log.get(question.id)
        assert kept is not None
        assert kept.reply is not None
        assert kept.reply.finds == (find(bob, "Bob"),), "a copy takes its place"
        await log.delete(bob)
        kept = await log.get(question.id)
        assert kept is not None
        assert kept.reply == Reply("One photo:", None, ())


async def test_telegram_shows_a_copy_of_what_was_deleted(tmp_path: Path) -> None:
    async with telegram_scene(tmp_path) as at:
        people = (at.ann, at.bob, at.ann)
        first, second, third = [
            at.world.post_photo(at.family, who, photo(n), "cake") for n, who in enumerate(people)
        ]
        await at.world.idle()
        await at.store.save_fingerprints(dict.fromkeys((1, 2, 3), _PRINTS[0]))
        shown, words = await at.asks(at.bob, "/find cake", count=2)
        assert shown.file_unique_id == third.file_unique_id
        assert "and 2 more like it, also posted by Bob" in shown.text
        assert [b.label for b in words.buttons] == ["Similar"]
        at.world.delete(third)
        at.world.delete(second)
        shown, words = await at.asks(at.bob, "/find cake", count=2)
        assert shown.file_unique_id == first.file_unique_id
        assert "more like it" not in shown.text
        assert words.text.startswith("One photo")
        assert await at.remembered() == 1


async def test_discord_shows_a_copy_of_what_was_deleted(tmp_path: Path) -> None:
    async with discord_scene(tmp_path) as at:
        posts = [await at.post(who, "cake", photo(1)) for who in (at.ann, at.bob)]
        await at.store.save_fingerprints(dict.fromkeys((1, 2), _PRINTS[0]))
        shown = await at.find(at.eve, "cake")
        assert shown.attachments == [posts[1].attachments[0].id]
        assert "and 1 more like it, also posted by ann" in shown.text
        del at.env.backend.messages[at.general.id][posts[1].id]  # without a word to the bot
        shown = await at.find(at.eve, "cake")
        assert shown.attachments == [posts[0].attachments[0].id]
        assert "more like it" not in shown.text


# --- measured


def test_copies_collapse_and_different_scenes_do_not() -> None:
    """The benchmark in small: its bars hold, and it can be run."""
    counts = {"scene": 40, "receipt": 8, "blank frame": 8}
    found = duplicates.measure(counts, memes=0, workers=1)
    assert found.share(RECOMPRESSED) >= 0.99
    assert found.share("different") <= 0.001
    assert found.share("the scene a moment later") >= 0.9
    assert found.share("the same things arranged anew, seconds apart") <= 0.1
    assert "all re-compressed copies" in duplicates.written(found)
