"""Reading rows, each with a cursor of its own, and the columns that make a StoredPhoto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import aiosqlite

from bot.photos import PhotoRef, Post, StoredPhoto

# An album's caption is on one of its messages and holds for all of that channel. If several have
# captions, each is its own photo's.
_PHOTO_COLUMNS = """
    photos.id, photos.platform, photos.key, photos.locator, photos.name, photos.refused,
    groups.key, groups.name, posts.channel, posts.message, posts.author, posts.author_name,
    posts.posted_at, posts.album, posts.link, posts.spoiler, posts.protected,
    CASE WHEN posts.caption <> '' OR posts.album = '' THEN posts.caption ELSE coalesce((
        SELECT max(captioned.caption) FROM posts AS captioned WHERE captioned.album = posts.album
        AND captioned.group_id = posts.group_id AND captioned.channel = posts.channel
        AND captioned.caption <> '' HAVING count(*) = 1
    ), '') END
"""


async def rows(
    db: aiosqlite.Connection, sql: str, values: Iterable[Any] | Mapping[str, Any] = ()
) -> list[Any]:
    """Everything a statement selects."""
    bound = values if isinstance(values, Mapping) else tuple(values)
    return list(await db.execute_fetchall(sql, bound))  # one turn of its thread, not three


async def row(db: aiosqlite.Connection, sql: str, values: Iterable[Any] = ()) -> Any:
    """The first row, or None."""
    async with db.execute(sql, tuple(values)) as cursor:
        return await cursor.fetchone()


async def value(db: aiosqlite.Connection, sql: str, values: Iterable[Any] = ()) -> Any:
    """The first row's first column, or None."""
    found = await row(db, sql, values)
    return None if found is None else found[0]


async def stored_photos(
    db: aiosqlite.Connection, where: str, values: Iterable[Any]
) -> list[StoredPhoto]:
    """Photos with the posts they came in, oldest first; `where` may name photos, posts, groups."""
    found = await rows(
        db,
        f"SELECT {_PHOTO_COLUMNS} FROM photos JOIN posts ON posts.id = photos.post_id"
        f" JOIN groups ON groups.id = photos.group_id WHERE {where} ORDER BY photos.id",
        values,
    )
    return [_stored_photo(each) for each in found]


def _stored_photo(row: Any) -> StoredPhoto:
    id_, platform, key, locator, name, refused, group, group_name, *post = row
    channel, message, author, author_name, posted_at, album, link, spoiler, protected, caption = (
        post
    )
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
            album=album,
            link=link,
            spoiler=bool(spoiler),
            protected=bool(protected),
        ),
        refused,
    )
