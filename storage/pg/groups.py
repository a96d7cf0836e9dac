"""Groups as such: where the bot is, who was seen there, what becomes of a group that it left."""

from __future__ import annotations

from datetime import datetime

from bot.photos import EVERYONE, Audience, Group, GroupStatus
from storage.groups import resolved, statuses
from storage.pg.again import done_again
from storage.pg.counters import lock
from storage.pg.joins import ON_POST, of_photo
from storage.pg.merging import erase, merge
from storage.pg.numbers import all_held, group_number, held, met, reserve
from storage.pg.pool import Pool
from storage.pg.rows import Connection, number_of_group, rows, run, value
from storage.pg.scope import seen_by

__all__ = ("PgGroups", "group_number")


@done_again
class PgGroups:
    """GroupStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def meet(self, group: Group) -> bool:
        async with self._pool.write() as db:
            number, is_new = await met(db, group.id, group.name)
            is_back = await run(
                db,
                "UPDATE groups SET left_at = NULL WHERE id = ? AND left_at IS NOT NULL",
                (number,),
            )
        return is_new or is_back > 0

    async def leave(self, group: str, at: datetime) -> bool:
        async with self._pool.write() as db:
            left = await run(
                db,
                "UPDATE groups SET left_at = ? WHERE key = ? AND left_at IS NULL",
                (at.timestamp(), group),
            )
        return left > 0

    async def move(self, old: str, new: str) -> bool:
        async with self._pool.write() as db:
            await reserve(db, new)
            found = await all_held(db, [old, new])
            source, target = found.get(old), found.get(new)
            if source is None or old == new:
                return False
            if target is None:
                await run(
                    db, "UPDATE groups SET key = ?, left_at = NULL WHERE id = ?", (new, source)
                )
                return True
            names = [await _name(db, number) for number in (target, source)]
            number = await merge(db, source, target)
            await run(
                db,
                "UPDATE groups SET key = ?, name = ?, left_at = NULL WHERE id = ?",
                (new, names[0] or names[1], number),
            )
        return True

    async def erase(self, group: str) -> int:
        async with self._pool.write() as db:
            number = await held(db, group)
            if number is None:
                return 0
            photos = await value(db, "SELECT count(*) FROM photos WHERE group_id = ?", (number,))
            await erase(db, number)
        return int(photos)

    async def erase_left(self, before: datetime) -> list[Group]:
        gone = []
        async with self._pool.write() as db:
            left = await rows(
                db, "SELECT id FROM groups WHERE left_at <= ? ORDER BY id", (before.timestamp(),)
            )
            for (number,) in left:
                await lock(db, number)
                still = await rows(  # the bot may have come back while others were erased
                    db,
                    "SELECT key, name FROM groups WHERE id = ? AND left_at <= ?",
                    (number, before.timestamp()),
                )
                if still:
                    await erase(db, number)
                    gone += [Group(*each) for each in still]
        return gone

    async def see(self, group: str, person: str) -> None:
        async with self._pool.read() as db:  # most are known
            number = await number_of_group(db, group)
            known = await value(
                db,
                "SELECT 1 FROM people WHERE group_id = ? AND person = ?",
                (number, person),
            )
        if number is None or known is not None:
            return
        async with self._pool.write() as db:
            if await lock(db, number):
                await run(
                    db,
                    "INSERT INTO people (group_id, person) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (number, person),
                )

    async def of(self, person: str) -> list[Group]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT key, name FROM people JOIN groups ON groups.id = people.group_id"
                " WHERE person = ? AND left_at IS NULL ORDER BY name, key /* every group */",
                (person,),
            )
        return [Group(*each) for each in found]

    async def present(self, prefix: str) -> list[Group]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT key, name FROM groups WHERE left_at IS NULL AND starts_with(key, ?)"
                " ORDER BY key",
                (prefix,),
            )
        return [Group(*each) for each in found]

    async def note(self, group: str, name: str) -> str | None:
        async with self._pool.read() as db:
            found = await value(
                db,
                "SELECT value FROM notes WHERE group_id = ? AND name = ?",
                (await number_of_group(db, group), name),
            )
        return None if found is None else str(found)

    async def take_note(self, group: str, name: str, text: str | None) -> None:
        async with self._pool.write() as db:
            number = await held(db, group)
            if number is None:
                return
            if text is None:
                await run(db, "DELETE FROM notes WHERE group_id = ? AND name = ?", (number, name))
                return
            await run(
                db,
                "INSERT INTO notes (group_id, name, value) VALUES (?, ?, ?)"
                " ON CONFLICT (group_id, name) DO UPDATE SET value = excluded.value",
                (number, name, text),
            )

    async def noted(self, name: str) -> dict[str, str]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT groups.key, value FROM notes JOIN groups ON groups.id = notes.group_id"
                " WHERE notes.name = ? AND left_at IS NULL ORDER BY groups.key /* every group */",
                (name,),
            )
        return {str(group): str(text) for group, text in found}

    async def resolve(self, name: str) -> str:
        async with self._pool.read() as db:
            known = await rows(db, "SELECT key, name FROM groups ORDER BY key")
        return resolved(name, known)

    async def status(
        self, group: str | None = None, audience: Audience = EVERYONE
    ) -> list[GroupStatus]:
        seen, values = seen_by(audience)
        only, of_photos, of_unseen = " /* every group */", "", ""
        async with self._pool.snapshot() as db:
            if group is not None:
                number = await number_of_group(db, group)
                if number is None:
                    return []
                only = f" WHERE groups.id = {number}"
                of_photos = f" AND photos.group_id = {number}"
                of_unseen = f" AND unseen.group_id = {number}"
            counts = await rows(
                db,
                "SELECT groups.id, groups.key, groups.name, count(photos.id),"
                " count(embed.photo_id), count(read.photo_id), count(renew.photo_id),"
                " count(unseen.photo_id) FROM groups"
                f" LEFT JOIN (SELECT photos.* FROM photos JOIN posts ON {ON_POST}"
                f" WHERE refused IS NULL{seen}{of_photos}) AS photos ON photos.group_id = groups.id"
                f" {_waiting('embed')} {_waiting('read')} {_waiting('renew')}"
                " LEFT JOIN (SELECT DISTINCT unseen.group_id, unseen.photo_id FROM unseen"
                " JOIN models ON models.id = unseen.model_id WHERE role <> 'retired'"
                f"{of_unseen}) AS unseen ON {of_photo('unseen')}"
                f"{only} GROUP BY groups.id ORDER BY groups.name, groups.key",
                values,
            )
            refused = await rows(
                db,
                "SELECT photos.group_id, photos.id, photos.name, refused FROM photos"
                f" JOIN posts ON {ON_POST} JOIN groups ON groups.id = photos.group_id"
                f" AND refused IS NOT NULL{seen}{of_photos}{only} ORDER BY photos.id",
                values,
            )
        return statuses(counts, refused)


def _waiting(task: str) -> str:
    return f"LEFT JOIN jobs AS {task} ON {of_photo(task)} AND {task}.task = '{task}'"


async def _name(db: Connection, number: int) -> str:
    return str(await value(db, "SELECT name FROM groups WHERE id = ?", (number,)))
