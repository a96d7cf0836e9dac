"""The wiring of `move`: a memory that goes from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bot import database_url
from bot.errors import SettingsError, StoreError
from bot.lock import IndexerLock
from bot.settings import Settings
from storage.backup import CHATLOG, MEMORY, back_up
from storage.chatlog import ChatLog
from storage.comparison import Comparison, compare
from storage.connection import Database
from storage.reading import SqliteReader
from storage.relocation import Progress, relocate
from storage.sides import Reader, Writer
from storage.writing import SqliteWriter

if TYPE_CHECKING:
    from storage.pg.pool import Pool

CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, where it is now, and what it is like there."""

    place: str
    comparison: Comparison
    left: str
    """Where it was."""
    folder: Path
    """Where all that is no memory stays."""
    home: Path | None
    """Where that is looked for from now on; None: where DATA_FOLDER says."""
    chat_copy: Path | None
    """The web chat's log as it was before its answers got the photos' new numbers."""

    @property
    def same(self) -> bool:
        return not self.comparison.differences


def target_of(url: str) -> str:
    """A URL that can be moved to. Raises SettingsError."""
    try:
        return database_url.checked(url)
    except SettingsError as error:
        raise SettingsError(str(error).replace("DATABASE_URL", "--to")) from None


async def move(chosen: Settings, to: str, moving: Progress, comparing: Progress) -> Moved:
    """Copy the memory to another database, which is left unfinished where it differs. Raises
    SettingsError, StoreError, e.g. while a bot runs on either."""
    if chosen.on_postgres == database_url.on_postgres(to):
        raise SettingsError(
            "move goes from SQLite to PostgreSQL or back: python -m bot backup copies a file, and "
            "pg_dump a database of PostgreSQL"
        )
    if find_spec("asyncpg") is None or find_spec("pgvector") is None:
        raise SettingsError("PostgreSQL needs more packages: pip install 'shoebox-bot[postgres]'")
    if chosen.on_postgres:
        return await _to_sqlite(chosen, Path(database_url.place(to)), moving, comparing)
    return await _to_postgres(chosen, to, moving, comparing)


async def _to_postgres(chosen: Settings, to: str, moving: Progress, comparing: Progress) -> Moved:
    from storage.pg.reading import PgReader
    from storage.pg.writing import PgWriter

    path = chosen.database_path
    if not await asyncio.to_thread(path.exists):
        raise StoreError(f"there is no memory {path}: look at DATABASE_URL")
    with _locked(path):
        async with _on_postgres(to, unfinished=True) as pool, _on_sqlite(path) as db:
            source, target = SqliteReader(db), PgWriter(pool)
            await relocate(source, target, moving)
            async with _chat(chosen.chat_path) as chat:
                shown = set() if chat is None else await chat.shown_photos()
                found = await compare(source, PgReader(pool), comparing, shown)
                copy = None
                if chat is not None and not found.differences and found.renumbered:
                    copy = await _copied(chosen.chat_path)
                    await chat.renumber(found.renumbered)
            await _finish(target, found)
    return Moved(target.place, found, source.place, chosen.data_folder, None, copy)


async def _to_sqlite(chosen: Settings, path: Path, moving: Progress, comparing: Progress) -> Moved:
    from storage.pg.reading import PgReader

    with _locked(path):
        async with _on_postgres(chosen.database_url) as pool, SqliteWriter(path) as target:
            source: Reader = PgReader(pool)
            await relocate(source, target, moving)
            found = await compare(source, SqliteReader(target.database), comparing)
            await _finish(target, found)
    return Moved(target.place, found, source.place, chosen.data_folder, path.parent, None)


async def _finish(target: Writer, found: Comparison) -> None:
    if not found.differences:
        await target.finish()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with IndexerLock(path) as lock:
        if not lock.held:
            raise StoreError(
                f"another Shoebox (process {lock.owner()}) runs on {path}: stop it first"
            )
        yield


@asynccontextmanager
async def _on_postgres(url: str, unfinished: bool = False) -> AsyncIterator[Pool]:
    from storage.pg.alone import alone
    from storage.pg.pool import Pool

    pool = Pool(url, connections=CONNECTIONS, unfinished=unfinished)
    async with alone(pool):
        await pool.open()
        try:
            yield pool
        finally:
            await pool.close()


@asynccontextmanager
async def _on_sqlite(path: Path) -> AsyncIterator[Database]:
    db = Database(path, MEMORY)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def _chat(path: Path) -> AsyncIterator[ChatLog | None]:
    if not await asyncio.to_thread(path.exists):
        yield None
        return
    async with ChatLog(path) as chat:
        yield chat


async def _copied(path: Path) -> Path:
    copy = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    await asyncio.to_thread(back_up, path, copy, False, CHATLOG)
    return copy
