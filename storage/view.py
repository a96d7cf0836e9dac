"""What one question sees: the photos as of one moment, in SQL and in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bot.photos import Audience, Only, Vector
from storage.cohort import Cohort
from storage.filters import Filter
from storage.loading import fetch
from storage.roll import Block, Kind, Roll
from storage.rolls import Rolls
from storage.scan import Part, scan
from storage.search import Scope
from storage.vectors import LITTLE_ENDIAN

AT_ONCE = 64
"""Blocks that are shared out among threads; a million photos are 62."""


class View:
    """A read transaction and the locked rolls of the groups that are asked about."""

    def __init__(
        self,
        db: sqlite3.Connection,
        rolls: Rolls,
        held: dict[int, Roll],
        ids: dict[str, int],
        kind: Kind,
        pool: ThreadPoolExecutor,
        threads: int,
    ) -> None:
        self.db = db
        self.kind = kind
        self._rolls = rolls
        self._held = held
        self._ids = ids
        self._pool = pool
        self._threads = threads

    def parts(
        self,
        groups: Collection[str],
        audience: Audience,
        only: Only,
        queries: Vector,
        cohort: Cohort | None = None,
    ) -> list[Part]:
        """How near all photos in scope are to (k, d) query vectors, part by part."""
        wanted = Filter(audience, only, self._holding(groups, audience, only))
        found: list[Part] = []
        waiting: list[Block] = []
        for group in groups:
            if group not in self._ids:
                continue
            for block in self._rolls.blocks(self.db, self._held[self._ids[group]], self.kind):
                waiting.append(block)
                if len(waiting) == AT_ONCE:
                    found += scan(waiting, wanted, queries, cohort, self._pool, self._threads)
                    waiting = []
        return found + scan(waiting, wanted, queries, cohort, self._pool, self._threads)

    def vectors(self, photos: NDArray[np.int64]) -> tuple[NDArray[np.int64], Vector]:
        """Those of these photos that have a vector, ascending, and their (n, d) vectors, as they
        were saved."""
        found = fetch(
            self.db,
            "SELECT photo_id, vector FROM vectors WHERE model_id = ? AND photo_id IN"
            " (SELECT value FROM json_each(?)) ORDER BY photo_id",
            (self.kind.model, json.dumps(photos.tolist())),
        )
        ids = np.array([photo for photo, _ in found], np.int64)
        joined = np.frombuffer(b"".join([blob for _, blob in found]), LITTLE_ENDIAN)
        vectors = joined.astype(np.float32, copy=False)
        return ids, vectors.reshape(len(found), self.kind.dimension)

    def _holding(
        self, groups: Collection[str], audience: Audience, only: Only
    ) -> NDArray[np.int64] | None:
        """The photos that hold the wanted words; words are looked up in SQL only."""
        if not only.holding and not only.lacking:
            return None
        found = fetch(self.db, *Scope(groups, audience, only).select("photos.id"))
        return np.array(sorted(photo for (photo,) in found), np.int64)
