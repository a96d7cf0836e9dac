"""Questions to the drawn group, each with the photos that answer it.

A photo answers a question if it shows every thing and place that is asked for, and if somebody
said, wrote or replied every other word. A question for one thing may be about any scene that shows
it; one for two things, or for a thing and its place, names all that some scene shows (as in the
model card's rows). Halves share no held-out concept and no question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from benchmarks.group import Drawn, scenes
from bot import words
from bot.starter.captions import chinese, english
from bot.starter.concepts import Concept
from bot.starter.scenes import BACKDROPS

MOST_ANSWERS = 12
"""A word that more photos have is too common to be asked for alone."""


class Kind(StrEnum):
    """What a question leans on."""

    CAPTION = "caption"
    TEXT = "text"
    REPLY = "reply"
    MIXED = "word and thing"
    ONE = "one thing"
    TWO = "two things"
    PLACE = "thing and place"
    ABSENT = "absent thing"
    NONSENSE = "nonsense"


BY_WORDS = frozenset({Kind.CAPTION, Kind.TEXT, Kind.REPLY, Kind.MIXED})
WITHOUT_ANSWER = frozenset({Kind.ABSENT, Kind.NONSENSE})
SHARES = {
    Kind.CAPTION: 70,
    Kind.TEXT: 50,
    Kind.REPLY: 50,
    Kind.MIXED: 30,
    Kind.ONE: 120,
    Kind.TWO: 50,
    Kind.PLACE: 30,
    Kind.ABSENT: 150,
    Kind.NONSENSE: 50,
}
"""400 with an answer, 200 without; half of each for either half."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its answers."""

    kind: Kind
    words: str
    right: frozenset[int]
    """Numbers of the originals that answer it; copies of them count as them."""


def ask(
    photos: Sequence[Drawn],
    left_out: Sequence[Concept],
    rng: Random,
    share: float = 1.0,
    shares: Mapping[Kind, int] = SHARES,
) -> tuple[list[Question], list[Question]]:
    """(for tuning, for reporting): `share` of `shares`, no question twice."""
    known = list(scenes(photos))
    by_number = {photo.number: photo for photo in known}
    said = {p.number: _terms(p.caption, p.text, p.reply) for p in known}
    asked: set[str] = set()
    halves: tuple[list[Question], list[Question]] = ([], [])
    absent = (left_out[0::2], left_out[1::2])
    for kind, count in shares.items():
        makers = [_maker(kind, known, said, by_number, each, rng) for each in absent]
        for half, make in zip(halves, makers, strict=True):
            wanted, tries = round(count * share / 2), 0
            while wanted and tries < 2000:
                tries += 1
                question = make()
                if question is None or words.fold(question.words) in asked:
                    continue
                asked.add(words.fold(question.words))
                half.append(question)
                wanted -= 1
            if wanted:
                raise ValueError(f"the group is too small for {count} questions: {kind}")
    return halves


def _maker(
    kind: Kind,
    known: Sequence[Drawn],
    said: dict[int, frozenset[str]],
    by_number: dict[int, Drawn],
    absent: Sequence[Concept],
    rng: Random,
) -> Callable[[], Question | None]:
    def holding(terms: Iterable[str]) -> frozenset[int]:
        return frozenset(n for n, have in said.items() if all(_held(t, have) for t in terms))

    def showing(concepts: Iterable[str], backdrop: str = "") -> frozenset[int]:
        return frozenset(
            n for n, photo in by_number.items() if _shows(photo, set(concepts), backdrop)
        )

    def by_words(source: Callable[[Drawn], str]) -> Question | None:
        photo = rng.choice(known)
        shown = _names(photo)
        terms = [t for t in _terms(source(photo)) if t in _TOLD and t not in shown]
        if not terms:
            return None
        picked = rng.sample(sorted(terms), min(len(terms), rng.choice((1, 1, 2))))
        right = holding(picked)
        if not 0 < len(right) <= MOST_ANSWERS:
            return None
        return Question(kind, " ".join(picked), right)

    def by_text() -> Question | None:
        photo = rng.choice(known)
        if not photo.text:
            return None
        right = holding(_terms(photo.text))
        if len(right) > MOST_ANSWERS:
            return None
        return Question(kind, photo.text.lower() if rng.random() < 0.7 else photo.text, right)

    def mixed() -> Question | None:
        photo = rng.choice(known)
        told = sorted(t for t in said[photo.number] if t in _TOLD)
        if not told:
            return None
        term, concept = rng.choice(told), rng.choice(_concepts(photo))
        right = holding([term]) & showing(concept.en)
        name = concept.zh[0] if ord(term[0]) > 0x3000 else concept.name
        return Question(kind, f"{term} {name}", right)

    def things(count: int, whole: bool, placed: bool = False) -> Question | None:
        photo = rng.choice(known)
        assert photo.scene is not None
        own = _concepts(photo)
        backdrop = photo.scene.backdrop
        if (whole and len(own) != count) or (placed and not backdrop.en):
            return None
        picked = rng.sample(own, count)
        zh = rng.random() < 0.4
        place = (backdrop.zh if zh else backdrop.en) if placed else ""
        text = (chinese if zh else english)(picked, place, rng)
        right = frozenset.intersection(
            *(showing(c.zh if zh else c.en, backdrop.en if placed else "") for c in picked)
        )
        return Question(kind, text, right)

    def nothing() -> Question:
        zh = rng.random() < 0.4
        backdrop = rng.choice(BACKDROPS) if rng.random() < 0.3 else BACKDROPS[0]
        picked = rng.sample(list(absent), 2 if rng.random() < 0.15 else 1)
        place = backdrop.zh if zh else backdrop.en
        return Question(kind, (chinese if zh else english)(picked, place, rng), frozenset())

    def nonsense() -> Question:
        return Question(kind, _gibberish(rng), frozenset())

    makers: dict[Kind, Callable[[], Question | None]] = {
        Kind.CAPTION: lambda: by_words(lambda photo: photo.caption),
        Kind.TEXT: by_text,
        Kind.REPLY: lambda: by_words(lambda photo: photo.reply),
        Kind.MIXED: mixed,
        Kind.ONE: lambda: things(1, False),
        Kind.TWO: lambda: things(2, True),
        Kind.PLACE: lambda: things(1, True, True),
        Kind.ABSENT: nothing,
        Kind.NONSENSE: nonsense,
    }
    return makers[kind]


def _terms(*texts: str) -> frozenset[str]:
    found: set[str] = set()
    for text in texts:
        for term in words.terms(words.fold(text)):
            found.add(term)
            found.add(term.removesuffix("'s"))
            found.update(name for name in _TOLD_ZH if name in term)
    return frozenset(found)


def _held(term: str, have: frozenset[str]) -> bool:
    return term in have


def _concepts(photo: Drawn) -> list[Concept]:
    return [] if photo.scene is None else [thing.concept for thing in photo.scene.things]


def _names(photo: Drawn) -> set[str]:
    return {part for c in _concepts(photo) for name in c.en for part in name.lower().split()}


def _shows(photo: Drawn, names: set[str], backdrop: str) -> bool:
    """Whether one of its things has one of these names, and the backdrop is that (empty: any)."""
    if photo.scene is None or (backdrop and photo.scene.backdrop.en != backdrop):
        return False
    return any(names & {*concept.en, *concept.zh} for concept in _concepts(photo))


def _gibberish(rng: Random) -> str:
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    made = [
        "".join(
            rng.choice(consonants) + rng.choice(vowels) + rng.choice(("", "x", "rk"))
            for _ in range(rng.choice((2, 3)))
        )
        for _ in range(rng.choice((1, 2, 3)))
    ]
    if rng.random() < 0.2:
        return "".join(rng.choice("qwxzjkv") for _ in range(rng.randint(4, 9)))
    return " ".join(made)


def _told() -> tuple[frozenset[str], tuple[str, ...]]:
    """Words that tell photos apart: names, places, events, brands."""
    from benchmarks.saying import EVENTS, NAMES, NAMES_ZH, PLACES, PLACES_ZH, SIGNS

    latin = {words.fold(word) for word in (*NAMES, *PLACES, *EVENTS, *SIGNS)}
    return frozenset(latin) | {*NAMES_ZH, *PLACES_ZH}, (*NAMES_ZH, *PLACES_ZH)


_TOLD, _TOLD_ZH = _told()
