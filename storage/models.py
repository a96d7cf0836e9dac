"""Which models' embeddings there are, which of them is asked, and how another takes its place."""

from __future__ import annotations

from collections.abc import Callable

import aiosqlite

from bot.photos import Model, Task
from storage.connection import Database
from storage.rows import row, rows, value

GRACE_SECONDS = 60.0
"""Questions that were asked before another model took over still find what they need."""
FEW = 16
"""Packs that are deleted at once; each is overwritten."""


class SqliteModels:
    """ModelStore on SQLite."""

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    async def answering(self) -> Model | None:
        return await self._of_role("answering")

    async def coming(self) -> Model | None:
        return await self._of_role("coming")

    async def _of_role(self, role: str) -> Model | None:
        async with self._db.read() as db:
            found = await row(
                db, "SELECT name, fingerprint, dimension FROM models WHERE role = ?", (role,)
            )
        return None if found is None else Model(*found)

    async def answer(self, model: Model) -> None:
        async with self._db.write() as db:
            await self._answer(db, await number_of(db, model))

    async def expect(self, model: Model) -> None:
        async with self._db.write() as db:
            number = await number_of(db, model)
            role = await value(db, "SELECT role FROM models WHERE id = ?", (number,))
            if role in ("answering", "coming"):
                return
            # Without a role, or retired, packs of it can have become old without a sign.
            await db.execute("DELETE FROM packs WHERE model_id = ?", (number,))
            await self._retire(db, "id <> ? AND role <> 'answering'", number)
            await self._give(db, "coming", number)

    async def require(self, model: Model) -> int:
        async with self._db.write() as db:
            return await _require(db, await number_of(db, model))

    async def succeed(self, model: Model) -> bool:
        async with self._db.read() as db:  # asked every other second
            if await value(db, "SELECT 1 FROM jobs WHERE task = ? LIMIT 1", (Task.RENEW,)):
                return False
        async with self._db.write() as db:
            number = await number_of(db, model)
            if await _require(db, number):
                return False
            await self._answer(db, number)
        return True

    async def overlook(self, photo: int, model: Model, reason: str) -> None:
        async with self._db.write() as db:
            await db.execute(
                "INSERT OR REPLACE INTO unseen (photo_id, model_id, reason)"
                " SELECT id, ?, ? FROM photos WHERE id = ?",
                (await number_of(db, model), reason, photo),
            )
            await db.execute(
                "DELETE FROM jobs WHERE task = ? AND photo_id = ?", (Task.RENEW, photo)
            )

    async def clear(self, most: int) -> bool:
        async with self._db.write() as db:
            number = await value(
                db,
                "SELECT id FROM models WHERE role = 'retired' AND since <= ? LIMIT 1",
                (self._clock() - GRACE_SECONDS,),
            )
            if number is None:
                return False
            for table, some in (("packs", FEW), ("vectors", most), ("unseen", most)):
                key = "photo_id" if table == "unseen" else "rowid"
                cursor = await db.execute(
                    f"DELETE FROM {table} WHERE model_id = ?1 AND {key} IN"
                    f" (SELECT {key} FROM {table} WHERE model_id = ?1 LIMIT ?2)",
                    (number, some),
                )
                if cursor.rowcount == some:
                    return True
            await db.execute("DELETE FROM models WHERE id = ?", (number,))
        return True

    async def _answer(self, db: aiosqlite.Connection, number: int) -> None:
        await self._retire(db, "id <> ?", number)
        if await self._give(db, "answering", number):
            # What searches keep in memory of this model may lack what came before.
            await db.execute(
                "INSERT INTO changes SELECT id, 1 + coalesce((SELECT max(seq) FROM changes"
                " WHERE group_id = groups.id), 0), NULL FROM groups"
            )

    async def _retire(self, db: aiosqlite.Connection, which: str, number: int) -> None:
        await db.execute(
            f"UPDATE models SET role = 'retired', since = ? WHERE role <> 'retired' AND {which}",
            (self._clock(), number),
        )

    async def _give(self, db: aiosqlite.Connection, role: str, number: int) -> bool:
        cursor = await db.execute(
            "UPDATE models SET role = ?, since = ? WHERE id = ? AND role <> ?",
            (role, self._clock(), number, role),
        )
        return bool(cursor.rowcount)


async def number_of(db: aiosqlite.Connection, model: Model) -> int:
    """A model's id in the database, which knows it from now on."""
    found = await rows(
        db,
        "INSERT INTO models (fingerprint, name, dimension) VALUES (?, ?, ?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
        (model.fingerprint, model.name, model.dimension),
    )
    return int(found[0][0])


async def _require(db: aiosqlite.Connection, number: int) -> int:
    """Photos that no model has seen wait for that anyway."""
    await db.execute(
        "DELETE FROM jobs WHERE task = ? AND photo_id IN"
        " (SELECT photo_id FROM vectors WHERE model_id = ?)",
        (Task.RENEW, number),
    )
    await db.execute(
        "INSERT INTO jobs (photo_id, task) SELECT id, ?1 FROM photos WHERE refused IS NULL"
        " AND id NOT IN (SELECT photo_id FROM vectors WHERE model_id = ?2)"
        " AND id NOT IN (SELECT photo_id FROM unseen WHERE model_id = ?2)"
        " AND id NOT IN (SELECT photo_id FROM jobs WHERE task = ?3) ON CONFLICT DO NOTHING",
        (Task.RENEW, number, Task.EMBED),
    )
    return int(await value(db, "SELECT count(*) FROM jobs WHERE task = ?", (Task.RENEW,)))
