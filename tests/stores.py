"""Stores of either kind, for tests of what both do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore

AnyStore: TypeAlias = "SqliteStore | PostgresStore"
Opened: TypeAlias = "Callable[..., AnyStore]"
"""Makes a store on the same database each time, with a clock; not yet opened."""


def store_on(url: str, clock: Callable[[], float] = time.time) -> AnyStore:
    """Not yet opened."""
    if url.startswith("sqlite:///"):
        return SqliteStore(url.removeprefix("sqlite:///"), clock=clock)
    return PostgresStore(url, clock=clock)
