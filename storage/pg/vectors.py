"""Embeddings as pgvector's half-precision vectors: half the size, and right to three digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from pgvector import HalfVector

from bot.photos import Vector


def to_half(vector: Vector) -> Any:
    """A (d,) vector as a value to bind."""
    return HalfVector(vector)


def from_half(half: Any) -> Vector:
    """The (d,) vector of a value that was read; of unit length again after rounding."""
    vector = np.frombuffer(half.to_binary(), ">f2", offset=4).astype(np.float32)
    length = float(np.linalg.norm(vector))
    unit: Vector = vector / np.float32(length) if length else vector
    return unit
