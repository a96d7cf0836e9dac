"""Near-duplicates among the hits of an answer: one stands for all of its copies.

Two photos of one group are taken as the same when
- they look the same from afar (bot.perceptual), whoever posted them, wherever and whenever: the
  same photo again, compressed, resized, converted, turned or cut a little; or
- they come from one burst (one author, one channel, seconds apart), look alike from afar and mean
  the same to the model.
What was read in them parts them again: two pictures of one layout with other words (memes, slides)
are not the same. Reading is unsure, above all in photos and small copies, so that copies are parted
only when most words are others; pages of a burst (receipts) when they don't read alike.

A photo is the same as the one that is shown for it, never by way of a third: chains would tie
together what drifts apart.

Thresholds are measured (benchmarks/duplicates.py, docs/benchmarks/duplicates.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from bot import perceptual
from bot.answers import Hit
from bot.candidates import Look
from bot.words import is_ideographic

SAME = 0.28
"""Distance of fingerprints up to which photos are copies of one."""
BURST_SAME = 0.7
"""The same for photos of one burst."""
BURST_COSINE = 0.9
"""And the cosine that their embeddings must have: those of one scene have 0.95 and more."""
BURST_SECONDS = 15.0
"""From one photo of a burst to the next."""
ENOUGH_WORDS = 3
"""Words that must have been read in both photos before those can part them."""
MOST_WORDS = 40
"""Of a text that are compared."""
SAME_WORDS = 0.34
"""Share of the words of whichever has fewer that the other must have, one letter misread or not."""
ENOUGH_TEXT = 12
"""Characters that must have been read in two pages of a burst before they are compared."""
SAME_TEXT = 0.5
"""Share of the shorter page's pieces that the other must hold."""
PIECE = 5
"""Characters of a piece: more than most words have, so that their order counts too."""
MOST_TEXT = 1000
"""Characters of a text that are compared."""


def collapse(hits: Sequence[Hit], looks: Mapping[int, Look]) -> tuple[Hit, ...]:
    """The hits of an answer, best first, without those that another one stands for, numbered anew.

    No photo is lost: each is a hit or among the `copies` of one.
    """
    seen = [hit for hit in hits if _has_fingerprint(looks.get(hit.photo.id))]
    place = {hit.photo.id: n for n, hit in enumerate(seen)}
    likeness = _Likeness(seen, [looks[hit.photo.id] for hit in seen])
    shown: list[list[Hit]] = []
    stands_at: dict[int, int] = {}
    """Where in `shown` one stands for others, by its place in `seen`."""
    for hit in hits:
        n = place.get(hit.photo.id)
        first = next((k for k in stands_at if n is not None and likeness.same(k, n)), None)
        if first is not None:
            shown[stands_at[first]].append(hit)
            continue
        if n is not None:
            stands_at[n] = len(shown)
        shown.append([hit])
    return tuple(_standing_for(rank, each) for rank, each in enumerate(shown, start=1))


def _has_fingerprint(look: Look | None) -> bool:
    seen = None if look is None else look.fingerprint
    return seen is not None and len(seen) == perceptual.SIZE


def _standing_for(rank: int, hits: Sequence[Hit]) -> Hit:
    """The first of them for all, with what they already stood for."""
    flat = [each for hit in hits for each in (hit, *hit.copies)]
    first, *rest = (replace(hit, rank=rank, copies=()) for hit in flat)
    return replace(first, copies=tuple(rest))


class _Likeness:
    """Which of an answer's photos, all with fingerprints, are the same."""

    def __init__(self, hits: Sequence[Hit], looks: Sequence[Look]) -> None:
        prints = [look.fingerprint for look in looks if look.fingerprint is not None]
        self._far = perceptual.distances(prints, BURST_SAME)
        self._looks = looks
        self._bursts = _bursts(hits)
        self._groups = [hit.photo.post.group for hit in hits]

    def same(self, a: int, b: int) -> bool:
        """Words are looked at last: comparing them takes longest."""
        far, one, other = self._far[a, b], self._looks[a], self._looks[b]
        if far > BURST_SAME or self._groups[a] != self._groups[b]:
            return False
        if far <= SAME:
            return not has_other_words(one, other)
        in_burst = self._bursts[a] == self._bursts[b]
        return in_burst and _mean_the_same(one, other) and reads_alike(one, other)


def _bursts(hits: Sequence[Hit]) -> list[int]:
    """A number for each photo; those of one burst have the same."""
    posts = [hit.photo.post for hit in hits]
    whose = [(post.group, post.channel, post.author) for post in posts]
    order = sorted(range(len(hits)), key=lambda n: (*whose[n], posts[n].posted_at))
    numbers = [0] * len(hits)
    number = 0
    for before, n in pairwise(order):
        pause = (posts[n].posted_at - posts[before].posted_at).total_seconds()
        if whose[n] != whose[before] or pause > BURST_SECONDS:
            number += 1
        numbers[n] = number
    return numbers


def _mean_the_same(a: Look, b: Look) -> bool:
    """As far as is known: pages of words mean the same to a model, until they have been read."""
    if a.vector is None or b.vector is None or a.text is None or b.text is None:
        return False
    return float(a.vector @ b.vector) >= BURST_COSINE


def has_other_words(one: Look, other: Look) -> bool:
    """Whether most of what was read in two copies is something else. No, if too little was."""
    fewer, more = sorted((_words(one.text or ""), _words(other.text or "")), key=len)
    if len(fewer) < ENOUGH_WORDS:
        return False
    spelt = frozenset().union(*more)
    known = sum(not word.isdisjoint(spelt) for word in fewer)
    return known < SAME_WORDS * len(fewer)


def reads_alike(one: Look, other: Look) -> bool:
    """Whether two pages say the same in the same order, as far as they say anything."""
    fewer, more = sorted(((one.text or "")[:MOST_TEXT], (other.text or "")[:MOST_TEXT]), key=len)
    if len(fewer) < ENOUGH_TEXT:
        return True
    pieces = {fewer[n : n + PIECE] for n in range(len(fewer) - PIECE + 1)}
    return sum(piece in more for piece in pieces) >= SAME_TEXT * len(pieces)


@lru_cache(2048)
def _words(text: str) -> tuple[frozenset[str], ...]:
    """Words of four letters and more, and the pairs of characters in runs of Chinese.

    Each word with what is left of it without one letter, so that spellings that are one letter
    apart have something in common (SymSpell, Garbe 2012).
    """
    found: dict[frozenset[str], None] = {}
    for run in re.findall(r"[^\W\d_]{2,}", text[:MOST_TEXT]):
        if is_ideographic(run[0]):
            found |= dict.fromkeys(frozenset((run[n : n + 2],)) for n in range(len(run) - 1))
        elif len(run) >= 4:
            found[frozenset((run, *(run[:n] + run[n + 1 :] for n in range(len(run)))))] = None
    return tuple(found)[:MOST_WORDS]
