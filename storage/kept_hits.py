"""Hits of answers that were given: as rows of a database, and from rows again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from bot.answers import Hit, Signal
from bot.errors import AnswerGone
from bot.language import say
from bot.photos import StoredPhoto

KEPT_SECONDS = 90 * 24 * 3600.0
"""How long the buttons of an answer work."""
LOOKED_BACK = 200
"""Questions of one person among which those that begin so are looked for."""

Row = tuple[int, int, float, str, str]
"""(rank, photo, score, why as JSON, name)."""


def places(hits: Sequence[Hit]) -> Iterator[tuple[int, int, Hit]]:
    """(rank, place, hit) of each hit and of the copies that it stands for."""
    for hit in hits:
        for place, each in enumerate((hit, *hit.copies)):
            yield hit.rank, place, each


def hits_of(
    found: Iterable[Row], photos: Iterable[StoredPhoto], names: Collection[str]
) -> list[Hit]:
    """Those of which there are photos, in the order of the rows; `names` are all that may be
    told."""
    by_id = {photo.id: photo for photo in photos}
    hits = (
        Hit(rank, by_id[photo], score, tuple(map(Signal, json.loads(why))), name)
        for rank, photo, score, why, name in found
        if photo in by_id
    )
    return _collapsed(
        _without_name(hit) if hit.name and hit.name not in names else hit for hit in hits
    )


def begun_so(asked: Iterable[str], beginning: str, most: int) -> list[str]:
    """The first of these that begin so, in whatever case."""
    start = beginning.casefold()
    return [words for words in asked if words.casefold().startswith(start)][:most]


def too_old() -> AnswerGone:
    """There is no such answer, or not any more."""
    return AnswerGone(say("That answer is too old to go on from. Please ask again."))


def _without_name(hit: Hit) -> Hit:
    """For those who may see no photo that was named so."""
    why = tuple(signal for signal in hit.why if signal is not Signal.NAME)
    return replace(hit, why=why or (Signal.MEANING,), name="")


def _collapsed(hits: Iterable[Hit]) -> list[Hit]:
    """Of each rank the first that is left, for the others."""
    ranks = (list(same) for _, same in groupby(hits, lambda hit: hit.rank))
    return [replace(first, copies=tuple(copies)) for first, *copies in ranks]
