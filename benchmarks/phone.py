"""JPEGs of the size, the detail and the weight of a phone's photos, from a seed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from adapters.discord.files import SHORT_SIDE

SIZES = {"12 MP": (4000, 3000), "2 MP": (1920, 1080)}
"""A phone's original, and what most chats make of it."""
GRAIN, QUALITY = 5.0, 88
"""Levels of noise and JPEG quality that give 3 MB at 12 megapixels and half a megabyte at 2."""
OCTAVES = ((200, 0.6), (60, 0.25), (16, 0.15))
"""Pixels a blob, and its share."""


def photo(size: tuple[int, int], seed: int) -> bytes:
    """One JPEG of (width, height) pixels."""
    width, height = size
    rng = np.random.default_rng(seed)
    levels = np.zeros((height, width, 3), np.float32)
    for blob, share in OCTAVES:
        small = rng.integers(0, 256, (height // blob + 1, width // blob + 1, 3), dtype=np.uint8)
        layer = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
        levels += share * np.asarray(layer, np.float32)
    levels += rng.normal(0, GRAIN, (height, width, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def rendition(jpeg: bytes) -> bytes:
    """The same in the size that the bot asks Discord for instead of the whole file."""
    image = Image.open(io.BytesIO(jpeg))
    scale = SHORT_SIDE / min(image.size)
    file = io.BytesIO()
    size = round(image.width * scale), round(image.height * scale)
    image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
