"""What somebody would say of a scene, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bot.starter.concepts import Concept
from bot.starter.scenes import BACKDROPS, Backdrop, Scene

PLAIN = 0.35
"""How often a caption is names only, the way people type a search."""
PARTIAL = 0.15
"""How often one of several things is all that is named."""
PLACED = 0.35
"""How often the backdrop is mentioned, where it has a name."""
ASKED_AT = 0.15
"""How often one who asks for a thing names a place too."""

EN = ("{}", "{}", "a picture of {}", "a photo of {}", "a drawing of {}", "{} here", "look, {}")
ZH = ("{}", "{}", "{}的照片", "一张{}的图片", "看，{}", "这里有{}", "{}的图")


@dataclass(frozen=True, slots=True)
class Saying:
    """Words, and what a picture has to show for them to be true of it."""

    text: str
    named: tuple[Concept, ...]
    backdrop: Backdrop | None
    """None: any will do."""


def caption(scene: Scene, language: str, rng: Random, whole: bool = False) -> str:
    """One way to say what the scene shows; `whole`: every thing is named."""
    return say(scene, language, rng, whole).text


def say(scene: Scene, language: str, rng: Random, whole: bool = False) -> Saying:
    """The same, with what it means."""
    named = [thing.concept for thing in scene.things]
    if len(named) > 1 and not whole and rng.random() < PARTIAL:
        named = [rng.choice(named)]
    rng.shuffle(named)
    place = ""
    if rng.random() < PLACED:
        place = scene.backdrop.zh if language == "zh" else scene.backdrop.en
    text = chinese(named, place, rng) if language == "zh" else english(named, place, rng)
    return Saying(text, tuple(named), scene.backdrop if place else None)


def ask(concept: Concept, language: str, rng: Random) -> Saying:
    """One way to ask for one thing, now and then at a place."""
    backdrop = rng.choice(BACKDROPS[1:]) if rng.random() < ASKED_AT else None
    words = "" if backdrop is None else backdrop.zh if language == "zh" else backdrop.en
    text = chinese([concept], words, rng) if language == "zh" else english([concept], words, rng)
    return Saying(text, (concept,), backdrop)


def english(named: list[Concept], place: str, rng: Random) -> str:
    """E.g. "a birthday cake and a dog on a beach", "birthday cake dog"."""
    names = [_name(concept.en, rng) for concept in named]
    if rng.random() < PLAIN:
        if rng.random() < 0.2:
            names = [_plural(name) for name in names]
        glue = rng.choice((" ", ", ", " and "))
        return " ".join(filter(None, (glue.join(names), place)))
    names = [f"{_article(name, rng)} {name}" for name in names]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return rng.choice(EN).format(" ".join(filter(None, (listed, place))))


def chinese(named: list[Concept], place: str, rng: Random) -> str:
    """E.g. "在沙滩上的生日蛋糕和狗", "生日蛋糕"."""
    names = [_name(concept.zh, rng) for concept in named]
    if rng.random() < PLAIN:
        return rng.choice(("", " ", "，", "和")).join(names) + place
    listed = names[0] if len(names) == 1 else "、".join(names[:-1]) + "和" + names[-1]
    return rng.choice(ZH).format(f"{place}的{listed}" if place else listed)


def _name(names: tuple[str, ...], rng: Random) -> str:
    """The plainest name most of the time."""
    return names[0] if rng.random() < 0.55 else rng.choice(names)


def _article(name: str, rng: Random) -> str:
    if rng.random() < 0.2:
        return "the"
    return "an" if name[0].lower() in "aeiou" else "a"


def _plural(name: str) -> str:
    if name.endswith(("s", "sh", "ch", "x")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"
