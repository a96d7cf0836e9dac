"""Which photos look like what somebody wants to be without.

How near a photo must be to words to show them differs from words to words and from group to group,
so the photos of the group are compared with each other. Mostly few of them show it: then those
count that lie far above the rest, whose middle and spread are read off the lower quarter, where
none of them is. Where many show it, the cosines fall into two heaps, and the cut between them
is where it divides their variance best (Otsu 1979).

Measured on the starter model's scenes, groups of 200 and 1000, 2 to 70 % of them with the thing:
83 to 96 % of those are taken away, and 3 to 13 % of the others: what a model sees as much alike
goes too (dogs with cats, where there are few of either), so that an answer says how many were left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEAST = 12
"""In fewer photos nothing can be told to stand out."""
FAR = 1.5
"""Standard deviations above the rest."""
TWO_HEAPS = 0.73
"""Share of the variance that the best cut must explain; of a single normal heap it is 0.64."""
_LOWEST, _LOW = 0.05, 0.25

Cosines = NDArray[np.float64]


def looks_like(cosines: Mapping[int, float]) -> frozenset[int]:
    """Of photos with their cosines to the words, those that stand out."""
    if len(cosines) < LEAST:
        return frozenset()
    values = np.fromiter(cosines.values(), np.float64, len(cosines))
    cut, explained = _best_cut(values)
    limit = cut if explained > TWO_HEAPS else _above_the_rest(values)
    return frozenset(photo for photo, cosine in cosines.items() if cosine > limit)


def _above_the_rest(values: Cosines) -> float:
    lowest, low = np.quantile(values, (_LOWEST, _LOW))
    of_lowest, of_low = NormalDist().inv_cdf(_LOWEST), NormalDist().inv_cdf(_LOW)
    spread = (low - lowest) / (of_low - of_lowest)
    return float(low + (FAR - of_low) * spread)


def _best_cut(values: Cosines) -> tuple[float, float]:
    """(where to cut, share of the variance that is between the two sides)."""
    ordered = np.sort(values)
    variance = ordered.var()
    if variance < 1e-12:
        return float(ordered[-1]), 0.0
    count = len(ordered)
    below = np.arange(1, count)
    sums = np.cumsum(ordered)
    left, right = sums[:-1] / below, (sums[-1] - sums[:-1]) / (count - below)
    between = below * (count - below) / count**2 * (left - right) ** 2
    best = int(between.argmax())
    return float(ordered[best : best + 2].mean()), float(between[best] / variance)
