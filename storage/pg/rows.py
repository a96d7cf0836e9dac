"""Statements with `?` for their values, and the columns that make a StoredPhoto."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias

import asyncpg

from bot.photos import PhotoRef, Post, StoredPhoto

Connection: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

# An album's caption is on one of its messages and holds for all of that channel. If several have
# captions, each is its own photo's.
_PHOTO_COLUMNS = """
    photos.id, photos.platform, photos.key, photos.locator, photos.name, photos.refused,
    groups.key, groups.name, posts.channel, posts.message, posts.author, posts.author_name,
    posts.posted_at, posts.album, posts.link, posts.spoiler, posts.protected,
    CASE WHEN posts.caption <> '' OR posts.album = '' THEN posts.caption ELSE coalesce((
        SELECT max(captioned.caption) FROM posts AS captioned
        WHERE captioned.group_id = posts.group_id AND captioned.album = posts.album
        AND captioned.channel = posts.channel AND captioned.caption <> '' HAVING count(*) = 1
    ), '') END
"""


@lru_cache(512)
def numbered(sql: str) -> str:
    """With $1, $2 … for each `?`, as PostgreSQL has it."""
    numbers = count(1)
    return "".join(f"${next(numbers)}" if each == "?" else each for each in sql)


async def rows(db: Connection, sql: str, values: Iterable[Any] = ()) -> list[Any]:
    """Everything a statement selects."""
    return list(await db.fetch(numbered(sql), *_bound(values)))


async def row(db: Connection, sql: str, values: Iterable[Any] = ()) -> Any:
    """The first row, or None."""
    return await db.fetchrow(numbered(sql), *_bound(values))


async def value(db: Connection, sql: str, values: Iterable[Any] = ()) -> Any:
    """The first row's first column, or None."""
    return await db.fetchval(numbered(sql), *_bound(values))


async def run(db: Connection, sql: str, values: Iterable[Any] = ()) -> int:
    """Do what a statement says; how many rows that was."""
    done = await db.execute(numbered(sql), *_bound(values))
    return int(done.rpartition(" ")[2]) if done[-1:].isdigit() else 0


def _bound(values: Iterable[Any]) -> list[Any]:
    """Texts without what PostgreSQL can't hold: NUL, and halves of surrogate pairs."""
    return [storable(each) if isinstance(each, str) else each for each in values]


def storable(text: str) -> str:
    """The text as PostgreSQL would give it back."""
    if text.isascii():
        return text.replace("\0", " ")
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


async def number_of_group(db: Connection, key: str) -> int | None:
    """A group's id in the database."""
    found = await value(db, "SELECT id FROM groups WHERE key = ?", (key,))
    return None if found is None else int(found)


async def numbers_of_groups(db: Connection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of those of these groups that there are."""
    found = await rows(db, "SELECT key, id FROM groups WHERE key = ANY(?)", (list(keys),))
    return {str(key): int(number) for key, number in found}


async def stored_photos(
    db: Connection, groups: Sequence[int], where: str, values: Iterable[Any]
) -> list[StoredPhoto]:
    """Photos of these groups with the posts they came in, oldest first; `where` may name photos,
    posts, groups."""
    found = await rows(
        db,
        f"SELECT {_PHOTO_COLUMNS} FROM photos JOIN posts ON posts.group_id = photos.group_id"
        " AND posts.id = photos.post_id JOIN groups ON groups.id = photos.group_id"
        f" WHERE photos.group_id = ANY(?) AND {where} ORDER BY photos.id",
        (list(groups), *values),
    )
    return [_stored_photo(each) for each in found]


def _stored_photo(found: Any) -> StoredPhoto:
    id_, platform, key, locator, name, refused, group, group_name, *post = found
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
            posted_at=posted_at,
            photos=(PhotoRef(platform, key, locator, name),),
            caption=caption,
            album=album,
            link=link,
            spoiler=spoiler,
            protected=protected,
        ),
        refused,
    )
