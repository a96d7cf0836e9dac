"""A store that tells when vectors have been stored: to ask it again and again takes the time of
what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from bot.photos import Model, Vector
from storage.sqlite import SqliteStore


class Remembering(SqliteStore):
    """Knows which vectors it has stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stored: dict[int, Vector] = {}
        self._news = asyncio.Event()

    async def save_vectors(self, model: Model, photos: Sequence[int], vectors: Vector) -> None:
        await super().save_vectors(model, photos, vectors)
        self.stored |= dict(zip(photos, vectors, strict=True))
        self._news.set()

    async def all_stored(self, photos: Collection[int]) -> None:
        """Until the last of these has its vector."""
        while not self.stored.keys() >= set(photos):
            await self._news.wait()
            self._news.clear()
