"""What lies in a scope: who posted there, how near each photo is to words, the newest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from bot.photos import ALL, Audience, Model, Only, Vector
from storage.pg.pool import Pool
from storage.pg.rows import Connection, numbers_of_groups, rows, value
from storage.pg.scope import Scope


class Cosines(Protocol):
    """Who compares embeddings."""

    async def cosines(
        self, groups: Collection[str], audience: Audience, vector: Vector, model: Model
    ) -> dict[int, float]:
        """See ScopeStore.cosines."""
        ...


class PgScopes:
    """ScopeStore on PostgreSQL."""

    def __init__(self, pool: Pool, searcher: Cosines) -> None:
        self._pool = pool
        self._searcher = searcher

    async def people(self, groups: Collection[str], audience: Audience) -> list[tuple[str, str]]:
        async with self._pool.read() as db:
            scope = await _scope(db, groups, audience)
            found = await rows(
                db,
                *scope.select(
                    "DISTINCT posts.author, posts.author_name", "", "AND posts.author_name <> ''"
                ),
            )
        return [(str(author), str(name)) for author, name in found]

    async def cosines(
        self, groups: Collection[str], audience: Audience, vector: Vector, model: Model
    ) -> dict[int, float]:
        return await self._searcher.cosines(groups, audience, vector, model)

    async def newest(
        self, groups: Collection[str], audience: Audience, only: Only = ALL, most: int = 30
    ) -> tuple[int, list[int]]:
        async with self._pool.snapshot() as db:
            scope = await _scope(db, groups, audience, only)
            total = await value(db, *scope.select("count(*)"))
            found = await rows(
                db,
                *scope.select(
                    "photos.id", "", "ORDER BY posts.posted_at DESC, photos.id DESC LIMIT ?", [most]
                ),
            )
        return int(total), [int(photo) for (photo,) in found]

    async def anniversaries(
        self, groups: Collection[str], audience: Audience, days: Collection[tuple[int, int]]
    ) -> list[tuple[int, datetime]]:
        wanted = [100 * month + day for month, day in days]
        utc = "posts.posted_at AT TIME ZONE 'UTC'"
        async with self._pool.read() as db:
            scope = await _scope(db, groups, audience)
            found = await rows(
                db,
                *scope.select(
                    "photos.id, posts.posted_at",
                    "",
                    "AND NOT posts.spoiler AND (100 * date_part('month', "
                    f"{utc}) + date_part('day', {utc}))::integer = ANY(?) ORDER BY photos.id",
                    [wanted],
                ),
            )
        return [(int(photo), at) for photo, at in found]


async def _scope(
    db: Connection, groups: Collection[str], audience: Audience, only: Only = ALL
) -> Scope:
    numbers = await numbers_of_groups(db, groups)
    return Scope(sorted(numbers.values()), audience, only)
