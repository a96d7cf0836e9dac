"""Reads a memory in PostgreSQL record by record, to move it to SQLite or to compare the two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from storage.assembling import (
    HANGING,
    PHOTO,
    POST,
    Hanging,
    answer_records,
    order_of,
    photo_record,
    post_record,
)
from storage.pg.ids import SHIFT
from storage.pg.joins import ON_POST
from storage.pg.pool import Pool
from storage.pg.rows import Connection, row, rows, value
from storage.records import (
    AnswerRecord,
    GroupIds,
    GroupRecord,
    Highest,
    Ids,
    MemoryRecord,
    ModelRecord,
    PostRecord,
)

_COUNTED = "groups", "models", "refusing", "notes", "people", "forgotten", "names", "jobs"
_STATE = (
    "/* every group */ SELECT "
    + ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED)
    + ", (SELECT sum(last) FROM counters), (SELECT sum(grown) FROM counters)"
    ", (SELECT sum(shrunk) FROM counters), (SELECT sum(attempts) FROM jobs)"
)


class PgReader:
    """Reader of an open memory in PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._groups: dict[str, int] = {}
        self._models: dict[int, str] = {}

    @property
    def place(self) -> str:
        return self._pool.place

    async def state(self) -> str:
        async with self._pool.snapshot() as db:
            salt = bytes(await value(db, "SELECT value FROM salt"))
            found = await row(db, _STATE)
            given = [await last_given(db, table) for table in ("groups", "answers", "replies")]
        return " ".join(map(str, (salt.hex(), *found, *given)))

    async def memory(self) -> MemoryRecord:
        async with self._pool.snapshot() as db:
            models = await rows(
                db, "SELECT id, fingerprint, name, dimension, role, since FROM models ORDER BY id"
            )
            refusing = await rows(db, "SELECT digest FROM refusing ORDER BY digest")
            salt = await value(db, "SELECT value FROM salt")
            groups, tokens = [await last_given(db, table) for table in ("groups", "answers")]
        self._models = {id_: fingerprint for id_, fingerprint, *_ in models}
        return MemoryRecord(
            salt,
            tuple(digest for (digest,) in refusing),
            tuple(ModelRecord(*model) for _, *model in models),
            Highest((groups << SHIFT) + (1 << SHIFT) - 1 if groups else 0, tokens),
        )

    async def photos(self) -> int:
        async with self._pool.read() as db:
            return int(await value(db, "/* every group */ SELECT count(*) FROM photos"))

    async def groups(self) -> list[str]:
        async with self._pool.read() as db:
            found = await rows(db, "SELECT id, key FROM groups ORDER BY id")
        self._groups = {key: id_ for id_, key in found}
        return list(self._groups)

    async def group(self, key: str) -> GroupRecord:
        number = (self._groups[key],)
        async with self._pool.snapshot() as db:
            name, left_at = await row(db, "SELECT name, left_at FROM groups WHERE id = ?", number)
            notes = await rows(
                db, "SELECT name, value FROM notes WHERE group_id = ? ORDER BY name", number
            )
            people = await rows(
                db, "SELECT person FROM people WHERE group_id = ? ORDER BY person", number
            )
            forgotten = await rows(
                db, "SELECT digest FROM forgotten WHERE group_id = ? ORDER BY digest", number
            )
        return GroupRecord(
            key,
            name,
            left_at,
            notes=tuple((note, told) for note, told in notes),
            people=tuple(person for (person,) in people),
            forgotten=tuple(digest for (digest,) in forgotten),
        )

    async def ids(self, group: str) -> GroupIds:
        number = (self._groups[group],)
        async with self._pool.snapshot() as db:
            posts = await rows(db, "SELECT id FROM posts WHERE group_id = ? ORDER BY id", number)
            photos = await rows(db, "SELECT id FROM photos WHERE group_id = ? ORDER BY id", number)
        return GroupIds(_column(posts), _column(photos))

    async def posts(self, group: str, ids: Sequence[int]) -> list[PostRecord]:
        """See Reader.posts."""
        number = self._groups[group]
        wanted = (number, list(map(int, ids)))
        hanging = Hanging()
        async with self._pool.snapshot() as db:
            posts = await rows(
                db,
                f"SELECT {POST} FROM posts WHERE group_id = ? AND id = ANY(?) ORDER BY id",
                wanted,
            )
            photos = await rows(
                db,
                f"SELECT {PHOTO} FROM photos WHERE group_id = ? AND post_id = ANY(?) ORDER BY id",
                wanted,
            )
            wanted = (number, [photo[0] for photo in photos])
            for table, columns in HANGING.items():
                found = await rows(
                    db,
                    f"SELECT photo_id, {columns} FROM {table} WHERE group_id = ?"
                    f" AND photo_id = ANY(?) ORDER BY {order_of(table)}",
                    wanted,
                )
                hanging.add(table, _halves(found) if table == "vectors" else found)
        of_post = defaultdict(list)
        for photo in photos:
            of_post[photo[1]].append(photo_record(photo, hanging, self._models))
        return [post_record(post, post[5], of_post[post[0]]) for post in posts]

    async def answers(self, after: int, most: int) -> list[AnswerRecord]:
        async with self._pool.snapshot() as db:
            answers = await rows(
                db,
                "/* every group */ SELECT answers.id, groups.key, asker, words, given_at"
                " FROM answers LEFT JOIN groups ON groups.id = group_id WHERE answers.id > ?"
                " ORDER BY answers.id LIMIT ?",
                (after, most),
            )
            photos = await rows(
                db,
                "/* every group */ SELECT answer_id, rank, place, groups.key, posts.channel,"
                " posts.message, photos.key, score, why, answer_photos.name FROM answer_photos"
                " JOIN photos ON photos.group_id = answer_photos.group_id"
                f" AND photos.id = answer_photos.photo_id JOIN posts ON {ON_POST}"
                " JOIN groups ON groups.id = posts.group_id WHERE answer_id = ANY(?)"
                " ORDER BY answer_id, rank, place",
                ([answer[0] for answer in answers],),
            )
        return answer_records(answers, photos)


async def last_given(db: Connection, table: str) -> int:
    """The highest id that a table's rows ever got."""
    found = await value(
        db,
        "SELECT pg_sequence_last_value(pg_get_serial_sequence(?, 'id')::regclass)",
        (table,),
    )
    return int(found or 0)


def _column(found: Sequence[Any]) -> Ids:
    return np.array([id_ for (id_,) in found], np.int64)


def _halves(found: Iterable[Any]) -> Iterable[tuple[int, int, bytes]]:
    for photo, model, half in found:
        yield photo, model, half.to_numpy().astype("<f2", copy=False).tobytes()
