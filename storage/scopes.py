"""What lies in a scope: who posted there, how near each photo is to words, the newest."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from bot.photos import ALL, Audience, Model, Only, Vector
from storage.connection import Database
from storage.rows import rows, value
from storage.search import Scope
from storage.searcher import Searcher


class SqliteScopes:
    """ScopeStore on SQLite."""

    def __init__(self, db: Database, searcher: Searcher) -> None:
        self._db = db
        self._searcher = searcher

    async def people(self, groups: Collection[str], audience: Audience) -> list[tuple[str, str]]:
        async with self._db.read() as db:
            found = await rows(
                db,
                *Scope(groups, audience).select(
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
        scope = Scope(groups, audience, only)
        async with self._db.read() as db:
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
        # Moments are kept as ISO 8601 in UTC: 2024-02-29T…
        wanted = json.dumps([f"{month:02}-{day:02}" for month, day in days])
        async with self._db.read() as db:
            found = await rows(
                db,
                *Scope(groups, audience).select(
                    "photos.id, posts.posted_at",
                    "",
                    "AND NOT posts.spoiler AND substr(posts.posted_at, 6, 5) IN"
                    " (SELECT value FROM json_each(?))",
                    [wanted],
                ),
            )
        return [(int(photo), datetime.fromisoformat(at)) for photo, at in found]
