"""Imported photos whose identity their platform alone knows, and what takes their place."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime

import aiosqlite

from bot.photos import STAND_IN, PhotoRef, Post, StoredPhoto
from storage.connection import Database
from storage.forgotten import forbid, is_forbidden
from storage.rows import row, rows, stored_photos, value


class SqliteStandIns:
    """StandInStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def posted_at(self, group: str, author: str, at: datetime) -> list[StoredPhoto]:
        async with self._db.read() as db:
            return await stored_photos(
                db,
                "groups.key = ? AND posts.author = ? AND posts.posted_at = ?",
                (group, author, at.astimezone(UTC).isoformat()),
            )

    async def settle(self, post: Post, elsewhere: str) -> bool:
        async with self._db.write() as db:
            found = await value(
                db,
                "SELECT posts.id FROM posts JOIN photos ON photos.post_id = posts.id"
                " JOIN groups ON groups.id = posts.group_id WHERE groups.key = ?"
                " AND posts.author = ? AND posts.posted_at = ? AND posts.channel = ?"
                " AND substr(photos.key, 1, ?) = ? AND NOT EXISTS (SELECT 1 FROM posts AS known"
                " WHERE known.group_id = posts.group_id AND known.channel = ?"
                " AND known.message = ?) ORDER BY posts.id LIMIT 1",
                (
                    *(post.group, post.author, post.posted_at.astimezone(UTC).isoformat()),
                    *(elsewhere, len(STAND_IN), STAND_IN, post.channel, post.message),
                ),
            )
            if found is not None:
                await db.execute(
                    "UPDATE posts SET channel = ?, message = ?, link = ? WHERE id = ?",
                    (post.channel, post.message, post.link, found),
                )
        return found is not None


async def forbid_moments(db: aiosqlite.Connection, group: int, posts: Collection[int]) -> None:
    """These posts, which are about to be forgotten, aren't remembered by author and time either."""
    told = await rows(
        db,
        "SELECT author, posted_at FROM posts WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(posts)),),
    )
    await forbid(db, group, [(author, at) for author, at in told])


async def is_forbidden_moment(db: aiosqlite.Connection, group: int, post: Post) -> bool:
    """Whether something that its author posted then was forgotten, and it can't be told what."""
    if post.is_numbered:
        return False
    at = post.posted_at.astimezone(UTC).isoformat()
    return await is_forbidden(db, group, post.author, at)


async def known_photo(
    db: aiosqlite.Connection, post: int, ref: PhotoRef
) -> tuple[int | None, bool]:
    """The photo of this post that `ref` is, with where it is to be had now; and whether it has to
    be looked at anew. A stand-in never takes the place of what the platform itself has told, but
    of what could not be had there."""
    found = await row(
        db,
        "SELECT id, refused IS NOT NULL AND NOT final, key FROM photos WHERE post_id = ?1"
        " AND (key = ?2 OR ?3 OR substr(key, 1, ?4) = ?5) ORDER BY key <> ?2, id",
        (post, ref.key, ref.is_stand_in, len(STAND_IN), STAND_IN),
    )
    if found is None:
        return None, False
    photo, out_of_reach, key = found
    if key != ref.key and ref.is_stand_in and not out_of_reach:
        return photo, False
    await db.execute(
        "UPDATE photos SET platform = ?, key = ?, locator = ?, name = ? WHERE id = ?",
        (ref.platform, ref.key, ref.locator, ref.name, photo),
    )
    if replaced := key != ref.key:  # by what may be another picture, since an edit
        await db.execute("UPDATE texts SET text = '' WHERE photo_id = ?", (photo,))
    return photo, replaced or bool(out_of_reach)


def stays(ref: PhotoRef, keep: Collection[str]) -> bool:
    """Whether a photo is among those that its message still has."""
    return ref.key in keep or (ref.is_stand_in and bool(keep))
