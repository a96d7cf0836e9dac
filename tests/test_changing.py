"""Another MODEL: the old one answers until the new one has seen all, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot import loader as loading
from bot.decoder import Decoder
from bot.errors import FetchFailed, HubUnreachable, PhotoGone
from bot.indexing import Indexer
from bot.loader import ModelLoader, Predecessor
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import EVERYONE, Model, PhotoRef, Pixels, Query, Task, Vector
from storage.sqlite import SqliteStore
from tests.pictures import encoded
from tests.test_indexing import COLOURS, ColourEncoder, Shelf, World

OLD, NEW = "old", "new"


class TintEncoder(ColourEncoder):
    """Knows colours, but in a space of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(f"fingerprint of {name}")
        self.model = Model(name, f"fingerprint of {name}", 3)
        self.turn = 1 if name == NEW else 0

    async def encode_images(self, images: Pixels) -> Vector:
        return np.roll(await super().encode_images(images), self.turn, axis=1)

    async def encode_text(self, text: str) -> Vector:
        return np.roll(await super().encode_text(text), self.turn)


class Gate(Shelf):
    """A platform that can be slow with photos of plain colours."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self.waited = False

    async def fetch(self, ref: PhotoRef) -> bytes:
        if ref.locator in COLOURS:
            self.waited |= not self.open.is_set()
            await self.open.wait()
        return await super().fetch(ref)


class Memory(World):
    """A memory whose owner writes another MODEL into .env, and starts the bot again."""

    def __init__(self, store: SqliteStore, decoder: Decoder, shelf: Gate, name: str) -> None:
        super().__init__(store, decoder)
        self.shelf = self.gate = shelf
        self.model = ModelState(name)
        adapters = {"shelf": shelf}
        self.memory = PhotoMemory(store, self.model, adapters, decoder)
        self.encoders: dict[str, TintEncoder] = {}
        self.missing: set[str] = set()
        """Models that can't be had."""
        self.loader = ModelLoader(
            self.model,
            lambda progress, preparing: self.load(name),
            self.memory.wake,
            retry=(0.02,),
            predecessor=Predecessor(store.models.answering, lambda name, _: self.load(name)),
        )
        self.keep_thumbnails = False

    def load(self, name: str) -> TintEncoder:
        if name in self.missing:
            raise HubUnreachable(f"{name} can't be reached")
        return self.encoders.setdefault(name, TintEncoder(name))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.loader:
            await self.loader.load_once()
            indexer = Indexer(
                self.store,
                self.memory,
                {"shelf": self.shelf},
                self.decoder,
                keep_thumbnails=self.keep_thumbnails,
                switch=self.loader.switch,
            )
            async with indexer.running():
                yield

    async def found(self, words: str) -> list[str]:
        answer = await self.memory.find(Query(("g",), words, EVERYONE))
        return [hit.photo.ref.key for hit in answer.hits]

    async def nearest(self, colour: str) -> str:
        """By meaning alone, as the model that answers sees it."""
        encoder = self.model.encoder
        assert encoder is not None
        vector = await encoder.encode_text(colour)
        near = await self.store.scopes.cosines(["g"], EVERYONE, vector, encoder.model)
        best = max(near, key=lambda photo: near[photo])
        (stored,) = await self.store.photos([best])
        return stored.ref.key

    async def until_seen(self, photos: list[int]) -> None:
        """By the model that answers."""
        encoder = self.model.encoder
        assert encoder is not None
        async with asyncio.timeout(20):
            while (
                set(photos)
                != (
                    await self.store.scopes.cosines(["g"], EVERYONE, np.eye(3)[0], encoder.model)
                ).keys()
            ):
                await asyncio.sleep(0.01)

    async def becomes(self, name: str) -> None:
        async with asyncio.timeout(20):
            while self.model.encoder is None or self.model.encoder.model.name != name:
                await asyncio.sleep(0.01)


async def reads_nothing(decoder: Decoder, data: bytes) -> str:
    return ""


Start = Callable[[str], Memory]


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    monkeypatch.setattr(loading, "CLOSING_SECONDS", 0.01)
    monkeypatch.setattr(Decoder, "read", reads_nothing)
    shelf = Gate()
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        yield lambda name: Memory(store, decoder, shelf, name)


def plain(colour: str) -> bytes:
    return encoded(Image.new("RGB", (64, 64), colour))


async def embedded(start: Start) -> list[int]:
    """Three photos that the old model has seen."""
    memory = start(OLD)
    async with memory.running():
        ids = [await memory.post(colour, plain(colour), f"it is {colour}") for colour in COLOURS]
        await memory.until(Task.EMBED, ids)
        await memory.until(Task.READ, ids)
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    return ids


async def test_the_old_one_answers_until_the_new_one_has_seen_all(start: Start) -> None:
    ids = await embedded(start)
    memory = start(NEW)
    memory.gate.open.clear()
    async with memory.running():
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
        while not memory.gate.waited:  # for a photo that the new one is to see
            await asyncio.sleep(0.01)
        posted = await memory.post("purple", plain("purple"))
        await memory.until(Task.EMBED, [posted])  # by the old one, at once
        assert memory.model.encoder is memory.encoders[OLD]
        (group,) = await memory.store.groups.status()
        assert (group.photos, group.waiting_embedding, group.waiting_renewal) == (4, 0, 3)
        memory.gate.open.set()
        await memory.becomes(NEW)
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
        await memory.until_seen([*ids, posted])
        async with asyncio.timeout(5):
            while not memory.encoders[OLD].closed:
                await asyncio.sleep(0.01)
    assert memory.encoders[OLD].batches == [1], "it saw the one that was posted meanwhile"


async def test_a_stop_in_the_middle_goes_on_and_a_change_of_mind_is_cheap(start: Start) -> None:
    await embedded(start)
    for _ in range(2):
        memory = start(NEW)
        memory.gate.open.clear()
        async with memory.running():
            await asyncio.sleep(0.05)
            assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    back = start(OLD)
    back.gate.open.set()
    async with back.running():
        await asyncio.sleep(0.05)
        (group,) = await back.store.groups.status()
        assert (group.waiting_embedding, group.waiting_renewal) == (0, 0)
        assert back.encoders[OLD].batches == []
    again = start(NEW)
    async with again.running():
        await again.becomes(NEW)
    once_more = start(NEW)
    async with once_more.running():
        await asyncio.sleep(0.05)
        assert OLD not in once_more.encoders, "it isn't needed any more"
        assert once_more.encoders[NEW].batches == []
        assert [await once_more.nearest(colour) for colour in COLOURS] == list(COLOURS)


async def test_photos_whose_originals_are_gone_keep_their_words(start: Start) -> None:
    await embedded(start)
    memory = start(NEW)
    memory.shelf.files["red"] = PhotoGone("it was deleted")
    memory.shelf.files["green"] = b"no picture any more"
    async with memory.running():
        await memory.becomes(NEW)
        assert await memory.found("red") == ["red"]
        assert await memory.found("green") == ["green"]
        (group,) = await memory.store.groups.status()
        assert (group.photos, group.unseen, group.refused) == (3, 2, ())


async def test_who_cannot_be_had_now_keeps_the_old_one_answering(start: Start) -> None:
    await embedded(start)
    memory = start(NEW)
    memory.shelf.files["red"] = FetchFailed("no network")
    async with memory.running():
        async with asyncio.timeout(5):
            while not any(job := await memory.store.groups.status()) or (
                job[0].waiting_renewal != 1
            ):
                await asyncio.sleep(0.01)
        assert memory.model.encoder is memory.encoders[OLD]
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)


async def test_thumbnails_serve_where_the_originals_are_gone(start: Start) -> None:
    memory = start(OLD)
    memory.keep_thumbnails = True
    async with memory.running():
        ids = [await memory.post(colour, plain(colour)) for colour in COLOURS]
        await memory.until(Task.EMBED, ids)
        await memory.until(Task.READ, ids)
    memory = start(NEW)
    memory.shelf.files.clear()
    memory.shelf.fetched.clear()
    async with memory.running():
        await memory.becomes(NEW)
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    assert not memory.shelf.fetched


async def test_without_the_old_model_the_new_one_answers_as_it_sees(start: Start) -> None:
    ids = await embedded(start)
    memory = start(NEW)
    memory.missing.add(OLD)
    async with memory.running():
        assert memory.model.encoder is memory.encoders[NEW]
        await memory.until_seen(ids)
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    assert await memory.store.models.answering() == memory.encoders[NEW].model


async def test_a_model_that_cannot_be_had_leaves_the_old_one(start: Start) -> None:
    await embedded(start)
    memory = start(NEW)
    memory.missing.add(NEW)
    async with memory.loader as loader:
        assert not await loader.load_once()
        trying = asyncio.create_task(loader.load_until_there(insist=True))
        await asyncio.sleep(0.1)
        assert not trying.done(), "the group is served"
        trying.cancel()
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
        assert memory.model.notice is None


async def test_a_stand_in_takes_nothing_away(start: Start) -> None:
    ids = await embedded(start)
    memory = start(NEW)
    memory.missing.update((OLD, NEW))
    memory.loader = ModelLoader(
        memory.model,
        lambda progress, preparing: memory.load(NEW),
        memory.memory.wake,
        fallback=lambda progress, preparing: memory.load("stand-in"),
        predecessor=Predecessor(memory.store.models.answering, lambda name, _: memory.load(name)),
    )
    async with memory.running():
        await memory.until_seen(ids)
        assert memory.model.stands_in
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    back = start(OLD)
    async with back.running():
        await asyncio.sleep(0.05)
        assert [await back.nearest(colour) for colour in COLOURS] == list(COLOURS)
        assert back.encoders[OLD].batches == []


async def test_another_name_for_the_same_model_changes_nothing(start: Start) -> None:
    await embedded(start)
    memory = start("old, by another name")
    same = memory.load("old, by another name")
    same.model = Model("old, by another name", f"fingerprint of {OLD}", 3)
    async with memory.running():
        await asyncio.sleep(0.05)
        assert memory.model.encoder is same
        assert memory.model.coming is None
        assert same.batches == []
        assert [await memory.nearest(colour) for colour in COLOURS] == list(COLOURS)
    answering = await memory.store.models.answering()
    assert answering is not None
    assert answering.name == "old, by another name"


async def test_a_question_in_the_middle_of_the_change_is_answered(start: Start) -> None:
    await embedded(start)
    memory = start(NEW)
    async with memory.running():
        asked = 0
        async with asyncio.timeout(20):
            while memory.model.encoder is not memory.encoders.get(NEW) or asked < 20:
                assert await memory.found("red") == ["red"]
                asked += 1
