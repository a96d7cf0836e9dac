"""Brings a database's schema up to date; ten processes may start at once."""

from __future__ import annotations

from bot.errors import StoreError
from storage.migrations import steps
from storage.pg.rows import Connection, run, value

SCHEMA = "storage.pg.schema"
LOCK = 0x5B0EB0  # any number that nobody else locks


async def migrate(db: Connection) -> None:
    """Take all missing steps in one transaction, while others wait. Raises StoreError for a
    database that this program is too old for."""
    async with db.transaction():
        await run(db, "SELECT pg_advisory_xact_lock(?)", (LOCK,))
        await run(db, "CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
        version = int(await value(db, "SELECT max(version) FROM schema_version") or 0)
        known = steps(SCHEMA)
        if version > known[-1][0]:
            raise StoreError(
                f"the database was written by a newer version of this program (schema {version},"
                f" this one knows {known[-1][0]}): update the program"
            )
        for number, file in known:
            if number > version:
                await db.execute(file.read_text(encoding="utf-8"))
                await run(db, "INSERT INTO schema_version VALUES (?)", (number,))
