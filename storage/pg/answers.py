"""Answers that were given, so that buttons under them lead on after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence

from bot.answers import Hit
from bot.photos import Audience
from storage.kept_hits import KEPT_SECONDS, LOOKED_BACK, begun_so, hits_of, places, too_old
from storage.pg.again import done_again
from storage.pg.ids import group_of
from storage.pg.joins import of_photo
from storage.pg.pool import Pool
from storage.pg.rows import (
    Connection,
    numbers_of_groups,
    row,
    rows,
    run,
    storable,
    stored_photos,
    value,
)
from storage.pg.scope import Scope

AT_ONCE = 100
"""Old answers that go whenever a new one is kept."""
LARGEST = 2**63
_FORGET = """
DELETE FROM answers WHERE id IN
    (SELECT id FROM answers WHERE given_at < ? LIMIT ? FOR UPDATE SKIP LOCKED)
"""
# The photo may have been forgotten while it was ranked.
_KEEP = """
INSERT INTO answer_photos (group_id, answer_id, rank, place, photo_id, score, why, name)
SELECT photos.group_id, ?, rank, place, photos.id, score, why, given.name
FROM unnest(?::integer[], ?::bigint[], ?::integer[], ?::integer[], ?::float8[], ?::text[],
    ?::text[]) AS given (group_id, photo_id, rank, place, score, why, name)
JOIN photos ON photos.group_id = given.group_id AND photos.id = given.photo_id
ORDER BY photos.group_id, photos.id FOR KEY SHARE OF photos
"""


@done_again
class PgAnswers:
    """AnswerStore on PostgreSQL."""

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.time) -> None:
        self._pool = pool
        self._clock = clock

    async def keep(self, place: str | None, asker: str, words: str, hits: Sequence[Hit]) -> int:
        now = self._clock()
        async with self._pool.write() as db:
            await run(db, _FORGET, (now - KEPT_SECONDS, AT_ONCE))
            token = await value(
                db,
                "INSERT INTO answers (group_id, asker, words, given_at)"
                " VALUES ((SELECT id FROM groups WHERE key = ? FOR KEY SHARE), ?, ?, ?)"
                " RETURNING id",
                (place, asker, words, now),
            )
            await _keep_hits(db, int(token), hits)
        return int(token)

    async def page(
        self,
        token: int,
        place: str | None,
        asker: str,
        groups: Collection[str],
        audience: Audience,
        after: int,
    ) -> tuple[str, list[Hit]]:
        if not 0 <= token < LARGEST:
            raise too_old()
        async with self._pool.snapshot() as db:
            answer = await row(
                db,
                "SELECT words FROM answers LEFT JOIN groups ON groups.id = group_id"
                " WHERE answers.id = ? AND groups.key IS NOT DISTINCT FROM ?"
                " AND (groups.key IS NOT NULL OR asker = ?) AND given_at >= ?",
                (token, place, asker, self._clock() - KEPT_SECONDS),
            )
            if answer is None:
                raise too_old()
            numbers = sorted((await numbers_of_groups(db, groups)).values())
            scope = Scope(numbers, audience)
            found = await rows(
                db,
                *scope.select(
                    "answer_photos.rank, photos.id, answer_photos.score, answer_photos.why,"
                    " answer_photos.name",
                    f"JOIN answer_photos ON {of_photo('answer_photos')}",
                    "AND answer_id = ? AND rank > ?::bigint ORDER BY rank, place",
                    (token, after),
                ),
            )
            photos = await stored_photos(
                db, numbers, "photos.id = ANY(?)", ([each[1] for each in found],)
            )
            names = []
            if any(each[4] for each in found):
                joined = f"JOIN names ON {of_photo('names')}"
                names = await rows(db, *scope.select("DISTINCT written", joined))
        return answer[0], hits_of(map(tuple, found), photos, {str(each) for (each,) in names})

    async def asked(self, asker: str, beginning: str, most: int) -> list[str]:
        async with self._pool.read() as db:
            found = await rows(
                db,
                "SELECT words FROM answers WHERE asker = ? AND words <> ''"
                " GROUP BY words ORDER BY max(id) DESC LIMIT ?",
                (asker, LOOKED_BACK),
            )
        return begun_so((str(words) for (words,) in found), beginning, most)


async def _keep_hits(db: Connection, token: int, hits: Sequence[Hit]) -> None:
    given = list(places(hits))
    await run(
        db,
        _KEEP,
        (
            token,
            [group_of(hit.photo.id) for _, _, hit in given],
            [hit.photo.id for _, _, hit in given],
            [rank for rank, _, _ in given],
            [place for _, place, _ in given],
            [float(hit.score) for _, _, hit in given],
            [json.dumps(hit.why) for _, _, hit in given],
            [storable(hit.name) for _, _, hit in given],
        ),
    )
