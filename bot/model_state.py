"""What everybody may know of the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.language import say
from bot.ports import Encoder


class Stage(StrEnum):
    """How far the model is."""

    LOADING = "loading"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    READY = "ready"
    MISSING = "missing"


@dataclass(slots=True)
class ModelState:
    """What is known of the encoder now; the loader changes it, everybody else reads it."""

    name: str
    """As written in MODEL."""
    encoder: Encoder | None = None
    problem: str | None = None
    """Why there is no encoder, and the ways out."""
    cautions: tuple[str, ...] = ()
    """What people should know of the encoder that is used, if anything; in English."""
    loaded: tuple[int, int] | None = None
    """Percent that are downloaded, and of how many megabytes; None: no download is going on."""
    prepared: int | None = None
    """Percent of what is done once to a model before it is used first."""
    coming: Encoder | None = None
    """The encoder that is to answer, once it has seen the photos that the other one has."""
    stands_in: bool = False
    """Whether nobody chose the encoder: it answers until the model in MODEL can be had."""

    def switch(self) -> None:
        """The encoder that was coming answers from now on."""
        self.encoder, self.coming = self.coming, None

    @property
    def stage(self) -> Stage:
        """How far the encoder is that questions are answered with."""
        if self.encoder is not None:
            return Stage.READY
        if self.prepared is not None:
            return Stage.PREPARING
        if self.loaded is not None:
            return Stage.DOWNLOADING
        return Stage.LOADING if self.problem is None else Stage.MISSING

    @property
    def done(self) -> float | None:
        """0..1 of the download or preparation that is going on."""
        percent = self.prepared if self.loaded is None else self.loaded[0]
        return None if percent is None else percent / 100

    @property
    def progress(self) -> str | None:
        """What the loader is doing, if it takes long."""
        if self.prepared is not None:
            return say("preparing it for this machine, {percent} %", percent=self.prepared)
        if self.loaded is None:
            return None
        percent, size = self.loaded
        return say("downloading, {percent} % of {size} MB", percent=percent, size=size)

    @property
    def notice(self) -> str | None:
        """A lasting line for people while finding by meaning has to wait or has limits."""
        if self.encoder is not None:
            return " ".join(map(say, self.cautions)) or None
        if self.problem is not None:
            return say(
                "Photos are found by captions and by text in them; finding by meaning waits for a "
                "model. {problem}",
                problem=say(self.problem),
            )
        return say(
            "Photos are found by captions and by text in them; finding by meaning starts when the "
            "model is ready ({progress}).",
            progress=self.progress or say("loading"),
        )
