"""Small copies of photos, for a model that comes later."""

from __future__ import annotations

from collections.abc import Mapping

from storage.pg.again import done_again
from storage.pg.ids import group_of, groups_of
from storage.pg.joins import ON_POST
from storage.pg.pool import Pool
from storage.pg.rows import run, value


@done_again
class PgThumbnails:
    """ThumbnailStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, jpegs: Mapping[int, bytes]) -> None:
        async with self._pool.write() as db:
            await run(  # none of a photo that is being refused
                db,
                "INSERT INTO thumbnails (group_id, photo_id, jpeg)"
                " SELECT photos.group_id, photos.id, kept.jpeg FROM photos"
                f" JOIN posts ON {ON_POST} JOIN unnest(?::bigint[], ?::bytea[]) AS kept (id, jpeg)"
                " ON kept.id = photos.id WHERE photos.group_id = ANY(?) AND refused IS NULL"
                " AND NOT protected ORDER BY photos.group_id, photos.id FOR SHARE OF photos"
                " ON CONFLICT (group_id, photo_id) DO UPDATE SET jpeg = excluded.jpeg",
                (list(jpegs), list(jpegs.values()), groups_of(jpegs)),
            )

    async def of(self, photo: int) -> bytes | None:
        async with self._pool.read() as db:
            found = await value(
                db,
                "SELECT jpeg FROM thumbnails WHERE group_id = ? AND photo_id = ?",
                (group_of(photo), photo),
            )
        return None if found is None else bytes(found)

    async def drop(self, most: int) -> bool:
        async with self._pool.write() as db:
            gone = await run(
                db,
                "WITH few AS MATERIALIZED"
                " (SELECT group_id, photo_id FROM thumbnails LIMIT ? /* every group */)"
                " DELETE FROM thumbnails USING few WHERE thumbnails.group_id = few.group_id"
                " AND thumbnails.photo_id = few.photo_id",
                (most,),
            )
        return bool(gone)
