"""Embeddings as blobs."""

from __future__ import annotations

import numpy as np

from bot.photos import Vector

LITTLE_ENDIAN = np.dtype("<f4")


def to_blob(vector: Vector) -> bytes:
    """A (d,) vector as little-endian float32."""
    return vector.astype(LITTLE_ENDIAN).tobytes()


def from_blob(blob: bytes) -> Vector:
    """The (d,) vector of a blob."""
    return np.frombuffer(blob, LITTLE_ENDIAN).astype(np.float32)
