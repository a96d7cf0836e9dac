"""What lies in a scope, counted: when photos were posted, and who posted most."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from bot.photos import Audience, Only
from storage.pg.pool import Pool
from storage.pg.rows import numbers_of_groups, rows
from storage.pg.scope import Scope


class PgTallies:
    """TallyStore on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def months(self, groups: Collection[str], audience: Audience) -> list[tuple[date, int]]:
        async with self._pool.read() as db:
            numbers = await numbers_of_groups(db, groups)
            found = await rows(
                db,
                *Scope(sorted(numbers.values()), audience).select(
                    "date_trunc('month', posts.posted_at AT TIME ZONE 'UTC')::date AS month,"
                    " count(*)",
                    where="GROUP BY month ORDER BY month",
                ),
            )
        return [(month, int(photos)) for month, photos in found]

    async def posters(
        self, groups: Collection[str], audience: Audience, most: int
    ) -> list[tuple[str, str, int]]:
        async with self._pool.snapshot() as db:
            numbers = sorted((await numbers_of_groups(db, groups)).values())
            counts = await rows(
                db,
                *Scope(numbers, audience).select(
                    "posts.author, count(*) AS posted",
                    where="GROUP BY posts.author ORDER BY posted DESC, posts.author LIMIT ?",
                    values=[most],
                ),
            )
            only = Only(authors=frozenset(author for author, _ in counts))
            names = await rows(
                db,
                *Scope(numbers, audience, only).select(
                    "DISTINCT ON (posts.author) posts.author, posts.author_name",
                    where="ORDER BY posts.author, posts.posted_at DESC, photos.id",
                ),
            )
        name_of = {str(author): str(name) for author, name in names}
        return [(str(author), name_of[author], int(posted)) for author, posted in counts]
