"""What makes a name of the group's own, and where in a question it is meant."""

from __future__ import annotations

import re
from collections.abc import Collection

from bot import words
from bot.errors import NameRefused
from bot.language import count, say
from bot.photos import Audience, Name, StoredPhoto
from bot.ranking import FILLERS
from bot.stores import NameStore

LONGEST = 40
_SMALL_WORDS = rf"(?:\b(?:{'|'.join(map(re.escape, sorted(FILLERS)))})\s+)*"


class Names:
    """What a group calls what is in its photos: one verb a method, each with what to say."""

    def __init__(self, store: NameStore) -> None:
        self._store = store

    async def give(self, photo: StoredPhoto, name: str, giver: str, audience: Audience) -> str:
        """Call what is in a photo so. Raises NameRefused with what to tell them."""
        if photo.refused is not None:
            raise NameRefused(
                say("I can't look at that photo: {reason}.", reason=say(photo.refused))
            )
        key, written = checked(name)
        await self._store.give(photo.id, key, written, giver)
        known = (await self._store.of([photo.post.group], audience)).get(key)
        if known is None:
            raise NameRefused(say("I don't remember that photo."))
        said = count(
            known.examples,
            "“{name}” now has one example.",
            "“{name}” now has {count} examples.",
            name=written,
        )
        if known.examples < 3:
            said += " " + say("Name it in another photo too, and I find it better.")
        return said

    async def take_back(self, group: str, audience: Audience, name: str, giver: str | None) -> str:
        """Take a name away from where `giver` gave it; None: an admin does, from everywhere."""
        key = key_of(name)
        gone, left = await self._store.take_back(group, audience, key, giver)
        written = " ".join(name.split())[:LONGEST]
        if left:
            others = say("Only who gave a name, or an admin, can take it away.")
            own = say("Your examples of “{name}” are gone.", name=written)
            return f"{own} {others}" if gone else others
        if gone:
            return say("“{name}” is no longer a name here.", name=written)
        return say("There is no such name here. /names lists those there are.")

    async def of(self, groups: Collection[str], audience: Audience) -> list[Name]:
        """The names of which the audience may see examples."""
        return list((await self._store.of(groups, audience)).values())


def checked(name: str) -> tuple[str, str]:
    """(what makes it this name, as it is written) of a name that somebody gives.

    Raises NameRefused with what to tell them.
    """
    written = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if not written:
        raise NameRefused(say("Say what to call it: /name the goose"))
    if len(written) > LONGEST:
        raise NameRefused(
            say(
                "A name has at most {most} characters, not {length}.",
                most=LONGEST,
                length=len(written),
            )
        )
    key = key_of(written)
    if not key:
        raise NameRefused(say("A name needs a word of its own: /name the goose"))
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
