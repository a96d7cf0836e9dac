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
LOOK = b"2"
"""Another one for each change of what `look` says, since packs hold that."""
SAME, RIVALS = 0.9, 64
"""Of drawn groups: from 0.95 to 0.8, and from 32 on, it was all one."""
LEAST_WIDTH = 1e-6
FAMILIAR = 3.0
"""More says no more: with the starter a name of a thing has it."""


class Cohort:
    """A background, ready to look at photos; `name` tells it from those of other models."""

    def __init__(self, background: Background) -> None:
        self.background = background
        self._usual = _usual(background.words)
        parts = (background.texts, background.pictures, background.plain)
        digest = hashlib.blake2b(LOOK, digest_size=16)
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
        """(n, d) photos -> (n, 2): mean of the neutral texts' cosines, nearness to a plain picture;
        and (n, k): each text's cosine."""
        said = vectors @ self.background.texts.T
        plain = (vectors @ self.background.plain.T).max(axis=1)
        return np.stack([said.mean(axis=1), plain], axis=1), said

    def nearness(self, query: Vector) -> Vector:
        """(v,) cosines of the words to a (d,) question."""
        near: Vector = self.background.words @ query
        return near

    def familiarity(self, near: Vector) -> float:
        """See Level.familiarity, of a question's nearness."""
        middle, spread = self._usual
        return min(max((float(near.max(initial=-1.0)) - middle) / spread, 0.0), FAMILIAR)

    def rivals(self, near: Vector) -> Vector:
        """(n, d) words of another meaning than a question of such nearness, the nearest first. One
        that is nearly as near as the nearest of all counts as the same."""
        near = near - near.mean()
        order = np.argsort(-near)
        others: Vector = self.background.words[order[near[order] < SAME * near.max()][:RIVALS]]
        return others

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


def _usual(words: Vector) -> tuple[float, float]:
    """Mean and deviation of how near each word is to the nearest other one."""
    if not len(words):
        return 0.0, 1.0
    nearest = (words @ words.T - 3 * np.eye(len(words), dtype=np.float32)).max(axis=1)
    return float(nearest.mean()), max(float(nearest.std()), LEAST_WIDTH)
