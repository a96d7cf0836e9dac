"""What stores and ranking tell each other about photos that may be an answer."""

from __future__ import annotations

from dataclasses import dataclass

from bot.photos import EVERYONE, Audience, Vector


@dataclass(frozen=True, slots=True)
class Meant:
    """Names of the group's own that are meant in a question."""

    keys: tuple[str, ...] = ()
    """See bot.names."""
    audience: Audience = EVERYONE
    """Which of their examples may count: all that this audience may see, however much the question
    is narrowed."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo that may be an answer, as the store hands it to the ranking."""

    photo: int
    cosine: float | None
    """Cosine of photo and query embedding; None while the photo waits for its vector. For
    several query vectors, the mean of their cosines, each in standard deviations."""
    caption: str
    """Folded (see bot.words)."""
    text: str
    """Text read in the photo, folded."""
    said: str = ""
    """What was said in direct replies to it, folded."""
    name: str = ""
    """Of the group's names among the query's words the one that fits it best, as written."""
    alike: float = 0.0
    """How much it looks like what was named so: 0 like the median photo of the group, 1 the same.
    Exactly 1 for photos that were named so themselves."""
    neutral: float = 0.0
    """Mean cosine that texts without a meaning reach on it."""
    rival: float | None = None
    """Best cosine that a word near the question, but of another meaning, reaches on it."""
    plain: bool = False
    """It is as near to a blank picture as those are to each other."""


@dataclass(frozen=True, slots=True)
class Background:
    """What answers are held against, as a model sees it (bot.background)."""

    texts: Vector
    """(k, d), without a meaning"""
    words: Vector
    """(v, d), of everyday things, one each"""
    pictures: Vector
    """(n, d), the plain ones among them."""
    plain: Vector
    """(m, d)"""
    plain_from: float
    """How near the plain ones usually are to each other."""


@dataclass(frozen=True, slots=True)
class Level:
    """What cosines a question's photos have that don't fit it; see bot.fitting."""

    median: float
    spread: float
    """Of all photos and the background's pictures; a standard deviation, robustly."""
    chance: float
    """By how many spreads the best of so many is above the median if none of them fits."""
    neutral: float
    neutral_spread: float
    """Of the best cosine in these photos that each of the background's texts has."""
    plain: float
    """The best cosine that a plain picture has."""
    company: float
    """Mean cosine of the nearest three that aren't plain."""
    familiarity: float
    """How much nearer the question is to an everyday word than those usually are to each other, in
    standard deviations of that: 0 for whatever is not, 3 for a word itself."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a store found for one query, and what the ranking must know of the rest."""

    total: int
    """Photos that this audience could be shown."""
    median_cosine: float
    """Median of what `Candidate.cosine` would be for all; 0 without a query vector."""
    items: tuple[Candidate, ...]
    level: Level | None = None
    """None: whether anything fits can't be judged by meaning."""


@dataclass(frozen=True, slots=True)
class Look:
    """What there is of a photo to know its copies by."""

    fingerprint: bytes | None = None
    """How it looks from afar (bot.perceptual). None while it waits for one."""
    vector: Vector | None = None
    text: str | None = ""
    """Read in it, folded. None while it waits to be read."""
