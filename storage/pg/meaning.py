"""The photos that are nearest to a question's vectors, and what cosines the others have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bot.photos import ALL, Audience, Only, Vector
from storage.cohort import Cohort
from storage.meaning import COMPANY, LEAST_SPREAD, Meaning, level_of, sides_of
from storage.pg.heights import Heights, among
from storage.pg.near import (
    Kind,
    Near,
    all_in,
    count_in,
    nearest_in,
    sampled,
    some_in,
    vectors_of,
)
from storage.pg.rows import Connection
from storage.pg.scope import Scope
from storage.pg.sizes import Sizes
from storage.scan import joining, largest, median, sample


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to look, as of one moment."""

    db: Connection
    """A snapshot."""
    groups: Sequence[int]
    audience: Audience
    only: Only
    kind: Kind
    indexed: frozenset[int]
    """Groups that an index finds the nearest of."""
    sizes: Sizes


async def by_meaning(
    asked: Asked,
    vectors: Sequence[Vector],
    nearest: int,
    also: Collection[int],
    cohort: Cohort | None,
    heights: Heights,
) -> tuple[int, Meaning]:
    """How many photos are in scope; of them the `nearest` to (d,) query vectors, and `also` those.

    With a cohort (and one vector) it is known what cosines mean nothing.
    """
    db, kind = asked.db, asked.kind
    scope = Scope(asked.groups, asked.audience, asked.only)
    if not vectors or not kind.model:
        return await count_in(db, scope), Meaning()
    cohort = cohort if len(vectors) == 1 else None
    near, typical, many = await _near(asked, vectors, nearest, also)
    if not len(near.ids):
        return near.total, Meaning()
    join = joining(typical, LEAST_SPREAD)
    values, usual = join(near.cosines), join(typical)
    best = near.ids[largest([values], nearest)].tolist()
    wanted = sorted({*best, *(set(near.ids.tolist()) & set(also))})
    at = np.searchsorted(near.ids, wanted)
    cosines = dict(zip(wanted, values[at].tolist(), strict=True))
    meaning = Meaning(cosines, median(usual))
    if cohort is None:
        return near.total, meaning
    query = np.asarray(vectors[0], np.float32)
    known = await vectors_of(db, kind, wanted)
    stack = np.stack([known[photo] for photo in wanted])
    seen, _ = cohort.look(stack)
    nearness = cohort.nearness(query)
    sides = sides_of(cohort, nearness, wanted, stack, seen)
    company = [cosines[photo] for photo in best if not sides[photo][2]][:COMPANY]
    tops = await _heights(asked, cohort, heights, scope)
    level = level_of(cohort, query, nearness, sample([usual]), many, tops, company)
    return near.total, Meaning(cosines, meaning.median, level, sides)


async def all_cosines(asked: Asked, vector: Vector) -> dict[int, float]:
    """How near every photo in scope is."""
    if not asked.kind.model:
        return {}
    scope = Scope(asked.groups, asked.audience, asked.only)
    near = await all_in(asked.db, scope, asked.kind, [vector])
    return dict(zip(near.ids.tolist(), near.cosines[0].tolist(), strict=True))


async def _near(
    asked: Asked, vectors: Sequence[Vector], nearest: int, also: Collection[int]
) -> tuple[Near, Vector, int]:
    """Photos to choose from; (k, n) cosines of all, or of a sample of them; how many these stand
    for."""
    plain = [group for group in asked.groups if group not in asked.indexed]
    scope = Scope(plain, asked.audience, asked.only)
    found = [await all_in(asked.db, scope, asked.kind, vectors)]
    usual = [found[0].cosines]
    many = len(found[0].ids)
    for group in asked.groups:
        if group in asked.indexed:
            scope = Scope([group], asked.audience, asked.only)
            total = await asked.sizes.of(asked.db, group, asked.audience, asked.only)
            wanted = set(also)
            for vector in vectors:
                wanted.update(
                    await nearest_in(asked.db, scope, asked.kind, group, vector, nearest, total)
                )
            some = await some_in(asked.db, scope, asked.kind, wanted, vectors)
            some_ids = await sampled(asked.db, group)
            rest = await some_in(asked.db, scope, asked.kind, some_ids, vectors)
            found.append(Near(total, some.ids, some.cosines))
            usual.append(rest.cosines)
            many += total
    ids = np.concatenate([each.ids for each in found])
    order = np.argsort(ids)
    cosines = np.concatenate([each.cosines for each in found], axis=1)[:, order]
    total = sum(each.total for each in found)
    return Near(total, ids[order], cosines), np.concatenate(usual, axis=1), many


async def _heights(asked: Asked, cohort: Cohort, heights: Heights, scope: Scope) -> Vector:
    narrow = asked.only != ALL
    if narrow and not asked.indexed & set(asked.groups):
        return await among(asked.db, scope, asked.kind, cohort)
    each = [
        await heights.of(
            asked.db, group, asked.audience, asked.kind, cohort, group in asked.indexed
        )
        for group in asked.groups
    ]
    tops: Vector = np.max(each, axis=0)
    return tops
