"""The memory in one SQLite file: what is remembered, what is still to be done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from bot.photos import (
    Audience,
    Candidate,
    Candidates,
    GroupStatus,
    Job,
    Model,
    PhotoRef,
    Post,
    Refusal,
    Remembered,
    StoredPhoto,
    Task,
    UnknownGroup,
    Vector,
)
from bot.words import fold
from storage import search
from storage.connection import Database
from storage.vectors import to_blob

PHOTO_COLUMNS = """
    photos.id, photos.platform, photos.key, photos.locator, photos.name, photos.refused,
    groups.key, groups.name, posts.channel, posts.message, posts.author, posts.author_name,
    posts.posted_at, posts.caption, posts.link, posts.spoiler, posts.protected
"""

SOON = 60.0
"""Seconds; a job that is postponed for longer isn't worth waiting for."""


class SqliteStore:
    """PhotoStore on SQLite. Use as `async with`; one process may index, many may read."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        self._db = Database(path, "storage.schema")
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._db.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._db.close()

    async def remember(self, post: Post) -> Remembered:
        added: list[int] = []
        known: list[int] = []
        async with self._db.write() as db:
            group = await _value(
                db,
                "INSERT INTO groups (key, name) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET"
                " name = CASE excluded.name WHEN '' THEN name ELSE excluded.name END RETURNING id",
                (post.group, post.group_name),
            )
            post_id = await _value(
                db,
                "INSERT INTO posts (group_id, channel, message, author, author_name, posted_at,"
                " caption, link, spoiler, protected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (group_id, channel, message) DO UPDATE SET link = excluded.link"
                " RETURNING id",
                (
                    group,
                    post.channel,
                    post.message,
                    post.author,
                    post.author_name,
                    post.posted_at.astimezone(UTC).isoformat(),
                    post.caption,
                    post.link,
                    post.spoiler,
                    post.protected,
                ),
            )
            for ref in post.photos:
                photo, is_new = await self._remember_photo(db, group, post_id, ref)
                (added if is_new else known).append(photo)
        return Remembered(tuple(added), tuple(known))

    async def _remember_photo(
        self, db: aiosqlite.Connection, group: int, post: int, ref: PhotoRef
    ) -> tuple[int, bool]:
        row = await _row(
            db,
            "SELECT id, refused, final FROM photos WHERE post_id = ? AND key = ?",
            (post, ref.key),
        )
        if row is None:
            photo = await _value(
                db,
                "INSERT INTO photos (post_id, group_id, platform, key, locator, name)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                (post, group, ref.platform, ref.key, ref.locator, ref.name),
            )
            caption = await _value(db, "SELECT caption FROM posts WHERE id = ?", (post,))
            await db.execute(
                "INSERT INTO texts (photo_id, caption) VALUES (?, ?)", (photo, fold(caption))
            )
        else:
            photo = row[0]
            await db.execute(
                "UPDATE photos SET platform = ?, locator = ?, name = ? WHERE id = ?",
                (ref.platform, ref.locator, ref.name, photo),
            )
            if row[1] is None or row[2]:
                return photo, False
            await db.execute("UPDATE photos SET refused = NULL WHERE id = ?", (photo,))
        await db.executemany(
            "INSERT INTO jobs (photo_id, task) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(photo, task) for task in Task],
        )
        return photo, row is None

    async def knows(self, group: str, channel: str, message: str) -> bool:
        async with self._db.read() as db:
            found = await _value(
                db,
                "SELECT 1 FROM posts JOIN groups ON groups.id = group_id"
                " WHERE groups.key = ? AND channel = ? AND message = ?",
                (group, channel, message),
            )
        return found is not None

    async def revise(
        self, group: str, channel: str, message: str, caption: str, keep: Collection[str] | None
    ) -> tuple[PhotoRef, ...]:
        async with self._db.write() as db:
            photos = await _photos_of_post(db, group, channel, message)
            dropped = [p for p in photos if keep is not None and p.ref.key not in keep]
            await db.execute(
                "UPDATE posts SET caption = ? WHERE channel = ? AND message = ?"
                " AND group_id = (SELECT id FROM groups WHERE key = ?)",
                (caption, channel, message, group),
            )
            await db.executemany(
                "UPDATE texts SET caption = ? WHERE photo_id = ?",
                [(fold(caption), photo.id) for photo in photos],
            )
            await db.executemany("DELETE FROM photos WHERE id = ?", [(p.id,) for p in dropped])
        return tuple(photo.ref for photo in dropped)

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        async with self._db.write() as db:
            photos = await _photos_of_post(db, group, channel, message)
            await db.execute(
                "DELETE FROM posts WHERE channel = ? AND message = ?"
                " AND group_id = (SELECT id FROM groups WHERE key = ?)",
                (channel, message, group),
            )
        return tuple(photo.ref for photo in photos)

    async def take(self, task: Task, limit: int, skip: Collection[int]) -> list[Job]:
        async with self._db.read() as db:
            rows = await _rows(
                db,
                "SELECT photos.id, platform, key, locator, name, attempts FROM jobs"
                " JOIN photos ON photos.id = photo_id WHERE task = ? AND due <= ?"
                " AND photo_id NOT IN (SELECT value FROM json_each(?)) ORDER BY photo_id LIMIT ?",
                (task, self._clock(), json.dumps(list(skip)), limit),
            )
        return [Job(row[0], task, PhotoRef(*row[1:5]), row[5]) for row in rows]

    async def require_vectors(self, model: Model) -> int:
        async with self._db.write() as db:
            await db.execute(
                "INSERT INTO jobs (photo_id, task) SELECT id, ? FROM photos WHERE refused IS NULL"
                " AND id NOT IN (SELECT photo_id FROM vectors JOIN models ON models.id = model_id"
                " WHERE fingerprint = ?) ON CONFLICT DO NOTHING",
                (Task.EMBED, model.fingerprint),
            )
            await db.execute(
                "DELETE FROM jobs WHERE task = ? AND photo_id IN (SELECT photo_id FROM vectors"
                " JOIN models ON models.id = model_id WHERE fingerprint = ?)",
                (Task.EMBED, model.fingerprint),
            )
            waiting = await _value(db, "SELECT count(*) FROM jobs WHERE task = ?", (Task.EMBED,))
        return int(waiting)

    async def save_vectors(self, model: Model, photos: Sequence[int], vectors: Vector) -> None:
        async with self._db.write() as db:
            model_id = await _value(
                db,
                "INSERT INTO models (fingerprint, name, dimension) VALUES (?, ?, ?)"
                " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
                (model.fingerprint, model.name, model.dimension),
            )
            for photo, vector in zip(photos, vectors, strict=True):
                await db.execute(  # the photo may have been forgotten while it was embedded
                    "INSERT OR REPLACE INTO vectors (photo_id, model_id, vector)"
                    " SELECT id, ?, ? FROM photos WHERE id = ?",
                    (model_id, to_blob(vector), photo),
                )
            await _end_jobs(db, Task.EMBED, photos)

    async def save_text(self, photo: int, text: str) -> None:
        async with self._db.write() as db:
            if folded := fold(text):
                await db.execute("UPDATE texts SET text = ? WHERE photo_id = ?", (folded, photo))
            await _end_jobs(db, Task.READ, [photo])

    async def refuse(self, photo: int, reason: str, final: bool) -> None:
        async with self._db.write() as db:
            await db.execute(
                "UPDATE photos SET refused = ?, final = ? WHERE id = ?", (reason, final, photo)
            )
            await db.execute("DELETE FROM jobs WHERE photo_id = ?", (photo,))
            await db.execute("DELETE FROM vectors WHERE photo_id = ?", (photo,))
            await db.execute("UPDATE texts SET text = '' WHERE photo_id = ?", (photo,))

    async def postpone(self, photo: int, task: Task, until: datetime, reason: str) -> None:
        async with self._db.write() as db:
            await db.execute(
                "UPDATE jobs SET attempts = attempts + 1, due = ?, reason = ?"
                " WHERE photo_id = ? AND task = ?",
                (until.timestamp(), reason, photo, task),
            )

    async def search(
        self,
        group: str,
        audience: Audience,
        terms: Sequence[str],
        vector: Vector | None,
        model: Model | None,
        nearest: int,
    ) -> Candidates:
        scope = search.Scope(group, audience)
        async with self._db.read() as db:
            total = await _value(db, *scope.select("count(*)"))
            words = await search.by_words(db, scope, terms)
            if vector is None or model is None:
                cosines: dict[int, float] = {}
                median = 0.0
            else:
                found = await search.by_meaning(db, scope, vector, model)
                cosines, median = found.result(nearest, words)
            missing = [photo for photo in cosines if photo not in words]
            words.update(await search.words_of(db, missing))
        items = [Candidate(p, cosines.get(p), *texts) for p, texts in sorted(words.items())]
        return Candidates(int(total), median, tuple(items))

    async def photos(self, ids: Sequence[int]) -> list[StoredPhoto]:
        async with self._db.read() as db:
            found = await _stored(
                db, "photos.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
            )
        by_id = {photo.id: photo for photo in found}
        return [by_id[photo] for photo in ids if photo in by_id]

    async def resolve_group(self, name: str) -> str:
        async with self._db.read() as db:
            rows = await _rows(db, "SELECT key, name FROM groups ORDER BY key", ())
        if any(key == name for key, _ in rows):
            return name
        named = [str(key) for key, own in rows if own == name]
        if len(named) > 1:
            raise UnknownGroup(f"several groups are called {name!r}: write {' or '.join(named)}")
        if not named:
            known = ", ".join(str(own or key) for key, own in rows) or "none yet"
            raise UnknownGroup(f"there is no group called {name!r}; known groups: {known}")
        return named[0]

    async def status(self) -> list[GroupStatus]:
        async with self._db.read() as db:
            rows = await _rows(
                db,
                "SELECT groups.id, groups.key, groups.name, count(photos.id),"
                " count(embed.photo_id), count(read.photo_id) FROM groups"
                " LEFT JOIN photos ON photos.group_id = groups.id AND refused IS NULL"
                " LEFT JOIN jobs AS embed ON embed.photo_id = photos.id AND embed.task = 'embed'"
                " LEFT JOIN jobs AS read ON read.photo_id = photos.id AND read.task = 'read'"
                " GROUP BY groups.id ORDER BY groups.name, groups.key",
                (),
            )
            refused = await _rows(
                db,
                "SELECT group_id, id, name, refused FROM photos WHERE refused IS NOT NULL"
                " ORDER BY id",
                (),
            )
        reasons: dict[int, list[Refusal]] = {}
        for group, photo, name, reason in refused:
            reasons.setdefault(group, []).append(Refusal(photo, name, reason))
        return [
            GroupStatus(key, name, photos, embed, read, tuple(reasons.get(group, ())))
            for group, key, name, photos, embed, read in rows
        ]

    async def prove_writable(self) -> None:
        async with self._db.write() as db:
            await db.execute("INSERT INTO groups (key, name) VALUES ('', '')")
            await db.execute("DELETE FROM groups WHERE key = ''")

    async def unfinished(self, photos: Collection[int]) -> dict[Task, int]:
        async with self._db.read() as db:
            rows = await _rows(
                db,
                "SELECT task, count(*) FROM jobs"
                " WHERE photo_id IN (SELECT value FROM json_each(?)) AND due < ? GROUP BY task",
                (json.dumps(list(photos)), self._clock() + SOON),
            )
        return dict.fromkeys(Task, 0) | {Task(task): count for task, count in rows}


async def _rows(db: aiosqlite.Connection, sql: str, values: Iterable[Any]) -> list[Any]:
    async with db.execute(sql, tuple(values)) as cursor:
        return list(await cursor.fetchall())


async def _row(db: aiosqlite.Connection, sql: str, values: Iterable[Any]) -> Any:
    async with db.execute(sql, tuple(values)) as cursor:
        return await cursor.fetchone()


async def _value(db: aiosqlite.Connection, sql: str, values: Iterable[Any]) -> Any:
    row = await _row(db, sql, values)
    return None if row is None else row[0]


async def _end_jobs(db: aiosqlite.Connection, task: Task, photos: Iterable[int]) -> None:
    await db.executemany(
        "DELETE FROM jobs WHERE task = ? AND photo_id = ?", [(task, photo) for photo in photos]
    )


async def _photos_of_post(
    db: aiosqlite.Connection, group: str, channel: str, message: str
) -> list[StoredPhoto]:
    where = "groups.key = ? AND posts.channel = ? AND posts.message = ?"
    return await _stored(db, where, (group, channel, message))


async def _stored(db: aiosqlite.Connection, where: str, values: Iterable[Any]) -> list[StoredPhoto]:
    rows = await _rows(
        db,
        f"SELECT {PHOTO_COLUMNS} FROM photos JOIN posts ON posts.id = photos.post_id"
        f" JOIN groups ON groups.id = photos.group_id WHERE {where} ORDER BY photos.id",
        values,
    )
    return [_stored_photo(row) for row in rows]


def _stored_photo(row: Any) -> StoredPhoto:
    id_, platform, key, locator, name, refused, group, group_name, *post = row
    channel, message, author, author_name, posted_at, caption, link, spoiler, protected = post
    return StoredPhoto(
        id_,
        Post(
            group=group,
            group_name=group_name,
            channel=channel,
            message=message,
            author=author,
            author_name=author_name,
            posted_at=datetime.fromisoformat(posted_at),
            photos=(PhotoRef(platform, key, locator, name),),
            caption=caption,
            link=link,
            spoiler=bool(spoiler),
            protected=bool(protected),
        ),
        refused,
    )
