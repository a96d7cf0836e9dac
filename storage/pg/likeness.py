"""What looks like what a group has given a name to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bot.candidates import Meant
from bot.photos import ALL, Vector
from storage.names import likeness, near_names
from storage.pg.joins import of_photo
from storage.pg.meaning import Asked
from storage.pg.near import Near, all_in, nearest_in, sampled, some_in, vectors_of
from storage.pg.rows import rows
from storage.pg.scope import Scope
from storage.scan import largest, sample


async def alike(asked: Asked, meant: Meant | None, nearest: int) -> dict[int, tuple[str, float]]:
    """(name as written, how alike 0..1) by photo: those that were named so themselves and the
    `nearest` others, with the name that fits each best.

    Each group is looked at by itself: no name reaches another group's photos.
    """
    found: dict[int, tuple[str, float]] = {}
    for group in asked.groups if meant is not None and meant.keys else ():
        assert meant is not None
        examples = await _examples(asked, group, meant)
        if not examples:
            continue
        written = {key: spelt for _, key, spelt in reversed(examples)}
        likeness = {photo: (str(key), 1.0) for photo, key, _ in examples}
        most = len(examples) + nearest
        own = replace(asked, groups=[group])
        likeness = await _likeness(own, meant, examples, most) | likeness
        wanted = await rows(
            asked.db,
            *Scope([group], asked.audience, asked.only).select(
                "photos.id", "", "AND photos.id = ANY(?)", [list(likeness)]
            ),
        )
        likeness = {photo: likeness[photo] for (photo,) in wanted}
        best = sorted(likeness.items(), key=lambda each: (-each[1][1], each[0]))[:most]
        found.update((photo, (written[key], how)) for photo, (key, how) in best if how > 0)
    return found


async def _examples(asked: Asked, group: int, meant: Meant) -> list[Any]:
    """(photo, key, as written) that count, oldest photo first."""
    return await rows(
        asked.db,
        *Scope([group], meant.audience).select(
            "photos.id, names.key, written",
            f"JOIN names ON {of_photo('names')}",
            "AND names.key = ANY(?) ORDER BY photos.id, names.key",
            [list(meant.keys)],
        ),
    )


async def _likeness(
    asked: Asked, meant: Meant, examples: Sequence[Sequence[Any]], most: int
) -> dict[int, tuple[str, float]]:
    """(key, 0..1) by photo, of `most` at most that are nearest to any of the names; see
    storage.names."""
    known = await vectors_of(asked.db, asked.kind, [photo for photo, *_ in examples])
    vectors: dict[str, list[Vector]] = {}
    for photo, key, _ in examples:
        if photo in known:
            vectors.setdefault(str(key), []).append(known[photo])
    if not vectors:
        return {}
    queries = [each for of_name in vectors.values() for each in of_name]
    counts = [len(each) for each in vectors.values()]
    near, typical = await _seen(asked, meant, queries, most)
    if not len(near.ids):
        return {}
    medians = np.median(sample([near_names(typical, counts)]), axis=0)
    values = near_names(near.cosines, counts)
    how = likeness(values, medians)
    if (asked.audience, asked.only) != (meant.audience, ALL):
        scope = Scope(asked.groups, asked.audience, asked.only)
        narrower = await some_in(asked.db, scope, asked.kind, near.ids.tolist(), [])
        how[~np.isin(near.ids, narrower.ids)] = 0
    places = largest([how.max(axis=1)], most)
    keys, best, ids = list(vectors), how[places], near.ids[places].tolist()
    return {
        photo: (keys[n], float(each[n]))
        for photo, n, each in zip(ids, best.argmax(axis=1).tolist(), best, strict=True)
    }


async def _seen(
    asked: Asked, meant: Meant, queries: Sequence[Vector], most: int
) -> tuple[Near, Vector]:
    """All photos that may count, or the nearest of them; and the cosines of all or of a sample."""
    (group,) = asked.groups
    scope = Scope([group], meant.audience)
    if group not in asked.indexed:
        near = await all_in(asked.db, scope, asked.kind, queries)
        return near, near.cosines
    wanted: set[int] = set()
    total = await asked.sizes.of(asked.db, group, meant.audience, ALL)
    for query in queries:
        wanted.update(await nearest_in(asked.db, scope, asked.kind, group, query, most, total))
    ids = await sampled(asked.db, group)
    rest = await some_in(asked.db, scope, asked.kind, ids, queries)
    return await some_in(asked.db, scope, asked.kind, wanted, queries), rest.cosines
