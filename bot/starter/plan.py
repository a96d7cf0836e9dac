"""What makes one training run the same as another."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.starter import families, network


@dataclass(frozen=True, slots=True)
class Plan:
    """Two parts: to see and to name (CLIP's loss), then to tell what is there from what is not
    (SigLIP's, on top). Each begins with a fresh optimiser and a warm-up."""

    seed: int = 7
    steps: int = 3300
    finish: int = 700
    batch: int = 480
    early_side: int = 64
    early_share: float = 0.75
    """The first part of the first part sees smaller pictures, which cost less than half."""
    rate: float = 2e-3
    finish_rate: float = 1e-3
    decay: float = 0.05
    families: tuple[str, ...] = families.TRAINED
    warm_up: int = 200

    @property
    def total(self) -> int:
        return self.steps + self.finish

    def side(self, step: int) -> int:
        """The pictures' side in pixels at a step."""
        return self.early_side if step < self.early_share * self.steps else network.SIDE

    def learning_rate(self, step: int) -> float:
        """A linear warm-up, then half a cosine down to nothing; twice."""
        if step < self.steps:
            return self.rate * _wave(step, self.steps, self.warm_up)
        return self.finish_rate * _wave(step - self.steps, self.finish, self.warm_up // 2)


def _wave(step: int, steps: int, warm_up: int) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
