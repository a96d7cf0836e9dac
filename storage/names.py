"""Names that groups give to what is in their photos, and what looks like it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from bot.candidates import Meant
from bot.errors import NameRefused
from bot.language import say
from bot.photos import ALL, Audience, Model, Name, Only, Vector
from storage.connection import Database
from storage.loading import fetch
from storage.rows import row, rows, value
from storage.scan import largest, sample
from storage.search import Scope
from storage.vectors import from_blob
from storage.view import View

MOST_NAMES = 200
"""Of a group."""
MOST_EXAMPLES = 50
"""Of a name."""
ALMOST = 0.999
"""How alike a photo can be at most that wasn't named itself."""


class SqliteNames:
    """NameStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def give(self, photo: int, key: str, written: str, giver: str) -> None:
        async with self._db.write() as db:
            counts = await row(
                db,
                "SELECT count(DISTINCT names.key) FILTER (WHERE names.key <> ?1),"
                " count(*) FILTER (WHERE names.key = ?1 AND photo_id <> ?2)"
                " FROM names JOIN photos ON photos.id = photo_id WHERE group_id ="
                " (SELECT group_id FROM photos WHERE id = ?2)",
                (key, photo),
            )
            make_sure_of_room(*counts)
            await db.execute(  # the photo may have been forgotten meanwhile
                "INSERT INTO names (photo_id, key, written, giver)"
                " SELECT id, ?, ?, ? FROM photos WHERE id = ? ON CONFLICT DO NOTHING",
                (key, written, giver, photo),
            )

    async def take_back(
        self, group: str, audience: Audience, key: str, giver: str | None
    ) -> tuple[int, int]:
        scope = Scope([group], audience)
        async with self._db.write() as db:
            seen = await rows(db, *_examples(scope, "photos.id, giver", [key]))
            gone = [photo for photo, by in seen if giver in (None, by)]
            await db.execute(
                "DELETE FROM names WHERE key = ? AND photo_id IN (SELECT value FROM json_each(?))",
                (key, json.dumps(gone)),
            )
            await db.execute(  # their own go where they may no longer look, too
                "DELETE FROM names WHERE key = ? AND giver = ? AND photo_id IN (SELECT photos.id"
                " FROM photos JOIN groups ON groups.id = group_id WHERE groups.key = ?)",
                (key, giver, group),
            )
        return len(gone), len(seen) - len(gone)

    async def of(self, groups: Collection[str], audience: Audience) -> dict[str, Name]:
        scope = Scope(groups, audience)
        async with self._db.read() as db:
            found = await rows(db, *_examples(scope, "names.key, written"))
        return counted(found)

    async def vector(self, photo: int, model: Model) -> Vector | None:
        async with self._db.read() as db:
            blob = await value(
                db,
                "SELECT vector FROM vectors JOIN models ON models.id = model_id"
                " WHERE photo_id = ? AND fingerprint = ?",
                (photo, model.fingerprint),
            )
        return None if blob is None else from_blob(blob)


def make_sure_of_room(others: int, examples: int) -> None:
    """Beside so many other names of the group, and examples of this one. Raises NameRefused."""
    if others >= MOST_NAMES:
        raise NameRefused(
            say("This group has {most} names, the most there can be.", most=MOST_NAMES)
        )
    if examples >= MOST_EXAMPLES:
        raise NameRefused(
            say("That name has {most} examples, which is enough.", most=MOST_EXAMPLES)
        )


def counted(examples: Iterable[tuple[str, str]]) -> dict[str, Name]:
    """Names by key, of (key, as written) of examples, the oldest first."""
    named: dict[str, Name] = {}
    for key, written in examples:
        first = named.get(key, Name(written, 0))
        named[key] = Name(first.name, first.examples + 1)
    return dict(sorted(named.items()))


def alike(
    view: View,
    groups: Iterable[str],
    audience: Audience,
    only: Only,
    meant: Meant | None,
    nearest: int,
) -> dict[int, tuple[str, float]]:
    """(name as written, how alike 0..1) by photo: those that were named so themselves and the
    `nearest` others, with the name that fits each best.

    Each group is looked at by itself: no name reaches another group's photos.
    """
    found: dict[int, tuple[str, float]] = {}
    for group in groups if meant is not None and meant.keys else ():
        assert meant is not None
        scope = Scope([group], meant.audience)
        examples = fetch(view.db, *_examples(scope, "photos.id, names.key, written", meant.keys))
        if not examples:
            continue
        written = {key: spelt for _, key, spelt in reversed(examples)}
        likeness = {photo: (str(key), 1.0) for photo, key, _ in examples}
        most = len(examples) + nearest
        others = _likeness(view, group, audience, only, meant.audience, examples, most)
        likeness = others | likeness
        wanted = fetch(
            view.db,
            *Scope([group], audience, only).select(
                "photos.id",
                "",
                "AND photos.id IN (SELECT value FROM json_each(?))",
                [json.dumps(list(likeness))],
            ),
        )
        likeness = {photo: likeness[photo] for (photo,) in wanted}
        best = sorted(likeness.items(), key=lambda each: -each[1][1])[:most]
        found.update((photo, (written[key], how)) for photo, (key, how) in best if how > 0)
    return found


def _likeness(
    view: View,
    group: str,
    audience: Audience,
    only: Only,
    seen: Audience,
    examples: Sequence[Sequence[Any]],
    most: int,
) -> dict[int, tuple[str, float]]:
    """(key, 0..1) by photo, of `most` at most that are nearest to any of the names.

    A photo is as near to a name as to its examples: half the nearest one, half the mean of all,
    which with the starter's drawings found more than either by itself. That is counted from the
    median photo that is `seen` of the group (0) to the same photo again (1), since how near any two
    photos are to each other differs from model to model and from group to group.
    """
    of_examples = np.unique(np.array([photo for photo, *_ in examples], np.int64))
    known = dict(zip(*view.vectors(of_examples), strict=True)) if view.kind.model else {}
    vectors: dict[str, list[Vector]] = {}
    for photo, key, _ in examples:
        if photo in known:
            vectors.setdefault(str(key), []).append(known[photo])
    if not vectors:
        return {}
    keys, queries = list(vectors), np.concatenate([np.stack(each) for each in vectors.values()])
    counts = [len(each) for each in vectors.values()]
    parts = [part for part in view.parts([group], seen, ALL, queries) if len(part.ids)]
    if not parts:
        return {}
    values = [near_names(part.cosines, counts) for part in parts]
    medians = np.median(sample(values), axis=0)

    def how(values: Vector) -> Vector:
        return likeness(values, medians)

    ids = np.concatenate([part.ids for part in parts])
    alike_all = how(np.concatenate(values))
    if (audience, only) != (seen, ALL):
        narrower = view.parts([group], audience, only, queries[:0])
        alike_all[~np.isin(ids, np.concatenate([part.ids for part in narrower]))] = 0
    places = largest([alike_all.max(axis=1)], most)
    best, found = alike_all[places], ids[places]
    if any(part.coded for part in parts):
        photos, exact = view.vectors(found)
        best = how(near_names(queries @ exact[np.searchsorted(photos, found)].T, counts))
    return {
        photo: (keys[n], float(each[n]))
        for photo, n, each in zip(found.tolist(), best.argmax(axis=1).tolist(), best, strict=True)
    }


def likeness(values: Vector, medians: Vector) -> Vector:
    """How alike: from as near as the median photo (0) to the same again (1)."""
    how: Vector = np.clip((values - medians) / np.maximum(1 - medians, 1e-6), 0, ALMOST)
    return how


def near_names(cosines: Vector, counts: Sequence[int]) -> Vector:
    """(k, m) to each example, of which so many belong to each name -> (m, names)."""
    of_names = np.split(cosines, np.cumsum(counts)[:-1])
    return np.stack([(c.max(axis=0) + c.mean(axis=0)) / 2 for c in of_names], axis=1)


def _examples(
    scope: Scope, columns: str, keys: Sequence[str] | None = None
) -> tuple[str, tuple[object, ...]]:
    """The examples in scope of these names, or of all; oldest photo first."""
    return scope.select(
        columns,
        "JOIN names ON names.photo_id = photos.id",
        "AND photos.id IN (SELECT photo_id FROM names)"
        " AND (? IS NULL OR names.key IN (SELECT value FROM json_each(?))) ORDER BY photos.id",
        (None if keys is None else 1, json.dumps(list(keys or ()))),
    )
