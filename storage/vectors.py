"""Embeddings as blobs, and the exact search over a group's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Background, Level
from bot.photos import Vector

LITTLE_ENDIAN = np.dtype("<f4")


def to_blob(vector: Vector) -> bytes:
    """A (d,) vector as little-endian float32."""
    return vector.astype(LITTLE_ENDIAN).tobytes()


def from_blob(blob: bytes) -> Vector:
    """The (d,) vector of a blob."""
    return np.frombuffer(blob, LITTLE_ENDIAN).astype(np.float32)


class Cosines:
    """The cosines of one question to a group's photos, gathered block by block.

    Vectors have unit length, so that the dot product is the cosine. A question may have several
    vectors, e.g. of a photo and of words. Cosines between two photos and between words and photos
    lie in different ranges (the modality gap, Liang et al. 2022), so each vector's cosines are
    counted in standard deviations before their mean is taken.
    """

    def __init__(self, queries: Sequence[Vector], background: Background | None = None) -> None:
        """With a background (and one query vector) it is known what cosines mean nothing."""
        self._queries = np.stack([query.astype(LITTLE_ENDIAN) for query in queries])
        self._background = background if len(queries) == 1 else None
        self._seen: list[Vector] = []
        """Mean and deviation of the neutral texts on each photo, nearness to a plain picture."""
        self._best: Vector | None = None
        self._ids: list[NDArray[np.int64]] = []
        self._values: list[Vector] = []

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Take (photo id, blob) rows in."""
        pairs = list(rows)
        blob = b"".join(bytes(row[1]) for row in pairs)  # type: ignore[call-overload]
        block = np.frombuffer(blob, LITTLE_ENDIAN).reshape(len(pairs), self._queries.shape[1])
        self._ids.append(np.array([row[0] for row in pairs], np.int64))
        self._values.append((block @ self._queries.T).astype(np.float32))
        if (background := self._background) is not None:
            said = block @ background.texts.T
            plain = (block @ background.plain.T).max(axis=1)
            self._seen.append(np.stack([said.mean(axis=1), said.std(axis=1), plain], axis=1))
            best = said.max(axis=0)
            self._best = best if self._best is None else np.maximum(self._best, best)

    def level(self) -> Level | None:
        """None without a background, or without a photo."""
        if self._background is None or self._best is None:
            return None
        query = self._queries[0]
        bulk = np.concatenate([*(v[:, 0] for v in self._values), self._background.pictures @ query])
        plain = float((self._background.plain @ query).max())
        return Level(*_middle(bulk), *_middle(self._best), plain)

    def against_nothing(self, photos: Collection[int]) -> dict[int, tuple[float, bool]]:
        """(see Candidate.pull, Candidate.plain) of these photos."""
        if self._background is None or not self._ids:
            return {}
        ids, values = np.concatenate(self._ids), np.concatenate(self._values)[:, 0]
        mean, deviation, plain = np.concatenate(self._seen).T
        pull = (values - mean) / np.maximum(deviation, 1e-6)
        wanted = np.isin(ids, np.fromiter(photos, np.int64))
        return {
            photo: (float(p), bool(near >= self._background.plain_from))
            for photo, p, near in zip(
                ids[wanted].tolist(), pull[wanted], plain[wanted], strict=True
            )
        }

    def all(self) -> dict[int, float]:
        """Cosine by photo id."""
        if not self._ids:
            return {}
        ids, values = np.concatenate(self._ids), _joined(np.concatenate(self._values))
        return dict(zip(ids.tolist(), values.tolist(), strict=True))

    def result(self, nearest: int, also: Iterable[int]) -> tuple[dict[int, float], float]:
        """(cosine by photo id, the median of all): the `nearest` best and those in `also`."""
        if not self._ids:
            return {}, 0.0
        ids, values = np.concatenate(self._ids), _joined(np.concatenate(self._values))
        wanted = np.isin(ids, np.fromiter(also, np.int64))
        wanted[np.argsort(-values, kind="stable")[:nearest]] = True
        found = dict(zip(ids[wanted].tolist(), values[wanted].tolist(), strict=True))
        return found, float(np.median(values))


def _middle(values: Vector) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    median = np.median(values)
    return float(median), float(1.4826 * np.median(np.abs(values - median)))


def _joined(cosines: Vector) -> Vector:
    """(n, k) cosines to k query vectors -> (n,)."""
    if cosines.shape[1] == 1:
        return cosines[:, 0]
    spread = np.maximum(cosines.std(axis=0), np.float32(1e-6))
    joined: Vector = ((cosines - cosines.mean(axis=0)) / spread).mean(axis=1)
    return joined
