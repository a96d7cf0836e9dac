"""What was said in direct replies to photos."""

from __future__ import annotations

from collections.abc import Collection

from bot.words import fold
from storage.pg.again import done_again
from storage.pg.counters import lock
from storage.pg.forgotten import forbid, is_forbidden, person_digest, refuses
from storage.pg.ids import groups_of
from storage.pg.joins import ON_POST, of_photo
from storage.pg.pool import Pool
from storage.pg.rows import Connection, number_of_group, row, rows, run, storable
from storage.replies import MOST_CHARACTERS, MOST_REPLIES


@done_again
class PgReplies:
    """ReplyStore on PostgreSQL. A row is one reply to one photo, so that it goes with either."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def hear(
        self, group: str, channel: str, about: str, message: str, author: str, text: str
    ) -> int:
        folded = fold(text[:MOST_CHARACTERS])[:MOST_CHARACTERS]
        async with self._pool.read() as db:
            number = await number_of_group(db, group)
            photos = await _photos_about(db, number, channel, about)
        if number is None or not photos:  # most are about no photo: nothing is written for them
            return 0
        async with self._pool.write() as db:
            if not await lock(db, number):
                return 0
            if (
                not folded
                or await refuses(db, author)
                or await is_forbidden(db, number, channel, message)
            ):
                await _unsay(db, number, photos, [message])
                return 0
            await run(  # the photo may have been forgotten meanwhile
                db,
                "INSERT INTO replies (group_id, photo_id, message, author, text)"
                " SELECT photos.group_id, photos.id, ?, ?, ? FROM photos"
                " WHERE photos.group_id = ? AND photos.id = ANY(?)"
                f" AND (SELECT count(*) FROM replies WHERE {of_photo('replies')}"
                f" AND replies.message <> ?) < {MOST_REPLIES}"
                " ON CONFLICT (group_id, photo_id, message) DO UPDATE SET text = excluded.text,"
                " author = excluded.author",
                (message, await person_digest(db, author), folded, number, photos, message),
            )
        return len(photos)

    async def heard(self, group: str, channel: str, messages: Collection[str]) -> frozenset[str]:
        async with self._pool.read() as db:
            number = await number_of_group(db, group)
            found = await _said(db, number, channel, messages)
        return frozenset(message for _, message in found)

    async def unsay(self, group: str, channel: str, messages: Collection[str]) -> int:
        async with self._pool.read() as db:
            number = await number_of_group(db, group)
            found = await _said(db, number, channel, messages)
        if number is None or not found:
            return 0
        async with self._pool.write() as db:
            if await lock(db, number):
                gone = sorted({message for _, message in found})
                await forbid(db, number, [(channel, message) for message in gone])
                await _unsay(db, number, [photo for photo, _ in found], gone)
        return len(found)


async def unsay_all_by(db: Connection, group: int, person: str) -> None:
    """All that somebody said about photos of a group goes, and doesn't come back."""
    known_by = await person_digest(db, person)
    said = await rows(
        db,
        "SELECT replies.id, posts.channel, replies.message FROM replies"
        f" JOIN photos ON {of_photo('replies')} JOIN posts ON {ON_POST}"
        " WHERE replies.group_id = ? AND replies.author = ?",
        (group, known_by),
    )
    if not said:
        return
    await forbid(db, group, [(channel, message) for _, channel, message in said])
    await run(
        db,
        "DELETE FROM replies WHERE group_id = ? AND id = ANY(?)",
        (group, [id_ for id_, _, _ in said]),
    )


async def said_of(db: Connection, photos: Collection[int]) -> dict[int, str]:
    """What was said about each of these photos, reply by reply; only those that have any."""
    found = await rows(
        db,
        "SELECT photo_id, string_agg(text, chr(10) ORDER BY id) FROM replies"
        " WHERE group_id = ANY(?) AND photo_id = ANY(?) GROUP BY photo_id",
        (groups_of(photos), list(photos)),
    )
    return {int(photo): str(text) for photo, text in found}


async def _photos_about(db: Connection, group: int | None, channel: str, about: str) -> list[int]:
    """The photos of a message, and of the album that it is part of."""
    post = await row(
        db,
        "SELECT id, album FROM posts WHERE group_id = ? AND channel = ? AND message = ?",
        (group, channel, about),
    )
    if post is None:
        return []
    found = await rows(
        db,
        f"SELECT photos.id FROM photos JOIN posts ON {ON_POST} WHERE posts.group_id = ?"
        " AND (posts.id = ? OR (posts.album <> '' AND posts.album = ? AND posts.channel = ?))",
        (group, post["id"], post["album"], channel),
    )
    return [int(photo) for (photo,) in found]


async def _said(
    db: Connection, group: int | None, channel: str, messages: Collection[str]
) -> list[tuple[int, str]]:
    """(photo, message) of those of these messages that are kept."""
    found = await rows(
        db,
        "SELECT replies.photo_id, replies.message FROM replies"
        f" JOIN photos ON {of_photo('replies')} JOIN posts ON {ON_POST}"
        " WHERE replies.group_id = ? AND replies.message = ANY(?) AND posts.channel = ?",
        (group, [storable(message) for message in messages], channel),
    )
    return [(int(photo), str(message)) for photo, message in found]


async def _unsay(
    db: Connection, group: int, photos: Collection[int], messages: Collection[str]
) -> None:
    await run(
        db,
        "DELETE FROM replies WHERE group_id = ? AND photo_id = ANY(?) AND message = ANY(?)",
        (group, list(photos), [storable(message) for message in messages]),
    )
