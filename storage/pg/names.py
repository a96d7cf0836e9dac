"""Names that groups give to what is in their photos."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from bot.photos import Audience, Model, Name, Vector
from storage.names import counted, make_sure_of_room
from storage.pg.again import done_again
from storage.pg.counters import lock
from storage.pg.ids import group_of
from storage.pg.joins import of_photo
from storage.pg.numbers import held
from storage.pg.pool import Pool
from storage.pg.rows import numbers_of_groups, row, rows, run, storable, value
from storage.pg.scope import Scope
from storage.pg.vectors import from_half


@done_again
class PgNames:
    """NameStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def give(self, photo: int, key: str, written: str, giver: str) -> None:
        group = group_of(photo)
        async with self._pool.write() as db:
            await lock(db, group)
            known = await value(
                db, "SELECT 1 FROM photos WHERE group_id = ? AND id = ?", (group, photo)
            )
            if known is None:  # it was forgotten meanwhile
                return
            counts = await row(
                db,
                "SELECT count(DISTINCT key) FILTER (WHERE key <> ?),"
                " count(*) FILTER (WHERE key = ? AND photo_id <> ?) FROM names WHERE group_id = ?",
                (key, key, photo, group),
            )
            make_sure_of_room(*counts)
            await run(
                db,
                "INSERT INTO names (group_id, photo_id, key, written, giver)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (group, photo, key, written, giver),
            )

    async def take_back(
        self, group: str, audience: Audience, key: str, giver: str | None
    ) -> tuple[int, int]:
        async with self._pool.write() as db:
            number = await held(db, group)
            if number is None:
                return 0, 0
            by_whom = None if giver is None else storable(giver)
            seen = await rows(db, *examples(Scope([number], audience), "photos.id, giver", [key]))
            gone = [photo for photo, by in seen if by_whom in (None, by)]
            await run(  # their own go where they may no longer look, too
                db,
                "DELETE FROM names WHERE group_id = ? AND key = ?"
                " AND (photo_id = ANY(?) OR giver = ?)",
                (number, key, gone, by_whom),
            )
        return len(gone), len(seen) - len(gone)

    async def of(self, groups: Collection[str], audience: Audience) -> dict[str, Name]:
        async with self._pool.read() as db:
            numbers = sorted((await numbers_of_groups(db, groups)).values())
            found = await rows(db, *examples(Scope(numbers, audience), "names.key, written"))
        return counted(found)

    async def vector(self, photo: int, model: Model) -> Vector | None:
        async with self._pool.read() as db:
            found = await value(
                db,
                "SELECT vector FROM vectors JOIN models ON models.id = model_id"
                " WHERE group_id = ? AND photo_id = ? AND fingerprint = ?",
                (group_of(photo), photo, model.fingerprint),
            )
        return None if found is None else from_half(found)


def examples(
    scope: Scope, columns: str, keys: Sequence[str] | None = None
) -> tuple[str, tuple[Any, ...]]:
    """The examples in scope of these names, or of all; oldest photo first."""
    where, values = "", tuple[Any, ...]()
    if keys is not None:
        where, values = "AND names.key = ANY(?)", ([storable(key) for key in keys],)
    return scope.select(
        columns,
        f"JOIN names ON {of_photo('names')}",
        f"{where} ORDER BY photos.id",
        values,
    )
