"""Posts with their photos: remembered, revised, forgotten."""

from __future__ import annotations

from collections.abc import Collection

from bot.photos import AT_FIRST, PhotoRef, Post, Remembered, StoredPhoto, Task
from bot.words import fold
from storage.pg.counters import lock, shrink, take_number
from storage.pg.forgotten import forbid, is_forbidden, refuses
from storage.pg.groups import group_number
from storage.pg.listening import WORK
from storage.pg.pool import Pool
from storage.pg.rows import Connection, number_of_group, row, rows, run, stored_photos
from storage.pg.stand_ins import forbid_moments, is_forbidden_moment, known_photo
from storage.stand_ins import stays


class Posts:
    """Each verb is one transaction, in which nobody else adds to the group."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remember(self, post: Post) -> Remembered:
        """See PhotoStore.remember."""
        added: list[int] = []
        known: list[int] = []
        async with self._pool.write() as db:
            group = await group_number(db, post.group, post.group_name)
            await lock(db, group)
            if await is_forbidden(db, group, post.channel, post.message) or await refuses(
                db, post.author
            ):
                return Remembered((), ())
            if await is_forbidden_moment(db, group, post):
                return Remembered((), ())
            post_id = await _upsert(db, group, post)
            for ref in post.photos:
                photo, is_new = await _remember_photo(db, group, post_id, ref)
                (added if is_new else known).append(photo)
            await _write_captions(db, group, post_id, post.album)
            if added:
                await run(db, "SELECT pg_notify(?, '')", (WORK,))
        return Remembered(tuple(added), tuple(known))

    async def revise(
        self, group: str, channel: str, message: str, caption: str, keep: Collection[str] | None
    ) -> tuple[PhotoRef, ...]:
        """See PhotoStore.revise."""
        async with self._pool.write() as db:
            number = await number_of_group(db, group)
            if number is None or not await lock(db, number):
                return ()
            photos = await self.photos_of(db, number, channel, message)
            dropped = [p for p in photos if keep is not None and not stays(p.ref, keep)]
            post = await row(
                db,
                "UPDATE posts SET caption = ? WHERE group_id = ? AND channel = ? AND message = ?"
                " RETURNING id, album",
                (caption, number, channel, message),
            )
            if post is not None:
                await _write_captions(db, number, *post)
            if dropped:
                await run(
                    db,
                    "DELETE FROM photos WHERE group_id = ? AND id = ANY(?)",
                    (number, [photo.id for photo in dropped]),
                )
                await shrink(db, [number])
        return tuple(photo.ref for photo in dropped)

    async def forget(self, group: str, channel: str, message: str) -> tuple[PhotoRef, ...]:
        """See PhotoStore.forget."""
        async with self._pool.write() as db:
            number = await number_of_group(db, group)
            if number is None or not await lock(db, number):
                return ()
            photos = await self.photos_of(db, number, channel, message)
            await forbid(db, number, [(channel, message)])
            post = await row(
                db,
                "SELECT id, album FROM posts WHERE group_id = ? AND channel = ? AND message = ?",
                (number, channel, message),
            )
            if post is not None:
                await forbid_moments(db, number, [post[0]])
                await run(db, "DELETE FROM posts WHERE group_id = ? AND id = ?", (number, post[0]))
                await _write_captions(db, number, *post)
                await shrink(db, [number])
        return tuple(photo.ref for photo in photos)

    async def photos_of(
        self, db: Connection, group: int | None, channel: str, message: str
    ) -> list[StoredPhoto]:
        """The photos of a message, in their order."""
        return await stored_photos(
            db,
            [] if group is None else [group],
            "posts.channel = ? AND posts.message = ?",
            (channel, message),
        )


async def _upsert(db: Connection, group: int, post: Post) -> int:
    known = await row(
        db,
        "SELECT id, protected FROM posts WHERE group_id = ? AND channel = ? AND message = ?",
        (group, post.channel, post.message),
    )
    if known is not None:
        await run(
            db,
            "UPDATE posts SET link = ?, spoiler = ?, protected = ? WHERE group_id = ? AND id = ?",
            (post.link, post.spoiler, post.protected, group, known[0]),
        )
        if known[1] != post.protected:
            await shrink(db, [group])
        return int(known[0])
    number = await take_number(db, group)
    await run(
        db,
        "INSERT INTO posts (group_id, id, channel, message, author, author_name, posted_at,"
        " caption, album, link, spoiler, protected)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(group, number, post.channel, post.message, post.author, post.author_name),
            *(post.posted_at, post.caption, post.album, post.link, post.spoiler, post.protected),
        ),
    )
    return number


async def _remember_photo(db: Connection, group: int, post: int, ref: PhotoRef) -> tuple[int, bool]:
    found, looks_anew = await known_photo(db, group, post, ref)
    if found is None:
        photo = await take_number(db, group)
        await run(
            db,
            "INSERT INTO photos (group_id, id, post_id, platform, key, locator, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (group, photo, post, ref.platform, ref.key, ref.locator, ref.name),
        )
        await run(
            db,
            "INSERT INTO texts (group_id, photo_id, caption) VALUES (?, ?, '')",
            (group, photo),
        )
    elif not looks_anew:
        await _look_again(db, group, found)
        return found, False
    else:
        photo = found
        await run(
            db,
            "UPDATE photos SET refused = NULL, final = false WHERE group_id = ? AND id = ?",
            (group, photo),
        )
        await shrink(db, [group])
        await run(db, "SELECT pg_notify(?, '')", (WORK,))
    await run(
        db,
        "INSERT INTO jobs (group_id, photo_id, task) SELECT ?, ?, unnest(?::text[])"
        " ON CONFLICT DO NOTHING",
        (group, photo, [str(task) for task in AT_FIRST]),
    )
    return photo, found is None


async def _look_again(db: Connection, group: int, photo: int) -> None:
    """Somebody brings a photo that a model could not see."""
    gone = await rows(
        db,
        "DELETE FROM unseen WHERE group_id = ? AND photo_id = ? RETURNING photo_id",
        (group, photo),
    )
    if gone:
        await run(
            db,
            "INSERT INTO jobs (group_id, photo_id, task) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (group, photo, Task.RENEW),
        )


async def _write_captions(db: Connection, group: int, post: int, album: str) -> None:
    """Make a post's words findable, and with an album those of all its posts."""
    where, told = ("posts.album = ?", album) if album else ("posts.id = ?", post)
    for photo in await stored_photos(db, [group], where, [told]):
        caption = fold(photo.post.caption)
        await run(
            db,
            "UPDATE texts SET caption = ? WHERE group_id = ? AND photo_id = ? AND caption <> ?",
            (caption, group, photo.id, caption),
        )
