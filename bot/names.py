"""What makes a name of the group's own, and where in a question it is meant."""

from __future__ import annotations

import re
from collections.abc import Collection

from bot import words
from bot.photos import NameRefused
from bot.ranking import FILLERS

LONGEST = 40
_SMALL_WORDS = rf"(?:\b(?:{'|'.join(map(re.escape, sorted(FILLERS)))})\s+)*"


def checked(name: str) -> tuple[str, str]:
    """(what makes it this name, as it is written) of a name that somebody gives.

    Raises NameRefused with what to tell them.
    """
    written = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not written:
        raise NameRefused("Say what to call it: /name the goose")
    if len(written) > LONGEST:
        raise NameRefused(f"A name has at most {LONGEST} characters, not {len(written)}.")
    key = key_of(written)
    if not key:
        raise NameRefused("A name needs a word of its own: /name the goose")
    return key, written


def key_of(name: str) -> str:
    """`The  Goose!` and `goose` are the same name, `goose`: case, accents, signs and a small word
    in front make no difference. Empty for what can't be a name."""
    parts = words.terms(words.fold(name))
    while parts and parts[0] in FILLERS:
        parts.pop(0)
    return " ".join(parts)


def spoken(question: str, keys: Collection[str]) -> tuple[list[str], str]:
    """The names that are meant in a question, and what it says besides them, folded.

    Of names that overlap the longer one is meant. Scripts without spaces hold a name anywhere.
    """
    rest = words.fold(question)
    meant: list[str] = []
    for key in sorted(keys, key=lambda key: (-len(key), key)):
        pattern = r"[\W_]*".join(re.escape(part) for part in key.split(" "))
        for found in re.finditer(_SMALL_WORDS + f"(?P<name>{pattern})", rest):
            if _stands_alone(rest, *found.span("name")):
                meant.append(key)
                rest = f"{rest[: found.start()]} , {rest[found.end() :]}"
                break
    if not meant:
        return [], rest
    telling = any(term not in FILLERS for term in words.terms(rest))
    return meant, " ".join(rest.replace(" ,", " ").split()) if telling else ""


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether what is there isn't part of a longer word."""
    return not (
        (start > 0 and _glued(text[start - 1], text[start]))
        or (end < len(text) and _glued(text[end - 1], text[end]))
    )


def _glued(left: str, right: str) -> bool:
    return (
        left.isalnum()
        and right.isalnum()
        and not words.is_ideographic(left)
        and not words.is_ideographic(right)
    )
