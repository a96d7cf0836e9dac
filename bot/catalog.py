"""Models that were tried, and how fast one is on this machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np

from bot import clip, models, settings
from bot.errors import ModelUnavailable
from bot.hub import Progress
from bot.models import Presence
from bot.ports import Encoder
from bot.settings import Settings
from bot.starter import files as starter


@dataclass(frozen=True, slots=True)
class Entry:
    """What helps to choose a MODEL."""

    name: str
    megabytes: int
    """Of its download; 0: it is in the box."""
    languages: str
    licence: str
    advice: str


TRIED = (
    Entry(settings.DEFAULT_MODEL, 1500, "100+", "Apache-2.0", "for most groups"),
    Entry("ViT-B-32/datacomp_xl_s13b_b90k", 600, "English", "MIT", "for small servers"),
    Entry("ViT-B-16-SigLIP2-256/webli", 1500, "100+", "Apache-2.0", "for finer detail, slowly"),
    Entry("PE-Core-T-16-384/meta", 300, "English", "Apache-2.0", "for the least memory"),
    Entry(starter.NAME, 0, "English, Chinese", "MIT", "for trying; drawings only"),
)


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a model on this machine."""

    photos: float
    """Embedded a second, decoding not counted."""
    question: float
    """Seconds that a new question's words take."""


BATCH = 8
SECONDS = 3.0
"""At least so long photos are embedded."""
QUESTIONS = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A model of the list, and what this machine knows of it."""

    entry: Entry
    here: bool
    """Whether its files are on this machine."""
    speed: Speed | None = None
    problem: str = ""
    """Why it could not be measured."""


def entries(chosen: Settings) -> list[Entry]:
    """The models that were tried, and the chosen one, which may be another."""
    if chosen.model in [entry.name for entry in TRIED]:
        return list(TRIED)
    return [*TRIED, Entry(chosen.model, 0, "?", "?", "your own choice")]


def look(chosen: Settings) -> list[Line]:
    """What there is to choose from."""
    return [
        Line(entry, models.look(entry.name, chosen.models_folder).presence is Presence.HERE)
        for entry in entries(chosen)
    ]


async def measured(chosen: Settings, line: Line, download: Progress) -> Line:
    """The same model with its speed; it is downloaded and prepared first, if need be."""
    try:
        encoder = await asyncio.to_thread(
            clip.load, line.entry.name, chosen.models_folder, chosen.hub_url, download
        )
    except ModelUnavailable as problem:
        return replace(line, problem=str(problem))
    async with encoder:
        return replace(line, here=True, speed=await measure(encoder))


async def measure(encoder: Encoder) -> Speed:
    """How fast an encoder is while nothing else runs. Raises ModelUnavailable."""
    height, width = encoder.image_spec.size
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (BATCH, height, width, 3), np.uint8)
    await encoder.encode_images(images)  # the first one makes room
    await encoder.encode_text("a first question")
    batches, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        await encoder.encode_images(images)
        batches += 1
    took = time.perf_counter() - began
    questions = []
    for n in range(QUESTIONS):
        began = time.perf_counter()
        await encoder.encode_text(f"a birthday cake with {n} candles")
        questions.append(time.perf_counter() - began)
    return Speed(BATCH * batches / took, statistics.median(questions))
