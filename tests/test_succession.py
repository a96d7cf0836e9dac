"""Several processes with one memory in PostgreSQL agree on which model answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from bot import succession
from bot.decoder import Decoder
from bot.indexing import Indexer
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import PhotoRef, Post, Task
from bot.succession import Succession
from storage.pg import election
from storage.postgres import PostgresStore
from tests.pictures import photo
from tests.test_indexing import ColourEncoder, Shelf


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BEAT_SECONDS", "ANSWER_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(election, name, getattr(election, name) / 5)
    monkeypatch.setattr(succession, "LOOK_SECONDS", 0.05)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


@dataclass
class Encoding:
    """One process that looks at photos."""

    store: PostgresStore
    state: ModelState
    memory: PhotoMemory
    indexer: Indexer
    encoder: ColourEncoder
    shelf: Shelf

    async def post(self, number: int) -> list[int]:
        """Photos that are remembered by this process."""
        found: list[int] = []
        for n in range(number):
            self.shelf.files[f"{n}"] = photo(n)
            ref = PhotoRef("shelf", f"{n}", f"{n}", "")
            now = datetime(2024, 1, 1, tzinfo=UTC)
            post = Post("g", "main", f"{n}", "u", "Ann", now, (ref,), "")
            found += (await self.memory.remember(post)).added
        return found

    async def embedded(self, photos: list[int]) -> None:
        async with asyncio.timeout(30):
            while (await self.store.unfinished(photos))[Task.EMBED]:
                await asyncio.sleep(0.02)

    @property
    def leads(self) -> bool:
        return self.indexer._succession._leads


@asynccontextmanager
async def encoding(
    url: str, decoder: Decoder, shelf: Shelf, *fingerprints: str
) -> AsyncIterator[Encoding]:
    """With the model that answers, and maybe one that is coming."""
    made = [ColourEncoder(each) for each in fingerprints]
    state = ModelState("colours", made[0], coming=made[1] if made[1:] else None)
    async with PostgresStore(url) as store:
        memory = PhotoMemory(store, state, {"shelf": shelf}, decoder)
        indexer = Indexer(store, memory, {"shelf": shelf}, decoder)
        await store.heed(memory.wake)
        async with indexer.running():
            yield Encoding(store, state, memory, indexer, made[0], shelf)


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with Decoder() as decoder:
        yield decoder


async def seen_by(store: PostgresStore, photos: list[int], fingerprint: str) -> bool:
    model = ColourEncoder(fingerprint).model
    found = await asyncio.gather(*(store.names.vector(each, model) for each in photos))
    return all(each is not None for each in found)


async def test_two_share_the_work_and_one_says_which_model_it_is(
    postgres_url: str, decoder: Decoder
) -> None:
    shelf = Shelf()
    async with (
        encoding(postgres_url, decoder, shelf, "c1") as one,
        encoding(postgres_url, decoder, shelf, "c1") as other,
    ):
        for each in (one, other):
            each.encoder.pause = 0.05
        await until(lambda: one.leads or other.leads)
        photos = await one.post(40)
        await one.embedded(photos)
        assert one.leads is not other.leads
        assert sum(one.encoder.batches) + sum(other.encoder.batches) == 40, "each is embedded once"
        assert one.encoder.batches
        assert other.encoder.batches
        assert await one.store.models.answering() == one.encoder.model


async def test_a_change_of_the_model_is_followed_everywhere(
    postgres_url: str, decoder: Decoder
) -> None:
    shelf = Shelf()
    async with encoding(postgres_url, decoder, shelf, "c1") as one:
        photos = await one.post(10)
        await one.embedded(photos)
    async with AsyncExitStack() as stack:
        entered = [
            await stack.enter_async_context(encoding(postgres_url, decoder, shelf, "c1", "c2"))
            for _ in range(2)
        ]
        talks = ModelState("colours", ColourEncoder("c1"), coming=ColourEncoder("c2"))
        store = await stack.enter_async_context(PostgresStore(postgres_url))
        follower = Succession(store, talks, talks.switch)
        following = asyncio.create_task(follower.follow_for_ever())
        for state in (*(each.state for each in entered), talks):
            await until(lambda state=state: state.encoder.model.fingerprint == "c2")  # type: ignore[misc]
        following.cancel()
        assert await seen_by(store, photos, "c2")
        answering = await store.models.answering()
        assert answering is not None
        assert answering.fingerprint == "c2"


async def test_who_has_another_model_embeds_nothing_and_says_so(
    postgres_url: str, decoder: Decoder, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf()
    async with encoding(postgres_url, decoder, shelf, "c1") as one:
        await until(lambda: one.leads)
        async with encoding(postgres_url, decoder, shelf, "other") as stray:
            photos = await stray.post(4)
            await stray.embedded(photos)
            await until(lambda: "with the same MODEL in all processes" in caplog.text)
            assert stray.encoder.batches == []
            assert await seen_by(one.store, photos, "c1")


async def test_who_was_not_started_again_does_not_bring_the_old_model_back(
    postgres_url: str, decoder: Decoder, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf()
    async with encoding(postgres_url, decoder, shelf, "c1") as old:
        await until(lambda: old.indexer._succession._answered == "c1")
        await old.store.models.answer(ColourEncoder("c2").model)
        old.indexer._succession._settled = None, None  # as after it was elected anew
        old.memory.wake()
        await until(lambda: "which this process does not have" in caplog.text)
        await until(lambda: not old.leads)
        async with encoding(postgres_url, decoder, shelf, "c2") as new:
            await until(lambda: new.leads)
            photos = await old.post(1)
            await old.embedded(photos)
            assert old.encoder.batches == []
            assert await seen_by(new.store, photos, "c2")


async def test_an_encoder_without_the_old_model_does_not_take_it_from_others(
    postgres_url: str, decoder: Decoder
) -> None:
    shelf = Shelf()
    async with encoding(postgres_url, decoder, shelf, "c1") as one:
        photos = await one.post(6)
        await one.embedded(photos)
    async with encoding(postgres_url, decoder, shelf, "c2") as fresh:
        await until(lambda: fresh.leads)
        store = fresh.store
        async with asyncio.timeout(20):
            while (answering := await store.models.answering()) != fresh.encoder.model:
                assert answering is not None
                assert answering.fingerprint == "c1", "until it has seen them all"
                await asyncio.sleep(0.01)
        assert await seen_by(store, photos, "c2")
        photos += await fresh.post(7)
        await fresh.embedded(photos)
        assert await seen_by(store, photos, "c2")
