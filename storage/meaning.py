"""The photos that are nearest to a question's vectors, and what cosines the others have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.candidates import Candidate, Level
from bot.photos import Audience, Only, Vector
from storage.cohort import Cohort
from storage.scan import Part, joined, largest, median, middle, sample
from storage.view import View

SPARE, SHARE = 8, 3
"""How many photos beside the nearest, by their coded embeddings, are compared exactly: 8 and a
third. Of a million clustered photos and texts in any direction, 3 beside the nearest three and 35
beside the nearest 200 were the most that were needed."""
COMPANY = 3
"""See Level.company."""
LEAST_SPREAD = 1e-6
LEAST_CODED_SPREAD = 1e-3
"""Of coded embeddings: what is nearer to each other is the coding's own noise."""


Side = tuple[float, float | None, bool]
"""Candidate.neutral, rival and plain: what a photo's cosine is held against."""
NO_SIDE: Side = (0.0, None, False)
_NOTHING: Vector = np.zeros((0, 0), np.float32)


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
    places = largest(values, nearest + (SPARE + nearest // SHARE if coded else 0))
    found = _rows(parts, values, places, np.array(sorted(also), np.int64))
    if coded:
        photos, known = view.vectors(found.photos)
        rows = np.searchsorted(found.photos, photos)
        found = Rows(photos, join(queries @ known.T), found.seen[rows], known)
    best = np.lexsort((found.photos, -found.values))[:nearest]
    rows = np.union1d(best, np.flatnonzero(np.isin(found.photos, list(also)))) if also else best
    wanted, near = found.photos[rows].tolist(), found.values[rows].tolist()
    typical = sample(values)
    cosines = dict(zip(wanted, near, strict=True))
    meaning = Meaning(cosines, median(typical))
    if cohort is None:
        return total, meaning
    heights = _heights(cohort, [part.best for part in parts if part.best is not None])
    nearness = cohort.nearness(queries[0])
    sides = sides_of(cohort, nearness, wanted, found.vectors[rows], found.seen[rows])
    many = sum(len(part.ids) for part in parts)
    ranked = found.photos[best].tolist()
    company = [cosines[photo] for photo in ranked if not sides[photo][2]][:COMPANY]
    level = level_of(cohort, queries[0], nearness, typical, many, heights, company)
    return total, Meaning(cosines, meaning.median, level, sides)


def _heights(cohort: Cohort, best: Sequence[NDArray[Any]]) -> Vector:
    """(k,) the best of all cosines of the cohort's texts, coded or not, which keeps their order."""
    alike = [[each for each in best if each.dtype == kind] for kind in {b.dtype for b in best}]
    heights: Vector = np.max([cohort.decoded(np.max(each, axis=0)) for each in alike], axis=0)
    return heights


@dataclass(frozen=True, slots=True)
class Rows:
    """Photos that may be shown, ascending."""

    photos: NDArray[np.int64]
    values: Vector
    """(n,)"""
    seen: Vector
    """(n, 2), see Part.seen."""
    vectors: Vector
    """(n, d); nothing where they have to be read."""


def _rows(
    parts: Sequence[Part],
    values: Sequence[Vector],
    places: NDArray[np.int64],
    also: NDArray[np.int64],
) -> Rows:
    """What is known of these places in all parts, and of these photos."""
    found: list[tuple[NDArray[np.int64], Vector, Vector, Vector]] = []
    in_memory = all(part.vectors is not None for part in parts)
    ends = np.cumsum([len(value) for value in values])
    places = np.sort(places)
    cuts = np.searchsorted(places, ends).tolist()
    for part, value, first, cut, end in zip(
        parts, values, [0, *cuts], cuts, ends.tolist(), strict=False
    ):
        rows = places[first:cut] - (end - len(value))
        if len(also) and part.ids[0] <= also[-1] and also[0] <= part.ids[-1]:
            at = np.minimum(np.searchsorted(part.ids, also), len(part.ids) - 1)
            rows = np.union1d(rows, at[part.ids[at] == also])
        if len(rows):
            known = part.vectors(rows) if in_memory and part.vectors is not None else _NOTHING
            found.append((part.ids[rows], value[rows], part.seen[rows], known))
    photos, near, seen, vectors = map(np.concatenate, zip(*found, strict=True))
    order = np.argsort(photos)
    return Rows(photos[order], near[order], seen[order], vectors[order] if in_memory else vectors)


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
    nearness: Vector,
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
    return Level(
        *middle(bulk), chance, *middle(heights), plain, company, cohort.familiarity(nearness)
    )


def sides_of(
    cohort: Cohort,
    nearness: Vector,
    photos: Iterable[int],
    vectors: Vector,
    seen: Vector,
) -> dict[int, Side]:
    """By photo, of the question's nearness (Cohort.nearness), (n, d) vectors and Part.seen."""
    rivals = cohort.rivals(nearness) @ vectors.T
    loudest = rivals.max(axis=0).tolist() if len(rivals) else [None] * len(vectors)
    plain_from = cohort.background.plain_from
    return {
        photo: (neutral, rival, plain >= plain_from)
        for photo, (neutral, plain), rival in zip(photos, seen.tolist(), loudest, strict=True)
    }


def _none(dimension: int) -> Vector:
    return np.zeros((0, dimension), np.float32)
