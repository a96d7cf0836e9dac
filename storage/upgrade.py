"""Brings a file to the newest schema: a copy of it first, then numbered migrations, all or none."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import shutil
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite

from bot.errors import StoreError
from storage.backup import back_up
from storage.migrations import refuse_newer, steps
from storage.rows import rows, value
from storage.trouble import trouble

log = logging.getLogger(__name__)

MEGABYTE = 1e6
_SCHEMAS_OWN = {"salt", "scrub", "changes"}
"""Tables that hold rows where nothing was remembered yet."""
_TIME = "%Y%m%d-%H%M%S"


async def upgrade(db: aiosqlite.Connection, path: Path, schema: str) -> None:
    """Run the migrations that `schema` has and the file hasn't, in one transaction: whoever is
    interrupted leaves the file as it was, and whoever comes at the same time waits and finds it
    done. Raises StoreError, e.g. where there is no room for the copy; nothing is changed then."""
    migrations = steps(schema)
    newest = migrations[-1][0]
    await db.execute("BEGIN IMMEDIATE")
    try:
        version = int(await value(db, "PRAGMA user_version"))
        refuse_newer(path, version, schema)
        if version < newest and await _holds_something(db):
            await _copy(path, schema, version, newest)
        for number, file in migrations:
            if version < number:
                for statement in _statements(file.read_text(encoding="utf-8")):
                    await db.execute(statement)
                await db.execute(f"PRAGMA user_version = {number}")
        await db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a cancelled COMMIT still runs in the connection's thread
            await db.execute("ROLLBACK")
        raise


def drop_copies(path: Path, before: datetime) -> int:
    """Delete the copies that upgrades of a file made before then; how many those were. What is
    forgotten in the file is still in them. Raises StoreError."""
    gone = [copy for copy, _, made in _copies_of(path) if made < before]
    _delete(gone)
    return len(gone)


async def _holds_something(db: aiosqlite.Connection) -> bool:
    tables = await rows(db, "SELECT name FROM pragma_table_list WHERE type = 'table'")
    for (name,) in tables:
        if name.startswith("sqlite_") or name in _SCHEMAS_OWN:
            continue
        if await value(db, f"SELECT 1 FROM {name} LIMIT 1") is not None:
            return True
    return False


async def _copy(path: Path, schema: str, version: int, newest: int) -> None:
    """Keep the file as it is under another name; the caller's transaction keeps writers out. Of
    each upgrade only the last copy stays."""
    to = path.with_name(f"{path.name}.before-v{newest}-{datetime.now(UTC):{_TIME}}")
    stop = threading.Event()
    copying = asyncio.ensure_future(
        asyncio.to_thread(_make_copy, path, to, schema, f"{version} to {newest}", stop)
    )
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise
    others = [copy for copy, target, _ in _copies_of(path) if target == newest and copy != to]
    await asyncio.to_thread(_delete, others)
    message = "%s is upgraded from schema %d to %d; as it was it is kept in %s for some time"
    log.info(message, path, version, newest, to)


def _make_copy(path: Path, to: Path, schema: str, step: str, stop: threading.Event) -> None:
    unchanged = f"the database {path} was not upgraded (schema {step}) and is as it was"
    log_file = path.with_name(f"{path.name}-wal")
    size = sum(file.stat().st_size for file in (path, log_file) if file.exists())
    free = shutil.disk_usage(path.parent).free
    no_room = (
        f"{unchanged}: there is no room for a copy of it, which is made first; "
        f"it takes {size / MEGABYTE:.1f} MB in {path.parent}: free some space, and start again"
    )
    if free < size:
        raise StoreError(no_room)
    try:
        back_up(path, to, overwrite=True, schema=schema, stopped=stop.is_set)
    except StoreError as error:
        if _is_full(error.__cause__):
            raise StoreError(no_room) from error
        raise StoreError(f"{unchanged}, since no copy could be made first: {error}") from error


def _is_full(error: BaseException | None) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL


def _copies_of(path: Path) -> list[tuple[Path, int, datetime]]:
    """(copy, which schema it was made before, when), and what is left of those broken off."""
    name = re.compile(rf"{re.escape(path.name)}\.before-v(\d+)-(\d{{8}}-\d{{6}})(\.part.*)?")
    found = []
    for file in path.parent.iterdir() if path.parent.is_dir() else ():
        if match := name.fullmatch(file.name):
            with suppress(ValueError):  # no copy of ours: there is no such day
                made = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
                found.append((file, int(match[1]), made))
    return found


def _delete(files: list[Path]) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise trouble(file, "deleted", error) from error


def _statements(script: str) -> list[str]:
    """Split a script; `executescript` would commit the transaction that guards it."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
