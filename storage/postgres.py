"""The memory in PostgreSQL: what is remembered, what is still to be done, shared by processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from bot.candidates import Background, Candidates, Look, Meant
from bot.errors import StoreError
from bot.photos import (
    ALL,
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
from storage.jobs import SOON
from storage.pg.again import done_again
from storage.pg.answers import PgAnswers
from storage.pg.backlog import PgBacklog
from storage.pg.counters import grow, lock, shrink
from storage.pg.election import PgElections
from storage.pg.ending import end_jobs
from storage.pg.fingerprints import looks_of, save_fingerprints
from storage.pg.groups import PgGroups
from storage.pg.ids import group_of, groups_of
from storage.pg.indexes import Indexes
from storage.pg.jobs import Turns
from storage.pg.listening import Listener
from storage.pg.models import PgModels, number_of
from storage.pg.names import PgNames
from storage.pg.people import PgPeople
from storage.pg.pool import Pool
from storage.pg.posts import Posts
from storage.pg.renewals import settle
from storage.pg.replies import PgReplies
from storage.pg.rows import (
    number_of_group,
    numbers_of_groups,
    row,
    rows,
    run,
    stored_photos,
    value,
)
from storage.pg.scopes import PgScopes
from storage.pg.searcher import Searcher
from storage.pg.stand_ins import PgStandIns
from storage.pg.tally import PgTallies
from storage.pg.thumbnails import PgThumbnails
from storage.pg.vectors import from_half, to_half
from storage.pg.workers import Worker

INDEXED_FROM = 50_000
"""Photos of a group from which on an index finds its nearest (python -m benchmarks.scale)."""


@done_again
class PostgresStore:
    """PhotoStore on PostgreSQL. Use as `async with`; any number of processes may."""

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        refused: Callable[[StoreError], None] = lambda error: None,
        indexed_from: int = INDEXED_FROM,
        patience: float | None = None,
    ) -> None:
        self._pool = (
            Pool(url, refused) if patience is None else Pool(url, refused, patience=patience)
        )
        self._clock = clock
        self._worker = Worker(self._pool)
        self._turns = Turns(self._pool, clock, self._worker)
        self._posts = Posts(self._pool)
        self._indexes = Indexes(self._pool, indexed_from)
        self._searcher = Searcher(self._pool, self._indexes)
        self._listener = Listener(self._pool)
        self.groups = PgGroups(self._pool)
        self.answers = PgAnswers(self._pool, clock)
        self.backlog = PgBacklog(self._pool, clock)
        self.scopes = PgScopes(self._pool, self._searcher)
        self.tallies = PgTallies(self._pool)
        self.replies = PgReplies(self._pool)
        self.names = PgNames(self._pool)
        self.models = PgModels(self._pool, clock)
        self.thumbnails = PgThumbnails(self._pool)
        self.people = PgPeople(self._pool)
        self.stand_ins = PgStandIns(self._pool)
        self.elections = PgElections(self._pool.connect)

    async def __aenter__(self) -> Self:
        await self._pool.open()
        await self._worker.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._listener.close()
        await self._indexes.close()
        await self._worker.close()
        await self._pool.close()

    async def settled(self) -> None:
        """Nothing is written for the next start."""

    async def tend(self) -> int:
        """Make the indexes that large groups lack now, rather than after a question; how many
        changed. Raises foreign errors."""
        return await self._indexes.tend()

    async def remember(self, post: Post) -> Remembered:
        return await self._posts.remember(post)

    async def knows(self, group: str, channel: str, message: str) -> bool:
        async with self._pool.read() as db:
            found = await value(
                db,
                "SELECT 1 FROM posts WHERE group_id = ? AND channel = ? AND message = ?",
                (await number_of_group(db, group), channel, message),
            )
        return found is not None

    async def revise(
        self, group: str, channel: str, message: str, caption: str, keep: Collection[str] | None
    ) -> tuple[PhotoRef, ...]:
        return await self._posts.revise(group, channel, message, caption, keep)

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        return await self._posts.forget(group, channel, message)

    async def drop(self, photo: int) -> None:
        async with self._pool.write() as db:
            group = group_of(photo)
            await shrink(db, [group])
            await run(db, "DELETE FROM photos WHERE group_id = ? AND id = ?", (group, photo))

    async def channels(self, group: str) -> frozenset[str]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT DISTINCT channel FROM posts WHERE group_id = ?",
                (await number_of_group(db, group),),
            )
        return frozenset(str(channel) for (channel,) in found)

    async def forget_channel(self, group: str, channel: str) -> int:
        async with self._pool.write() as db:
            number = await number_of_group(db, group)
            if number is None:
                return 0
            await shrink(db, [number])
            return await run(
                db, "DELETE FROM posts WHERE group_id = ? AND channel = ?", (number, channel)
            )

    async def forget_older(self, before: datetime, most: int) -> int:
        async with self._pool.write() as db:
            old = await rows(
                db,
                "SELECT group_id, id FROM posts WHERE posted_at < ? LIMIT ? /* every group */",
                (before, most),
            )
            groups = sorted({group for group, _ in old})
            await shrink(db, groups)
            gone = await run(
                db,
                "DELETE FROM posts WHERE group_id = ANY(?) AND id = ANY(?)",
                (groups, [post for _, post in old]),
            )
            await run(db, "DELETE FROM answers WHERE given_at < ?", (before.timestamp(),))
        return gone

    async def scrub(self) -> bool:
        """What was deleted goes with PostgreSQL's own VACUUM."""
        return True

    async def take(
        self, task: Task, limit: int, skip: Collection[int], after: Task | None = None
    ) -> list[Job]:
        return await self._turns.take(task, limit, skip, after)

    async def save_vectors(self, model: Model, photos: Sequence[int], vectors: Vector) -> None:
        halves = [to_half(vector) for vector in vectors]
        async with self._pool.write() as db:
            number = await number_of(db, model)
            for group in groups_of(photos):
                mine = [
                    (photo, half)
                    for photo, half in zip(photos, halves, strict=True)
                    if group_of(photo) == group
                ]
                serial = await grow(db, group)
                for photo, half in mine:  # it may have been forgotten while it was embedded
                    await run(
                        db,
                        "INSERT INTO vectors (group_id, photo_id, model_id, serial, vector)"
                        " SELECT group_id, id, ?, ?, ? FROM photos WHERE group_id = ? AND id = ?"
                        " FOR KEY SHARE ON CONFLICT (group_id, model_id, photo_id)"
                        " DO UPDATE SET vector = excluded.vector, serial = excluded.serial",
                        (number, serial, half, group, photo),
                    )
            await end_jobs(db, Task.EMBED, photos)
            await settle(db, number, photos, self._clock())

    async def save_text(self, photo: int, text: str) -> None:
        async with self._pool.write() as db:
            await lock(db, group_of(photo))
            if folded := fold(text):
                await run(
                    db,
                    "UPDATE texts SET text = ? WHERE group_id = ? AND photo_id = ?",
                    (folded, group_of(photo), photo),
                )
            await end_jobs(db, Task.READ, [photo])

    async def save_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        async with self._pool.write() as db:
            for group in groups_of(fingerprints):
                await lock(db, group)
            await save_fingerprints(db, fingerprints)
            await end_jobs(db, Task.FINGERPRINT, fingerprints)

    async def end(self, photo: int, task: Task) -> None:
        async with self._pool.write() as db:
            await end_jobs(db, task, [photo])

    async def looks(self, photos: Collection[int], model: Model | None) -> dict[int, Look]:
        async with self._pool.read() as db:
            return await looks_of(db, photos, model)

    async def refuse(self, photo: int, reason: str, final: bool, task: Task | None = None) -> None:
        group = group_of(photo)
        async with self._pool.write() as db:
            await lock(db, group)
            if task is not None and not await self._worker.has(db, photo, task):
                return
            await shrink(db, [group])
            await run(
                db,
                "UPDATE photos SET refused = ?, final = ? WHERE group_id = ? AND id = ?",
                (reason, final, group, photo),
            )
            for table in ("jobs", "vectors", "fingerprints", "thumbnails"):
                await run(
                    db, f"DELETE FROM {table} WHERE group_id = ? AND photo_id = ?", (group, photo)
                )
            await run(
                db, "UPDATE texts SET text = '' WHERE group_id = ? AND photo_id = ?", (group, photo)
            )

    async def postpone(self, photo: int, task: Task, until: datetime, reason: str) -> None:
        async with self._pool.write() as db:
            await run(
                db,
                "UPDATE jobs SET attempts = attempts + 1, due = ?, reason = ?, worker = NULL"
                " WHERE group_id = ? AND photo_id = ? AND task = ?"
                " AND (worker IS NULL OR worker = ?)",
                (until.timestamp(), reason, group_of(photo), photo, task, self._worker.id),
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
        async with self._pool.read() as db:
            numbers = await numbers_of_groups(db, groups)
            half = await value(
                db,
                "SELECT vector FROM photos JOIN vectors ON vectors.group_id = photos.group_id"
                " AND vectors.photo_id = photos.id WHERE photos.group_id = ANY(?)"
                " AND photos.key = ? AND platform = ? AND model_id ="
                " (SELECT id FROM models WHERE fingerprint = ?) LIMIT 1",
                (list(numbers.values()), ref.key, ref.platform, model.fingerprint),
            )
        return None if half is None else from_half(half)

    async def photos(self, ids: Sequence[int]) -> list[StoredPhoto]:
        async with self._pool.read() as db:
            found = await stored_photos(db, groups_of(ids), "photos.id = ANY(?)", (list(ids),))
        by_id = {photo.id: photo for photo in found}
        return [by_id[photo] for photo in ids if photo in by_id]

    async def posted(self, group: str, channel: str, message: str) -> list[StoredPhoto]:
        async with self._pool.read() as db:
            number = await number_of_group(db, group)
            return await self._posts.photos_of(db, number, channel, message)

    async def copies(self, group: str, ref: PhotoRef) -> list[StoredPhoto]:
        async with self._pool.read() as db:
            number = await number_of_group(db, group)
            return await stored_photos(
                db,
                [] if number is None else [number],
                "photos.key = ? AND photos.platform = ?",
                (ref.key, ref.platform),
            )

    async def prove_sound(self, seconds: float) -> bool:
        """PostgreSQL checks its pages as it reads them (data checksums)."""
        async with self._pool.read() as db:
            await value(db, "SELECT count(*) FROM groups")
        return True

    async def prove_writable(self) -> None:
        async with self._pool.write() as db:
            await run(db, "CREATE TEMPORARY TABLE tried (n integer) ON COMMIT DROP")
            await run(db, "INSERT INTO tried VALUES (1)")
            await run(db, "UPDATE workers SET seen_at = seen_at")

    async def unfinished(self, photos: Collection[int]) -> dict[Task, int]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT task, count(*) FROM jobs WHERE group_id = ANY(?) AND photo_id = ANY(?)"
                " AND due < ? GROUP BY task",
                (groups_of(photos), list(photos), self._clock() + SOON),
            )
        return dict.fromkeys(Task, 0) | {Task(task): count for task, count in found}

    async def totals(self) -> Totals:
        async with self._pool.read() as db:
            found = await row(
                db,
                "SELECT (SELECT count(*) FROM photos),"
                " (SELECT count(*) FROM photos WHERE refused IS NOT NULL),"
                " (SELECT count(*) FROM groups WHERE left_at IS NULL) /* every group */",
            )
        photos, refused, groups = found
        return Totals(photos - refused, refused, groups)

    async def heed(self, wake: Callable[[], None]) -> None:
        self._listener.heed(wake)
