"""The best cosine that each text without a meaning has in a group: what answers rise above.

To know it, every photo is compared with every text, which takes longer than a question may. So it
is kept, and of photos that came since only those are compared.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from bot.photos import Audience, Vector
from storage.cohort import Cohort
from storage.pg.joins import of_photo
from storage.pg.near import Kind, all_in, nearest_in
from storage.pg.rows import Connection, row, rows
from storage.pg.scope import Scope
from storage.pg.vectors import to_half

KEPT = 20_000
"""Groups and audiences; each takes less than a kilobyte."""
Key = tuple[int, Audience, int, str]


@dataclass(frozen=True, slots=True)
class Known:
    """Up to which change."""

    grown: int
    shrunk: int
    heights: Vector


class Heights:
    """Kept in memory; the least used go first."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._known: OrderedDict[Key, Known] = OrderedDict()

    async def of(
        self,
        db: Connection,
        group: int,
        audience: Audience,
        kind: Kind,
        cohort: Cohort,
        indexed: bool,
    ) -> Vector:
        """(k,) of what this audience may see; below every cosine where that is nothing. `db` must
        be a snapshot."""
        found = await row(db, "SELECT grown, shrunk FROM counters WHERE group_id = ?", (group,))
        grown, shrunk = found or (0, 0)
        key = (group, audience, kind.model, cohort.name)
        known = self._known.get(key)
        if known is None or known.shrunk != shrunk:
            heights = await _all(db, group, audience, kind, cohort, indexed)
        elif known.grown != grown:
            heights = np.maximum(
                known.heights, await _since(db, group, audience, kind, cohort, known.grown)
            )
        else:
            heights = known.heights
        self._known[key] = Known(grown, shrunk, heights)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return heights


async def among(db: Connection, scope: Scope, kind: Kind, cohort: Cohort) -> Vector:
    """(k,) of a scope, photo by photo."""
    texts = cohort.background.texts
    near = await all_in(db, scope, kind, list(texts))
    return near.cosines.max(axis=1) if len(near.ids) else _lowest(cohort)


async def _all(
    db: Connection, group: int, audience: Audience, kind: Kind, cohort: Cohort, indexed: bool
) -> Vector:
    scope = Scope([group], audience)
    if not indexed:
        return await _since(db, group, audience, kind, cohort, -1)
    heights = _lowest(cohort)
    for place, text in enumerate(cohort.background.texts):
        best = await nearest_in(db, scope, kind, group, text, 1)
        if best:
            found = await rows(
                db,
                "SELECT -(vector <#> ?) FROM vectors WHERE group_id = ? AND model_id = ?"
                " AND photo_id = ?",
                (to_half(text), group, kind.model, best[0]),
            )
            heights[place] = max((float(each) for (each,) in found), default=-1.0)
    return heights


async def _since(
    db: Connection, group: int, audience: Audience, kind: Kind, cohort: Cohort, grown: int
) -> Vector:
    """Of the photos that came after so many changes."""
    heights = _lowest(cohort)
    texts = [to_half(text) for text in cohort.background.texts]
    found = await rows(
        db,
        *Scope([group], audience).select(
            "text.place, max(-(vectors.vector <#> text.vector))",
            f"JOIN vectors ON {of_photo('vectors')}"
            " CROSS JOIN unnest(?::halfvec[]) WITH ORDINALITY AS text (vector, place)",
            "AND vectors.model_id = ? AND vectors.serial > ? GROUP BY text.place",
            (kind.model, grown),
            first=(texts,),
        ),
    )
    for place, best in found:
        heights[place - 1] = best
    return heights


def _lowest(cohort: Cohort) -> Vector:
    return np.full(cohort.size, -1, np.float32)
