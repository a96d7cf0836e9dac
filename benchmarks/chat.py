"""A platform with nobody behind it, on which photos are posted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.errors import PhotoGone
from bot.photos import PhotoRef, Post


class Chat:
    """Takes turns with a few pictures; each file is another one all the same."""

    platform = "chat"

    def __init__(self, jpegs: Sequence[bytes], words: Sequence[str] = ()) -> None:
        """`words`: what captions take turns with; none: there are no captions."""
        self._jpegs = jpegs
        self._words = words
        self._numbers = itertools.count()

    async def fetch(self, ref: PhotoRef) -> bytes:
        if not ref.locator.isdecimal():
            raise PhotoGone("it was never taken")
        number = int(ref.locator)
        return self._jpegs[number % len(self._jpegs)] + number.to_bytes(4, "big")

    def post(self, group: int) -> Post:
        number = next(self._numbers)
        ref = PhotoRef(self.platform, str(number), str(number))
        caption = f"{self._words[number % len(self._words)]} {number}" if self._words else ""
        when, author = datetime.now(UTC), f"u{group}"
        return Post(f"chat:{group}", "main", str(number), author, "Ann", when, (ref,), caption)
