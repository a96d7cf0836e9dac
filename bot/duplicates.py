"""Near-duplicates among the hits of an answer: one stands for all of its copies.

Two photos of one group are taken as the same when
- they look the same from afar (bot.perceptual), whoever posted them, wherever and whenever: the
  same photo again, compressed, resized, converted, turned or cut a little; or
- they come from one burst (one author, one channel, seconds apart), look alike from afar and mean
  the same to the model.
What was read in them parts them again: two pictures with one layout and different words (memes,
receipts, slides) are not the same. A photo is the same as the one that is shown for it, never by
way of a third: chains would tie together what drifts apart.

Thresholds are measured (benchmarks/duplicates.py, docs/benchmarks/duplicates.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bot import perceptual
from bot.photos import Hit, Look

SAME = 0.28
"""Distance of fingerprints up to which photos are copies of one."""
BURST_SAME = 0.7
"""The same for photos of one burst."""
BURST_COSINE = 0.9
"""And the cosine that their embeddings must have: those of one scene have 0.95 and more."""
BURST_SECONDS = 15.0
"""From one photo of a burst to the next."""
ENOUGH_TEXT = 12
"""Characters that must have been read in both photos before their words can part them."""
SAME_TEXT = 0.5
"""Share of the shorter text's pieces that the other must hold: letters are misread in copies."""
PIECE = 5
"""Characters of a piece: more than most words have, so that their order counts too."""


def collapse(hits: Sequence[Hit], looks: Mapping[int, Look]) -> tuple[Hit, ...]:
    """The hits of an answer, best first, without those that another one stands for, numbered anew.

    No photo is lost: each is a hit or among the `copies` of one.
    """
    known = [hit for hit in hits if _has_fingerprint(looks.get(hit.photo.id))]
    place = {hit.photo.id: n for n, hit in enumerate(known)}
    same = _same(known, [looks[hit.photo.id] for hit in known])
    shown: list[list[Hit]] = []
    first_of: list[int] = []
    """The place in `known` of each shown hit; -1: it has no fingerprint."""
    for hit in hits:
        n = place.get(hit.photo.id, -1)
        mine = (k for k, first in enumerate(first_of) if n >= 0 and first >= 0 and same[first, n])
        if (at := next(mine, None)) is not None:
            shown[at].append(hit)
        else:
            shown.append([hit])
            first_of.append(n)
    return tuple(_standing_for(rank, each) for rank, each in enumerate(shown, start=1))


def _has_fingerprint(look: Look | None) -> bool:
    seen = None if look is None else look.fingerprint
    return seen is not None and len(seen) == perceptual.SIZE


def _standing_for(rank: int, hits: Sequence[Hit]) -> Hit:
    """The first of them for all, with what they already stood for."""
    flat = [each for hit in hits for each in (hit, *hit.copies)]
    first, *rest = (replace(hit, rank=rank, copies=()) for hit in flat)
    return replace(first, copies=tuple(rest))


def _same(hits: Sequence[Hit], looks: Sequence[Look]) -> NDArray[np.bool_]:
    """(n, n): which of these photos, all with fingerprints, are the same."""
    far = perceptual.distances([look.fingerprint for look in looks if look.fingerprint])
    same = far <= SAME
    bursts = _bursts(hits)
    for a, b in np.argwhere(np.triu(far <= BURST_SAME, 1)).tolist():
        alike = same[a, b] or (bursts[a] == bursts[b] and _mean_the_same(looks[a], looks[b]))
        one_group = hits[a].photo.post.group == hits[b].photo.post.group
        same[a, b] = same[b, a] = alike and one_group and not says_other_things(looks[a], looks[b])
    return same


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


def says_other_things(a: Look, b: Look) -> bool:
    """Whether text was read in both, and not the same."""
    one, other = a.text or "", b.text or ""
    if min(len(one), len(other)) < ENOUGH_TEXT:
        return False
    fewer, more = sorted((_pieces(one), _pieces(other)), key=len)
    return len(fewer & more) < SAME_TEXT * len(fewer)


def _pieces(text: str) -> set[str]:
    return {text[n : n + PIECE] for n in range(len(text) - PIECE + 1)}
