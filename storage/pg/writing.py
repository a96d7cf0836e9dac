"""Writes a memory that is moved into a database of PostgreSQL where there is none yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pgvector import HalfVector

from bot.errors import StoreError
from storage.pg.ids import SHIFT, id_of
from storage.pg.pool import Pool
from storage.pg.reading import last_given
from storage.pg.rows import Connection, numbered, row, rows, run, value
from storage.pg.unfinished import TABLE, is_unfinished
from storage.records import (
    AnswerRecord,
    GroupIds,
    GroupRecord,
    Ids,
    MemoryRecord,
    PhotoRecord,
    PostRecord,
)
from storage.sides import Begun, Place


class PgWriter:
    """Writer of a database that was opened although a move into it may be unfinished."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._groups: dict[str, int] = {}
        self._models: dict[str, int] = {}

    @property
    def place(self) -> str:
        return self._pool.place

    async def begun(self) -> Begun | None:
        """See Writer.begun."""
        async with self._pool.read() as db:
            if await is_unfinished(db):
                found = await row(
                    db, f"SELECT source, groups, posts, photos, token, settled FROM {TABLE}"
                )
                self._groups = dict(map(tuple, await rows(db, "SELECT key, id FROM groups")))
                models = await rows(db, "SELECT fingerprint, id FROM models")
                self._models = dict(map(tuple, models))
                return Begun(found[0], Place(*found[1:]))
            used = await value(
                db,
                "SELECT EXISTS (SELECT 1 FROM groups) OR EXISTS (SELECT 1 FROM models)"
                " OR EXISTS (SELECT 1 FROM refusing)",
            )
            if used or await last_given(db, "answers"):
                raise StoreError(
                    f"the database {self.place} has held a memory already: create a new one"
                    " (createdb), and name that"
                )
        return None

    async def begin(self, source: str, memory: MemoryRecord) -> None:
        """See Writer.begin. Groups begin behind all that the source's ids could name, so that no
        button can lead to another photo than the one it was made for."""
        async with self._pool.write() as db:
            await run(
                db,
                f"CREATE TABLE {TABLE} (source text, groups bigint, posts bigint, photos bigint,"
                " token bigint, settled boolean)",
            )
            await run(db, f"INSERT INTO {TABLE} VALUES (?, 0, 0, 0, 0, false)", (source,))
            await run(db, "UPDATE salt SET value = ?", (memory.salt,))
            await _copy(db, "refusing", "digest", ((each,) for each in memory.refusing))
            for model in memory.models:
                self._models[model.fingerprint] = await value(
                    db,
                    "INSERT INTO models (fingerprint, name, dimension, role, since)"
                    " VALUES (?, ?, ?, ?, ?) RETURNING id",
                    (model.fingerprint, model.name, model.dimension, model.role, model.since),
                )
            await _give_from(db, "groups", memory.highest.photo >> SHIFT)

    async def add_group(self, group: GroupRecord, to: Place) -> None:
        """See Writer.add_group."""
        async with self._pool.write() as db:
            number = int(
                await value(
                    db,
                    "INSERT INTO groups (key, name, left_at) VALUES (?, ?, ?) RETURNING id",
                    (group.key, group.name, group.left_at),
                )
            )
            await run(db, "INSERT INTO counters (group_id) VALUES (?)", (number,))
            for table, columns, found in (
                ("notes", "name value", group.notes),
                ("people", "person", [(each,) for each in group.people]),
                ("forgotten", "digest", [(each,) for each in group.forgotten]),
            ):
                within: Iterable[Sequence[Any]] = ((number, *each) for each in found)
                await _copy(db, table, f"group_id {columns}", within)
            await _note(db, to)
        self._groups[group.key] = number

    async def add_posts(
        self, group: str, posts: Sequence[PostRecord], ids: GroupIds, to: Place
    ) -> None:
        """See Writer.add_posts. Each gets the number of its place in the group."""
        number = self._groups[group]
        photos = [photo for post in posts for photo in post.photos]
        of_posts = _renumbered(number, ids.posts, [post.id for post in posts])
        of_photos = _renumbered(number, ids.photos, [photo.id for photo in photos])
        async with self._pool.write() as db:
            await _copy(
                db,
                "posts",
                "group_id id channel message author author_name posted_at caption album link"
                " spoiler protected",
                (
                    (
                        *(number, of_posts[p.id], p.channel, p.message, p.author, p.author_name),
                        *(p.posted_at, p.caption, p.album, p.link, p.spoiler, p.protected),
                    )
                    for p in posts
                ),
            )
            await _copy(
                db,
                "photos",
                "group_id id post_id platform key locator name refused final",
                (
                    (
                        *(number, of_photos[p.id], of_posts[post.id], p.ref.platform, p.ref.key),
                        *(p.ref.locator, p.ref.name, p.refused, p.final),
                    )
                    for post in posts
                    for p in post.photos
                ),
            )
            await self._hang(db, number, photos, of_photos)
            await run(
                db,
                "UPDATE counters SET last = ?, grown = ? WHERE group_id = ?",
                (max(len(ids.posts), len(ids.photos)), len(ids.photos), number),
            )
            await _note(db, to)

    async def _hang(
        self,
        db: Connection,
        group: int,
        photos: Sequence[PhotoRecord],
        renumbered: dict[int, int],
    ) -> None:
        known = self._models
        tables: tuple[tuple[str, str, Iterable[Sequence[Any]]], ...] = (
            (
                "texts",
                "caption text",
                ((p.id, *p.words) for p in photos if p.words is not None),
            ),
            ("fingerprints", "value", ((p.id, p.look) for p in photos if p.look is not None)),
            (
                "thumbnails",
                "jpeg",
                ((p.id, p.thumbnail) for p in photos if p.thumbnail is not None),
            ),
            (
                "jobs",
                "task attempts due reason since",
                (
                    (p.id, job.task, job.attempts, job.due, job.reason, job.since)
                    for p in photos
                    for job in p.jobs
                ),
            ),
            (
                "vectors",
                "model_id vector serial",
                (
                    (p.id, known[model], _half(half), renumbered[p.id] - id_of(group, 0))
                    for p in photos
                    for model, half in p.vectors
                ),
            ),
            (
                "unseen",
                "model_id reason",
                ((p.id, known[model], why) for p in photos for model, why in p.unseen),
            ),
            (
                "replies",
                "message text author",
                ((p.id, r.message, r.text, r.author) for p in photos for r in p.replies),
            ),
            (
                "names",
                "key written giver",
                ((p.id, each.key, each.written, each.giver) for p in photos for each in p.names),
            ),
        )
        for table, columns, found in tables:
            within = ((group, renumbered[photo], *rest) for photo, *rest in found)
            await _copy(db, table, f"group_id photo_id {columns}", within)

    async def add_answers(self, answers: Sequence[AnswerRecord], to: Place) -> None:
        """See Writer.add_answers."""
        async with self._pool.write() as db:
            await _copy(
                db,
                "answers",
                "id group_id asker words given_at",
                (
                    (
                        *(each.token, None if each.group is None else self._groups[each.group]),
                        *(each.asker, each.words, each.given_at),
                    )
                    for each in answers
                ),
            )
            await db.executemany(
                numbered(
                    "INSERT INTO answer_photos"
                    " (answer_id, rank, place, score, why, name, group_id, photo_id)"
                    " SELECT ?, ?, ?, ?, ?, ?, photos.group_id, photos.id FROM posts JOIN photos"
                    " ON photos.group_id = posts.group_id AND photos.post_id = posts.id"
                    " WHERE posts.group_id = ? AND posts.channel = ? AND posts.message = ?"
                    " AND photos.key = ?"
                ),
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
        async with self._pool.write() as db:
            await _give_from(db, "answers", memory.highest.token)
            await _note(db, to)
        async with self._pool.read() as db:
            await run(db, "ANALYZE")

    async def finish(self) -> None:
        """See Writer.finish."""
        async with self._pool.write() as db:
            await run(db, f"DROP TABLE {TABLE}")


async def _copy(db: Connection, table: str, columns: str, found: Iterable[Sequence[Any]]) -> None:
    if records := [tuple(each) for each in found]:
        await db.copy_records_to_table(table, records=records, columns=columns.split())


async def _note(db: Connection, to: Place) -> None:
    await run(
        db,
        f"UPDATE {TABLE} SET groups = ?, posts = ?, photos = ?, token = ?, settled = ?",
        (to.groups, to.posts, to.photos, to.token, to.settled),
    )


async def _give_from(db: Connection, table: str, given: int) -> None:
    """The next row gets an id above `given`, and above all that there were."""
    if (highest := max(given, await last_given(db, table))) > 0:
        await run(
            db, "SELECT setval(pg_get_serial_sequence(?, 'id')::regclass, ?)", (table, highest)
        )


def _renumbered(group: int, known: Ids, ids: Sequence[int]) -> dict[int, int]:
    """What becomes of ids of a group, all of which are `known`."""
    places = np.searchsorted(known, np.array(ids, np.int64)) + 1
    return {id_: id_of(group, place) for id_, place in zip(ids, places.tolist(), strict=True)}


def _half(half: bytes) -> HalfVector:
    return HalfVector(np.frombuffer(half, "<f2"))
