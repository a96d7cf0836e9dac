"""The photos that are nearest to a question's vectors, and what cosines the others have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Background, Level
from bot.photos import Audience, Only, Vector
from storage.cohort import Cohort
from storage.scan import Part, joined, largest, middle, sample
from storage.view import View

SPARE = 32
"""Photos beside the nearest, by their coded embeddings, that the exact ones are compared with."""
LEAST_SPREAD = 1e-6
LEAST_CODED_SPREAD = 1e-3
"""Of coded embeddings: what is nearer to each other is the coding's own noise."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the vectors say."""

    cosines: dict[int, float] = field(default_factory=dict)
    """See Candidate.cosine."""
    median: float = 0.0
    level: Level | None = None
    pulls: dict[int, tuple[float, bool]] = field(default_factory=dict)
    """See Candidate.pull and Candidate.plain."""


def by_meaning(
    view: View,
    groups: Collection[str],
    audience: Audience,
    only: Only,
    vectors: Sequence[Vector],
    nearest: int,
    also: Collection[int],
    cohort: Cohort | None,
) -> tuple[int, Meaning]:
    """How many photos are in scope; of them the `nearest` to (d,) query vectors, and `also` those.

    With a cohort (and one vector) it is known what cosines mean nothing.
    """
    dimension = view.kind.dimension
    queries = np.stack(vectors).astype(np.float32) if vectors else _none(dimension)
    cohort = cohort if len(vectors) == 1 else None
    parts = view.parts(groups, audience, only, queries, cohort)
    total = sum(part.total for part in parts)
    parts = [part for part in parts if len(part.ids)]
    if not vectors or not parts:
        return total, Meaning()
    coded = any(part.coded for part in parts)
    join = joined(parts, LEAST_CODED_SPREAD if coded else LEAST_SPREAD)
    values = [join(part.cosines) for part in parts]
    places = largest(values, nearest + (nearest + SPARE if coded else 0))
    found = _rows(parts, values, places, np.array(sorted(also), np.int64))
    if coded:
        known = view.vectors(found)
        exact = join(queries @ np.stack(list(known.values())).T).tolist()
        found = {photo: (value, found[photo][1]) for photo, value in zip(known, exact, strict=True)}
    best = sorted(found, key=lambda photo: (-found[photo][0], photo))[:nearest]
    wanted = {photo: found[photo] for photo in sorted({*best, *(found.keys() & also)})}
    typical = sample(values)
    meaning = Meaning(
        {photo: value for photo, (value, _) in wanted.items()}, float(np.median(typical))
    )
    if cohort is None:
        return total, meaning
    heights = np.max([part.best for part in parts if part.best is not None], axis=0)
    level = _level(cohort.background, queries[0], typical, heights)
    pulls = {photo: _pull(cohort.background, *each) for photo, each in wanted.items()}
    return total, Meaning(meaning.cosines, meaning.median, level, pulls)


def _rows(
    parts: Sequence[Part],
    values: Sequence[Vector],
    places: NDArray[np.int64],
    also: NDArray[np.int64],
) -> dict[int, tuple[float, Vector]]:
    """(value, Part.seen) by photo, of these places in all parts and of these photos."""
    found: dict[int, tuple[float, Vector]] = {}
    start = 0
    for part, value in zip(parts, values, strict=True):
        here = places[(places >= start) & (places < start + len(value))] - start
        at = np.minimum(np.searchsorted(part.ids, also), len(part.ids) - 1)
        rows = np.union1d(here, at[part.ids[at] == also])
        for photo, row in zip(part.ids[rows].tolist(), rows.tolist(), strict=True):
            found[photo] = (float(value[row]), part.seen[row])
        start += len(value)
    return found


def _level(background: Background, query: Vector, typical: Vector, heights: Vector) -> Level:
    bulk = np.concatenate([typical, background.pictures @ query])
    plain = float((background.plain @ query).max())
    return Level(*middle(bulk), *middle(heights), plain)


def _pull(background: Background, cosine: float, seen: Vector) -> tuple[float, bool]:
    mean, deviation, plain = seen.tolist()
    return (cosine - mean) / max(deviation, 1e-6), bool(plain >= background.plain_from)


def _none(dimension: int) -> Vector:
    return np.zeros((0, dimension), np.float32)
