"""Writes a memory that is moved into a new SQLite file, which gets its name when it is whole."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite
import numpy as np

from bot.errors import StoreError
from storage.backup import MEMORY, PART, look_into, put_in_place
from storage.connection import Database
from storage.records import (
    AnswerRecord,
    GroupIds,
    GroupRecord,
    MemoryRecord,
    PhotoRecord,
    PostRecord,
)
from storage.rows import row, rows, value
from storage.sides import Begun, Place
from storage.trouble import FOREIGN, trouble
from storage.vectors import LITTLE_ENDIAN

_INDEXES = ("texts_index", "replies_index")
_MARKED = "SELECT 1 FROM sqlite_schema WHERE name = 'moving'"


class SqliteWriter:
    """Writer of a file beside the one that is to be. Use as `async with`.

    What triggers would do for each row is done for all rows at the end, in a fraction of the time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        self.database = Database(self._part, MEMORY)
        self._groups: dict[str, int] = {}
        self._models: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        if self._path.exists():
            if not await asyncio.to_thread(_is_marked, self._path):
                raise StoreError(
                    f"there is a file {self._path} already: name one that isn't there yet, or put "
                    "this one away"
                )
            self._part = self._path  # it got its name, and then the move was broken off
            self.database = Database(self._path, MEMORY)
        await self.database.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.database.close()

    @property
    def place(self) -> str:
        return str(self._path)

    async def begun(self) -> Begun | None:
        """See Writer.begun."""
        async with self.database.read() as db:
            if await value(db, _MARKED):
                found = await row(
                    db, "SELECT source, groups, posts, photos, token, settled FROM moving"
                )
                self._groups = dict(await rows(db, "SELECT key, id FROM groups"))
                self._models = dict(await rows(db, "SELECT fingerprint, id FROM models"))
                return Begun(found[0], Place(*found[1:]))
            if await value(db, "SELECT 1 FROM groups LIMIT 1"):
                raise StoreError(f"{self._part} is in the way, which no move left: put it away")
        return None

    async def begin(self, source: str, memory: MemoryRecord) -> None:
        """See Writer.begin."""
        async with self.database.write() as db:
            triggers = await rows(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            await db.execute(
                "CREATE TABLE moving (source TEXT, groups INTEGER, posts INTEGER, photos INTEGER,"
                " token INTEGER, settled INTEGER, triggers TEXT) STRICT"
            )
            await db.execute(
                "INSERT INTO moving VALUES (?, 0, 0, 0, 0, 0, ?)",
                (source, json.dumps([sql for _, sql in triggers])),
            )
            for name, _ in triggers:
                await db.execute(f"DROP TRIGGER {name}")
            await db.execute("UPDATE salt SET value = ?", (memory.salt,))
            await db.executemany(
                "INSERT INTO refusing VALUES (?)", [(digest,) for digest in memory.refusing]
            )
            for model in memory.models:
                self._models[model.fingerprint] = await value(
                    db,
                    "INSERT INTO models (fingerprint, name, dimension, role, since)"
                    " VALUES (?, ?, ?, ?, ?) RETURNING id",
                    (model.fingerprint, model.name, model.dimension, model.role, model.since),
                )

    async def add_group(self, group: GroupRecord, to: Place) -> None:
        """See Writer.add_group."""
        async with self.database.write() as db:
            number = await value(
                db,
                "INSERT INTO groups (key, name, left_at) VALUES (?, ?, ?) RETURNING id",
                (group.key, group.name, group.left_at),
            )
            for table, found in (
                ("notes", group.notes),
                ("people", ((person,) for person in group.people)),
                ("forgotten", ((digest,) for digest in group.forgotten)),
            ):
                await _insert(db, table, ((number, *each) for each in found))
            await _note(db, to)
        self._groups[group.key] = number

    async def add_posts(
        self, group: str, posts: Sequence[PostRecord], ids: GroupIds, to: Place
    ) -> None:
        """See Writer.add_posts. PostgreSQL's ids are kept: no memory in SQLite gave any of them, so
        that buttons go on leading to the same photos."""
        number = self._groups[group]
        photos = [photo for post in posts for photo in post.photos]
        async with self.database.write() as db:
            await _insert(
                db,
                "posts (id, group_id, channel, message, author, author_name, posted_at, caption,"
                " album, link, spoiler, protected)",
                (_post(post, number) for post in posts),
            )
            await _insert(
                db,
                "photos (id, post_id, group_id, platform, key, locator, name, refused, final)",
                (_photo(photo, post.id, number) for post in posts for photo in post.photos),
            )
            await self._hang(db, number, photos)
            await _note(db, to)

    async def _hang(
        self, db: aiosqlite.Connection, group: int, photos: Sequence[PhotoRecord]
    ) -> None:
        known = self._models
        for table, found in (
            ("texts", ((p.id, *p.words) for p in photos if p.words is not None)),
            ("fingerprints", ((p.id, p.look) for p in photos if p.look is not None)),
            ("thumbnails", ((p.id, p.thumbnail) for p in photos if p.thumbnail is not None)),
            (
                "jobs (photo_id, group_id, task, attempts, due, reason, since)",
                (
                    (p.id, group, job.task, job.attempts, job.due, job.reason, job.since)
                    for p in photos
                    for job in p.jobs
                ),
            ),
            (
                "vectors (photo_id, model_id, vector)",
                ((p.id, known[model], _whole(half)) for p in photos for model, half in p.vectors),
            ),
            (
                "unseen (photo_id, model_id, reason)",
                ((p.id, known[model], why) for p in photos for model, why in p.unseen),
            ),
            (
                "replies (photo_id, message, text, author)",
                ((p.id, r.message, r.text, r.author) for p in photos for r in p.replies),
            ),
            (
                "names (photo_id, key, written, giver)",
                ((p.id, name.key, name.written, name.giver) for p in photos for name in p.names),
            ),
        ):
            await _insert(db, table, found)

    async def add_answers(self, answers: Sequence[AnswerRecord], to: Place) -> None:
        """See Writer.add_answers."""
        async with self.database.write() as db:
            await _insert(
                db,
                "answers (id, group_id, asker, words, given_at)",
                (
                    (
                        *(each.token, None if each.group is None else self._groups[each.group]),
                        *(each.asker, each.words, each.given_at),
                    )
                    for each in answers
                ),
            )
            await db.executemany(
                "INSERT INTO answer_photos (answer_id, rank, place, score, why, name, photo_id)"
                " SELECT ?, ?, ?, ?, ?, ?, photos.id FROM posts JOIN photos ON post_id = posts.id"
                " WHERE posts.group_id = ? AND channel = ? AND message = ? AND photos.key = ?",
                [
                    (
                        *(each.token, p.rank, p.place, p.score, p.why, p.name),
                        *(self._groups[p.group], p.channel, p.message, p.key),
                    )
                    for each in answers
                    for p in each.photos
                ],
            )
            await _note(db, to)

    async def settle(self, memory: MemoryRecord, to: Place) -> None:
        """See Writer.settle."""
        async with self.database.write() as db:
            for index in _INDEXES:
                await db.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
            for trigger in json.loads(await value(db, "SELECT triggers FROM moving")):
                await db.execute(trigger)
            highest = memory.highest
            for table, given in (("photos", highest.photo), ("answers", highest.token)):
                await db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                await db.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, given))
            await db.execute("UPDATE scrub SET done = wanted")  # nothing was ever deleted here
            await _note(db, to)

    async def finish(self) -> None:
        """See Writer.finish."""
        await self.database.close()
        await asyncio.to_thread(_finish, self._part, self._path)


def _is_marked(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute(_MARKED).fetchone())
    except FOREIGN:
        return False


def _finish(part: Path, path: Path) -> None:
    """The mark goes last, so that whoever is interrupted can go on."""
    try:
        if part != path:
            with closing(sqlite3.connect(part)) as db:
                db.execute("PRAGMA journal_mode = DELETE")
            look_into(part)
            put_in_place(part, path)
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE moving")
    except FOREIGN as error:
        raise trouble(path, "written", error) from error


async def _insert(db: aiosqlite.Connection, into: str, found: Iterable[Sequence[Any]]) -> None:
    """Rows for a table, or for some of its columns."""
    waiting: Iterator[Sequence[Any]] = iter(found)
    first = next(waiting, None)
    if first is not None:
        values = ", ".join("?" * len(first))
        await db.executemany(f"INSERT INTO {into} VALUES ({values})", [first, *waiting])


async def _note(db: aiosqlite.Connection, to: Place) -> None:
    await db.execute(
        "UPDATE moving SET groups = ?, posts = ?, photos = ?, token = ?, settled = ?",
        (to.groups, to.posts, to.photos, to.token, to.settled),
    )


def _post(post: PostRecord, group: int) -> tuple[Any, ...]:
    return (
        *(post.id, group, post.channel, post.message, post.author, post.author_name),
        *(post.posted_at.astimezone(UTC).isoformat(), post.caption, post.album, post.link),
        *(post.spoiler, post.protected),
    )


def _photo(photo: PhotoRecord, post: int, group: int) -> tuple[Any, ...]:
    ref = photo.ref
    return (
        *(photo.id, post, group, ref.platform, ref.key, ref.locator, ref.name),
        *(photo.refused, photo.final),
    )


def _whole(half: bytes) -> bytes:
    return np.frombuffer(half, "<f2").astype(LITTLE_ENDIAN).tobytes()
