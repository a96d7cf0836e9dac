"""What the core wants to know of a photo's bytes, worked out safely in other processes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import numpy as np

from bot import perceptual
from bot.cores import cores
from bot.errors import NotAPhoto
from bot.metrics import SILENT, Meter
from bot.photos import ImageSpec, Pixels
from bot.sandbox import Sandbox, SandboxBroken
from bot.sandboxes import Sandboxes

log = logging.getLogger(__name__)

DECODE_SECONDS = 30
READ_SECONDS = 120
MEMORY = 3 * 2**30
"""Address space of each child. 80 megapixels decoded and copied once fit."""
MOST_EYES = 4
"""A core decodes about as many photos as two encode, so that one child would be the limit of any
larger machine; four keep up with eight cores, and with half a gigabyte each for the largest photos
they fit into the memory that compose.yaml gives."""
NICENESS, READ_NICENESS = 5, 14
"""Decoding steps back for questions as far as embedding does (bot.clip), which it goes on beside;
reading text takes a hundred times a question's work and steps back for both."""


THUMBNAIL = 512
"""Pixels of a kept thumbnail's long side: more than most models look at."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be known of a photo's picture."""

    pixels: Pixels
    """As the encoder wants it."""
    fingerprint: bytes
    """What copies are known by (bot.perceptual)."""
    thumbnail: bytes
    """A small JPEG, where it is wanted."""


class Decoder:
    """Decoding in children of its own, text reading in another, so that neither waits for the
    other."""

    def __init__(self, meter: Meter = SILENT) -> None:
        self._meter = meter
        self._eyes = Sandboxes(min(cores(), MOST_EYES), DECODE_SECONDS, MEMORY, NICENESS)
        self._reader = Sandbox(READ_SECONDS, MEMORY, READ_NICENESS)

    @property
    def started(self) -> int:
        """Processes so far: those that die are replaced."""
        return self._eyes.started + self._reader.started

    @property
    def lost(self) -> int:
        """Processes that hung or died, and were replaced."""
        return self._eyes.lost + self._reader.lost

    async def pixels(self, data: bytes, spec: ImageSpec) -> Pixels:
        """The picture an encoder wants, (height, width, 3) uint8. Raises NotAPhoto."""
        return _pixels(await self._decode("pixels", _header(spec), data), spec)

    async def look(self, data: bytes, spec: ImageSpec, thumbnail: bool = False) -> Picture:
        """All that is wanted of a new photo. Raises NotAPhoto."""
        header = {**_header(spec), "thumbnail": THUMBNAIL if thumbnail else 0}
        body = await self._decode("look", header, data)
        end = perceptual.SIZE + 3 * spec.size[0] * spec.size[1]
        pixels = _pixels(body[perceptual.SIZE : end], spec)
        return Picture(pixels, body[: perceptual.SIZE], body[end:])

    async def fingerprint(self, data: bytes) -> bytes:
        """What copies are known by (bot.perceptual). Raises NotAPhoto."""
        return await self._decode("fingerprint", {}, data)

    async def preview(self, data: bytes, longest: int = 1280) -> bytes:
        """A JPEG for a page, its long side at most `longest` pixels. Raises NotAPhoto."""
        return await self._decode("preview", {"longest": longest}, data)

    async def taken_at(self, data: bytes) -> datetime | None:
        """When the camera says the photo was taken, timezone-aware."""
        try:
            reply, _ = await self._eyes.call("taken", {}, data)
        except SandboxBroken:
            return None
        return datetime.fromisoformat(reply["taken"]) if reply["taken"] else None

    async def read(self, data: bytes) -> str:
        """The text in a photo; empty when there is none, or when reading it fails, since the
        photo can still be found by everything else. Raises NotAPhoto."""
        try:
            _, body = await self._reader.call("read", {}, data)
        except SandboxBroken as broken:
            self._meter.failed(broken)
            log.warning("the text of a photo could not be read: %s", broken)
            return ""
        return body.decode()

    async def _decode(self, verb: str, header: dict[str, object], data: bytes) -> bytes:
        try:
            _, body = await self._eyes.call(verb, header, data)
        except NotAPhoto as refused:
            self._meter.failed(refused)
            raise
        except SandboxBroken as broken:
            self._meter.failed(broken)
            raise NotAPhoto(str(broken)) from None
        return body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._eyes.close()
        await self._reader.close()


def _header(spec: ImageSpec) -> dict[str, object]:
    return {
        "height": spec.size[0],
        "width": spec.size[1],
        "resize_mode": spec.resize_mode,
        "interpolation": spec.interpolation,
        "fill": spec.fill,
    }


def _pixels(body: bytes, spec: ImageSpec) -> Pixels:
    return np.frombuffer(body, np.uint8).reshape(*spec.size, 3)
