"""What is killed: a process that remembers a stream of posts with the real store and indexer.

It says on stdout what it may be held to: `ready`, `kept N` once post N is acknowledged, `forgot N`
once it is forgotten, `idle` once nothing waits any more.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from bot.decoder import Decoder
from bot.indexing import Indexer
from bot.lock import IndexerLock
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import Calibration, ImageSpec, Model, PhotoRef, Pixels, Post, Vector
from bot.ports import Encoder
from storage.sqlite import SqliteStore

GROUP, CHANNEL = "torture:1", "main"
MOST = 1_000_000
READ = "sign"
"""What stands in every photo."""


def colour(number: int) -> tuple[int, int, int]:
    """Each post has a photo of one colour, which its vector must tell."""
    return (37 * number % 200 + 30, 91 * number % 200 + 30, 53 * number % 200 + 30)


def caption(number: int) -> str:
    return f"caption{number:07d}of"


def direction(number: int) -> Vector:
    """The vector that `Colours` makes of that photo."""
    mean = np.array(colour(number), np.float32)
    unit: Vector = mean / np.linalg.norm(mean)
    return unit


class Colours:
    """An encoder that needs no model: the mean colour."""

    model = Model("colours", "c0105", 3)
    image_spec = ImageSpec((16, 16))
    calibration = Calibration(1.0)
    lanes = 1

    async def encode_images(self, images: Pixels) -> Vector:
        means = images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32)
        means = np.maximum(means, 1e-3)  # black has a direction too
        unit: Vector = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit

    async def encode_text(self, text: str) -> Vector:
        return np.full(3, 3**-0.5, np.float32)


class QuickReader(Decoder):
    """The real decoder, but for reading text, which takes a second a photo."""

    async def read(self, data: bytes) -> str:
        return READ


class Shelf:
    """A platform that draws a photo when it is fetched."""

    platform = "torture"

    async def fetch(self, ref: PhotoRef) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (48, 48), colour(int(ref.locator))).save(file, "PNG")
        return file.getvalue()


def post(number: int) -> Post:
    name = str(number)
    ref = PhotoRef("torture", f"key{name}", name, f"{name}.png")
    when = datetime.fromtimestamp(1_700_000_000 + number, UTC)
    return Post(GROUP, CHANNEL, name, f"u{number % 7}", "Ann", when, (ref,), caption(number))


async def run(path: Path, first: int, pace: float, starter: bool, finish: bool) -> None:
    """Remember posts from `first` on until killed; with `finish`, only what waits is done."""
    with IndexerLock(path) as lock:
        assert lock.held, "the lock of a killed process is free"
        async with SqliteStore(path) as store, QuickReader() as decoder:
            assert await store.prove_sound(60)
            state = ModelState("torture")
            shelf = Shelf()
            adapters = {shelf.platform: shelf}
            memory = PhotoMemory(store, state, adapters, decoder)
            async with Indexer(store, memory, adapters, decoder).running():
                state.encoder = await asyncio.to_thread(_starter) if starter else Colours()
                memory.wake()
                _say("ready")
                if finish:
                    await _until_idle(store)
                    return
                scrubbing = asyncio.create_task(_scrub_for_ever(store))
                for number in range(first, MOST):
                    await memory.remember(post(number))
                    _say(f"kept {number}")
                    if number % 5 == 4:
                        await memory.forget(GROUP, CHANNEL, str(number - 2))
                        _say(f"forgot {number - 2}")
                    await asyncio.sleep(pace)
                scrubbing.cancel()


def _starter() -> Encoder:
    from bot import clip
    from bot.starter import files

    return clip.load(files.NAME, Path("models"), "", lambda done, total: None)


async def _scrub_for_ever(store: SqliteStore) -> None:
    while True:
        store._scrubber._not_before = 0.0  # as often as it can be
        await store.scrub()
        await asyncio.sleep(0.2)


async def _until_idle(store: SqliteStore) -> None:
    while True:
        async with store._db.read() as db:
            ((waiting,),) = await db.execute_fetchall("SELECT count(*) FROM jobs")
        if not waiting:
            break
        await asyncio.sleep(0.1)
    store._scrubber._not_before = 0.0
    assert await store.scrub()
    _say("idle")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # at once, and whole: no buffer may keep it from being true


if __name__ == "__main__":
    where, begin, rest, *options = sys.argv[1:]
    asyncio.run(
        run(Path(where), int(begin), float(rest), "starter" in options, "finish" in options)
    )
