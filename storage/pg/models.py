"""Which models' embeddings there are, which of them is asked, and how another takes its place.

Two locks keep processes apart. Roles are changed by one at a time; and while a role changes, nobody
is between knowing a model's number and having saved what it made.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.photos import Model, Task
from storage.models import GRACE_SECONDS
from storage.pg.again import done_again
from storage.pg.counters import shrink
from storage.pg.ids import group_of
from storage.pg.pool import Pool
from storage.pg.renewals import OTHERS_SECONDS, require, settle
from storage.pg.rows import Connection, row, rows, run, value

ROLES = 0x5B0EB2
"""The lock of whoever gives or takes roles."""
SAVING = 0x5B0EB3
"""The lock that all share who save what models made."""
PATIENCE_SECONDS = 600.0
"""How long a model that is coming waits for a moment in which it has seen every photo."""
FEW = 100
"""Photos of the last minutes that it may see only when it answers already."""


@done_again
class PgModels:
    """ModelStore on PostgreSQL."""

    def __init__(self, pool: Pool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock

    async def answering(self) -> Model | None:
        return await self._of_role("answering")

    async def coming(self) -> Model | None:
        return await self._of_role("coming")

    async def _of_role(self, role: str) -> Model | None:
        async with self._pool.read() as db:
            found = await row(
                db, "SELECT name, fingerprint, dimension FROM models WHERE role = ?", (role,)
            )
        return None if found is None else Model(*found)

    async def answer(self, model: Model) -> None:
        async with self._pool.write() as db:
            await _alone(db)
            await self._answer(db, await number_of(db, model))

    async def expect(self, model: Model) -> None:
        async with self._pool.write() as db:
            await _alone(db)
            number = await number_of(db, model)
            role = await value(db, "SELECT role FROM models WHERE id = ?", (number,))
            if role in ("answering", "coming"):
                return
            await self._retire(db, "id <> ? AND role <> 'answering'", number)
            await self._give(db, "coming", number)

    async def require(self, model: Model) -> int:
        """One transaction a few groups at a time; what is posted meanwhile waits by itself."""
        async with self._pool.write() as db:
            number = await number_of(db, model)
        return await require(self._pool, number)

    async def succeed(self, model: Model) -> bool:
        async with self._pool.read() as db:  # asked every other second
            if await self._too_much_waits(db, model):
                return False
        await self.require(model)
        async with self._pool.write() as db:
            await _alone(db)
            if await self._too_much_waits(db, model):  # it was embedded by the old one meanwhile
                return False
            await self._answer(db, await number_of(db, model))
        return True

    async def _too_much_waits(self, db: Connection, model: Model) -> bool:
        """Anything that waits for the new model. Where photos are posted all the time there is
        always something: then, after a while, a few that came just now do not count."""
        found = await rows(
            db,
            "SELECT since < extract(epoch FROM now()) - ? FROM jobs WHERE task = ? LIMIT ?"
            " /* every group */",
            (2 * OTHERS_SECONDS, Task.RENEW, FEW + 1),
        )
        if not found:
            return False
        if len(found) > FEW or any(is_old for (is_old,) in found):
            return True
        coming = await value(
            db,
            "SELECT since FROM models WHERE fingerprint = ? AND role = 'coming'",
            (model.fingerprint,),
        )
        return coming is None or coming > self._clock() - PATIENCE_SECONDS

    async def overlook(self, photo: int, model: Model, reason: str) -> None:
        async with self._pool.write() as db:
            number = await number_of(db, model)
            await run(
                db,
                "INSERT INTO unseen (group_id, photo_id, model_id, reason)"
                " SELECT group_id, id, ?, ? FROM photos WHERE group_id = ? AND id = ? FOR KEY SHARE"
                " ON CONFLICT (group_id, photo_id, model_id)"
                " DO UPDATE SET reason = excluded.reason",
                (number, reason, group_of(photo), photo),
            )
            await settle(db, number, [photo], self._clock())

    async def clear(self, most: int) -> bool:
        async with self._pool.write() as db:
            await run(db, "SELECT pg_advisory_xact_lock(?)", (ROLES,))
            number = await value(
                db,
                "SELECT id FROM models WHERE role = 'retired' AND since <= ? ORDER BY id LIMIT 1",
                (self._clock() - GRACE_SECONDS,),
            )
            if number is None:
                return False
            if await _clear_some(db, number, most):
                return True
            await _alone(db)  # somebody may have saved something only now
            if not await _clear_some(db, number, most):
                await run(db, "DELETE FROM models WHERE id = ?", (number,))
        return True

    async def _answer(self, db: Connection, number: int) -> None:
        await self._retire(db, "id <> ?", number)
        if await self._give(db, "answering", number):
            # What searches keep in memory of this model may lack what came before.
            groups = await rows(
                db, "SELECT group_id FROM counters ORDER BY group_id FOR UPDATE /* every group */"
            )
            await shrink(db, [group for (group,) in groups])

    async def _retire(self, db: Connection, which: str, number: int) -> None:
        await run(
            db,
            f"UPDATE models SET role = 'retired', since = ? WHERE role <> 'retired' AND {which}",
            (self._clock(), number),
        )

    async def _give(self, db: Connection, role: str, number: int) -> bool:
        given = await run(
            db,
            "UPDATE models SET role = ?, since = ? WHERE id = ? AND role <> ?",
            (role, self._clock(), number, role),
        )
        return bool(given)


async def number_of(db: Connection, model: Model) -> int:
    """A model's id in the database, which knows it from now on. No role changes before this
    transaction ends."""
    await run(db, "SELECT pg_advisory_xact_lock_shared(?)", (SAVING,))
    known = await row(db, "SELECT id, name FROM models WHERE fingerprint = ?", (model.fingerprint,))
    if known is not None and known[1] == model.name:  # writing it would make all others wait
        return int(known[0])
    found = await value(
        db,
        "INSERT INTO models (fingerprint, name, dimension) VALUES (?, ?, ?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
        (model.fingerprint, model.name, model.dimension),
    )
    return int(found)


async def _alone(db: Connection) -> None:
    """Until nobody else changes roles, or is saving what a model made."""
    await run(db, "SELECT pg_advisory_xact_lock(?)", (ROLES,))
    await run(db, "SELECT pg_advisory_xact_lock(?)", (SAVING,))


async def _clear_some(db: Connection, number: int, most: int) -> bool:
    """Whether there may be more."""
    for table in ("vectors", "unseen"):  # group by group, since that is how they are found
        gone = await run(
            db,
            "WITH few AS MATERIALIZED (SELECT found.group_id, found.photo_id FROM groups"
            f" CROSS JOIN LATERAL (SELECT group_id, photo_id FROM {table} AS each"
            " WHERE each.group_id = groups.id AND each.model_id = ? LIMIT ?) AS found LIMIT ?)"
            f" DELETE FROM {table} AS old USING few WHERE old.group_id = few.group_id"
            " AND old.photo_id = few.photo_id AND old.model_id = ?",
            (number, most, most, number),
        )
        if gone == most:
            return True
    return False
