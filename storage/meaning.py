"""The photos that are nearest to a question's vectors, and what cosines the others have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Candidate, Level
from bot.photos import Audience, Only, Vector
from storage.cohort import Cohort
from storage.scan import Part, joined, largest, middle, sample
from storage.view import View

SPARE = 32
"""Photos beside the nearest, by their coded embeddings, that the exact ones are compared with."""
COMPANY = 3
"""See Level.company."""
LEAST_SPREAD = 1e-6
LEAST_CODED_SPREAD = 1e-3
"""Of coded embeddings: what is nearer to each other is the coding's own noise."""


Side = tuple[float, float | None, bool]
"""Candidate.neutral, rival and plain: what a photo's cosine is held against."""
NO_SIDE: Side = (0.0, None, False)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the vectors say."""

    cosines: dict[int, float] = field(default_factory=dict)
    """See Candidate.cosine."""
    median: float = 0.0
    level: Level | None = None
    sides: dict[int, Side] = field(default_factory=dict)


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
    known = view.vectors(found) if coded else {}
    if coded:
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
    vectors_of = known or _in_memory(parts, wanted) or view.vectors(wanted)
    stack = np.stack([vectors_of[photo] for photo in wanted])
    sides = sides_of(cohort, queries[0], wanted, stack, [seen for _, seen in wanted.values()])
    many = sum(len(part.ids) for part in parts)
    near = [wanted[photo][0] for photo in best if not sides[photo][2]][:COMPANY]
    level = level_of(cohort, queries[0], typical, many, heights, near)
    return total, Meaning(meaning.cosines, meaning.median, level, sides)


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


def _in_memory(parts: Sequence[Part], photos: Collection[int]) -> dict[int, Vector]:
    """The vectors of these photos; none at all if some have to be read."""
    found: dict[int, Vector] = {}
    wanted = np.array(sorted(photos), np.int64)
    for part in parts:
        if part.vectors is None:
            return {}
        at = np.flatnonzero(np.isin(part.ids, wanted))
        found.update(zip(part.ids[at].tolist(), part.vectors(at), strict=True))
    return found


def candidates(
    words: Mapping[int, tuple[str, str]],
    said: Mapping[int, str],
    named: Mapping[int, tuple[str, float]],
    found: Meaning,
) -> tuple[Candidate, ...]:
    """The photos in `words`, each with all that was found of it."""

    def candidate(photo: int, caption: str, text: str) -> Candidate:
        cosine, about = found.cosines.get(photo), said.get(photo, "")
        name, how = named.get(photo, ("", 0.0))
        return Candidate(
            *(photo, cosine, caption, text, about, name, how), *found.sides.get(photo, NO_SIDE)
        )

    return tuple(candidate(photo, *words[photo]) for photo in sorted(words))


def level_of(
    cohort: Cohort,
    query: Vector,
    typical: Vector,
    many: int,
    heights: Vector,
    near: Sequence[float],
) -> Level:
    background = cohort.background
    bulk = np.concatenate([typical, background.pictures @ query])
    chance = NormalDist().inv_cdf(1 - 1 / (many + len(background.pictures) + 1))
    plain = float((background.plain @ query).max())
    company = sum(near) / len(near) if near else -1.0
    familiarity = cohort.familiarity(query)
    return Level(*middle(bulk), chance, *middle(heights), plain, company, familiarity)


def sides_of(
    cohort: Cohort,
    query: Vector,
    photos: Iterable[int],
    vectors: Vector,
    seen: Iterable[Vector],
) -> dict[int, Side]:
    """By photo, of (n, d) vectors and Part.seen of each."""
    rivals = cohort.rivals(query) @ vectors.T
    loudest = rivals.max(axis=0).tolist() if len(rivals) else [None] * len(vectors)
    plain_from = cohort.background.plain_from
    return {
        photo: (float(neutral), rival, bool(plain >= plain_from))
        for photo, (neutral, plain), rival in zip(photos, seen, loudest, strict=True)
    }


def _none(dimension: int) -> Vector:
    return np.zeros((0, dimension), np.float32)
