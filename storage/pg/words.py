"""The photos that hold words, in captions, in the text in them, or in replies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from storage.pg.ids import groups_of
from storage.pg.joins import of_photo
from storage.pg.rows import Connection, rows, storable
from storage.pg.scope import Scope
from storage.pg.wording import like
from storage.search import MOST_BY_WORDS, Texts

_TEXTS = f"JOIN texts ON {of_photo('texts')}"


async def by_words(
    db: Connection, groups: Sequence[int], scope: Scope, terms: Sequence[str]
) -> Texts:
    """Photos of these groups, in scope, whose caption, text or replies hold any of the terms as a
    part (folded, >= 1 character)."""
    if not terms:
        return {}
    patterns = [like(storable(term)) for term in terms]
    # An index each for captions, texts and replies: PostgreSQL joins what they find.
    found = await rows(
        db,
        *scope.select(
            "photos.id, texts.caption, texts.text",
            _TEXTS,
            "AND photos.id IN ("
            "SELECT photo_id FROM texts WHERE group_id = ANY(?) AND caption LIKE ANY(?)"
            " UNION SELECT photo_id FROM texts WHERE group_id = ANY(?) AND text LIKE ANY(?)"
            " UNION SELECT photo_id FROM replies WHERE group_id = ANY(?) AND text LIKE ANY(?))"
            f" ORDER BY photos.id DESC LIMIT {MOST_BY_WORDS}",
            [list(groups), patterns] * 3,
        ),
    )
    return {int(photo): (caption, text) for photo, caption, text in found}


async def words_of(db: Connection, scope: Scope, photos: Iterable[int]) -> Texts:
    """The words of those photos that are in scope."""
    found = await rows(
        db,
        *scope.select(
            "photos.id, texts.caption, texts.text", _TEXTS, "AND photos.id = ANY(?)", [list(photos)]
        ),
    )
    return {int(photo): (caption, text) for photo, caption, text in found}


async def said_of(db: Connection, photos: Collection[int]) -> dict[int, str]:
    """What was said about each of these photos, reply by reply; only those that have any."""
    found = await rows(
        db,
        "SELECT photo_id, string_agg(text, chr(10) ORDER BY id) FROM replies"
        " WHERE group_id = ANY(?) AND photo_id = ANY(?) GROUP BY photo_id",
        (groups_of(photos), list(photos)),
    )
    return {int(photo): str(said) for photo, said in found}
