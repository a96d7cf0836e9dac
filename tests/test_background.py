"""Whether anything fits: against what a model says of nothing in particular."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from bot import background, clip, fitting, images
from bot.answers import Answer
from bot.background import Backgrounds
from bot.candidates import Candidate, Candidates, Level
from bot.decoder import Decoder
from bot.errors import ModelUnavailable
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Calibration, PhotoRef, Pixels, Post, Query, Vector
from bot.starter import files
from bot.starter.concepts import concept, concepts
from bot.starter.scenes import BACKDROPS, Painter, arrange
from storage.sqlite import SqliteStore
from tests import kept
from tests.pictures import encoded
from tests.test_indexing import ColourEncoder

PLAIN = ("white", "black", (140, 90, 40), (252, 250, 251))


class Group:
    """A memory with the starter's eyes."""

    def __init__(self, store: SqliteStore, memory: PhotoMemory, encoder: clip.ClipEncoder) -> None:
        self._store = store
        self._memory = memory
        self._encoder = encoder
        self.shown: dict[int, str] = {}

    async def post(self, what: str, picture: Image.Image, caption: str = "") -> int:
        key = str(len(self.shown))
        ref = PhotoRef("shelf", key, key, key)
        now = datetime(2024, 1, 1, tzinfo=UTC)
        post = Post("g", "main", key, "u", "Ann", now, (ref,), caption)
        (photo,) = (await self._memory.remember(post)).added
        pixels = images.for_encoder(encoded(picture, quality=90), self._encoder.image_spec)
        vectors = await self._encoder.encode_images(pixels[None])
        await self._store.save_vectors(self._encoder.model, [photo], vectors)
        self.shown[photo] = what
        return photo

    async def find(self, words: str) -> Answer:
        return await self._memory.find(Query(("g",), words, EVERYONE, asker="u"))

    async def found(self, words: str) -> list[str]:
        return [self.shown[hit.photo.id] for hit in (await self.find(words)).hits]


@pytest.fixture
async def group(tmp_path: Path, encoder: clip.ClipEncoder) -> AsyncIterator[Group]:
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        state = ModelState(files.NAME, encoder)
        memory = PhotoMemory(store, state, {}, decoder, models_folder=kept.models())
        yield Group(store, memory, encoder)


def drawn(painter: Painter, seed: int, *names: str) -> Image.Image:
    scene = arrange(Random(seed), [concept(name) for name in names], BACKDROPS[0], painter.has)
    return painter.draw(scene, 300)


def plain(colour: str | tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (300, 300), colour)


THINGS = ("dog", "pizza", "sailboat", "birthday cake", "guitar", "sunflower", "bus", "castle")
ABSENT = ("helicopter", "snowman", "banana", "trumpet", "octopus")


@pytest.mark.parametrize("size", [1, 3, 8])
async def test_small_groups_find_what_they_have_and_nothing_else(
    group: Group, painter: Painter, size: int
) -> None:
    for n, thing in enumerate(THINGS[:size]):
        await group.post(thing, drawn(painter, n, thing))
    right = [(await group.found(thing))[:1] == [thing] for thing in THINGS[:size]]
    assert sum(right) >= 0.75 * size
    wrong = [bool(await group.found(thing)) for thing in ABSENT]
    assert sum(wrong) <= 1


async def test_blank_frames_win_nothing_that_is_not_about_them(
    group: Group, painter: Painter
) -> None:
    for colour in PLAIN:
        await group.post("blank", plain(colour))
    for n, thing in enumerate(THINGS):
        await group.post(thing, drawn(painter, n, thing))
    for words in (*THINGS, *ABSENT, "blorp", "something", "生日蛋糕"):
        assert "blank" not in await group.found(words), words
        answer = await group.find(words)
        first = (*answer.hits, *answer.spare, *answer.rest)[0]
        assert group.shown[first.photo.id] != "blank", words


async def test_a_caption_finds_a_blank_frame_all_the_same(group: Group, painter: Painter) -> None:
    await group.post("blank", plain("black"), "the lens cap was on")
    await group.post("dog", drawn(painter, 1, "dog"))
    assert await group.found("lens cap") == ["blank"]


async def test_what_words_hold_and_what_is_seen_are_joined(group: Group, painter: Painter) -> None:
    """The model has never heard of Henrik, but knows a cake among his photos. A name that a photo
    lacks is no match for a thing that it plainly shows."""
    for n, thing in enumerate(THINGS):
        await group.post(thing, drawn(painter, n, thing), "henrik" if n % 2 else "leyla")
    assert await group.found("henrik birthday cake") == ["birthday cake"]
    assert await group.found("leyla's birthday cake") == ["birthday cake"]
    assert await group.found("henrik trumpet") == []


async def test_when_nothing_fits_the_nearest_waits_behind_the_token(
    group: Group, painter: Painter
) -> None:
    for n, thing in enumerate(THINGS):
        await group.post(thing, drawn(painter, n, thing))
    answer = await group.find("qwzzk")
    assert answer.hits == answer.spare == ()
    assert "looks like “qwzzk”" in answer.sentence
    assert answer.token is not None
    assert len(answer.rest) == len(THINGS)
    query = Query(("g",), "", EVERYONE, asker="u")
    nearest = await group._memory.nearest(answer.token, query)
    assert [hit.photo.id for hit in nearest.hits] == [answer.rest[0].photo.id]
    more = await group._memory.page(answer.token, query, nearest.hits[-1].rank)
    assert [h.photo.id for h in more.hits] == [h.photo.id for h in answer.rest[1:4]]


async def test_only_what_fits_is_shown_and_the_rest_is_behind_more(
    group: Group, painter: Painter
) -> None:
    for n, thing in enumerate(THINGS):
        await group.post(thing, drawn(painter, n, thing))
    answer = await group.find("birthday cake")
    assert [group.shown[hit.photo.id] for hit in answer.hits] == ["birthday cake"]
    assert answer.token is not None
    more = await group._memory.page(answer.token, Query(("g",), "", EVERYONE, asker="u"), 1)
    assert [hit.rank for hit in more.hits] == [2, 3, 4]
    assert [h.photo.id for h in more.hits] == [h.photo.id for h in answer.rest[:3]]


def test_the_pictures_are_always_the_same_and_of_any_size() -> None:
    plain_ones, busy = background.pictures((24, 32))
    again, _ = background.pictures((24, 32))
    assert plain_ones.shape[1:] == busy.shape[1:] == (24, 32, 3)
    assert (plain_ones == again).all()
    assert max(float(each.std(axis=(0, 1)).max()) for each in plain_ones) < 8
    assert len(np.unique(busy.reshape(len(busy), -1), axis=0)) == len(busy)


class Counting(ColourEncoder):
    """Says how often it was asked, and fails the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    async def encode_images(self, images: Pixels) -> Vector:
        self.tries += 1
        if self.tries == 1:
            raise ModelUnavailable("not yet")
        return await super().encode_images(images)


async def test_a_background_is_embedded_once_and_again_after_a_failure() -> None:
    encoder, backgrounds = Counting(), Backgrounds()
    with pytest.raises(ModelUnavailable):
        await backgrounds.of(encoder)
    first = await backgrounds.of(encoder)
    assert await backgrounds.of(encoder) is first
    assert encoder.tries == 2
    assert len(first.texts) == len(background.TEXTS) + background.INVENTED
    assert len(first.words) == len(concepts())


async def test_a_background_is_kept_for_the_next_start(tmp_path: Path) -> None:
    first = await Backgrounds(tmp_path).of(ColourEncoder())
    (file,) = (tmp_path / "exports").iterdir()
    encoder = ColourEncoder()
    kept = await Backgrounds(tmp_path).of(encoder)
    assert encoder.batches == [], "nothing was embedded"
    assert kept.plain_from == first.plain_from
    for name in ("texts", "words", "pictures", "plain"):
        assert (getattr(kept, name) == getattr(first, name)).all()
    other = ColourEncoder("another")
    await Backgrounds(tmp_path).of(other)
    assert other.batches, "another model sees other things"
    assert file.name.startswith("c0102-")


def ones(count: int, dimension: int = 3) -> Vector:
    return np.full((count, dimension), dimension**-0.5, np.float32)


def harmed(file: Path, harm: str) -> None:
    whole = file.read_bytes()
    with np.load(file) as held:
        texts, seen = held["texts"], held["pictures"]
    match harm:
        case "cut":
            file.write_bytes(whole[:-100])
        case "flipped":
            middle = len(whole) // 3
            file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        case "empty":
            file.write_bytes(b"")
        case "pickled":
            np.savez(file, texts=np.array([{}]), pictures=seen)
        case "fewer":
            np.savez(file, texts=texts, pictures=seen[1:])
        case "wider":
            np.savez(file, texts=ones(len(texts), 4), pictures=ones(len(seen), 4))
        case "no numbers":
            np.savez(file, texts=texts * np.nan, pictures=seen)


@pytest.mark.parametrize(
    "harm", ["cut", "flipped", "empty", "pickled", "fewer", "wider", "no numbers"]
)
async def test_a_kept_background_that_is_damaged_is_made_again(tmp_path: Path, harm: str) -> None:
    first = await Backgrounds(tmp_path).of(ColourEncoder())
    (file,) = (tmp_path / "exports").iterdir()
    harmed(file, harm)
    encoder = ColourEncoder()
    again = await Backgrounds(tmp_path).of(encoder)
    assert encoder.batches
    assert (again.texts == first.texts).all()
    assert (again.pictures == first.pictures).all()
    mended = ColourEncoder()
    await Backgrounds(tmp_path).of(mended)
    assert mended.batches == []
    assert list((tmp_path / "exports").iterdir()) == [file]


async def test_a_background_that_can_not_be_kept_is_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    encoder = ColourEncoder()
    assert len((await Backgrounds(tmp_path / "file").of(encoder)).texts) > 0
    assert encoder.batches


LEVEL = Level(0.0, 1.0, 2.0, 2.0, 0.5, 0.0, 2.4, 0.0)


def judged(cosine: float, calibration: Calibration | None = None) -> float:
    item = Candidate(1, cosine, "", "", neutral=1.0, rival=2.0)
    seen = fitting.views(item, Candidates(10, 0.0, (item,), LEVEL), calibration)
    assert seen is not None
    return seen.evidence


def test_a_models_own_probability_takes_part_where_it_has_one() -> None:
    softmax = judged(2.5, Calibration(50.0))
    assert softmax == judged(2.5)
    assert judged(2.5, Calibration(4.0, -10.0)) > softmax, "a right pair may have half a chance"
    assert judged(2.5, Calibration(4.0, -22.0)) < softmax, "it says there is none"


def test_other_models_cosines_may_lie_elsewhere() -> None:
    """Only how far a cosine is above the level counts, in the level's own spread."""
    item = Candidate(1, 2.5, "", "", neutral=1.0, rival=2.0)
    narrow = replace(item, cosine=0.125, neutral=0.11, rival=0.12)
    level = Level(0.1, 0.01, 2.0, 0.12, 0.005, 0.1, 0.124, 0.0)
    one = fitting.views(item, Candidates(10, 0.0, (item,), LEVEL))
    other = fitting.views(narrow, Candidates(10, 0.1, (narrow,), level))
    assert one is not None
    assert other is not None
    assert one.evidence == pytest.approx(other.evidence)


def ranks(answer: Answer) -> Sequence[int]:
    return [hit.rank for hit in (*answer.hits, *answer.spare, *answer.rest)]


async def test_ranks_go_on_from_what_fits_to_the_rest(group: Group, painter: Painter) -> None:
    for n, thing in enumerate(THINGS):
        await group.post(thing, drawn(painter, n, thing))
    assert ranks(await group.find("a dog")) == list(range(1, len(THINGS) + 1))
