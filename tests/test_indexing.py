"""The worker with a real store and decoder; the encoder and the platform are ours to fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot import indexing
from bot.decoder import Decoder
from bot.errors import FetchFailed, ModelUnavailable, PhotoGone
from bot.indexing import Indexer
from bot.loader import Load, ModelLoader, Preparing, Progress
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import (
    EVERYONE,
    Calibration,
    ImageSpec,
    Model,
    PhotoRef,
    Pixels,
    Post,
    Query,
    Task,
    Vector,
)
from storage.sqlite import SqliteStore
from tests.pictures import encoded, photo, sign

COLOURS = ("red", "green", "blue")


class ColourEncoder:
    """Meaning is colour: the mean of each channel, and the channel that a word names."""

    image_spec = ImageSpec((16, 16))
    calibration = Calibration(1.0)
    lanes = 1

    def __init__(self, fingerprint: str = "c0102") -> None:
        self.model = Model("colours", fingerprint, 3)
        self.batches: list[int] = []
        self.pause = 0.0
        self.closed = False

    async def encode_images(self, images: Pixels) -> Vector:
        await asyncio.sleep(self.pause)
        self.batches.append(len(images))
        means = images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32) + 1
        unit: Vector = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit

    async def encode_text(self, text: str) -> Vector:
        if text not in COLOURS:  # it means nothing: as near to one colour as to another
            return np.full(3, 3**-0.5, np.float32)
        named: Vector = np.eye(3, dtype=np.float32)[COLOURS.index(text)]
        return named

    def close(self) -> None:
        self.closed = True


class Shelf:
    """A platform whose files are bytes or errors."""

    platform = "shelf"

    def __init__(self) -> None:
        self.files: dict[str, bytes | Exception] = {}
        self.fetched: list[str] = []
        self.held: asyncio.Event | None = None
        """Nothing that is called slow comes before it."""

    async def fetch(self, ref: PhotoRef) -> bytes:
        self.fetched.append(ref.locator)
        if self.held is not None and "slow" in ref.locator:
            await self.held.wait()
        found = self.files[ref.locator]
        if isinstance(found, Exception):
            raise found
        return found


class World:
    """A memory with its indexer, and what to turn in it."""

    def __init__(self, store: SqliteStore, decoder: Decoder) -> None:
        self.store = store
        self.decoder = decoder
        self.shelf = Shelf()
        self.model = ModelState("colours")
        adapters = {"shelf": self.shelf}
        self.memory = PhotoMemory(store, self.model, adapters, decoder)
        self.indexer = Indexer(store, self.memory, adapters, decoder)

    async def post(self, name: str, content: bytes | Exception, caption: str = "") -> int:
        self.shelf.files[name] = content
        ref = PhotoRef("shelf", name, name, name)
        now = datetime(2024, 1, 1, tzinfo=UTC)
        post = Post("g", "main", name, "u", "Ann", now, (ref,), caption)
        return (await self.memory.remember(post)).added[0]

    async def until(self, task: Task, photos: list[int]) -> None:
        async with asyncio.timeout(30):
            while (await self.store.unfinished(photos))[task]:
                await asyncio.sleep(0.02)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        yield World(store, decoder)


async def test_photos_are_embedded_in_batches_and_read(world: World) -> None:
    encoder = ColourEncoder()
    encoder.pause = 0.2
    world.model.encoder = encoder
    photos = [await world.post("sign.jpg", sign("AKAI"))]  # reading is slow, and begins with it
    photos += [await world.post(f"{n}.jpg", photo(n)) for n in range(11)]
    async with world.indexer.running():
        await world.until(Task.EMBED, photos)
        assert max(encoder.batches) > 1
        assert max(encoder.batches) <= indexing.BATCH
        assert sum(encoder.batches) == 12
        await world.until(Task.READ, photos[:2])
    candidates = await world.store.search(["g"], EVERYONE, ["akai"], [], None, 5)
    assert [item.photo for item in candidates.items] == [photos[0]]
    assert len(world.shelf.fetched) == 12, "each original is fetched once for both tasks"


async def test_lanes_are_kept_busy_and_each_photo_is_embedded_once(world: World) -> None:
    class Lanes(ColourEncoder):
        lanes = 2
        now = most = 0

        async def encode_images(self, images: Pixels) -> Vector:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await super().encode_images(images)
            finally:
                self.now -= 1

    encoder = Lanes()
    encoder.pause = 0.1
    world.model.encoder = encoder
    photos = [await world.post(f"{n}.jpg", photo(n)) for n in range(30)]
    async with world.indexer.running():
        await world.until(Task.EMBED, photos)
    assert encoder.most == 3, "one waits for its turn, so that no lane does"
    assert sum(encoder.batches) == 30
    cosines = await world.store.scopes.cosines(["g"], EVERYONE, np.eye(3)[0], encoder.model)
    assert cosines.keys() == set(photos)


async def test_what_comes_behind_a_crowd_of_no_photos_is_embedded(world: World) -> None:
    world.model.encoder = ColourEncoder()
    bad = [await world.post(f"{n}.txt", b"text") for n in range(2 * indexing.AHEAD)]
    good = await world.post("good.jpg", photo(1))
    async with world.indexer.running():
        await world.until(Task.EMBED, [*bad, good])
    stored = {each.id: each.refused for each in await world.store.photos([*bad, good])}
    assert stored[good] is None
    assert all(stored[each] for each in bad)


@pytest.mark.parametrize("task", [Task.EMBED, Task.READ])
async def test_a_photo_that_comes_slowly_keeps_no_other_waiting(
    world: World, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(data: bytes) -> str:
        return "at once"

    monkeypatch.setattr(world.decoder, "read", read)
    world.model.encoder = ColourEncoder()
    world.shelf.held = asyncio.Event()
    slow = [await world.post(f"slow-{n}.jpg", photo(n)) for n in range(3)]
    others = [await world.post(f"{n}.jpg", photo(n)) for n in range(3, 5)]
    async with world.indexer.running():
        await world.until(task, others)
        later = await world.post("later.jpg", photo(9))
        await world.until(task, [later])
        assert (await world.store.unfinished(slow))[task] == 3
        world.shelf.held.set()
        await world.until(task, slow)


async def test_photos_come_slowly_without_a_model_too(world: World) -> None:
    world.shelf.held = asyncio.Event()
    slow = await world.post("slow.jpg", photo(0))
    async with world.indexer.running():
        others = [await world.post(f"{n}.jpg", photo(n)) for n in range(1, 4)]
        await world.until(Task.FINGERPRINT, others)
        assert (await world.store.unfinished([slow]))[Task.FINGERPRINT] == 1
        world.shelf.held.set()
        await world.until(Task.FINGERPRINT, [slow])


async def test_no_more_originals_are_fetched_than_fit(world: World, tmp_path: Path) -> None:
    """While the decoder is busy, photos wait where they are."""
    adapters = {"shelf": world.shelf}
    big = encoded(Image.effect_noise((300, 300), 100).convert("RGB"))
    indexer = Indexer(world.store, world.memory, adapters, world.decoder, 2 * 3 * len(big))
    world.model.encoder = ColourEncoder()
    photos = [await world.post(f"{n}.png", big) for n in range(30)]
    indexer._usual, most = len(big), 0
    async with indexer.running():
        async with asyncio.timeout(30):
            while (await world.store.unfinished(photos))[Task.EMBED]:
                most = max(most, indexer._held)
                await asyncio.sleep(0)
    assert len(big) <= most <= 3 * len(big)
    assert indexer._held == 0


async def test_words_find_before_there_is_a_model_and_meaning_after(world: World) -> None:
    red = await world.post("r", encoded(Image.new("RGB", (50, 50), "red")), "at the sea")
    blue = await world.post("b", encoded(Image.new("RGB", (50, 50), "blue")), "at home")
    async with world.indexer.running():
        await world.until(Task.READ, [red, blue])
        early = await world.memory.find(Query(("g",), "sea", EVERYONE))
        assert [hit.photo.id for hit in early.hits] == [red]
        assert early.notice is not None
        world.model.encoder = ColourEncoder()
        world.memory.wake()
        await world.until(Task.EMBED, [red, blue])
    later = await world.memory.find(Query(("g",), "blue", EVERYONE))
    assert [hit.photo.id for hit in later.hits] == [blue]
    assert [hit.photo.id for hit in later.rest] == [red]
    assert later.notice is None


async def test_another_model_embeds_everything_again(world: World) -> None:
    world.model.encoder = ColourEncoder("first")
    photos = [await world.post(f"{n}.jpg", photo(n)) for n in range(3)]
    async with world.indexer.running():
        await world.until(Task.EMBED, photos)
        second = ColourEncoder("second")
        world.model.encoder = second
        world.memory.wake()
        async with asyncio.timeout(20):
            while sum(second.batches) < 3:
                await asyncio.sleep(0.02)
        await world.until(Task.EMBED, photos)


async def test_one_bad_file_in_a_batch_disturbs_nobody(world: World) -> None:
    world.model.encoder = ColourEncoder()
    good = await world.post("good", photo(1))
    bad = await world.post("bad", b"not a picture at all")
    also = await world.post("also", photo(2))
    async with world.indexer.running():
        await world.until(Task.EMBED, [good, bad, also])
        await world.until(Task.READ, [good, bad, also])
    (status,) = await world.store.groups.status()
    assert status.photos == 2
    assert [(r.photo, r.reason) for r in status.refused] == [(bad, "the file is not a picture")]


async def test_what_may_heal_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "PAUSES", (0.05, 0.05))
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.05)
    world.model.encoder = ColourEncoder()
    photo_id = await world.post("slow", FetchFailed("no network"))
    async with world.indexer.running():
        await asyncio.sleep(0.03)
        world.shelf.files["slow"] = photo(1)
        await world.until(Task.EMBED, [photo_id])
    (status,) = await world.store.groups.status()
    assert status.photos == 1


async def test_what_never_heals_is_given_up_with_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PAUSES", (0.05, 0.05))
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.05)
    world.model.encoder = ColourEncoder()
    unreachable = await world.post("far", FetchFailed("no network"))
    gone = await world.post("gone", PhotoGone("deleted"))
    async with world.indexer.running():
        await world.until(Task.EMBED, [unreachable, gone])
        await world.until(Task.READ, [unreachable, gone])
    (status,) = await world.store.groups.status()
    assert {r.photo: r.reason for r in status.refused} == {
        unreachable: "no network",
        gone: "deleted",
    }


async def test_a_failing_encoder_loses_no_photo(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.02)
    encoder = ColourEncoder()
    whole = encoder.encode_images
    failures = iter([RuntimeError("out of memory")])

    async def sometimes(images: Pixels) -> Vector:
        for failure in failures:
            raise failure
        return await whole(images)

    monkeypatch.setattr(encoder, "encode_images", sometimes)
    world.model.encoder = encoder
    photos = [await world.post(f"{n}", photo(n)) for n in range(3)]
    async with world.indexer.running():
        await world.until(Task.EMBED, photos)
    assert "stumbled" in caplog.text


def loader(state: ModelState, load: Load, ready: Callable[[], None]) -> ModelLoader:
    return ModelLoader(state, load, ready, retry=(0.02,))


async def test_the_loader_tries_until_there_is_a_model() -> None:
    state = ModelState("colours")
    encoder = ColourEncoder()
    tries: list[str | None] = []
    woken: list[bool] = []

    def load(progress: Progress, preparing: Preparing) -> ColourEncoder:
        tries.append(state.notice)
        progress(50, 200)
        if len(tries) < 3:
            raise ModelUnavailable("the hub can't be reached")
        return encoder

    async with loader(state, load, lambda: woken.append(True)) as bringing:
        await bringing.load_until_there()
        assert state.encoder is encoder
        assert state.notice is None
    assert len(tries) == 3
    assert tries[0] is not None
    assert "loading" in tries[0]
    assert tries[2] is not None
    assert "can't be reached" in tries[2]
    assert woken == [True]
    assert encoder.closed


async def test_leaving_ends_a_download() -> None:
    state = ModelState("colours")
    stopped: list[BaseException] = []

    def load(progress: Progress, preparing: Preparing) -> ColourEncoder:
        try:
            for done in range(10**6):
                progress(done, 10**6)
        except BaseException as error:
            stopped.append(error)
            raise
        return ColourEncoder()

    async with loader(state, load, lambda: None) as bringing:
        task = asyncio.create_task(bringing.load_once())
        await asyncio.sleep(0.02)
        assert "downloading" in (state.progress or "")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        while not stopped:
            await asyncio.sleep(0.01)
