"""What lies in a scope, counted: when photos were posted, and who posted most."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from bot.photos import Audience
from storage.connection import Database
from storage.rows import rows
from storage.search import Scope


class SqliteTallies:
    """TallyStore on SQLite."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def months(self, groups: Collection[str], audience: Audience) -> list[tuple[date, int]]:
        # Moments are kept as ISO 8601 in UTC, which begins with the month.
        async with self._db.read() as db:
            found = await rows(
                db,
                *Scope(groups, audience).select(
                    "substr(posts.posted_at, 1, 7) AS month, count(*)",
                    where="GROUP BY month ORDER BY month",
                ),
            )
        return [(date.fromisoformat(f"{month}-01"), int(photos)) for month, photos in found]

    async def posters(
        self, groups: Collection[str], audience: Audience, most: int
    ) -> list[tuple[str, str, int]]:
        # Beside max(), SQLite takes a bare column from the row that has it.
        async with self._db.read() as db:
            found = await rows(
                db,
                *Scope(groups, audience).select(
                    "posts.author, posts.author_name, count(*) AS posted, max(posts.posted_at)",
                    where="GROUP BY posts.author ORDER BY posted DESC, posts.author LIMIT ?",
                    values=[most],
                ),
            )
        return [(str(author), str(name), int(posted)) for author, name, posted, _ in found]
