"""What the starter model knows: one concept a line of `concepts.tsv`, with names and emoji."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("concepts.tsv")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that has a picture."""

    emoji: tuple[str, ...]
    """Every emoji that shows it."""
    en: tuple[str, ...]
    """Its English names, the plainest first."""
    zh: tuple[str, ...]
    """Its Chinese names, the plainest first."""

    @property
    def name(self) -> str:
        return self.en[0]

    def names(self, language: str) -> tuple[str, ...]:
        return self.zh if language == "zh" else self.en


@cache
def concepts() -> tuple[Concept, ...]:
    """All of them, in the table's order."""
    with FILE.open(encoding="utf-8", newline="") as source:
        rows = csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(
            Concept(
                tuple(row["emoji"].split()),
                tuple(row["en"].split(";")),
                tuple(row["zh"].split(";")),
            )
            for row in rows
        )


def concept(name: str) -> Concept:
    """The concept with this English name first. Raises KeyError."""
    for known in concepts():
        if known.name == name:
            return known
    raise KeyError(name)
