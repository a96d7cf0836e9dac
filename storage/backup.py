"""Copies of a database while it is used, and back. Blocking: run it in a thread."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import StoreError
from storage.forgotten import digest
from storage.migrations import refuse_newer
from storage.trouble import damage, trouble

MEMORY, CHATLOG = "storage.schema", "storage.schema.chatlog"
_OWN_TABLE = {MEMORY: "photos", CHATLOG: "message"}
_IN_WORDS = {MEMORY: "a memory", CHATLOG: "the web chat's log"}
CHAT = ".chat"
"""A backup of the web chat's log goes by the memory's name with this behind it."""
PART = ".part"
PAGES = 4096
"""Copied at once; between two pieces it can be stopped."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was proved to be whole."""

    path: Path
    bytes: int
    photos: int
    """0 in a web chat's log."""


def never() -> bool:
    return False


def back_up(
    database: Path,
    to: Path,
    overwrite: bool,
    schema: str = MEMORY,
    stopped: Callable[[], bool] = never,
) -> Backup:
    """Copy a database as it is at one moment, by SQLite's online backup
    (https://www.sqlite.org/backup.html): whoever uses it goes on. The copy is one file, takes its
    name only when it is whole, and is for its owner's eyes only. `stopped` is asked now and then.
    Raises StoreError, also when it was stopped."""
    if not database.exists():
        raise StoreError(f"there is no database {database} to back up")
    if to.exists() and not overwrite:
        raise StoreError(f"{to} exists already: choose another name, or say --overwrite")
    part = to.with_name(to.name + PART)
    with _translated(to, "written"):
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with closing(_open(database)) as source, closing(sqlite3.connect(part)) as copy:
                source.execute("BEGIN")  # one moment, although it is copied piece by piece
                source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                source.backup(copy, pages=PAGES, sleep=0, progress=lambda *_: _go_on(stopped))
                source.rollback()
                copy.execute("PRAGMA journal_mode = DELETE")
            found = look_into(part, schema, stopped)
            put_in_place(part, to)
        finally:
            part.unlink(missing_ok=True)
    return Backup(to, found.bytes, found.photos)


def put_in_place(part: Path, to: Path) -> None:
    """Give a file that is whole its name, so that a power cut leaves one or the other. Raises
    OSError."""
    _sync(part)
    part.replace(to)
    _sync(to.parent)


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise InterruptedError("stopped")


def look_into(path: Path, schema: str = MEMORY, stopped: Callable[[], bool] = never) -> Backup:
    """Prove that a file is a whole database of that schema. Raises StoreError."""
    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    with _translated(path, "read"), closing(_open(path)) as db:
        db.set_progress_handler(stopped, 100_000)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
        if not version or _OWN_TABLE[schema] not in tables:
            raise StoreError(f"{path} is no backup of {_IN_WORDS[schema]}")
        refuse_newer(path, version, schema)
        (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise damage(path, found)
        photos = 0
        if schema == MEMORY:
            (photos,) = db.execute("SELECT count(*) FROM photos").fetchone()
    return Backup(path, path.stat().st_size, photos)


def restore(
    backup: Path, database: Path, now: datetime, schema: str = MEMORY, kin: bool = True
) -> Path | None:
    """Put a backup in the place of a database that nobody uses; returns where the old one lies
    now. What was forgotten since the backup, post by post, stays forgotten. `kin`: the backup of a
    web chat's log was made of this very one. Raises StoreError."""
    look_into(backup, schema)
    part = database.with_name(database.name + PART)
    with _translated(database, "written"):
        database.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            shutil.copyfile(backup, part)
            part.chmod(0o600)
            forget_again = _forget_again
            if schema == MEMORY:
                _mend_indexes(part)
            else:
                forget_again = _delete_again
            if database.exists() and kin:
                with suppress(sqlite3.Error):  # damaged, it can't tell what it forgot
                    forget_again(part, database)
            aside = _set_aside(database, now) if database.exists() else None
            put_in_place(part, database)
        finally:
            part.unlink(missing_ok=True)
    return aside


def _set_aside(database: Path, now: datetime) -> Path:
    """Give the old file another name too; it keeps its own until that is taken from it, so that
    there is a database at any moment. A log (WAL) of the old one must not meet the new one."""
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%d-%H%M%S}")
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm"):
        log = database.with_name(database.name + end)
        if log.exists():
            log.replace(aside.with_name(aside.name + end))
    try:
        os.link(database, aside)
    except OSError:  # a file system without hard links
        shutil.copyfile(database, aside)
    return aside


def _mend_indexes(copy: Path) -> None:
    """What the full-text indexes hold stands in other tables too."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        made = db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%s_index'").fetchall()
        for (index,) in made:
            try:
                db.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
            except sqlite3.DatabaseError:
                db.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")


def are_kin(backup: Path, database: Path) -> bool:
    """Whether a backup was made of this memory, as far as it can be read."""
    with suppress(sqlite3.Error), closing(_open(backup)) as one, closing(_open(database)) as other:
        salts = [db.execute("SELECT value FROM salt").fetchone() for db in (one, other)]
        return bool(salts[0] == salts[1])
    return False


def _delete_again(copy: Path, old: Path) -> None:
    """Take out of a copy of a web chat's log what the old one had, and has no more."""
    with closing(sqlite3.connect(copy, uri=True)) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("ATTACH ? AS old", (f"{old.absolute().as_uri()}?mode=ro",))
        with db:
            db.execute(
                "DELETE FROM main.message WHERE id NOT IN"
                " (SELECT id FROM old.message WHERE NOT deleted) AND id <="
                " (SELECT max(seq) FROM old.sqlite_sequence WHERE name = 'message')"
            )


def _forget_again(copy: Path, old: Path) -> None:
    """Take what the old database refuses to remember over into a copy of the same one."""
    with closing(sqlite3.connect(copy, uri=True)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("ATTACH ? AS old", (f"{old.absolute().as_uri()}?mode=ro",))
        (salt,) = db.execute("SELECT value FROM main.salt").fetchone()
        if db.execute("SELECT value FROM old.salt").fetchone() != (salt,):
            return
        with db:
            db.execute(
                "INSERT OR IGNORE INTO main.forgotten SELECT here.id, digest FROM old.forgotten"
                " JOIN old.groups AS there ON there.id = group_id"
                " JOIN main.groups AS here ON here.key = there.key"
            )
            with suppress(sqlite3.OperationalError):  # one of the two is older than refusals
                db.execute("INSERT OR IGNORE INTO main.refusing SELECT digest FROM old.refusing")
            digests = set(db.execute("SELECT group_id, digest FROM main.forgotten"))
            posts = db.execute("SELECT id, group_id, channel, message FROM posts").fetchall()
            gone = [(i,) for i, group, *where in posts if (group, digest(salt, *where)) in digests]
            db.executemany("DELETE FROM posts WHERE id = ?", gone)
            for reply, group, *where in _replies(db):
                if (group, digest(salt, *where)) in digests:
                    db.execute("DELETE FROM replies WHERE id = ?", (reply,))


def _replies(db: sqlite3.Connection) -> list[tuple[int, int, str, str]]:
    """(id, group, channel, message) of all; none in a copy that is older than replies."""
    with suppress(sqlite3.OperationalError):
        return db.execute(
            "SELECT replies.id, posts.group_id, channel, replies.message FROM replies"
            " JOIN photos ON photos.id = photo_id JOIN posts ON posts.id = post_id"
        ).fetchall()
    return []


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


@contextmanager
def _translated(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise trouble(path, what, error) from error


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
