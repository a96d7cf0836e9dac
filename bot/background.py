"""What a model says of nothing in particular: the level that an answer has to rise above.

Cosines mean nothing by themselves: how near a text comes to a photo that has nothing to do with it
differs from model to model, from photo to photo and from text to text. So each search is held
against cohorts, as speaker recognition does with its scores (z-norm and t-norm: Auckenthaler, Carey
and Lloyd-Thomas 2000):

- texts that name nothing that could be seen, in several languages and in none;
- words for everyday things, one each: a photo that shows a duck is nearer to "duck" than to the
  "goose" that is asked for;
- pictures that show nothing: blank, shaded, noise, shapes. The plain ones among them also tell
  which of a group's photos are blank frames.

All are embedded once per model, as soon as there is one, and kept on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bot.backgroundfile import BackgroundFile
from bot.candidates import Background
from bot.photos import Pixels, Vector
from bot.ports import Encoder
from bot.starter.concepts import concepts

TEXTS = (
    *("a photo", "a picture", "an image", "a photo of something", "something", "nothing"),
    *("whatever", "somebody", "it", "the", "very", "because", "meanwhile", "yesterday"),
    *("Tuesday", "twelve", "percent", "hello", "thank you", "why not", "see you tomorrow"),
    *("I don't know", "how are you", "no idea", "an idea", "opinion", "a reason", "justice"),
    *("照片", "一张图片", "东西", "什么", "没有", "因为", "你好", "谢谢", "明天", "为什么"),
    *("意见", "原因", "星期二", "我不知道", "随便", "大概", "foto", "quelque chose", "gracias"),
    *("warum", "niente", "что-то", "写真", "ありがとう"),
)
"""Neutral prompts; `_syllables` adds words that there aren't."""
INVENTED = 20

COLOURS = (
    *((255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 30), (30, 160, 60), (40, 80, 200)),
    *((240, 220, 60), (150, 100, 60), (230, 200, 170), (100, 180, 230), (60, 20, 90)),
    (250, 140, 40),
)
FAINTLY_SHADED, FAINTLY_NOISY = (0, 1, 2, 9), (0, 1, 2, 8)
"""Colours that come a second time, not quite as plain."""
SHADED, SHAPES = 6, 14
NOISES = (15, 35, 60, 90)
"""Standard deviations of pixels."""
PLAIN = len(COLOURS) + len(FAINTLY_SHADED) + len(FAINTLY_NOISY)
BUSY = SHADED + len(NOISES) + SHAPES
_SEED = 7

MODELS = 2
"""Whose backgrounds are kept at a time: of one that answers, and one that will."""

Canvas = NDArray[np.float32]


class Backgrounds:
    """The background of each model in use, embedded when it is first asked for."""

    def __init__(self, models_folder: Path | None = None) -> None:
        """`models_folder`: where they are kept for the next start."""
        self._models_folder = models_folder
        self._known: dict[str, asyncio.Task[Background]] = {}

    async def of(self, encoder: Encoder) -> Background:
        """Raises ModelUnavailable; the next question tries again."""
        key = encoder.model.fingerprint
        if key not in self._known:
            looking = asyncio.create_task(self._look(encoder))
            looking.add_done_callback(_heard)  # whoever waits for it may be gone
            others = list(self._known.items())[1 - MODELS :]
            self._known = dict([*others, (key, looking)])
        try:
            return await asyncio.shield(self._known[key])
        except BaseException:
            if (task := self._known.get(key)) is not None and task.done():
                self._known.pop(key, None)
            raise

    async def _look(self, encoder: Encoder) -> Background:
        if self._models_folder is None:
            return _background(*await _embedded(encoder))
        model, asked = encoder.model, await asyncio.to_thread(_asked)
        file = BackgroundFile(self._models_folder, model.fingerprint, asked)
        counts = len(texts()) + len(things()), PLAIN + BUSY
        kept = await asyncio.to_thread(file.read, *counts, model.dimension)
        if kept is None:
            kept = await _embedded(encoder)
            await asyncio.to_thread(file.write, *kept)
        return _background(*kept)


def _heard(looking: asyncio.Task[Background]) -> None:
    if not looking.cancelled():
        looking.exception()


async def _embedded(encoder: Encoder) -> tuple[Vector, Vector]:
    """Texts and pictures."""
    plain, busy = await asyncio.to_thread(pictures, encoder.image_spec.size)
    seen = await encoder.encode_images(np.concatenate([plain, busy]))
    said = [await encoder.encode_text(text) for text in (*texts(), *things())]
    return np.stack(said), seen


@cache
def _asked() -> str:
    """Another one for other texts and pictures."""
    said = "\n".join((*texts(), *things())).encode()
    drawn = b"".join(part.tobytes() for part in pictures((16, 16)))
    return hashlib.blake2b(said + drawn, digest_size=4).hexdigest()


def _background(said: Vector, seen: Vector) -> Background:
    neutral, called = np.split(said, [len(texts())])
    among = seen[:PLAIN]
    alike = among @ among.T - 2 * np.eye(len(among), dtype=np.float32)
    plain_from = float(np.median(alike.max(axis=1)))
    return Background(neutral, called, seen, among, plain_from)


def things() -> list[str]:
    """What a photo could be called."""
    return [concept.name for concept in concepts()]


def texts() -> list[str]:
    """Texts that name nothing; always the same."""
    rng = Random(_SEED)  # noqa: S311
    return [*TEXTS, *(_syllables(rng) for _ in range(INVENTED))]


def pictures(size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """(plain ones, busy ones), each (n, height, width, 3); always the same."""
    random = np.random.default_rng(_SEED)
    height, width = size
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    colours = np.array(COLOURS, np.float32)
    sheets = [np.broadcast_to(colour, (height, width, 3)) for colour in colours]
    faint = [colours[n] + (24 * (down - 0.5))[..., None] for n in FAINTLY_SHADED] + [
        colours[n] + _noise(random, size, 4) for n in FAINTLY_NOISY
    ]
    busy: list[Canvas] = []
    for _ in range(SHADED):
        one, other = random.integers(0, 256, (2, 3)).astype(np.float32)
        share = (down if random.random() < 0.5 else right)[..., None]
        busy.append(one * (1 - share) + other * share)
    busy += [128 + _noise(random, size, deviation) for deviation in NOISES]
    busy += [_shapes(random, down, right) for _ in range(SHAPES)]
    return _pixels([*sheets, *faint]), _pixels(busy)


def _noise(random: np.random.Generator, size: tuple[int, int], deviation: float) -> Canvas:
    return random.normal(0, deviation, (*size, 3)).astype(np.float32)


def _shapes(random: np.random.Generator, down: Canvas, right: Canvas) -> Canvas:
    """One to four discs, boxes or stripes on a plain ground."""
    canvas = np.empty((*down.shape, 3), np.float32)
    canvas[:] = random.integers(0, 256, 3)
    for _ in range(int(random.integers(1, 5))):
        (y, x), reach = random.random(2), random.uniform(0.1, 0.35)
        kind, turn = int(random.integers(3)), random.uniform(0, np.pi)
        inside = (
            (down - y) ** 2 + (right - x) ** 2 < reach**2,
            (abs(down - y) < 0.6 * reach) & (abs(right - x) < reach),
            abs((right - x) * np.cos(turn) + (down - y) * np.sin(turn)) < 0.05,
        )[kind]
        canvas[inside] = random.integers(0, 256, 3)
    return canvas


def _pixels(canvases: list[Canvas]) -> Pixels:
    return np.stack([canvas.clip(0, 255).astype(np.uint8) for canvas in canvases])


def _syllables(rng: Random) -> str:
    """A word that there isn't, or two."""
    made = [
        "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3))
        for _ in range(rng.choice((1, 2)))
    ]
    return " ".join(made)
