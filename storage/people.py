"""What one person posted, all of it; and who doesn't want to be remembered."""

from __future__ import annotations

import json

from storage.connection import Database
from storage.forgotten import forbid, person_digest, refuses
from storage.replies import unsay_all_by
from storage.rows import rows, value
from storage.stand_ins import forbid_moments


class SqlitePeople:
    """PeopleStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def photos_of(self, group: str, person: str) -> int:
        async with self._db.read() as db:
            found = await value(
                db,
                "SELECT count(*) FROM photos JOIN posts ON posts.id = post_id"
                " JOIN groups ON groups.id = posts.group_id WHERE groups.key = ? AND author = ?",
                (group, person),
            )
        return int(found)

    async def forget(self, group: str, person: str, most: int) -> int:
        async with self._db.write() as db:
            group_id = await value(db, "SELECT id FROM groups WHERE key = ?", (group,))
            posts = await rows(
                db,
                "SELECT id, channel, message FROM posts WHERE group_id = ? AND author = ? LIMIT ?",
                (group_id, person, most),
            )
            await forbid(db, group_id, [(channel, message) for _, channel, message in posts])
            await forbid_moments(db, group_id, [post for post, _, _ in posts])
            ids = json.dumps([post for post, _, _ in posts])
            photos = await value(
                db,
                "SELECT count(*) FROM photos WHERE post_id IN (SELECT value FROM json_each(?))",
                (ids,),
            )
            await db.execute(
                "DELETE FROM posts WHERE id IN (SELECT value FROM json_each(?))", (ids,)
            )
            await db.execute(
                "DELETE FROM names WHERE giver = ? AND photo_id IN"
                " (SELECT id FROM photos WHERE group_id = ?)",
                (person, group_id),
            )
            await unsay_all_by(db, group_id, person)
            await db.execute(
                "DELETE FROM people WHERE person = ? AND group_id = ?", (person, group_id)
            )
            await db.execute(
                "DELETE FROM answers WHERE asker = ? AND (group_id = ? OR group_id IS NULL)",
                (person, group_id),
            )
            await db.execute("UPDATE scrub SET wanted = wanted + 1")
        return int(photos)

    async def refuse(self, person: str, refuses: bool) -> None:
        async with self._db.write() as db:
            digest = await person_digest(db, person)
            if refuses:
                await db.execute("INSERT OR IGNORE INTO refusing VALUES (?)", (digest,))
            else:
                await db.execute("DELETE FROM refusing WHERE digest = ?", (digest,))

    async def refuses(self, person: str) -> bool:
        async with self._db.read() as db:
            return await refuses(db, person)
