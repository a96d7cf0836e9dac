"""The door: a database URL -> a PhotoStore, or what can be counted in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.errors import SettingsError, StoreError

if TYPE_CHECKING:
    from storage.overview import Overview
    from storage.postgres import PostgresStore
    from storage.sqlite import SqliteStore


def store_for(
    url: str,
    cache_megabytes: int | None = None,
    refused: Callable[[StoreError], None] = lambda error: None,
    index_from: int | None = None,
) -> SqliteStore | PostgresStore:
    """The store that `url` names, not yet opened; `cache_megabytes` bounds what its searches keep
    in memory (SQLite), `index_from` photos on an index finds a group's nearest (PostgreSQL),
    `refused` is told of what the database refuses. Raises SettingsError for unknown
    schemes, and where what it takes is not installed."""
    if _is_postgres(url):
        from storage.postgres import INDEXED_FROM, PostgresStore

        indexed = INDEXED_FROM if index_from is None else index_from
        return PostgresStore(url, refused=refused, indexed_from=indexed)
    path = _path(url)
    from storage.sqlite import CACHE_MEGABYTES, SqliteStore

    bound = CACHE_MEGABYTES if cache_megabytes is None else cache_megabytes
    return SqliteStore(path, cache_megabytes=bound, refused=refused)


def overview_of(url: str) -> AbstractAsyncContextManager[Overview]:
    """What a memory's groups and models are, at less cost than the whole store. Raises
    SettingsError."""
    from storage.overview import in_postgres, in_sqlite

    return in_postgres(url) if _is_postgres(url) else in_sqlite(_path(url))


def _is_postgres(url: str) -> bool:
    if not url.startswith(("postgresql://", "postgres://")):
        return False
    if missing := [each for each in ("asyncpg", "pgvector") if find_spec(each) is None]:
        raise SettingsError(
            f"DATABASE_URL: PostgreSQL needs {' and '.join(missing)}:"
            " pip install 'shoebox-bot[postgres]'"
        )
    return True


def _path(url: str) -> str:
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path:
        scheme = scheme.partition("://")[0]  # the rest may hold a password
        raise SettingsError(f"DATABASE_URL: {scheme!r} is not a database this version knows")
    return path
