"""What training makes small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SCALE, BIAS = math.log(10.0), -10.0
"""Where the sigmoid loss begins (Zhai et al. 2023, section 3.2)."""
SHARE = 0.3
"""What the sigmoid loss counts for, beside the contrastive one."""


def contrastive(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, true: torch.Tensor | None
) -> torch.Tensor:
    """Symmetric cross-entropy over the pairs (Radford et al. 2021, figure 3): unit vectors (n, d)
    of each. `true` (n, n): other pairs that fit too, and are no negatives."""
    import torch
    from torch.nn.functional import cross_entropy

    logits = scale * images @ texts.T
    own = torch.arange(len(images), device=images.device)
    if true is not None:
        others = true & ~torch.eye(len(images), dtype=torch.bool, device=images.device)
        logits = logits.masked_fill(others, -math.inf)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


class Telling:
    """Whether a picture shows what a text names, pair by pair: SigLIP's loss (Zhai et al. 2023),
    with every label known, since the pictures are drawn. Its scale and bias are learned."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self.scale = torch.nn.Parameter(torch.tensor(SCALE, device=device))
        self.bias = torch.nn.Parameter(torch.tensor(BIAS, device=device))

    def parameters(self) -> Sequence[Any]:
        return [self.scale, self.bias]

    def loss(self, images: torch.Tensor, texts: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Unit vectors (n, d) and (m, d), labels (n, m); a picture's losses are added up."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits = self.scale.exp() * images @ texts.T + self.bias
        total = binary_cross_entropy_with_logits(logits, true.to(logits.dtype), reduction="sum")
        return total / len(images)
