"""What did not work, for the owner of the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.photos import Task


@dataclass(frozen=True, slots=True)
class Kind:
    """What failures have in common."""

    reason: str
    task: Task | None
    """What is tried again later; None: the photo was given up."""
    final: bool = False
    """It was given up for what it is, which trying again doesn't change."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One photo that did not work. Nothing here tells what it shows."""

    photo: int
    group: str
    name: str
    """Its file's."""
    attempts: int
    due: datetime | None
    """When it is tried again; None: not by itself."""


@dataclass(frozen=True, slots=True)
class Failures:
    """All of a kind: how many, and the latest of them."""

    kind: Kind
    photos: int
    latest: tuple[Failure, ...]
