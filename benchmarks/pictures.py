"""Different pictures, what becomes of one on its way through chats, and what only resembles it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bot.starter import fonts
from bot.starter.concepts import concepts
from bot.starter.fonts import EmojiFont
from bot.starter.scenes import Painter, Scene, arrange, compose
from tests import pictures

WORDS = """the of milk bread total sum price shop order number street train ticket hello yes maybe
tomorrow see you later cake party photo album market apple cheese butter water sugar paid change
thanks receipt cash never again monday friday build green works machine coffee first dog said
""".split()

RECOMPRESSED = "re-compressed"
CUT = "cut or framed"
"""Families of copies."""


@dataclass(frozen=True, slots=True)
class Original:
    """A picture by its kind and number."""

    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of a picture."""

    family: str
    how: str
    data: bytes


@cache
def painter() -> Painter:
    """Draws scenes with this machine's emoji font. Raises NoEmojiFont."""
    font = EmojiFont(fonts.find())
    found = ((emoji, font.sprite(emoji)) for each in concepts() for emoji in each.emoji)
    return Painter({emoji: sprite for emoji, sprite in found if sprite is not None})


def draw(original: Original) -> Image.Image:
    """The picture itself."""
    rng = _rng(original)
    match original.kind:
        case "scene":
            return painter().draw(_scene(rng), 640)
        case "wide scene":
            return _wide(painter().draw(_scene(rng), 1000))
        case "shapes, 2 megapixels":
            return pictures.scene(original.number, (1600, 1200))
        case "chat page":
            return _chat(rng)
        case "receipt":
            return _receipt(rng)
    colour = np.array([rng.randrange(256) for _ in range(3)], np.float64)
    grain = np.random.default_rng(original.number).normal(0, rng.choice((0, 1, 3)), (480, 640, 3))
    return Image.fromarray((colour + grain).clip(0, 255).astype(np.uint8))


def burst(original: Original) -> bytes | None:
    """The scene a moment later: a hand that shook, another light, other noise."""
    if original.kind not in ("scene", "wide scene"):
        return None
    rng = _rng(original)
    scene = _scene(rng)
    dx, dy, zoom = rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02), rng.uniform(0.97, 1.03)
    moved = tuple(
        replace(
            thing,
            x=0.5 + (thing.x - 0.5) * zoom + dx,
            y=0.5 + (thing.y - 0.5) * zoom + dy,
            size=thing.size * zoom,
            degrees=thing.degrees + rng.uniform(-3, 3),
        )
        for thing in scene.things
    )
    return _drawn(replace(scene, things=moved), original)


def similar(original: Original) -> bytes | None:
    """The same things before the same backdrop, arranged anew: another cake, the same place."""
    if original.kind not in ("scene", "wide scene"):
        return None
    rng = _rng(original)
    scene = _scene(rng)
    shown = [thing.concept for thing in scene.things]
    return _drawn(arrange(rng, shown, scene.backdrop, painter().has), original)


def meme(number: int, words: int) -> Image.Image:
    """A picture with a line painted over it: the same picture for each `number`."""
    image = draw(Original("wide scene", number))
    rng = Random(f"meme {number} {words}")
    line = " ".join(rng.sample(WORDS, 5)).upper()
    font = ImageFont.load_default(46)
    ImageDraw.Draw(image).text(
        (40, 670), line, font=font, fill="white", stroke_width=4, stroke_fill="black"
    )
    return image


def copies(image: Image.Image, seed: int) -> Iterator[Copy]:
    """What chats and phones make of a picture."""
    rng = Random(seed)
    longest = max(image.size)
    for quality in (95, 75, 50, 30):
        yield Copy(RECOMPRESSED, f"JPEG, quality {quality}", jpeg(image, quality))
    for percent in (25, 50, 75, 150, 200):
        yield Copy(RECOMPRESSED, f"resized to {percent} %", jpeg(_scaled(image, percent / 100), 85))
    yield Copy(RECOMPRESSED, "WebP, quality 60", encoded(image, "WEBP", quality=60))
    yield Copy(RECOMPRESSED, "PNG", encoded(image, "PNG", compress_level=1))
    yield Copy(RECOMPRESSED, "800 px JPEG, as previews", jpeg(_scaled(image, 800 / longest), 80))
    small = _scaled(image, 1280 / longest)
    yield Copy(RECOMPRESSED, "1280 px JPEG, as sent photos", jpeg(small, 87))
    again = Image.open(io.BytesIO(jpeg(small, 70)))
    yield Copy(RECOMPRESSED, "1280 px at 70, then again at 40", jpeg(again, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = image.transpose(Image.Transpose.ROTATE_90)
    yield Copy(RECOMPRESSED, "turned, EXIF says so", encoded(turned, "JPEG", quality=85, exif=exif))
    for percent in (2, 4, 6):
        cut = _cut(image, (percent / 200,) * 4)
        yield Copy(CUT, f"{percent} % of each side cut off, all around", jpeg(cut, 85))
    for percent in (2, 5, 8):
        edge = rng.randrange(4)
        cut = _cut(image, tuple(percent / 100 if k == edge else 0.0 for k in range(4)))
        yield Copy(CUT, f"{percent} % cut off at one edge", jpeg(cut, 85))
    for percent in (1, 2):
        border = round(percent / 100 * longest)
        framed = ImageOps.expand(image, border, rng.choice(("white", "black")))
        yield Copy(CUT, f"a border of {percent} %", jpeg(framed, 85))


def jpeg(image: Image.Image, quality: int) -> bytes:
    """A JPEG file."""
    return encoded(image, "JPEG", quality=quality)


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    """An image as a file's bytes."""
    return pictures.encoded(image, format_, **options)


def _rng(original: Original) -> Random:
    return Random(f"{original.kind} {original.number}")


def _scene(rng: Random) -> Scene:
    return compose(rng, painter().has)


def _drawn(scene: Scene, original: Original) -> bytes:
    if original.kind == "scene":
        return jpeg(painter().draw(scene, 640), 85)
    return jpeg(_wide(painter().draw(scene, 1000)), 85)


def _wide(image: Image.Image) -> Image.Image:
    return image.crop((0, 125, 1000, 875))


def _chat(rng: Random) -> Image.Image:
    """A screenshot of a chat: one layout for all, other words."""
    image = Image.new("RGB", (720, 1280), "white")
    pen, font, y = ImageDraw.Draw(image), ImageFont.load_default(26), 120
    pen.rectangle((0, 0, 720, 90), fill="#1e5aa0")
    pen.text((30, 30), "Chat", font=font, fill="white")
    while y < 1160:
        lines, theirs = rng.randint(1, 3), rng.random() < 0.5
        x = 30 if theirs else 200
        box = (x - 10, y - 8, x + 480, y + 34 * lines + 8)
        pen.rounded_rectangle(box, 12, fill="#ebebeb" if theirs else "#c8f0c8")
        for _ in range(lines):
            words = " ".join(rng.choice(WORDS) for _ in range(6))
            pen.text((x, y), words, font=font, fill="black")
            y += 34
        y += 40
    return image


def _receipt(rng: Random) -> Image.Image:
    """Lines and prices, all in the same places."""
    image = Image.new("RGB", (700, 1000), "#faf8f4")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(24)
    pen.text((220, 40), "SUPER MARKET", font=font, fill="black")
    for row in range(24):
        y = 110 + 34 * row
        pen.text((60, y), f"{rng.choice(WORDS)} {rng.choice(WORDS)}", font=font, fill="#141414")
        pen.text((560, y), f"{rng.uniform(0.5, 60):.2f}", font=font, fill="#141414")
    return image


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _cut(image: Image.Image, shares: tuple[float, ...]) -> Image.Image:
    left, top, right, bottom = shares
    width, height = image.size
    return image.crop(
        (
            round(left * width),
            round(top * height),
            width - round(right * width),
            height - round(bottom * height),
        )
    )
