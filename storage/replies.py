"""What was said in direct replies to photos."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

import aiosqlite

from bot.words import fold
from storage.connection import Database
from storage.forgotten import forbid, is_forbidden, person_digest, refuses
from storage.loading import fetch
from storage.rows import rows, value

MOST_REPLIES = 50
"""Of a photo; the first ones stay."""
MOST_CHARACTERS = 500
"""Of a reply."""


class SqliteReplies:
    """ReplyStore on SQLite. A row is one reply to one photo, so that it goes with either."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def hear(
        self, group: str, channel: str, about: str, message: str, author: str, text: str
    ) -> int:
        folded = fold(text[:MOST_CHARACTERS])[:MOST_CHARACTERS]
        async with self._db.read() as db:
            photos = await _photos_about(db, group, channel, about)
        if not photos:  # most replies are about no photo: nothing is written for them
            return 0
        async with self._db.write() as db:
            group_id = await value(db, "SELECT id FROM groups WHERE key = ?", (group,))
            if (
                not folded
                or await refuses(db, author)
                or await is_forbidden(db, group_id, channel, message)
            ):
                await _unsay(db, photos, [message])
                return 0
            known_by = await person_digest(db, author)
            for photo in photos:
                await db.execute(  # the photo may have been forgotten meanwhile
                    "INSERT INTO replies (photo_id, message, author, text)"
                    " SELECT id, ?2, ?3, ?4 FROM photos"
                    " WHERE id = ?1 AND (SELECT count(*) FROM replies"
                    " WHERE photo_id = ?1 AND message <> ?2)"
                    f" < {MOST_REPLIES}"
                    " ON CONFLICT (photo_id, message) DO UPDATE SET text = excluded.text,"
                    " author = excluded.author",
                    (photo, message, known_by, folded),
                )
        return len(photos)

    async def heard(self, group: str, channel: str, messages: Collection[str]) -> frozenset[str]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT DISTINCT replies.message FROM replies"
                " JOIN photos ON photos.id = replies.photo_id"
                " JOIN posts ON posts.id = post_id JOIN groups ON groups.id = posts.group_id"
                " WHERE replies.message IN (SELECT value FROM json_each(?))"
                " AND groups.key = ? AND posts.channel = ?",
                (json.dumps(list(messages)), group, channel),
            )
        return frozenset(message for (message,) in found)

    async def unsay(self, group: str, channel: str, messages: Collection[str]) -> int:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT replies.photo_id, posts.group_id, replies.message FROM replies"
                " JOIN photos ON photos.id = replies.photo_id"
                " JOIN posts ON posts.id = post_id JOIN groups ON groups.id = posts.group_id"
                " WHERE replies.message IN (SELECT value FROM json_each(?))"
                " AND groups.key = ? AND posts.channel = ?",
                (json.dumps(list(messages)), group, channel),
            )
        if found:
            async with self._db.write() as db:
                gone = {message for _, _, message in found}
                await forbid(db, found[0][1], [(channel, message) for message in gone])
                await _unsay(db, [photo for photo, _, _ in found], messages)
        return len(found)


async def unsay_all_by(db: aiosqlite.Connection, group: int, person: str) -> None:
    """All that somebody said about photos of a group goes, and doesn't come back."""
    known_by = await person_digest(db, person)
    said = await rows(
        db,
        "SELECT replies.id, channel, replies.message FROM replies"
        " JOIN photos ON photos.id = photo_id JOIN posts ON posts.id = post_id"
        " WHERE replies.author = ? AND photos.group_id = ?",
        (known_by, group),
    )
    await forbid(db, group, [(channel, message) for _, channel, message in said])
    await db.execute(
        "DELETE FROM replies WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps([id_ for id_, _, _ in said]),),
    )


def said_of(db: sqlite3.Connection, photos: Collection[int]) -> dict[int, str]:
    """What was said about each of these photos, reply by reply; only those that have any."""
    found = fetch(
        db,
        "SELECT photo_id, group_concat(text, char(10)) FROM (SELECT photo_id, text FROM replies"
        " WHERE photo_id IN (SELECT value FROM json_each(?)) ORDER BY photo_id, id)"
        " GROUP BY photo_id",
        (json.dumps(list(photos)),),
    )
    return dict(found)


async def _photos_about(
    db: aiosqlite.Connection, group: str, channel: str, about: str
) -> list[int]:
    """The photos of a message, and of the album that it is part of."""
    post = await rows(
        db,
        "SELECT posts.id, album FROM posts JOIN groups ON groups.id = group_id"
        " WHERE groups.key = ? AND channel = ? AND message = ?",
        (group, channel, about),
    )
    if not post:
        return []
    found = await value(
        db,
        "SELECT json_group_array(photos.id) FROM photos JOIN posts ON posts.id = post_id"
        " WHERE posts.id = ?1 OR (?2 <> '' AND posts.album = ?2 AND posts.channel = ?3"
        " AND posts.group_id = (SELECT group_id FROM posts WHERE id = ?1))",
        (*post[0], channel),
    )
    return [int(photo) for photo in json.loads(found)]


async def _unsay(
    db: aiosqlite.Connection, photos: Collection[int], messages: Collection[str]
) -> None:
    await db.execute(
        "DELETE FROM replies WHERE photo_id IN (SELECT value FROM json_each(?))"
        " AND message IN (SELECT value FROM json_each(?))",
        (json.dumps(list(photos)), json.dumps(list(messages))),
    )
