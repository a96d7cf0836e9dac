"""The memory in one SQLite file: what is remembered, what is still to be done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import aiosqlite

from bot.candidates import Background, Candidates, Look, Meant
from bot.elections import Alone
from bot.errors import StoreError
from bot.photos import (
    ALL,
    AT_FIRST,
    Audience,
    Job,
    Model,
    Only,
    PhotoRef,
    Post,
    Remembered,
    StoredPhoto,
    Task,
    Totals,
    Vector,
)
from bot.words import fold
from storage.answers import SqliteAnswers
from storage.backlog import SqliteBacklog
from storage.connection import Database
from storage.fingerprints import looks_of, save_fingerprints
from storage.forgotten import forbid, is_forbidden, refuses
from storage.groups import UPSERT, SqliteGroups
from storage.jobs import SOON, Turns
from storage.models import SqliteModels, number_of
from storage.names import SqliteNames
from storage.people import SqlitePeople
from storage.replies import SqliteReplies
from storage.rows import row, rows, stored_photos, value
from storage.scopes import SqliteScopes
from storage.scrubbing import Scrubber
from storage.searcher import Searcher
from storage.stand_ins import (
    SqliteStandIns,
    forbid_moments,
    is_forbidden_moment,
    known_photo,
    stays,
)
from storage.tally import SqliteTallies
from storage.thumbnails import SqliteThumbnails
from storage.vectors import from_blob, to_blob

CACHE_MEGABYTES = 1024
"""For what searches keep in memory; a million photos of 512 dimensions take about 650."""


class SqliteStore:
    """PhotoStore on SQLite. Use as `async with`; one process may index, many may read."""

    def __init__(
        self,
        path: str | Path,
        clock: Callable[[], float] = time.time,
        cache_megabytes: int = CACHE_MEGABYTES,
        refused: Callable[[StoreError], None] = lambda error: None,
    ) -> None:
        self._db = Database(path, "storage.schema", refused)
        self._searcher = Searcher(self._db, cache_megabytes)
        self._clock = clock
        self._turns = Turns()
        self.groups = SqliteGroups(self._db)
        self.answers = SqliteAnswers(self._db, clock)
        self.backlog = SqliteBacklog(self._db, clock)
        self.scopes = SqliteScopes(self._db, self._searcher)
        self.tallies = SqliteTallies(self._db)
        self.replies = SqliteReplies(self._db)
        self.names = SqliteNames(self._db)
        self.models = SqliteModels(self._db, clock)
        self.thumbnails = SqliteThumbnails(self._db)
        self.people = SqlitePeople(self._db)
        self.stand_ins = SqliteStandIns(self._db)
        self.elections = Alone()
        self._scrubber = Scrubber(self._db, ("texts_index", "replies_index"))

    async def __aenter__(self) -> Self:
        await self._db.open()
        self._searcher.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._searcher.close()
        await self._db.close()

    async def settled(self) -> None:
        """Until nothing is written any more that the next start will be quicker by."""
        await self._searcher.settled()

    async def remember(self, post: Post) -> Remembered:
        added: list[int] = []
        known: list[int] = []
        async with self._db.write() as db:
            group = await value(db, f"{UPSERT} RETURNING id", (post.group, post.group_name))
            if await is_forbidden(db, group, post.channel, post.message) or await refuses(
                db, post.author
            ):
                return Remembered((), ())
            if await is_forbidden_moment(db, group, post):
                return Remembered((), ())
            post_id = await value(
                db,
                "INSERT INTO posts (group_id, channel, message, author, author_name, posted_at,"
                " caption, album, link, spoiler, protected)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (group_id, channel, message) DO UPDATE SET link = excluded.link,"
                " spoiler = excluded.spoiler, protected = excluded.protected RETURNING id",
                (
                    group,
                    post.channel,
                    post.message,
                    post.author,
                    post.author_name,
                    post.posted_at.astimezone(UTC).isoformat(),
                    post.caption,
                    post.album,
                    post.link,
                    post.spoiler,
                    post.protected,
                ),
            )
            for ref in post.photos:
                photo, is_new = await self._remember_photo(db, group, post_id, ref)
                (added if is_new else known).append(photo)
            await _write_captions(db, group, post_id, post.album)
        return Remembered(tuple(added), tuple(known))

    async def _remember_photo(
        self, db: aiosqlite.Connection, group: int, post: int, ref: PhotoRef
    ) -> tuple[int, bool]:
        found, looks_anew = await known_photo(db, post, ref)
        if found is None:
            photo = await value(
                db,
                "INSERT INTO photos (post_id, group_id, platform, key, locator, name)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                (post, group, ref.platform, ref.key, ref.locator, ref.name),
            )
            await db.execute("INSERT INTO texts (photo_id, caption) VALUES (?, '')", (photo,))
        elif not looks_anew:
            await _look_again(db, found)
            return found, False
        else:
            photo = found
            await db.execute("UPDATE photos SET refused = NULL, final = 0 WHERE id = ?", (photo,))
        await db.executemany(
            "INSERT INTO jobs (photo_id, task) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(photo, task) for task in AT_FIRST],
        )
        return photo, found is None

    async def knows(self, group: str, channel: str, message: str) -> bool:
        async with self._db.read() as db:
            found = await value(
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
            dropped = [p for p in photos if keep is not None and not stays(p.ref, keep)]
            post = await row(
                db,
                "UPDATE posts SET caption = ? WHERE channel = ? AND message = ?"
                " AND group_id = (SELECT id FROM groups WHERE key = ?)"
                " RETURNING group_id, id, album",
                (caption, channel, message, group),
            )
            if post is not None:
                await _write_captions(db, *post)
            await db.executemany("DELETE FROM photos WHERE id = ?", [(p.id,) for p in dropped])
        return tuple(photo.ref for photo in dropped)

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        async with self._db.write() as db:
            photos = await _photos_of_post(db, group, channel, message)
            group_id = await value(db, "SELECT id FROM groups WHERE key = ?", (group,))
            if group_id is None:
                return ()
            await forbid(db, group_id, [(channel, message)])
            known = "SELECT id FROM posts WHERE channel = ? AND message = ? AND group_id = ?"
            ids = await rows(db, known, (channel, message, group_id))
            await forbid_moments(db, group_id, [post for (post,) in ids])
            post = await row(
                db,
                "DELETE FROM posts WHERE channel = ? AND message = ? AND group_id = ?"
                " RETURNING group_id, id, album",
                (channel, message, group_id),
            )
            if post is not None:
                await _write_captions(db, *post)
        return tuple(photo.ref for photo in photos)

    async def drop(self, photo: int) -> None:
        async with self._db.write() as db:
            await db.execute("DELETE FROM photos WHERE id = ?", (photo,))

    async def channels(self, group: str) -> frozenset[str]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT DISTINCT channel FROM posts JOIN groups ON groups.id = group_id"
                " WHERE groups.key = ?",
                (group,),
            )
        return frozenset(str(channel) for (channel,) in found)

    async def forget_channel(self, group: str, channel: str) -> int:
        async with self._db.write() as db:
            gone = await rows(
                db,
                "DELETE FROM posts WHERE channel = ?"
                " AND group_id = (SELECT id FROM groups WHERE key = ?) RETURNING id",
                (channel, group),
            )
        return len(gone)

    async def forget_older(self, before: datetime, most: int) -> int:
        async with self._db.write() as db:
            gone = await rows(
                db,
                "DELETE FROM posts WHERE id IN"
                " (SELECT id FROM posts WHERE posted_at < ? LIMIT ?) RETURNING id",
                (before.astimezone(UTC).isoformat(), most),
            )
            await db.execute("DELETE FROM answers WHERE given_at < ?", (before.timestamp(),))
        return len(gone)

    async def scrub(self) -> bool:
        return await self._scrubber.scrub()

    async def take(
        self, task: Task, limit: int, skip: Collection[int], after: Task | None = None
    ) -> list[Job]:
        async with self._db.read() as db:
            return await self._turns.take(db, task, self._clock(), limit, skip, after)

    async def save_vectors(self, model: Model, photos: Sequence[int], vectors: Vector) -> None:
        async with self._db.write() as db:
            model_id = await number_of(db, model)
            for photo, vector in zip(photos, vectors, strict=True):
                await db.execute(  # the photo may have been forgotten while it was embedded
                    "INSERT OR REPLACE INTO vectors (photo_id, model_id, vector)"
                    " SELECT id, ?, ? FROM photos WHERE id = ?",
                    (model_id, to_blob(vector), photo),
                )
            for task in (Task.EMBED, Task.RENEW):
                await _end_jobs(db, task, photos)

    async def save_text(self, photo: int, text: str) -> None:
        async with self._db.write() as db:
            if folded := fold(text):
                await db.execute("UPDATE texts SET text = ? WHERE photo_id = ?", (folded, photo))
            await _end_jobs(db, Task.READ, [photo])

    async def save_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        async with self._db.write() as db:
            await save_fingerprints(db, fingerprints)
            await _end_jobs(db, Task.FINGERPRINT, fingerprints)

    async def end(self, photo: int, task: Task) -> None:
        async with self._db.write() as db:
            await _end_jobs(db, task, [photo])

    async def looks(self, photos: Collection[int], model: Model | None) -> dict[int, Look]:
        async with self._db.read() as db:
            return await looks_of(db, photos, model)

    async def refuse(self, photo: int, reason: str, final: bool, task: Task | None = None) -> None:
        async with self._db.write() as db:
            if task is not None and not await row(
                db, "SELECT 1 FROM jobs WHERE photo_id = ? AND task = ?", (photo, task)
            ):
                return
            await db.execute(
                "UPDATE photos SET refused = ?, final = ? WHERE id = ?", (reason, final, photo)
            )
            await db.execute("DELETE FROM jobs WHERE photo_id = ?", (photo,))
            await db.execute("DELETE FROM vectors WHERE photo_id = ?", (photo,))
            await db.execute("DELETE FROM fingerprints WHERE photo_id = ?", (photo,))
            await db.execute("DELETE FROM thumbnails WHERE photo_id = ?", (photo,))
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
        groups: Collection[str],
        audience: Audience,
        terms: Sequence[str],
        vectors: Sequence[Vector],
        model: Model | None,
        nearest: int,
        only: Only = ALL,
        meant: Meant | None = None,
        background: Background | None = None,
    ) -> Candidates:
        return await self._searcher.search(
            groups, audience, terms, vectors, model, nearest, only, meant, background
        )

    async def vector_of(
        self, groups: Collection[str], ref: PhotoRef, model: Model
    ) -> Vector | None:
        async with self._db.read() as db:
            blob = await value(
                db,
                "SELECT vector FROM photos JOIN vectors ON vectors.photo_id = photos.id"
                " JOIN models ON models.id = model_id WHERE photos.key = ? AND platform = ?"
                " AND fingerprint = ? AND group_id IN (SELECT id FROM groups WHERE key IN"
                " (SELECT value FROM json_each(?))) LIMIT 1",
                (ref.key, ref.platform, model.fingerprint, json.dumps(list(groups))),
            )
        return None if blob is None else from_blob(blob)

    async def photos(self, ids: Sequence[int]) -> list[StoredPhoto]:
        async with self._db.read() as db:
            found = await stored_photos(
                db, "photos.id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
            )
        by_id = {photo.id: photo for photo in found}
        return [by_id[photo] for photo in ids if photo in by_id]

    async def posted(self, group: str, channel: str, message: str) -> list[StoredPhoto]:
        async with self._db.read() as db:
            return await _photos_of_post(db, group, channel, message)

    async def copies(self, group: str, ref: PhotoRef) -> list[StoredPhoto]:
        async with self._db.read() as db:
            return await stored_photos(
                db,
                "groups.key = ? AND photos.key = ? AND photos.platform = ?",
                (group, ref.key, ref.platform),
            )

    async def prove_sound(self, seconds: float) -> bool:
        return await self._db.prove_sound(seconds)

    async def prove_writable(self) -> None:
        async with self._db.write() as db:
            await db.execute("INSERT INTO groups (key, name) VALUES ('', '')")
            await db.execute("DELETE FROM groups WHERE key = ''")

    async def unfinished(self, photos: Collection[int]) -> dict[Task, int]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT task, count(*) FROM jobs"
                " WHERE photo_id IN (SELECT value FROM json_each(?)) AND due < ? GROUP BY task",
                (json.dumps(list(photos)), self._clock() + SOON),
            )
        return dict.fromkeys(Task, 0) | {Task(task): count for task, count in found}

    async def totals(self) -> Totals:
        async with self._db.read() as db:
            found = await row(
                db,
                "SELECT (SELECT count(*) FROM photos),"
                " (SELECT count(*) FROM photos WHERE refused IS NOT NULL),"
                " (SELECT count(*) FROM groups WHERE left_at IS NULL)",
            )
        assert found is not None
        photos, refused, groups = found
        return Totals(photos - refused, refused, groups)

    async def heed(self, wake: Callable[[], None]) -> None:
        """One process does all the work; of what an import adds beside it nobody tells."""


async def _look_again(db: aiosqlite.Connection, photo: int) -> None:
    """Somebody brings a photo that a model could not see."""
    if await rows(db, "DELETE FROM unseen WHERE photo_id = ? RETURNING photo_id", (photo,)):
        await db.execute(
            "INSERT INTO jobs (photo_id, task) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (photo, Task.RENEW),
        )


async def _end_jobs(db: aiosqlite.Connection, task: Task, photos: Iterable[int]) -> None:
    await db.executemany(
        "DELETE FROM jobs WHERE task = ? AND photo_id = ?", [(task, photo) for photo in photos]
    )


async def _photos_of_post(
    db: aiosqlite.Connection, group: str, channel: str, message: str
) -> list[StoredPhoto]:
    where = "groups.key = ? AND posts.channel = ? AND posts.message = ?"
    return await stored_photos(db, where, (group, channel, message))


async def _write_captions(db: aiosqlite.Connection, group: int, post: int, album: str) -> None:
    """Make a post's words findable, and with an album those of all its posts."""
    where, values = "posts.id = ?", [post]
    if album:
        where, values = "posts.group_id = ? AND posts.album = ?", [group, album]  # type: ignore[list-item]
    for photo in await stored_photos(db, where, values):
        await db.execute(
            "UPDATE texts SET caption = ?1 WHERE photo_id = ?2 AND caption <> ?1",
            (fold(photo.post.caption), photo.id),
        )
