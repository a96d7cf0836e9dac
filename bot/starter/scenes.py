"""Scenes drawn from emoji pictures: what the starter model is trained and measured on.

A scene is one to three things on a background, each with a size, a place, a rotation and a light
of its own, then the wear that a photo gets: exposure, tint, noise, blur, JPEG.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from bot.starter.concepts import Concept, concepts
from bot.starter.families import Sprites
from bot.starter.fonts import SIDE

Rgb = tuple[int, int, int]
Floats = np.ndarray[tuple[int, ...], np.dtype[Any]]

THINGS = (1, 2, 3)
SHARES = (0.5, 0.35, 0.15)
"""How often a scene shows so many things."""

SHEET = 256
"""Side in pixels of the noise that all scenes share."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What things stand in front of."""

    en: str
    """As it follows the things' names; empty if people would not mention it."""
    zh: str
    colours: tuple[tuple[Rgb, ...], ...]
    """One of these lists is taken: bands from top to bottom."""
    pattern: str = ""


BACKDROPS = (
    Backdrop("", "", ()),
    Backdrop("on a beach", "在沙滩上", (((130, 200, 240), (40, 130, 190), (235, 210, 150)),)),
    Backdrop("on the grass", "在草地上", (((150, 210, 245), (90, 170, 70), (70, 145, 50)),)),
    Backdrop("in the snow", "在雪地里", (((190, 210, 230), (240, 244, 250), (225, 233, 242)),)),
    Backdrop(
        "at night", "在夜里", (((10, 14, 45), (25, 30, 75)), ((5, 5, 20), (20, 20, 45))), "stars"
    ),
    Backdrop("at sunset", "在日落时", (((90, 50, 120), (240, 110, 70), (250, 190, 90)),), "blend"),
    Backdrop("by a brick wall", "在砖墙前", (((165, 80, 60),), ((140, 70, 60),)), "bricks"),
    Backdrop("on a wooden table", "在木桌上", (((175, 120, 70),), ((140, 90, 50),)), "wood"),
)
"""The first is no place: a colour or a blend of two. It is taken half of the time."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One concept in a scene; lengths are shares of the scene's side."""

    concept: Concept
    emoji: str
    x: float
    y: float
    size: float
    degrees: float
    mirrored: bool
    light: float


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a drawing needs, but for its size and the pictures."""

    things: tuple[Thing, ...]
    backdrop: Backdrop
    seed: int
    """Of the backdrop's details and the wear."""


def compose(
    rng: Random,
    drawable: Callable[[str], bool],
    things: int = 0,
    main: Concept | None = None,
) -> Scene:
    """A random scene. `things`: how many (0: by SHARES); `main`: a concept that must be in it.

    `drawable` says whether there is a picture of an emoji.
    """
    count = things or rng.choices(THINGS, SHARES)[0]
    wanted = [main] if main is not None else []
    while len(wanted) < count:
        other = rng.choice(concepts())
        if other not in wanted and any(map(drawable, other.emoji)):
            wanted.append(other)
    rng.shuffle(wanted)
    placed = _placed(rng, wanted, drawable)
    backdrop = BACKDROPS[0] if rng.random() < 0.5 else rng.choice(BACKDROPS[1:])
    return Scene(placed, backdrop, rng.getrandbits(32))


def arrange(
    rng: Random, wanted: Sequence[Concept], backdrop: Backdrop, drawable: Callable[[str], bool]
) -> Scene:
    """A scene of just these concepts before that backdrop; where and how is up to chance."""
    return Scene(_placed(rng, wanted, drawable), backdrop, rng.getrandbits(32))


def _placed(
    rng: Random, wanted: Sequence[Concept], drawable: Callable[[str], bool]
) -> tuple[Thing, ...]:
    slots = _slots(rng, len(wanted))
    return tuple(
        Thing(
            concept,
            rng.choice([emoji for emoji in concept.emoji if drawable(emoji)]),
            x,
            y,
            size,
            rng.gauss(0, 12) if rng.random() < 0.7 else 0.0,
            rng.random() < 0.4,
            rng.uniform(0.8, 1.15),
        )
        for concept, (x, y, size) in zip(wanted, slots, strict=True)
    )


def _slots(rng: Random, count: int) -> list[tuple[float, float, float]]:
    """Where `count` things go, (x, y, size): side by side or one above the other, with play."""
    if count == 1:
        size = rng.uniform(0.35, 0.9)
        play = (1 - size) / 2
        return [(0.5 + rng.uniform(-play, play), 0.5 + rng.uniform(-play, play), size)]
    if count == 2:
        sizes = [rng.uniform(0.32, 0.55) for _ in range(2)]
        along = [0.27 + rng.uniform(-0.04, 0.04), 0.73 + rng.uniform(-0.04, 0.04)]
        across = [rng.uniform(0.3, 0.7) for _ in range(2)]
        places = list(zip(along, across, strict=True))
        if rng.random() < 0.4:
            places = [(y, x) for x, y in places]
        return [(x, y, side) for (x, y), side in zip(places, sizes, strict=True)]
    corners = rng.sample([(0.26, 0.27), (0.74, 0.27), (0.26, 0.73), (0.74, 0.73)], count)
    return [
        (x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04), rng.uniform(0.32, 0.48))
        for x, y in corners
    ]


class Painter:
    """Draws scenes with one family's pictures, each kept in several sizes for speed."""

    def __init__(self, sprites: Sprites) -> None:
        self._levels = {
            emoji: [sprite.resize((SIDE >> k, SIDE >> k), Image.Resampling.BOX) for k in range(3)]
            for emoji, sprite in sprites.items()
        }
        self._noise = np.random.default_rng(0).normal(0, 1, (2 * SHEET, 2 * SHEET, 3))
        self._noise = self._noise.astype(np.float32)

    def has(self, emoji: str) -> bool:
        """Whether this family has a picture of it."""
        return emoji in self._levels

    def draw(self, scene: Scene, side: int) -> Image.Image:
        """The scene as a (side, side) RGB picture; the same scene always looks the same."""
        rng = Random(scene.seed)  # noqa: S311
        image = draw_backdrop(scene.backdrop, side, rng)
        for thing in scene.things:
            self._place(image, thing, side)
        return self._worn(image, rng)

    def _place(self, image: Image.Image, thing: Thing, side: int) -> None:
        pixels = max(4, round(thing.size * side))
        levels = self._levels[thing.emoji]
        level = max((k for k, sprite in enumerate(levels) if sprite.width >= pixels), default=0)
        sprite = levels[level].resize((pixels, pixels), Image.Resampling.BILINEAR)
        if thing.mirrored:
            sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if thing.degrees:
            sprite = sprite.rotate(thing.degrees, Image.Resampling.BILINEAR, expand=True)
        place = (
            round(thing.x * side - sprite.width / 2),
            round(thing.y * side - sprite.height / 2),
        )
        light = [min(255, round(value * thing.light)) for value in range(256)]
        lit = sprite.point([*light, *light, *light, *range(256)])
        image.paste(lit, place, lit)

    def _worn(self, image: Image.Image, rng: Random) -> Image.Image:
        side = image.width
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.011 * side)))
        pixels: Floats = np.asarray(image, np.float32)
        gains = np.array([rng.gauss(1, 0.05) for _ in range(3)], np.float32)
        contrast = rng.uniform(0.75, 1.15)
        pixels = pixels * (gains * contrast) + (128 * (1 - contrast) + rng.uniform(-25, 25))
        strength = rng.choice((0, 0, 3, 6, 12))
        if strength:
            pixels += strength * self._grain(side, rng)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
        if rng.random() < 0.3:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=rng.randint(35, 90))
            image = Image.open(file)
            image.load()
        return image

    def _grain(self, side: int, rng: Random) -> Floats:
        tiles = math.ceil(side / SHEET)
        top, left = rng.randrange(SHEET), rng.randrange(SHEET)
        part = self._noise[top : top + SHEET, left : left + SHEET]
        return np.tile(part, (tiles, tiles, 1))[:side, :side] if tiles > 1 else part[:side, :side]


def draw_backdrop(backdrop: Backdrop, side: int, rng: Random) -> Image.Image:
    """A (side, side) RGB picture of it."""
    if backdrop.colours:
        bands: Sequence[Rgb] = rng.choice(backdrop.colours)
    else:
        bands = [_any_colour(rng) for _ in range(rng.choice((1, 2)))]
    shift = [rng.uniform(-18, 18) for _ in range(3)]
    rows = np.array([[c + s for c, s in zip(band, shift, strict=True)] for band in bands])
    at = np.linspace(0, 1, side)
    if len(bands) == 1:
        column = np.repeat(rows, side, axis=0)
    elif backdrop.pattern == "blend" or not backdrop.colours:
        column = _blended(rows, at)
    else:
        edges = np.cumsum([rng.uniform(0.25, 0.45) for _ in bands[1:]])
        column = rows[np.searchsorted(edges, at)]
    pixels = np.repeat(column[:, None, :], side, axis=1)
    if backdrop.pattern == "bricks":
        pixels = pixels * _bricks(side, rng)[..., None]
    elif backdrop.pattern == "wood":
        waves = np.sin(at * rng.uniform(40, 90) + rng.uniform(0, 6)) * 0.08
        pixels = pixels * (1 + waves)[:, None, None]
    elif backdrop.pattern == "stars":
        for _ in range(rng.randint(10, 30)):
            size = max(1, round(side * rng.uniform(0.005, 0.012)))
            x, y = rng.randrange(side), rng.randrange(side)
            pixels[y : y + size, x : x + size] = 235
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    if not backdrop.colours and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    return image


def _any_colour(rng: Random) -> Rgb:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _blended(
    rows: Floats,
    at: Floats,
) -> Floats:
    stops = np.linspace(0, 1, len(rows))
    return np.stack([np.interp(at, stops, rows[:, channel]) for channel in range(3)], axis=1)


def _bricks(side: int, rng: Random) -> Floats:
    """1 on bricks, brighter on the mortar between them."""
    across, joint = rng.uniform(0.14, 0.22), 0.012
    at = np.arange(side) / side
    row = (at / (across / 2)).astype(int)
    level = (at % (across / 2)) < joint
    along = (at[None, :] + (row % 2)[:, None] * across / 2) % across < joint
    return 1 + 0.5 * (level[:, None] | along)
