"""Groups of many photos with clustered embeddings, written straight into a store's file.

Photos of a real group lie in clusters (the same people, places, parties) around a direction that
all of a model's photos share. So each vector is that direction, its cluster's and its own noise;
questions lie near a cluster, and further from all photos than those from each other, as words do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Background
from bot.photos import Model, Vector
from storage import store_for
from storage.vectors import to_blob

DIMENSION = 512
MODEL = Model("clustered", "c1u57e7ed", DIMENSION)
OF_CLUSTER = 200
"""Photos of a cluster, on average."""
SHARED, OF_ITS_CLUSTER, OWN = 0.6, 0.6, 0.5
"""How much of a photo is what all share, its cluster's, its own."""
AT_ONCE = 10_000
CHANNELS, AUTHORS = 8, 40


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where vectors come from; the same ones for the same numbers."""

    seed: int
    clusters: int
    dimension: int = DIMENSION

    def vectors(self, count: int, batch: int = 0) -> Vector:
        """(count, d) photos; other ones for each batch."""
        random = np.random.default_rng((self.seed, 1, batch))
        which = random.integers(0, self.clusters, count)
        own = _unit(random.standard_normal((count, self.dimension), np.float32))
        return _unit(SHARED * self._shared() + OF_ITS_CLUSTER * self._centres()[which] + OWN * own)

    def questions(self, count: int) -> Vector:
        """(count, d) questions, each about some cluster."""
        random = np.random.default_rng((self.seed, 2))
        which = random.integers(0, self.clusters, count)
        own = _unit(random.standard_normal((count, self.dimension), np.float32))
        return _unit(0.5 * self._centres()[which] + own)

    def background(self) -> Background:
        """As many texts and pictures as bot.background has, about nothing."""
        random = np.random.default_rng((self.seed, 3))
        texts = _unit(random.standard_normal((75, self.dimension), np.float32))
        pictures = self.vectors(44, batch=-1 % 2**32)
        words = _unit(random.standard_normal((500, self.dimension), np.float32))
        return Background(texts, words, pictures, pictures[:20], 0.99)

    def _shared(self) -> Vector:
        return _unit(np.random.default_rng((self.seed, 4)).standard_normal((1, self.dimension)))

    def _centres(self) -> Vector:
        random = np.random.default_rng((self.seed, 5))
        return _unit(random.standard_normal((self.clusters, self.dimension), np.float32))


def _unit(vectors: NDArray[np.floating]) -> Vector:
    unit: Vector = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32)


def cloud_for(photos: int, seed: int) -> Cloud:
    return Cloud(seed, max(8, photos // OF_CLUSTER))


def batches(cloud: Cloud, count: int) -> Iterator[Vector]:
    """All photos of a group, a batch at a time."""
    for n, start in enumerate(range(0, count, AT_ONCE)):
        yield cloud.vectors(min(AT_ONCE, count - start), n)


async def fill(path: Path, groups: Iterable[str], cloud: Cloud, count: int) -> None:
    """Add groups of `count` photos each to a store's file, in the order of `batches`."""
    async with store_for(f"sqlite:///{path}"):
        pass  # makes the file
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO models (fingerprint, name, dimension) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (MODEL.fingerprint, MODEL.name, MODEL.dimension),
        )
        [model] = db.execute(
            "SELECT id FROM models WHERE fingerprint = ?", (MODEL.fingerprint,)
        ).fetchone()
        for group in groups:
            [group_id] = db.execute(
                "INSERT INTO groups (key, name) VALUES (?, ?) RETURNING id", (group, group)
            ).fetchone()
            for vectors in batches(cloud, count):
                _insert(db, group_id, model, vectors)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(db: sqlite3.Connection, group: int, model: int, vectors: Vector) -> None:
    [post] = db.execute("SELECT coalesce(max(id), 0) + 1 FROM posts").fetchone()
    [photo] = db.execute("SELECT coalesce(max(id), 0) + 1 FROM photos").fetchone()
    count = range(len(vectors))
    db.executemany(
        "INSERT INTO posts (id, group_id, channel, message, author, author_name, posted_at,"
        " caption, spoiler, protected) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, 0)",
        (
            (
                *(post + n, group, f"channel {(post + n) % CHANNELS}", str(post + n)),
                *(f"author {(post + n) % AUTHORS}", f"Author {(post + n) % AUTHORS}"),
                f"2024-01-01T00:{n // 60 % 60:02}:{n % 60:02}+00:00",
            )
            for n in count
        ),
    )
    db.executemany(
        "INSERT INTO photos (id, post_id, group_id, platform, key, locator, name)"
        " VALUES (?, ?, ?, 'file', ?, ?, ?)",
        (
            (photo + n, post + n, group, f"key {photo + n}", f"/photos/{photo + n}", "IMG.jpg")
            for n in count
        ),
    )
    db.executemany(
        "INSERT INTO texts (photo_id, caption) VALUES (?, '')", ((photo + n,) for n in count)
    )
    db.executemany(
        "INSERT INTO vectors (photo_id, model_id, vector) VALUES (?, ?, ?)",
        ((photo + n, model, to_blob(vectors[n])) for n in count),
    )
