"""Groups as such: where the bot is, who was seen there, what becomes of a group that it left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bot.errors import UnknownGroup
from bot.photos import EVERYONE, Audience, Group, GroupStatus, Refusal
from storage.connection import Database
from storage.rows import row, rows, value
from storage.search import seen_by

UPSERT = (
    "INSERT INTO groups (key, name) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET"
    " name = CASE excluded.name WHEN '' THEN name ELSE excluded.name END"
)


class SqliteGroups:
    """GroupStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def meet(self, group: Group) -> bool:
        async with self._db.write() as db:
            known = await value(
                db, "SELECT 1 FROM groups WHERE key = ? AND left_at IS NULL", (group.id,)
            )
            await db.execute(UPSERT, (group.id, group.name))
            await db.execute("UPDATE groups SET left_at = NULL WHERE key = ?", (group.id,))
        return known is None

    async def leave(self, group: str, at: datetime) -> bool:
        async with self._db.write() as db:
            left = await value(
                db,
                "UPDATE groups SET left_at = ? WHERE key = ? AND left_at IS NULL RETURNING id",
                (at.timestamp(), group),
            )
        return left is not None

    async def move(self, old: str, new: str) -> bool:
        async with self._db.write() as db:
            source = await row(db, "SELECT id, name FROM groups WHERE key = ?", (old,))
            if source is None or old == new:
                return False
            target = await value(db, "SELECT id FROM groups WHERE key = ?", (new,))
            if target is None:
                await db.execute(
                    "UPDATE groups SET key = ?, left_at = NULL WHERE id = ?", (new, source[0])
                )
                return True
            for table in ("posts", "people", "notes", "answers", "forgotten"):
                await db.execute(
                    f"UPDATE OR IGNORE {table} SET group_id = ? WHERE group_id = ?",
                    (target, source[0]),
                )
            await db.execute(
                "UPDATE photos SET group_id = ? WHERE post_id IN"
                " (SELECT id FROM posts WHERE group_id = ?)",
                (target, target),
            )
            await db.execute(
                "UPDATE groups SET name = CASE name WHEN '' THEN ? ELSE name END, left_at = NULL"
                " WHERE id = ?",
                (source[1], target),
            )
            await db.execute("DELETE FROM groups WHERE id = ?", (source[0],))
        return True

    async def erase(self, group: str) -> int:
        async with self._db.write() as db:
            photos = await value(
                db,
                "SELECT count(*) FROM photos"
                " WHERE group_id = (SELECT id FROM groups WHERE key = ?)",
                (group,),
            )
            await db.execute("DELETE FROM groups WHERE key = ?", (group,))
        return int(photos)

    async def erase_left(self, before: datetime) -> list[Group]:
        async with self._db.write() as db:
            gone = await rows(
                db, "SELECT key, name FROM groups WHERE left_at <= ?", (before.timestamp(),)
            )
            await db.executemany("DELETE FROM groups WHERE key = ?", [(key,) for key, _ in gone])
        return [Group(*each) for each in gone]

    async def see(self, group: str, person: str) -> None:
        async with self._db.write() as db:
            await db.execute(
                "INSERT INTO people (group_id, person) SELECT id, ? FROM groups WHERE key = ?"
                " ON CONFLICT DO NOTHING",
                (person, group),
            )

    async def of(self, person: str) -> list[Group]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT key, name FROM people JOIN groups ON groups.id = group_id"
                " WHERE person = ? AND left_at IS NULL ORDER BY name, key",
                (person,),
            )
        return [Group(*each) for each in found]

    async def present(self, prefix: str) -> list[Group]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT key, name FROM groups WHERE left_at IS NULL AND substr(key, 1, ?) = ?"
                " ORDER BY key",
                (len(prefix), prefix),
            )
        return [Group(*each) for each in found]

    async def note(self, group: str, name: str) -> str | None:
        async with self._db.read() as db:
            found = await value(
                db,
                "SELECT value FROM notes JOIN groups ON groups.id = group_id"
                " WHERE groups.key = ? AND notes.name = ?",
                (group, name),
            )
        return None if found is None else str(found)

    async def take_note(self, group: str, name: str, text: str | None) -> None:
        async with self._db.write() as db:
            if text is None:
                await db.execute(
                    "DELETE FROM notes WHERE name = ?"
                    " AND group_id = (SELECT id FROM groups WHERE key = ?)",
                    (name, group),
                )
                return
            await db.execute(
                "INSERT OR REPLACE INTO notes (group_id, name, value)"
                " SELECT id, ?, ? FROM groups WHERE key = ?",
                (name, text, group),
            )

    async def noted(self, name: str) -> dict[str, str]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT groups.key, value FROM notes JOIN groups ON groups.id = group_id"
                " WHERE notes.name = ? AND left_at IS NULL ORDER BY groups.key",
                (name,),
            )
        return {str(group): str(text) for group, text in found}

    async def resolve(self, name: str) -> str:
        async with self._db.read() as db:
            known = await rows(db, "SELECT key, name FROM groups ORDER BY key")
        return resolved(name, known)

    async def status(
        self, group: str | None = None, audience: Audience = EVERYONE
    ) -> list[GroupStatus]:
        only = "" if group is None else " WHERE groups.key = ?"
        seen, channels = seen_by(audience)
        values = (*channels,) if group is None else (*channels, group)
        async with self._db.read() as db:
            counts = await rows(
                db,
                "SELECT groups.id, groups.key, groups.name, count(photos.id),"
                " count(embed.photo_id), count(read.photo_id), count(renew.photo_id),"
                " count(unseen.photo_id) FROM groups"
                " LEFT JOIN (SELECT photos.* FROM photos JOIN posts ON posts.id = post_id"
                f" WHERE refused IS NULL{seen}) AS photos ON photos.group_id = groups.id"
                " LEFT JOIN jobs AS embed ON embed.photo_id = photos.id AND embed.task = 'embed'"
                " LEFT JOIN jobs AS read ON read.photo_id = photos.id AND read.task = 'read'"
                " LEFT JOIN jobs AS renew ON renew.photo_id = photos.id AND renew.task = 'renew'"
                " LEFT JOIN (SELECT DISTINCT photo_id FROM unseen JOIN models ON models.id ="
                " model_id WHERE role <> 'retired') AS unseen ON unseen.photo_id = photos.id"
                f"{only} GROUP BY groups.id ORDER BY groups.name, groups.key",
                values,
            )
            refused = await rows(
                db,
                "SELECT photos.group_id, photos.id, photos.name, refused FROM photos"
                " JOIN posts ON posts.id = post_id JOIN groups ON groups.id = photos.group_id"
                f" AND refused IS NOT NULL{seen}{only} ORDER BY photos.id",
                values,
            )
        return statuses(counts, refused)


def resolved(name: str, known: Iterable[tuple[str, str]]) -> str:
    """The id of the one that is meant among (id, name) of all groups. Raises UnknownGroup."""
    known = list(known)
    if any(key == name for key, _ in known):
        return name
    named = [str(key) for key, own in known if own == name]
    if len(named) > 1:
        raise UnknownGroup(f"several groups are called {name!r}: write {' or '.join(named)}")
    if not named:
        names = ", ".join(str(own or key) for key, own in known) or "none yet"
        raise UnknownGroup(f"there is no group called {name!r}; known groups: {names}")
    return named[0]


def statuses(counts: Iterable[Any], refused: Iterable[Any]) -> list[GroupStatus]:
    """Of rows (number, id, name, photos, waiting for each task, unseen) of groups, and (number,
    photo, name, reason) of refused photos."""
    reasons: dict[int, list[Refusal]] = {}
    for number, photo, name, reason in refused:
        reasons.setdefault(number, []).append(Refusal(photo, name, reason))
    return [
        GroupStatus(key, name, photos, embed, read, tuple(reasons.get(number, ())), renew, unseen)
        for number, key, name, photos, embed, read, renew, unseen in counts
    ]
