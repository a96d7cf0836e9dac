"""Words in captions, in the text of photos and in replies, as conditions in PostgreSQL."""

from __future__ import annotations

import re

from bot.words import is_ideographic
from storage.pg.joins import of_photo

_LETTERS = "0-9a-zß-\u0dff\u0f00-\u1fff"
"""Of scripts that put spaces between words, after folding; for a character class."""
_LETTER = re.compile(f"[{_LETTERS}]")
_SPECIAL = re.compile(r"([^\w\s])")


def like(term: str) -> str:
    """A pattern for LIKE: holds the term as a part."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", term) + "%"


def holds(phrase: str) -> tuple[str, tuple[str, ...]]:
    """A condition on `photos`, with its values: caption, text or a reply hold this folded phrase,
    from the beginning of a word to the end of one. Scripts without spaces may hold it anywhere."""
    pattern = f"{_before(phrase[:1])}{_literally(phrase)}{_behind(phrase[-1:])}"
    return (
        f"(EXISTS (SELECT 1 FROM texts WHERE {of_photo('texts')}"
        " AND (texts.caption ~ ? OR texts.text ~ ?))"
        f" OR EXISTS (SELECT 1 FROM replies WHERE {of_photo('replies')} AND replies.text ~ ?))",
        (pattern, pattern, pattern),
    )


def _before(character: str) -> str:
    return f"(^|[^{_LETTERS}])" if _is_part(character) else ""


def _behind(character: str) -> str:
    return f"([^{_LETTERS}]|$)" if _is_part(character) else ""


def _is_part(character: str) -> bool:
    return bool(_LETTER.match(character)) and not is_ideographic(character)


def _literally(phrase: str) -> str:
    return _SPECIAL.sub(r"\\\1", phrase.replace("\0", " "))
