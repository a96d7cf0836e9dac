"""Reads a memory in SQLite record by record, to move it to PostgreSQL or to compare the two."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
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
from storage.connection import Database
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
from storage.rows import row, rows, value
from storage.vectors import LITTLE_ENDIAN

_COUNTED = "groups", "models", "refusing", "notes", "people", "forgotten", "names", "jobs"
_STATE = (
    ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED)
    + ", (SELECT wanted FROM scrub), (SELECT group_concat(seq) FROM sqlite_sequence)"
    ", (SELECT sum(last) FROM (SELECT max(seq) AS last FROM changes GROUP BY group_id))"
    ", (SELECT sum(attempts) FROM jobs), (SELECT max(id) FROM replies)"
)
_SINCE = "coalesce(since, 0.0)"


class SqliteReader:
    """Reader of an open SQLite memory."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._groups: dict[str, int] = {}
        self._models: dict[int, str] = {}

    @property
    def place(self) -> str:
        return str(self._db.path)

    async def state(self) -> str:
        async with self._db.read() as db:
            salt = bytes(await value(db, "SELECT value FROM salt"))
            found = await row(db, f"SELECT {_STATE}")
        return " ".join(map(str, (salt.hex(), *found)))

    async def memory(self) -> MemoryRecord:
        async with self._db.read() as db:
            models = await rows(
                db, "SELECT id, fingerprint, name, dimension, role, since FROM models ORDER BY id"
            )
            refusing = await rows(db, "SELECT digest FROM refusing ORDER BY digest")
            salt = await value(db, "SELECT value FROM salt")
            given = dict(await rows(db, "SELECT name, seq FROM sqlite_sequence"))
        self._models = {id_: fingerprint for id_, fingerprint, *_ in models}
        return MemoryRecord(
            bytes(salt),
            tuple(bytes(digest) for (digest,) in refusing),
            tuple(ModelRecord(*_texts(model)) for _, *model in models),
            Highest(given.get("photos", 0), given.get("answers", 0)),
        )

    async def photos(self) -> int:
        async with self._db.read() as db:
            return int(await value(db, "SELECT count(*) FROM photos"))

    async def groups(self) -> list[str]:
        async with self._db.read() as db:
            found = await rows(db, "SELECT id, key FROM groups ORDER BY id")
        self._groups = {key: id_ for id_, key in found}
        return list(self._groups)

    async def group(self, key: str) -> GroupRecord:
        number = (self._groups[key],)
        async with self._db.read() as db:
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
            *_texts((key, name, left_at)),
            notes=tuple(_texts(note) for note in notes),  # type: ignore[misc]
            people=tuple(person for (person,) in map(_texts, people)),
            forgotten=tuple(bytes(digest) for (digest,) in forgotten),
        )

    async def ids(self, group: str) -> GroupIds:
        number = (self._groups[group],)
        async with self._db.read() as db:
            posts = await rows(db, "SELECT id FROM posts WHERE group_id = ? ORDER BY id", number)
            photos = await rows(db, "SELECT id FROM photos WHERE group_id = ? ORDER BY id", number)
        return GroupIds(_column(posts), _column(photos))

    async def posts(self, group: str, ids: Sequence[int]) -> list[PostRecord]:
        """See Reader.posts."""
        among = "IN (SELECT value FROM json_each(?))"
        wanted = (json.dumps(list(map(int, ids))),)
        hanging = Hanging()
        async with self._db.read() as db:
            posts = await rows(db, f"SELECT {POST} FROM posts WHERE id {among} ORDER BY id", wanted)
            photos = await rows(
                db, f"SELECT {PHOTO} FROM photos WHERE post_id {among} ORDER BY id", wanted
            )
            wanted = (json.dumps([photo[0] for photo in photos]),)
            for table, columns in HANGING.items():
                found = await rows(
                    db,
                    f"SELECT photo_id, {columns.replace('since', _SINCE)} FROM {table}"
                    f" WHERE photo_id {among} ORDER BY {order_of(table)}",
                    wanted,
                )
                hanging.add(table, _halved(found) if table == "vectors" else map(_texts, found))
        of_post = defaultdict(list)
        for photo in photos:
            of_post[photo[1]].append(photo_record(_texts(photo), hanging, self._models))
        return [
            post_record(_texts(post), datetime.fromisoformat(post[5]), of_post[post[0]])
            for post in posts
        ]

    async def answers(self, after: int, most: int) -> list[AnswerRecord]:
        async with self._db.read() as db:
            answers = await rows(
                db,
                "SELECT answers.id, groups.key, asker, words, given_at FROM answers"
                " LEFT JOIN groups ON groups.id = group_id WHERE answers.id > ?"
                " ORDER BY answers.id LIMIT ?",
                (after, most),
            )
            photos = await rows(
                db,
                "SELECT answer_id, rank, place, groups.key, posts.channel, posts.message,"
                " photos.key, score, why, answer_photos.name FROM answer_photos"
                " JOIN photos ON photos.id = photo_id JOIN posts ON posts.id = post_id"
                " JOIN groups ON groups.id = posts.group_id"
                " WHERE answer_id IN (SELECT value FROM json_each(?))"
                " ORDER BY answer_id, rank, place",
                (json.dumps([answer[0] for answer in answers]),),
            )
        return answer_records(map(_texts, answers), map(_texts, photos))


def _column(found: Sequence[Sequence[int]]) -> Ids:
    return np.array([id_ for (id_,) in found], np.int64)


def _halved(found: Iterable[Sequence[Any]]) -> Iterable[tuple[int, int, bytes]]:
    """Vectors as PostgreSQL keeps them."""
    for photo, model, blob in found:
        yield photo, model, np.frombuffer(blob, LITTLE_ENDIAN).astype("<f2").tobytes()


def _texts(found: Iterable[Any]) -> tuple[Any, ...]:
    """Texts without NUL, which PostgreSQL can't hold; blobs as bytes."""
    return tuple(
        each.replace("\0", " ") if isinstance(each, str) and "\0" in each else each
        for each in found
    )
