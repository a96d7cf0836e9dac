"""The drawn group: thousands of photos of which is known what they show and what was said."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import saying
from bot.errors import PhotoGone
from bot.photos import PhotoRef, Post
from bot.starter.concepts import Concept, concepts
from bot.starter.scenes import Painter, Scene, compose

GROUP = "drawn"
SIDE = 400
CAPTIONED, PAINTED, REPLIED, COPIED, BLANK = 1 / 3, 0.12, 0.25, 0.08, 0.02
"""Shares of the scenes; copies and blank frames come on top."""
BEGAN = datetime(2022, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One posted photo, with all that is true of it."""

    number: int
    original: int
    """The number of the photo that this one is a copy of; its own for all others."""
    scene: Scene | None
    """None: a blank frame."""
    jpeg: bytes
    caption: str = ""
    text: str = ""
    """What is painted into it."""
    reply: str = ""

    def post(self, captioned: bool) -> Post:
        ref = PhotoRef("drawn", str(self.number), str(self.number), f"{self.number}.jpg")
        author = f"user{self.number % 7}"
        at = BEGAN + timedelta(hours=5 * self.number)
        caption = self.caption if captioned else ""
        return Post(GROUP, "main", str(self.number), author, author, at, (ref,), caption)


class Shelf:
    """The platform that the photos are posted on."""

    platform = "drawn"

    def __init__(self, photos: Sequence[Drawn]) -> None:
        self._photos = {str(photo.number): photo.jpeg for photo in photos}

    async def fetch(self, ref: PhotoRef) -> bytes:
        try:
            return self._photos[ref.locator]
        except KeyError:
            raise PhotoGone("it was never drawn") from None


def absent(rng: Random, count: int) -> list[Concept]:
    """Concepts to keep out of a group: nothing that stays is called alike, and nobody says them
    by the way."""
    said = saying.common_words().lower()
    chosen: list[Concept] = []
    for concept in rng.sample(concepts(), len(concepts())):
        names = (*concept.en, *concept.zh)
        others = [n for c in concepts() if c is not concept for n in (*c.en, *c.zh)]
        alike = any(name in other or other in name for name in names for other in others)
        if not alike and not any(name.lower() in said for name in names):
            chosen.append(concept)
        if len(chosen) == count:
            break
    return chosen


def draw(
    painter: Painter,
    rng: Random,
    count: int,
    left_out: Sequence[Concept],
    progress: Callable[[], object] = lambda: None,
) -> list[Drawn]:
    """`count` scenes without the concepts that are left out, their copies, blank frames."""
    unwanted = {concept.name for concept in left_out}
    photos: list[Drawn] = []
    for _ in range(count):
        scene = compose(rng, painter.has)
        while any(thing.concept.name in unwanted for thing in scene.things):
            scene = compose(rng, painter.has)
        image = painter.draw(scene, SIDE)
        text = saying.sign(rng) if rng.random() < PAINTED else ""
        if text:
            _paint(image, text, rng)
        caption = saying.caption(scene, rng) if rng.random() < CAPTIONED else ""
        reply = saying.reply(rng) if rng.random() < REPLIED else ""
        number = len(photos)
        photos.append(Drawn(number, number, scene, _jpeg(image, 85), caption, text, reply))
        if rng.random() < COPIED:
            copy = _copy(image, rng)
            photos.append(Drawn(number + 1, number, scene, copy, text=text))
        if rng.random() < BLANK:
            number = len(photos)
            photos.append(Drawn(number, number, None, _jpeg(_blank(rng), 85)))
        progress()
    return photos


def _paint(image: Image.Image, text: str, rng: Random) -> None:
    """A sign along the lower or upper edge."""
    font = ImageFont.load_default(SIDE / 9)
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    x = rng.uniform(4, max(5.0, SIDE - (right - left) - 12))
    y = rng.choice((6, SIDE - (bottom - top) - 14))
    pen.rectangle((x - 4, y - 4, x + right - left + 6, y + bottom - top + 8), fill="white")
    pen.text((x - left, y - top), text, font=font, fill="black")


def _copy(image: Image.Image, rng: Random) -> bytes:
    """The same picture, smaller or larger and compressed again."""
    side = round(SIDE * rng.choice((0.4, 0.6, 1.0, 1.3)))
    return _jpeg(image.resize((side, side), Image.Resampling.LANCZOS), rng.randint(35, 80))


def _blank(rng: Random) -> Image.Image:
    """White, black, one colour, or a colour with a little noise or shading."""
    kind = rng.randrange(5)
    colour = [(255,) * 3, (0,) * 3][kind] if kind < 2 else [rng.randrange(256) for _ in range(3)]
    pixels = np.full((SIDE, SIDE, 3), colour, np.float32)
    noise = np.random.default_rng(rng.getrandbits(32))
    if kind == 3:
        pixels += noise.normal(0, 4, pixels.shape)
    if kind == 4:
        pixels += np.linspace(-12, 12, SIDE)[:, None, None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def scenes(photos: Sequence[Drawn]) -> Iterator[Drawn]:
    """The photos that are neither copies nor blank."""
    return (p for p in photos if p.scene is not None and p.original == p.number)
