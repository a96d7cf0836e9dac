"""The door: a database URL -> a PhotoStore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import SettingsError

if TYPE_CHECKING:
    from storage.sqlite import SqliteStore


def store_for(url: str) -> SqliteStore:
    """The store that `url` names, not yet opened. Raises SettingsError for unknown schemes."""
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path:
        raise SettingsError(f"DATABASE_URL: {scheme!r} is not a database this version knows")
    from storage.sqlite import SqliteStore

    return SqliteStore(path)
