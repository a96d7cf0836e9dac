"""Small copies of photos, for a model that comes later."""

from __future__ import annotations

from collections.abc import Mapping

from storage.connection import Database
from storage.rows import value


class SqliteThumbnails:
    """ThumbnailStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(self, jpegs: Mapping[int, bytes]) -> None:
        async with self._db.write() as db:
            await db.executemany(
                "INSERT OR REPLACE INTO thumbnails (photo_id, jpeg) SELECT photos.id, ?"
                " FROM photos JOIN posts ON posts.id = post_id"
                " WHERE photos.id = ? AND refused IS NULL AND NOT protected",
                [(jpeg, photo) for photo, jpeg in jpegs.items()],
            )

    async def of(self, photo: int) -> bytes | None:
        async with self._db.read() as db:
            found = await value(db, "SELECT jpeg FROM thumbnails WHERE photo_id = ?", (photo,))
        return None if found is None else bytes(found)

    async def drop(self, most: int) -> bool:
        async with self._db.write() as db:
            cursor = await db.execute(
                "DELETE FROM thumbnails WHERE photo_id IN"
                " (SELECT photo_id FROM thumbnails LIMIT ?)",
                (most,),
            )
            gone = cursor.rowcount
            if gone:
                await db.execute("UPDATE scrub SET wanted = wanted + 1")
        return bool(gone)
