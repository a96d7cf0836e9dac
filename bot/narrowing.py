"""A question as typed -> a question to the store: names are looked up, filters are joined.

Names are looked up among those that the answer's audience may see, and among nothing else: who
posts only where somebody may not look is nobody to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot import words
from bot.language import count, say, to_say
from bot.minus import looks_like
from bot.photos import Audience, Query
from bot.ports import Encoder
from bot.query import Asked, parse
from bot.ranking import FILLERS
from bot.stores import ScopeStore
from bot.words import fold, is_ideographic

NOBODY = to_say("I don't know anybody called “{name}” here; searched as a word.")
SEVERAL = to_say(
    "“{name}” could be several people here; searched as a word. Write more of the name."
)
NOWHERE = to_say("I don't know of photos in a place called “{name}” here; searched as a word.")
MYSELF = ("me", "myself", "我", "自己")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What is asked of the store."""

    query: Query
    """Its words are what is left to look for."""
    exact: tuple[str, ...]
    """Words that all photos in question hold: they say why one is there, and nothing of meaning."""
    narrows: bool
    """Whether more than words was asked, so that none are needed."""
    hint: str | None


async def narrow(
    store: ScopeStore, query: Query, encoder: Encoder | None, now: datetime
) -> Narrowed:
    """Take a question apart and look its names up."""
    asked = parse(query.words, now)
    rest, hints = [asked.words], list(asked.hints)
    authors = await _authors(store, query, asked, rest, hints)
    groups, channels = _places(query, asked, rest, hints)
    apart: set[int] = set()
    for unwanted in asked.without if encoder is not None else ():
        assert encoder is not None
        vector = await encoder.encode_text(unwanted)
        cosines = await store.cosines(query.groups, query.audience, vector, encoder.model)
        if found := await asyncio.to_thread(looks_like, cosines):
            hints.append(
                count(
                    len(found),
                    "“-{words}” leaves out one photo that looks like it.",
                    "“-{words}” leaves out {count} photos that look like it.",
                    words=unwanted,
                )
            )
            apart |= found
    only = replace(
        query.only,
        authors=_both(query.only.authors, authors),
        after=max(filter(None, (query.only.after, asked.after)), default=None),
        before=min(filter(None, (query.only.before, asked.before)), default=None),
        holding=tuple(map(fold, asked.phrases)),
        lacking=tuple(map(fold, asked.without)),
        apart=frozenset(apart),
    )
    left = " ".join(filter(None, rest))
    narrows = only != query.only or channels is not None or groups is not None
    if narrows and all(term in FILLERS for term in words.terms(fold(left))):
        left = ""
    seen = _both(query.audience.channels, channels)
    return Narrowed(
        replace(
            query,
            words=left,
            groups=tuple(each for each in query.groups if groups is None or each in groups),
            audience=Audience(seen, query.audience.protected),
            only=only,
        ),
        asked.phrases,
        narrows,
        " ".join(hints) or None,
    )


async def _authors(
    store: ScopeStore, query: Query, asked: Asked, rest: list[str], hints: list[str]
) -> frozenset[str] | None:
    """The people who are meant by `from:`; names of nobody become words again."""
    if not asked.authors:
        return None
    known = await store.people(query.groups, query.audience)
    found: set[str] = set()
    for name in asked.authors:
        plain = fold(name).removeprefix("@")
        meant = _called(plain, query.people) or people_called(plain, known)
        if not meant and plain in MYSELF and query.asker:
            meant = frozenset({query.asker})
        if meant:
            found |= meant
        else:
            several = meant is None
            hints.append(say(SEVERAL if several else NOBODY, name=name))
            rest.append(name)
    return frozenset(found) or None


def people_called(name: str, known: Iterable[tuple[str, str]]) -> frozenset[str] | None:
    """Ids of the people who are meant by a folded name, of (id, name) pairs.

    Everybody of just that name, else everybody of whose name it is a word, else the one whose name
    or a word of it begins so. None if it could be one of several.
    """
    if not name:
        return frozenset()
    exact: set[str] = set()
    word: set[str] = set()
    begins: set[str] = set()
    for person, written in known:
        folded = fold(written)
        parts = folded.split()
        if folded == name:
            exact.add(person)
        if name in parts:
            word.add(person)
        if any(part.startswith(name) for part in (folded, *parts)) or (
            is_ideographic(name[0]) and name in folded
        ):
            begins.add(person)
    if exact or word:
        return frozenset(exact or word)
    return frozenset(begins) if len(begins) < 2 else None


def _places(
    query: Query, asked: Asked, rest: list[str], hints: list[str]
) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """(groups, channels) that are meant by `in:`; None: all."""
    groups: set[str] = set()
    channels: set[str] = set()
    for name in asked.channels:
        folded = fold(name).removeprefix("#").strip()
        in_groups, in_channels = _called(folded, query.titles), _called(folded, query.channels)
        if not in_groups and not in_channels:
            hints.append(say(NOWHERE, name=name))
            rest.append(name)
        groups |= in_groups
        channels |= in_channels
    return frozenset(groups) or None, frozenset(channels) or None


def _called(name: str, things: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Ids of all that have this folded name, of (name, id) pairs. Emoji and signs in a name need
    not be typed."""

    def bare(text: str) -> str:
        return "-".join(words.terms(text)) or text

    return frozenset(id_ for written, id_ in things if bare(fold(written)) == bare(name))


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What is in both; None is everything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
