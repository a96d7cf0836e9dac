"""What a model's background says of each photo: worked out once, whatever is asked later."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Background
from bot.photos import Vector

WIDTH = 4.0
"""How far from a text's middle its cosines are told apart, in the background pictures' widest."""
LEVELS = 127


class Cohort:
    """A background, ready to look at photos; `name` tells it from those of other models."""

    def __init__(self, background: Background) -> None:
        self.background = background
        parts = (background.texts, background.pictures, background.plain)
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            digest.update(np.ascontiguousarray(part, "<f4").tobytes())
        self.name = digest.hexdigest()
        said = background.pictures @ background.texts.T
        self._middle = said.mean(axis=0)
        self._step = max(float(np.abs(said - self._middle).max()), 0.01) * WIDTH / LEVELS

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self.background.texts)

    def look(self, vectors: Vector) -> tuple[Vector, Vector]:
        """(n, d) photos -> (n, 3): mean and deviation of the neutral texts' cosines, nearness to a
        plain picture; and (n, k): each text's cosine."""
        said = vectors @ self.background.texts.T
        plain = (vectors @ self.background.plain.T).max(axis=1)
        return np.stack([said.mean(axis=1), said.std(axis=1), plain], axis=1), said

    def coded(self, said: Vector) -> NDArray[np.int8]:
        """Cosines of the texts, a byte each."""
        levels = np.rint((said - self._middle) / self._step)
        bytes_: NDArray[np.int8] = np.clip(levels, -LEVELS, LEVELS).astype(np.int8)
        return bytes_

    def decoded(self, said: NDArray[np.generic]) -> Vector:
        """Cosines again, of (…, k) that may have been coded."""
        if said.dtype == np.float32:
            return said.astype(np.float32)
        cosines: Vector = (said.astype(np.float32) * self._step + self._middle).astype(np.float32)
        return cosines
