"""Answers that were given, so that buttons under them lead on after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from bot.answers import Hit, Signal
from bot.errors import AnswerGone
from bot.language import say
from bot.photos import Audience
from storage.connection import Database
from storage.rows import row, rows, stored_photos, value
from storage.search import Scope

KEPT_SECONDS = 90 * 24 * 3600.0
"""How long the buttons of an answer work."""
LOOKED_BACK = 200
"""Questions of one person among which those that begin so are looked for."""


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
            for rank, behind, hit in _places(hits):
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
                raise AnswerGone(say("That answer is too old to go on from. Please ask again."))
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
        by_id = {photo.id: photo for photo in photos}
        known = {str(written) for (written,) in names}
        hits = (
            Hit(rank, by_id[photo], score, tuple(map(Signal, json.loads(why))), name)
            for rank, photo, score, why, name in found
            if photo in by_id
        )
        return answer[0], _collapsed(
            _without_name(hit) if hit.name and hit.name not in known else hit for hit in hits
        )

    async def asked(self, asker: str, beginning: str, most: int) -> list[str]:
        async with self._db.read() as db:
            found = await rows(
                db,
                "SELECT words FROM answers WHERE asker = ? AND words <> ''"
                f" GROUP BY words ORDER BY max(id) DESC LIMIT {LOOKED_BACK}",
                (asker,),
            )
        start = beginning.casefold()
        return [str(words) for (words,) in found if words.casefold().startswith(start)][:most]


def _places(hits: Sequence[Hit]) -> Iterator[tuple[int, int, Hit]]:
    """(rank, place, hit) of each hit and of the copies that it stands for."""
    for hit in hits:
        for place, each in enumerate((hit, *hit.copies)):
            yield hit.rank, place, each


def _without_name(hit: Hit) -> Hit:
    """For those who may see no photo that was named so."""
    why = tuple(signal for signal in hit.why if signal is not Signal.NAME)
    return replace(hit, why=why or (Signal.MEANING,), name="")


def _collapsed(hits: Iterable[Hit]) -> list[Hit]:
    """Of each rank the first that is left, for the others."""
    ranks = (list(same) for _, same in groupby(hits, lambda hit: hit.rank))
    return [replace(first, copies=tuple(copies)) for first, *copies in ranks]
