"""Embeddings as blobs, and the exact search over a group's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bot.photos import Vector

LITTLE_ENDIAN = np.dtype("<f4")


def to_blob(vector: Vector) -> bytes:
    """A (d,) vector as little-endian float32."""
    return vector.astype(LITTLE_ENDIAN).tobytes()


class Cosines:
    """The cosines of one query to a group's photos, gathered block by block.

    Vectors have unit length, so that the dot product is the cosine.
    """

    def __init__(self, query: Vector) -> None:
        self._query = query.astype(LITTLE_ENDIAN)
        self._ids: list[NDArray[np.int64]] = []
        self._values: list[Vector] = []

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Take (photo id, blob) rows in."""
        pairs = list(rows)
        blob = b"".join(bytes(row[1]) for row in pairs)  # type: ignore[call-overload]
        block = np.frombuffer(blob, LITTLE_ENDIAN).reshape(len(pairs), self._query.size)
        self._ids.append(np.array([row[0] for row in pairs], np.int64))
        self._values.append((block @ self._query).astype(np.float32))

    def result(self, nearest: int, also: Iterable[int]) -> tuple[dict[int, float], float]:
        """(cosine by photo id, the median of all): the `nearest` best and those in `also`."""
        if not self._ids:
            return {}, 0.0
        ids, values = np.concatenate(self._ids), np.concatenate(self._values)
        wanted = np.isin(ids, np.fromiter(also, np.int64))
        wanted[np.argsort(-values, kind="stable")[:nearest]] = True
        found = dict(zip(ids[wanted].tolist(), values[wanted].tolist(), strict=True))
        return found, float(np.median(values))
