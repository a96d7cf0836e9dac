"""How near photos are to vectors, asked of PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.photos import Vector
from storage.pg.ids import groups_of, id_of
from storage.pg.joins import of_photo
from storage.pg.rows import Connection, row, rows, value
from storage.pg.scope import Scope
from storage.pg.vectors import from_half, to_half

SAMPLE = 2048
"""Photos of a large group of which middles and spreads are read off. The middle of so many is
right to 2.8 % of their spread."""
LOOKED_AT, SHARE = 200, 0.003
"""How many photos the index brings, at least, and of how large a share of all, for the nearest to
be among them: of a million clustered ones 200 held 84 % of the nearest three, 1,000 held 98 %,
3,000 as many as comparing all (python -m benchmarks.scale)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Whose embeddings are asked. The database's own number of the model; 0: there are none."""

    model: int = 0
    dimension: int = 0


@dataclass(frozen=True, slots=True)
class Near:
    """What was found in a scope."""

    total: int
    """Photos in scope, with a vector or without."""
    ids: NDArray[np.int64]
    """(m,) of those that have a vector, ascending."""
    cosines: Vector
    """(k, m) to k query vectors."""


async def kind_of(db: Connection, fingerprint: str | None) -> Kind:
    """Without embeddings as long as there are none of this model."""
    found = await row(db, "SELECT id, dimension FROM models WHERE fingerprint = ?", (fingerprint,))
    return Kind() if found is None else Kind(*found)


async def count_in(db: Connection, scope: Scope) -> int:
    """How many photos there are."""
    return int(await value(db, *scope.count()))


async def all_in(db: Connection, scope: Scope, kind: Kind, queries: Sequence[Vector]) -> Near:
    """Every photo in scope, each compared with (d,) query vectors."""
    columns = ", ".join(
        [
            "coalesce(array_agg(vectors.photo_id), '{}')",
            *("coalesce(array_agg((-(vectors.vector <#> ?))::real), '{}')" for _ in queries),
        ]
    )
    halves = [to_half(query) for query in queries]
    if scope.is_whole:  # refused photos have no vectors: nothing else has to be looked at
        found = await row(
            db,
            f"SELECT {columns} FROM vectors WHERE group_id = ANY(?) AND model_id = ?",
            (*halves, list(scope.groups), kind.model),
        )
    else:
        joined = f"JOIN vectors ON {of_photo('vectors')} AND vectors.model_id = {kind.model}"
        found = await row(db, *scope.select(columns, joined, first=halves))
    return _near(await count_in(db, scope), found[0], found[1:], len(queries))


async def nearest_in(
    db: Connection, scope: Scope, kind: Kind, group: int, query: Vector, most: int, total: int = 0
) -> list[int]:
    """The nearest photos of one group, by its index; nearly always the very nearest. `total`: how
    many are in scope."""
    # The index is of this group and model alone, which the planner must see written out. It brings
    # them nearly in order; without `+ 0` the planner would rely on that, and stop at the first.
    far, half = f"vectors.vector::halfvec({kind.dimension}) <#> ?", to_half(query)
    looked_at, values = scope.select(
        f"photos.id, {far} AS far",
        f"JOIN vectors ON {of_photo('vectors')}",
        f"AND photos.group_id = {group} AND vectors.group_id = {group}"
        f" AND vectors.model_id = {kind.model} ORDER BY {far} LIMIT ?",
        (half, max(LOOKED_AT, most, math.ceil(SHARE * total))),
        first=(half,),
    )
    found = await rows(
        db,
        f"WITH looked_at AS MATERIALIZED ({looked_at})"
        " SELECT id FROM looked_at ORDER BY far + 0, id LIMIT ?",
        (*values, most),
    )
    return [int(photo) for (photo,) in found]


async def some_in(
    db: Connection,
    scope: Scope,
    kind: Kind,
    photos: Collection[int],
    queries: Sequence[Vector],
) -> Near:
    """Of these photos those in scope; `total` counts them alone."""
    cosines = [", (-(vectors.vector <#> ?))::real" for _ in queries]
    found = await rows(
        db,
        *scope.select(
            f"photos.id{''.join(cosines)}",
            f"JOIN vectors ON {of_photo('vectors')} AND vectors.model_id = {kind.model}",
            "AND photos.id = ANY(?)",
            [list(photos)],
            first=map(to_half, queries),
        ),
    )
    columns = list(zip(*found, strict=True)) or [()] * (1 + len(queries))
    return _near(len(found), columns[0], columns[1:], len(queries))


async def sampled(db: Connection, group: int) -> list[int]:
    """Ids all over a group, about `SAMPLE` of which are photos; the same again and again."""
    counted = await row(
        db,
        "SELECT last, (SELECT count(*) FROM posts WHERE group_id = ?) FROM counters"
        " WHERE group_id = ?",
        (group, group),
    )
    last, posts = counted or (0, 0)
    wanted = min(last, SAMPLE * last // max(1, last - posts))
    # Not every so many: posts and photos take turns.
    numbers = np.random.default_rng(group).choice(last, wanted, replace=False) + 1
    return [id_of(group, number) for number in np.sort(numbers).tolist()]


async def vectors_of(db: Connection, kind: Kind, photos: Collection[int]) -> dict[int, Vector]:
    """The (d,) vectors of these photos, as they were saved."""
    found = await rows(
        db,
        "SELECT photo_id, vector FROM vectors WHERE group_id = ANY(?) AND model_id = ?"
        " AND photo_id = ANY(?)",
        (groups_of(photos), kind.model, list(photos)),
    )
    return {int(photo): from_half(half) for photo, half in found}


def _near(total: int, ids: Sequence[Any], cosines: Sequence[Sequence[Any]], queries: int) -> Near:
    photos = np.array(ids, np.int64)
    order = np.argsort(photos)
    values = np.array(cosines, np.float32).reshape(queries, len(photos))
    return Near(int(total), photos[order], values[:, order])
