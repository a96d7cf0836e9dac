"""Scores of several kinds -> one order, each photo with the reasons why it is there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot import fitting
from bot.answers import Hit, Signal
from bot.candidates import Candidate, Candidates
from bot.photos import Calibration, StoredPhoto
from bot.words import is_ideographic

MEANING_WEIGHT = 0.7
"""The best photo by meaning alone: under a rare word (0.95), over a common one."""
WORDS_WEIGHT = 0.95
REPLY_WEIGHT = 0.9
"""What was said about a photo is a little less about it than what was said with it."""
NAME_WEIGHT = 0.85
SPEAKS = 0.5
"""From here up, meaning is named among the reasons of a photo that words found too."""

NAMED = 0.97
"""All that was named so itself scores higher, and all else lower, when a name is asked for."""
UNLIKE, ALIKE = 0.3, 0.7
"""How near to a name's examples a photo must be to count at all, and to count in full. Of the
starter's drawings 1 in 10 without the named thing is nearer than 0.3, of those with it 9 in 10."""

TELLING = 0.3
"""How rare a word must be to say which photos are meant, whatever else is asked for."""

WHOLE_WORD, WORD_START, INSIDE_WORD = 1.0, 0.8, 0.5
RUN_PARTS = 0.7
"""Most that the parts of a Chinese run count for when the whole is not there."""

_BY_MEANING = (Signal.MEANING,)

FILLERS = frozenset(
    """a an and are at by for from in is it my of on or our the this that to was with photo photos
    picture pictures pic pics image images look here there 的 照片 图片 相片 看 这里""".split()
)
"""Words that say nothing of what is in a photo; they count only when nothing else is asked."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A photo with its place in the order still to be given."""

    photo: int
    score: float
    why: tuple[Signal, ...]
    name: str = ""
    fits: bool = True
    """Whether it is an answer at all (bot.fitting), or only nearer than the rest."""


def telling(terms: Sequence[str]) -> list[str]:
    """The terms that say something; all of them if none does."""
    return [term for term in terms if term not in FILLERS] or list(terms)


def lookups(terms: Sequence[str]) -> list[str]:
    """What to look for in captions and texts: the telling terms, and the pairs of characters
    in runs of Chinese, since where a run's words end is not known."""
    wanted = list(telling(terms))
    for term in telling(terms):
        wanted += _pairs(term)
    return list(dict.fromkeys(wanted))


def partly_said(
    terms: Sequence[str], candidates: Candidates
) -> list[tuple[frozenset[str], frozenset[int]]]:
    """The terms that photos' own words hold while they lack others, and those photos; the
    weightiest terms first, of those that weigh enough to be worth it.

    Those others are what such a photo has to show: who asks for "Henrik's cup" means a cup, in a
    photo that Henrik is named with.
    """
    asked = telling(terms)
    words = _Words(asked, candidates)
    weights: dict[frozenset[str], float] = {}
    photos: dict[frozenset[str], set[int]] = {}
    for n, item in enumerate(candidates.items):
        if not words.speaks(n):
            continue
        held = words.held(n)
        if len(held) < len(asked) and max(held.values(), default=0.0) >= TELLING:
            weights[frozenset(held)] = sum(held.values())
            photos.setdefault(frozenset(held), set()).add(item.photo)
    heaviest = sorted(weights, key=lambda each: (-weights[each], sorted(each)))
    return [(held, frozenset(photos[held])) for held in heaviest]


def rank(
    terms: Sequence[str],
    candidates: Candidates,
    besides: Sequence[str] = (),
    calibration: Calibration | None = None,
    rests: Mapping[frozenset[str], Candidates] = MappingProxyType({}),
) -> list[Ranked]:
    """Candidates in order, best first: those that fit, then the others.

    A term's weight is its rarity in the group (idf, Robertson and Spärck Jones 1976) relative
    to a term that only one photo has; a photo's words score is the weighted share of the
    query's terms that it holds (of those `besides` the names that are meant, if there are any:
    a name's own are rarely written anywhere). Meaning counts from the group's median cosine (0)
    to the query's best (1). The signals are joined as independent evidence: 1 - Π (1 - signal).

    `rests`: by the terms of `partly_said`, what was found for the other terms among the photos that
    hold those. Their meaning is judged by that.
    """
    asked = telling(terms)
    in_all = sum(term in besides for term in asked) or len(asked) or 1
    words = _Words(asked, candidates)
    meanings = {held: _Meanings(each, calibration) for held, each in rests.items()}
    whole = _Meanings(candidates, calibration)
    has_names = any(item.name for item in candidates.items)
    ranked: list[Ranked] = []
    for n, item in enumerate(candidates.items):
        by_words = by_caption = by_text = by_reply = 0.0
        held: dict[str, float] = {}
        if words.speaks(n):
            by_words, by_caption, by_text, by_reply = (
                min(1.0, words.share(each) / in_all) for each in (words.best(n), *words.of(n))
            )
            held = words.held(n)
        by_name = min(1.0, max(0.0, (item.alike - UNLIKE) / (ALIKE - UNLIKE)))
        by_meaning, evidence = whole.of(item.photo)
        apart = None
        if (rest := meanings.get(frozenset(held))) is not None:
            by_meaning, apart = rest.of(item.photo)
        fits = fitting.fits(
            item,
            candidates,
            evidence,
            by_words,
            held,
            len(asked),
            by_name,
            apart,
        )
        if item.cosine is None and not (by_caption or by_text or by_reply or by_name):
            continue
        found = _join(item, fits, by_meaning, by_text, by_caption, by_reply, by_name)
        ranked.append(_named_first(found, item) if has_names else found)
    # Under the median all score 0 by meaning, and still one is nearer than another.
    cosines = {i.photo: -1.0 if i.cosine is None else i.cosine for i in candidates.items}
    return sorted(ranked, key=lambda r: (not r.fits, -r.score, -cosines[r.photo], -r.photo))


def hits(ranked: Sequence[Ranked], photos: Mapping[int, StoredPhoto], top: int) -> tuple[Hit, ...]:
    """The first `top` photos that still exist, numbered."""
    there = [r for r in ranked if r.photo in photos][:top]
    return tuple(
        Hit(n, photos[r.photo], r.score, r.why, r.name) for n, r in enumerate(there, start=1)
    )


def _join(
    item: Candidate,
    fits: bool,
    meaning: float,
    text: float,
    caption: float,
    reply: float,
    alike: float,
) -> Ranked:
    if not (text or caption or reply or alike):  # as most
        return Ranked(item.photo, 1 - (1 - MEANING_WEIGHT * meaning), _BY_MEANING, fits=fits)
    missing = (
        (1 - MEANING_WEIGHT * meaning)
        * (1 - WORDS_WEIGHT * text)
        * (1 - WORDS_WEIGHT * caption)
        * (1 - REPLY_WEIGHT * reply)
        * (1 - NAME_WEIGHT * alike)
    )
    why = [
        signal
        for signal, spoke in (
            (Signal.MEANING, meaning >= SPEAKS),
            (Signal.TEXT, text > 0),
            (Signal.CAPTION, caption > 0),
            (Signal.REPLY, reply > 0),
            (Signal.NAME, alike > 0),
        )
        if spoke
    ]
    return Ranked(item.photo, 1 - missing, tuple(why), item.name if alike else "", fits)


def _named_first(found: Ranked, item: Candidate) -> Ranked:
    """Whatever else speaks for the others, what was named itself is what was asked for."""
    if item.alike == 1:
        return replace(found, score=NAMED + (1 - NAMED) * found.score)
    return replace(found, score=NAMED * found.score)


class _Words:
    """What photos' own words hold of the terms that are asked for."""

    def __init__(self, asked: Sequence[str], candidates: Candidates) -> None:
        rules = [_rule(term) for term in asked]
        nothing = [0.0] * len(rules)
        self._asked = asked
        self._held: list[tuple[list[float], ...] | None] = [
            tuple(
                [rule(text) for rule in rules] if text else nothing
                for text in (item.caption, item.text, item.said)
            )
            if item.caption or item.text or item.said
            else None  # as most
            for item in candidates.items
        ]
        speaking = [held for held in self._held if held is not None]
        self._rarity = [
            _rarity(sum(any(own[n] for own in held) for held in speaking), candidates.total)
            for n in range(len(asked))
        ]

    def speaks(self, item: int) -> bool:
        """Whether it has any words; only such items are asked for more."""
        return self._held[item] is not None

    def of(self, item: int) -> tuple[list[float], ...]:
        """How well caption, text and replies hold each term, 0..1."""
        held = self._held[item]
        assert held is not None
        return held

    def best(self, item: int) -> list[float]:
        """The same of all three together."""
        return [max(each) for each in zip(*self.of(item), strict=True)]

    def share(self, held: Sequence[float]) -> float:
        """How much that is of one rare term."""
        return sum(rarity * quality for rarity, quality in zip(self._rarity, held, strict=True))

    def held(self, item: int) -> dict[str, float]:
        """The terms that are there as words, with their rarity (0..1)."""
        return {
            term: rarity
            for term, rarity, quality in zip(
                self._asked, self._rarity, self.best(item), strict=True
            )
            if quality >= WORD_START
        }


class _Meanings:
    """What the vectors say of photos, for one question."""

    def __init__(self, candidates: Candidates, calibration: Calibration | None) -> None:
        self._candidates = candidates
        self._calibration = calibration
        self._items = {item.photo: item for item in candidates.items}
        self._blank = fitting.about_nothing(candidates)
        self._best = max(
            (
                item.cosine
                for item in candidates.items
                if item.cosine is not None and (self._blank or not item.plain)
            ),
            default=0.0,
        )

    def of(self, photo: int) -> tuple[float, float | None]:
        """Its score (0..1), and the evidence that it fits; None: there is nothing to judge by."""
        item = self._items.get(photo)
        if item is None:
            return 0.0, None
        if item.plain and not self._blank:
            return 0.0, -math.inf
        views = fitting.views(item, self._candidates, self._calibration)
        score = _meaning(item, self._candidates.median_cosine, self._best)
        return score, None if views is None else views.evidence


def _meaning(item: Candidate, median: float, best: float) -> float:
    if item.cosine is None:
        return 0.0
    if best - median < 1e-6:
        return 1.0
    return max(0.0, (item.cosine - median) / (best - median))


def _rarity(holders: int, total: int) -> float:
    """1 for a term that one photo of the group has, towards 0 for one that all have."""

    def idf(count: int) -> float:
        return math.log(1 + (max(total, count) - count + 0.5) / (count + 0.5))

    return idf(max(holders, 1)) / idf(1)


def _rule(term: str) -> Callable[[str], float]:
    """How well a folded text holds `term`, 0..1."""
    if is_ideographic(term[0]):
        pairs = _pairs(term)

        def run(text: str) -> float:
            if term in text:
                return WHOLE_WORD
            share = sum(pair in text for pair in pairs) / len(pairs) if pairs else 0.0
            return RUN_PARTS * share if share >= 0.5 else 0.0

        return run
    pattern = re.compile(rf"(?P<inside>[^\W_])?{re.escape(term)}(?P<more>[^\W_])?")

    def word(text: str) -> float:
        best = 0.0
        for found in pattern.finditer(text):
            if found["inside"] and not is_ideographic(found["inside"]):
                best = max(best, INSIDE_WORD if len(term) > 2 else 0.0)
            elif found["more"] and not is_ideographic(found["more"]):
                best = max(best, WORD_START)
            else:
                return WHOLE_WORD
        return best

    return word


def _pairs(term: str) -> list[str]:
    if len(term) < 3 or not is_ideographic(term[0]):
        return []
    return [term[n : n + 2] for n in range(len(term) - 1)]
