"""The door: a database URL -> a PhotoStore, or what can be counted in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from bot.errors import SettingsError, StoreError

if TYPE_CHECKING:
    from storage.overview import Overview
    from storage.sqlite import SqliteStore


def store_for(
    url: str,
    cache_megabytes: int | None = None,
    refused: Callable[[StoreError], None] = lambda error: None,
) -> SqliteStore:
    """The store that `url` names, not yet opened; `cache_megabytes` bounds what its searches keep
    in memory, `refused` is told of what the database refuses. Raises SettingsError for unknown
    schemes."""
    path = _path(url)
    from storage.sqlite import CACHE_MEGABYTES, SqliteStore

    bound = CACHE_MEGABYTES if cache_megabytes is None else cache_megabytes
    return SqliteStore(path, cache_megabytes=bound, refused=refused)


def overview_of(url: str) -> AbstractAsyncContextManager[Overview]:
    """What a memory's groups and models are, at less cost than the whole store. Raises
    SettingsError."""
    path = _path(url)
    from storage.overview import opened

    return opened(path)


def _path(url: str) -> str:
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path:
        raise SettingsError(f"DATABASE_URL: {scheme!r} is not a database this version knows")
    return path
