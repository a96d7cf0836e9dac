"""Exact words in captions, in the text of photos and in replies, as conditions in SQL."""

from __future__ import annotations

import re

from bot.words import is_ideographic

_LETTERS = "0-9a-zß-\u0dff\u0f00-\u1fff"
"""Of scripts that put spaces between words, after folding; for a character set of GLOB."""
_LETTER = re.compile(f"[{_LETTERS}]")


def holds(phrase: str) -> tuple[str, tuple[str, ...]]:
    """A condition on `photos`, with its values: caption, text or a reply hold this folded phrase,
    from the beginning of a word to the end of one. Scripts without spaces may hold it anywhere."""
    pattern = f"*{_edge(phrase[:1])}{_literally(phrase)}{_edge(phrase[-1:])}*"
    return (
        "(EXISTS (SELECT 1 FROM texts WHERE texts.photo_id = photos.id"
        " AND (' ' || texts.caption || ' ' GLOB ? OR ' ' || texts.text || ' ' GLOB ?))"
        " OR EXISTS (SELECT 1 FROM replies WHERE replies.photo_id = photos.id"
        " AND ' ' || replies.text || ' ' GLOB ?))",
        (pattern, pattern, pattern),
    )


def _edge(character: str) -> str:
    is_part = _LETTER.match(character) and not is_ideographic(character)
    return f"[^{_LETTERS}]" if is_part else ""


def _literally(phrase: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", phrase.replace("\0", " "))
