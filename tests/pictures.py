"""Pictures and broken files that tests make themselves."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def encoded(image: Image.Image, format_: str = "JPEG", **options: Any) -> bytes:
    """An image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


def scene(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Something to see that is different for each seed."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(c) for c in random.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = (int(v) for v in random.integers(0, min(size), 2))
        w, h = (int(v) for v in random.integers(10, min(size) // 2, 2))
        draw.ellipse((x, y, x + w, y + h), fill=tuple(int(c) for c in random.integers(0, 256, 3)))
    return image


def photo(seed: int = 0, size: tuple[int, int] = (320, 240)) -> bytes:
    """A JPEG of a scene."""
    return encoded(scene(seed, size), quality=80)


def sign(text: str, size: tuple[int, int] = (640, 240)) -> bytes:
    """A JPEG with words to read."""
    image = Image.new("RGB", size, "white")
    font = ImageFont.load_default(size[1] / 3)
    ImageDraw.Draw(image).text((30, size[1] / 3), text, font=font, fill="black")
    return encoded(image, quality=90)


def png_claiming(width: int, height: int) -> bytes:
    """A valid, tiny PNG file whose header promises a huge image: a decompression bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    squeezer = zlib.compressobj(9)
    rows = bytes(1 + width)
    body = b"".join(squeezer.compress(rows) for _ in range(min(height, 2000))) + squeezer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
