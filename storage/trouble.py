"""What SQLite complains of, as one line that says what to do about it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bot.errors import StoreError

FOREIGN = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What comes of a file that can't be used. SQLite's own messages may quote a damaged schema, which
the driver then can't decode."""
WAY_BACK = "stop the bot, and bring a backup back: python -m bot restore FILE"
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, and it goes on by itself",
    sqlite3.SQLITE_READONLY: "it is read-only; check the permissions of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "check the permissions of the file and its folder, or DATABASE_URL",
    sqlite3.SQLITE_PERM: "check the permissions of the file and its folder, or DATABASE_URL",
    sqlite3.SQLITE_BUSY: "another program has locked it; find and end that one",
    sqlite3.SQLITE_CORRUPT: f"it is damaged; {WAY_BACK}",
    sqlite3.SQLITE_NOTADB: f"look whether DATABASE_URL names the right file; if so, it is damaged: "
    f"{WAY_BACK}",
    sqlite3.SQLITE_IOERR: "the disk can't be read or written as it should; look into the "
    "system's log, and at the free space",
}
"""By primary result code (https://www.sqlite.org/rescode.html)."""


def trouble(path: Path, what: str, error: Exception) -> StoreError:
    """The one line. `what`: opened, read or written."""
    if isinstance(error, UnicodeDecodeError):
        return damage(path, "a text can't be decoded")
    told = f"the database {path} can't be {what}: {error}"
    code = getattr(error, "sqlite_errorcode", None)
    advice = None if code is None else _ADVICE.get(code & 0xFF)
    if advice is None and isinstance(error, OSError):
        advice = _ADVICE[sqlite3.SQLITE_CANTOPEN]
    return StoreError(f"{told}: {advice}" if advice else told)


def damage(path: Path, what: str) -> StoreError:
    """A check has found something."""
    found = " ".join(what.replace("*** in database main ***", "").split())[:200]
    return StoreError(f"the database {path} is damaged ({found}): {WAY_BACK}")
