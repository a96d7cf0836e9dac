"""What the starter is trained on: drawn scenes, what is said of them, and what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from bot.starter import families
from bot.starter.captions import Saying, ask, say
from bot.starter.concepts import LANGUAGES, concepts
from bot.starter.plan import Plan
from bot.starter.scenes import BACKDROPS, Painter, Scene, compose

HELD_OUT = 1_000_003
"""Scenes for the curve come from seeds that no batch uses."""

Truth = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(slots=True)
class Batch:
    """Pairs: pictures (n, side, side, 3) uint8, and a caption each in every language."""

    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    texts: dict[str, list[str]]
    """In every language the n captions; in the finish a question for every concept follows."""
    true: dict[str, Truth] | None = None
    """In the finish, by language: (n, texts), whether a picture shows all that a text names."""


class Batches:
    """Draws batch after batch; a torch dataset, so that other processes do the drawing."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan = plan
        self._work = work
        self._painters: list[Painter] = []

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step. Its scenes show different main things: fewer false negatives."""
        plan = self._plan
        rng = Random(f"{plan.seed}/{step}")  # noqa: S311
        done = step / plan.steps
        mains = [rng.choice(concepts()) for _ in range(max(0, plan.batch - len(concepts())))]
        mains += rng.sample(concepts(), min(plan.batch, len(concepts())))
        crowd = min(1.0, 0.3 + done * 2)
        return self._drawn(rng, mains, plan.side(step), crowd, step >= plan.steps)

    def held_out(self, count: int, side: int) -> Batch:
        """Scenes for the curve that is drawn while training."""
        rng = Random(HELD_OUT + self._plan.seed)  # noqa: S311
        return self._drawn(rng, [None] * count, side, 1.0, False)

    def _drawn(
        self, rng: Random, mains: Sequence[Any], side: int, crowd: float, asked: bool
    ) -> Batch:
        """`crowd`: how many of the scenes may show more than one thing; it grows in time."""
        if not self._painters:
            self._painters = [
                Painter(families.sprites(family, self._work)) for family in self._plan.families
            ]
        pixels = np.empty((len(mains), side, side, 3), np.uint8)
        said: dict[str, list[Saying]] = {language: [] for language in LANGUAGES}
        scenes: list[Scene] = []
        for i, main in enumerate(mains):
            painter = rng.choice(self._painters)
            while main is not None and not any(map(painter.has, main.emoji)):
                painter = rng.choice(self._painters)
            things = 0 if rng.random() < crowd else 1
            scene = compose(rng, painter.has, things, main)
            scenes.append(scene)
            pixels[i] = np.asarray(painter.draw(scene, side))
            for language in LANGUAGES:
                said[language].append(say(scene, language, rng))
        if asked:
            for language in LANGUAGES:
                said[language] += [ask(concept, language, rng) for concept in concepts()]
        texts = {language: [saying.text for saying in said[language]] for language in LANGUAGES}
        true = {language: truth(scenes, said[language], language) for language in LANGUAGES}
        return Batch(pixels, texts, true if asked else None)


def truth(scenes: Sequence[Scene], said: Sequence[Saying], language: str) -> Truth:
    """(scenes, sayings): whether a scene shows all that is named. What shares a name counts as the
    same thing."""
    numbers = {concept: n for n, concept in enumerate(concepts())}
    shows = np.zeros((len(scenes), len(numbers)), bool)
    for row, scene in enumerate(scenes):
        for thing in scene.things:
            for alike in _alike(language)[numbers[thing.concept]]:
                shows[row, alike] = True
    places = np.array([BACKDROPS.index(scene.backdrop) for scene in scenes])
    true = np.ones((len(scenes), len(said)), bool)
    for column, saying in enumerate(said):
        for concept in saying.named:
            true[:, column] &= shows[:, numbers[concept]]
        if saying.backdrop is not None:
            true[:, column] &= places == BACKDROPS.index(saying.backdrop)
    return true


@cache
def _alike(language: str) -> tuple[tuple[int, ...], ...]:
    """By concept: the numbers of all that share one of its names, its own with them."""
    names = [frozenset(concept.names(language)) for concept in concepts()]
    return tuple(tuple(n for n, others in enumerate(names) if own & others) for own in names)
