"""Answers that were given, so that buttons under them lead on after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence

from bot.answers import Hit
from bot.photos import Audience
from storage.connection import Database
from storage.kept_hits import KEPT_SECONDS, LOOKED_BACK, begun_so, hits_of, places, too_old
from storage.rows import row, rows, stored_photos, value
from storage.search import Scope


class SqliteAnswers:
    """AnswerStore on SQLite."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    async def keep(self, place: str | None, asker: str, words: str, hits: Sequence[Hit]) -> int:
        now = self._clock()
        async with self._db.write() as db:
            await db.execute("DELETE FROM answers WHERE given_at < ?", (now - KEPT_SECONDS,))
            token = await value(
                db,
                "INSERT INTO answers (group_id, asker, words, given_at)"
                " VALUES ((SELECT id FROM groups WHERE key = ?), ?, ?, ?) RETURNING id",
                (place, asker, words, now),
            )
            for rank, behind, hit in places(hits):
                await db.execute(  # the photo may have been forgotten while it was ranked
                    "INSERT INTO answer_photos (answer_id, rank, place, photo_id, score, why, name)"
                    " SELECT ?, ?, ?, id, ?, ?, ? FROM photos WHERE id = ?",
                    (token, rank, behind, hit.score, json.dumps(hit.why), hit.name, hit.photo.id),
                )
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
        scope = Scope(groups, audience)
        async with self._db.read() as db:
            answer = await row(
                db,
                "SELECT words FROM answers LEFT JOIN groups ON groups.id = group_id"
                " WHERE answers.id = ? AND groups.key IS ? AND (groups.key IS NOT NULL"
                " OR asker = ?) AND given_at >= ?",
                (token, place, asker, self._clock() - KEPT_SECONDS),
            )
            if answer is None:
                raise too_old()
            found = await rows(
                db,
                *scope.select(
                    "answer_photos.rank, photos.id, answer_photos.score, answer_photos.why,"
                    " answer_photos.name",
                    "JOIN answer_photos ON answer_photos.photo_id = photos.id",
                    "AND answer_id = ? AND rank > ? ORDER BY rank, place",
                    (token, after),
                ),
            )
            ids = json.dumps([each[1] for each in found])
            photos = await stored_photos(
                db, "photos.id IN (SELECT value FROM json_each(?))", (ids,)
            )
            names = []
            if any(each[4] for each in found):
                joined = "JOIN names ON names.photo_id = photos.id"
                names = await rows(db, *scope.select("DISTINCT written", joined))
        return answer[0], hits_of(found, photos, {str(written) for (written,) in names})

    async def asked(self, asker: str, beginning: str, most: int) -> list[str]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT words FROM answers WHERE asker = ? AND words <> ''"
                f" GROUP BY words ORDER BY max(id) DESC LIMIT {LOOKED_BACK}",
                (asker,),
            )
        return begun_so((str(words) for (words,) in found), beginning, most)
