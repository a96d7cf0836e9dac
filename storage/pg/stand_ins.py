"""Imported photos whose identity their platform alone knows, and what takes their place."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from bot.photos import STAND_IN, PhotoRef, Post, StoredPhoto
from storage.pg.again import done_again
from storage.pg.counters import shrink
from storage.pg.forgotten import forbid, is_forbidden
from storage.pg.joins import ON_POST
from storage.pg.numbers import held
from storage.pg.pool import Pool
from storage.pg.rows import (
    Connection,
    number_of_group,
    row,
    rows,
    run,
    storable,
    stored_photos,
    value,
)


@done_again
class PgStandIns:
    """StandInStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def posted_at(self, group: str, author: str, at: datetime) -> list[StoredPhoto]:
        async with self._pool.snapshot() as db:
            number = await number_of_group(db, group)
            if number is None:
                return []
            return await stored_photos(
                db, [number], "posts.author = ? AND posts.posted_at = ?", (author, at)
            )

    async def settle(self, post: Post, elsewhere: str) -> bool:
        async with self._pool.write() as db:
            group = await held(db, post.group)
            if group is None:
                return False
            found = await value(
                db,
                f"SELECT posts.id FROM posts JOIN photos ON {ON_POST}"
                " WHERE posts.group_id = ? AND posts.author = ? AND posts.posted_at = ?"
                " AND posts.channel = ? AND starts_with(photos.key, ?)"
                " AND NOT EXISTS (SELECT 1 FROM posts AS known WHERE known.group_id ="
                " posts.group_id AND known.channel = ? AND known.message = ?)"
                " ORDER BY posts.id LIMIT 1",
                (
                    *(group, post.author, post.posted_at, elsewhere, STAND_IN),
                    *(post.channel, post.message),
                ),
            )
            if found is not None:
                await run(
                    db,
                    "UPDATE posts SET channel = ?, message = ?, link = ?"
                    " WHERE group_id = ? AND id = ?",
                    (post.channel, post.message, post.link, group, found),
                )
                await shrink(db, [group])
        return found is not None


async def forbid_moments(db: Connection, group: int, posts: Collection[int]) -> None:
    """These posts, which are about to be forgotten, aren't remembered by author and time either."""
    told = await rows(
        db,
        "SELECT author, posted_at FROM posts WHERE group_id = ? AND id = ANY(?)",
        (group, list(posts)),
    )
    await forbid(db, group, [(author, _moment(at)) for author, at in told])


async def is_forbidden_moment(db: Connection, group: int, post: Post) -> bool:
    """Whether something that its author posted then was forgotten, and it can't be told what."""
    if post.is_numbered:
        return False
    return await is_forbidden(db, group, post.author, _moment(post.posted_at))


async def known_photo(
    db: Connection, group: int, post: int, ref: PhotoRef
) -> tuple[int | None, bool]:
    """The photo of this post that `ref` is, with where it is to be had now; and whether it has to
    be looked at anew. A stand-in never takes the place of what the platform itself has told, but
    of what could not be had there."""
    found = await row(
        db,
        "SELECT id, refused IS NOT NULL AND NOT final, key FROM photos"
        " WHERE group_id = ? AND post_id = ? AND (key = ? OR ? OR starts_with(key, ?))"
        " ORDER BY key <> ?, id",
        (group, post, ref.key, ref.is_stand_in, STAND_IN, ref.key),
    )
    if found is None:
        return None, False
    photo, out_of_reach, key = found
    replaced = key != storable(ref.key)
    if replaced and ref.is_stand_in and not out_of_reach:
        return photo, False
    await run(
        db,
        "UPDATE photos SET platform = ?, key = ?, locator = ?, name = ?"
        " WHERE group_id = ? AND id = ?",
        (ref.platform, ref.key, ref.locator, ref.name, group, photo),
    )
    if replaced:  # by what may be another picture, since an edit
        await run(
            db, "UPDATE texts SET text = '' WHERE group_id = ? AND photo_id = ?", (group, photo)
        )
    return photo, replaced or bool(out_of_reach)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
