"""Names that groups give to what is in their photos, and what looks like it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

import aiosqlite
import numpy as np

from bot.candidates import Meant
from bot.errors import NameRefused
from bot.language import say
from bot.photos import ALL, Audience, Model, Name, Only, Vector
from storage.connection import Database
from storage.rows import row, rows, value
from storage.search import BLOCK, Scope
from storage.vectors import LITTLE_ENDIAN, from_blob

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
            if counts[0] >= MOST_NAMES:
                raise NameRefused(
                    say("This group has {most} names, the most there can be.", most=MOST_NAMES)
                )
            if counts[1] >= MOST_EXAMPLES:
                raise NameRefused(
                    say("That name has {most} examples, which is enough.", most=MOST_EXAMPLES)
                )
            await db.execute(  # the photo may have been forgotten meanwhile
                "INSERT INTO names (photo_id, key, written, giver)"
                " SELECT id, ?, ?, ? FROM photos WHERE id = ? ON CONFLICT DO NOTHING",
                (key, written, giver, photo),
            )

    async def take_back(
        self, group: str, audience: Audience, key: str, giver: str | None
    ) -> tuple[int, int]:
        async with self._db.write() as db:
            gone = await rows(
                db,
                "DELETE FROM names WHERE key = ?1 AND (?2 IS NULL OR giver = ?2)"
                " AND photo_id IN (SELECT photos.id FROM photos JOIN groups"
                " ON groups.id = group_id WHERE groups.key = ?3) RETURNING photo_id",
                (key, giver, group),
            )
            left = await value(db, *_examples(Scope([group], audience), "count(*)", [key]))
        return len(gone), int(left)

    async def of(self, groups: Collection[str], audience: Audience) -> dict[str, Name]:
        scope = Scope(groups, audience)
        async with self._db.read() as db:
            found = await rows(db, *_examples(scope, "names.key, written"))
        named: dict[str, Name] = {}
        for key, written in found:
            first = named.get(key, Name(written, 0))
            named[key] = Name(first.name, first.examples + 1)
        return dict(sorted(named.items()))

    async def vector(self, photo: int, model: Model) -> Vector | None:
        async with self._db.read() as db:
            blob = await value(
                db,
                "SELECT vector FROM vectors JOIN models ON models.id = model_id"
                " WHERE photo_id = ? AND fingerprint = ?",
                (photo, model.fingerprint),
            )
        return None if blob is None else from_blob(blob)


async def alike(
    db: aiosqlite.Connection,
    groups: Iterable[str],
    audience: Audience,
    only: Only,
    meant: Meant | None,
    model: Model | None,
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
        examples = await rows(db, *_examples(scope, "photos.id, names.key, written", meant.keys))
        if not examples:
            continue
        written = {key: spelt for _, key, spelt in reversed(examples)}
        likeness = await _likeness(db, scope, [each[:2] for each in examples], model)
        if (audience, only) != (meant.audience, ALL):
            wanted = await rows(db, *Scope([group], audience, only).select("photos.id"))
            likeness = {photo: likeness[photo] for (photo,) in wanted if photo in likeness}
        best = sorted(likeness.items(), key=lambda each: -each[1][1])[: len(examples) + nearest]
        found.update((photo, (written[key], how)) for photo, (key, how) in best if how > 0)
    return found


async def _likeness(
    db: aiosqlite.Connection,
    scope: Scope,
    examples: Sequence[Sequence[object]],
    model: Model | None,
) -> dict[int, tuple[str, float]]:
    """(key, 0..1) by photo.

    A photo is as near to a name as to its examples: half the nearest one, half the mean of all,
    which with the starter's drawings found more than either by itself. That is counted from the
    median photo of the group (0) to the same photo again (1), since how near any two photos are
    to each other differs from model to model and from group to group.
    """
    named = {int(str(photo)): (str(key), 1.0) for photo, key in examples}
    if model is None:
        return named
    known = dict(
        await rows(
            db,
            "SELECT photo_id, vector FROM vectors JOIN models ON models.id = model_id"
            " WHERE fingerprint = ? AND photo_id IN (SELECT value FROM json_each(?))",
            (model.fingerprint, json.dumps(list(named))),
        )
    )
    vectors: dict[str, list[Vector]] = {}
    for photo, key in examples:
        if photo in known:
            vectors.setdefault(str(key), []).append(from_blob(known[photo]))
    if not vectors:
        return named
    ids, near = await _nearness(db, scope, [np.stack(each) for each in vectors.values()], model)
    medians = np.median(near, axis=0)
    how = np.clip((near - medians) / np.maximum(1 - medians, 1e-6), 0, ALMOST)
    best = how.argmax(axis=1)
    keys = list(vectors)
    found = {
        photo: (keys[n], float(each[n]))
        for photo, n, each in zip(ids, best.tolist(), how, strict=True)
    }
    return found | named


async def _nearness(
    db: aiosqlite.Connection, scope: Scope, names: Sequence[Vector], model: Model
) -> tuple[list[int], Vector]:
    """Ids of the n photos in scope, and how near each is to each of k names, shape (n, k)."""
    sql, bound = scope.select(
        "photos.id, vectors.vector",
        "JOIN vectors ON vectors.photo_id = photos.id JOIN models ON models.id = vectors.model_id",
        "AND models.fingerprint = ?",
        (model.fingerprint,),
    )
    ids: list[int] = []
    near: list[Vector] = []
    async with db.execute(sql, bound) as cursor:
        while block := list(await cursor.fetchmany(BLOCK)):
            ids += [each[0] for each in block]
            joined = np.frombuffer(b"".join(each[1] for each in block), LITTLE_ENDIAN)
            photos = joined.reshape(len(block), -1).astype(np.float32)
            cosines = [photos @ examples.T for examples in names]
            near.append(np.stack([(c.max(axis=1) + c.mean(axis=1)) / 2 for c in cosines], axis=1))
    return ids, np.concatenate(near)


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
