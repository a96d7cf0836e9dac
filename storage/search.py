"""Which photos of a group and an audience could answer, as SQL; and those that hold its words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC

from bot.photos import ALL, Audience, Only
from storage.loading import fetch
from storage.wording import holds

TRIGRAM = 3
"""The index knows nothing shorter; shorter terms are looked for photo by photo."""
MOST_BY_WORDS = 2000

Texts = dict[int, tuple[str, str]]
"""(caption, text) by photo id, folded."""


def seen_by(audience: Audience) -> tuple[str, tuple[str, ...]]:
    """Conditions on `posts`, each beginning with AND, that leave what an audience may see."""
    where, values = "", tuple[str, ...]()
    if not audience.protected:
        where += " AND NOT posts.protected"
    if audience.channels is not None:
        where += " AND posts.channel IN (SELECT value FROM json_each(?))"
        values = (json.dumps(sorted(audience.channels)),)
    return where, values


class Scope:
    """The photos that may be looked at: these groups', and of them only the audience's, narrowed
    to what the asker wants."""

    def __init__(self, groups: Collection[str], audience: Audience, only: Only = ALL) -> None:
        self._where = (
            "photos.group_id IN (SELECT id FROM groups WHERE key IN"
            " (SELECT value FROM json_each(?))) AND photos.refused IS NULL"
        )
        seen, channels = seen_by(audience)
        self._where += seen
        self._values: tuple[str, ...] = (json.dumps(list(groups)), *channels)
        if only.authors is not None:
            self._where += " AND posts.author IN (SELECT value FROM json_each(?))"
            self._values += (json.dumps(sorted(only.authors)),)
        # Moments are kept as ISO 8601 in UTC: in the order of their texts.
        if only.after is not None:
            self._where += " AND posts.posted_at >= ?"
            self._values += (only.after.astimezone(UTC).isoformat(),)
        if only.before is not None:
            self._where += " AND posts.posted_at < ?"
            self._values += (only.before.astimezone(UTC).isoformat(),)
        for phrases, wanted in ((only.holding, ""), (only.lacking, "NOT ")):
            for phrase in phrases:
                condition, values = holds(phrase)
                self._where += f" AND {wanted}{condition}"
                self._values += values
        if only.apart:
            self._where += " AND photos.id NOT IN (SELECT value FROM json_each(?))"
            self._values += (json.dumps(sorted(only.apart)),)
        if only.among is not None:
            self._where += " AND photos.id IN (SELECT value FROM json_each(?))"
            self._values += (json.dumps(sorted(only.among)),)

    def select(
        self, columns: str, joins: str = "", where: str = "", values: Iterable[object] = ()
    ) -> tuple[str, tuple[object, ...]]:
        """A SELECT over the photos in scope, with its values; `where` begins with AND."""
        return (
            f"SELECT {columns} FROM photos JOIN posts ON posts.id = photos.post_id {joins}"
            f" WHERE {self._where} {where}",
            (*self._values, *values),
        )


def by_words(db: sqlite3.Connection, scope: Scope, terms: Sequence[str]) -> Texts:
    """Photos whose caption, text or replies hold any of the terms as a part (folded, >= 1
    character)."""
    if not terms:
        return {}
    conditions: list[str] = []
    values: list[object] = []
    if long := [term for term in terms if len(term) >= TRIGRAM]:
        conditions += [
            "texts.photo_id IN (SELECT rowid FROM texts_index WHERE texts_index MATCH ?)",
            "texts.photo_id IN (SELECT photo_id FROM replies WHERE id IN"
            " (SELECT rowid FROM replies_index WHERE replies_index MATCH ?))",
        ]
        values += [" OR ".join('"' + term.replace('"', '""') + '"' for term in long)] * 2
    for term in terms:
        if len(term) < TRIGRAM:
            conditions.append(
                "instr(texts.caption, ?) OR instr(texts.text, ?) OR EXISTS (SELECT 1 FROM replies"
                " WHERE replies.photo_id = photos.id AND instr(replies.text, ?))"
            )
            values += [term, term, term]
    sql, bound = scope.select(
        "photos.id, texts.caption, texts.text",
        "JOIN texts ON texts.photo_id = photos.id",
        f"AND ({' OR '.join(conditions)}) ORDER BY photos.id DESC LIMIT {MOST_BY_WORDS}",
        values,
    )
    return {photo: (caption, text) for photo, caption, text in fetch(db, sql, bound)}


def words_of(db: sqlite3.Connection, scope: Scope, photos: Iterable[int]) -> Texts:
    """The words of those photos that are in scope."""
    sql, bound = scope.select(
        "photos.id, texts.caption, texts.text",
        "JOIN texts ON texts.photo_id = photos.id",
        "AND photos.id IN (SELECT value FROM json_each(?))",
        [json.dumps(list(photos))],
    )
    return {photo: (caption, text) for photo, caption, text in fetch(db, sql, bound)}
