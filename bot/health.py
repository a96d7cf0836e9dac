"""How the bot is, for whoever watches over it: not a word of what it remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.decoder import Decoder
from bot.errors import StoreError
from bot.model_state import ModelState, Stage
from bot.photos import Task, Totals, Waiting
from bot.ports import PhotoStore
from bot.pulse import Pulse

PATIENCE = 3.0
"""Seconds that the database may take to answer."""


class Watched(Protocol):
    """A chat that is switched on."""

    @property
    def platform(self) -> str: ...

    @property
    def up(self) -> bool:
        """Whether it takes in posts and questions now."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """The bot at one moment."""

    problems: tuple[str, ...]
    """Why it is not well; none: it is."""
    stage: Stage
    """Of the model. Without one words still find, so that this is no problem in itself."""
    progress: float | None
    """0..1 of a download or a preparation that is going on."""
    model: tuple[str, str] | None
    """Name and fingerprint of the one in use."""
    platforms: Mapping[str, bool]
    """Which chats are switched on, and whether they are up."""
    waiting: Mapping[Task, Waiting]
    totals: Totals | None
    """None, and nothing waiting: the database can't be read."""
    restarts: int
    """How often the decoder was replaced since it hung or died."""


class Watch:
    """Looks at everything that has to be well."""

    def __init__(
        self,
        store: PhotoStore,
        model: ModelState,
        decoder: Decoder,
        pulse: Pulse,
        chats: Sequence[Watched] | None,
    ) -> None:
        """`chats` may grow while they are started; None: there are to be none."""
        self._store = store
        self._model = model
        self._decoder = decoder
        self._pulse = pulse
        self._chats = chats

    async def look(self) -> Report:
        """Never fails; takes a few seconds where the database hangs."""
        problems = []
        waiting: Mapping[Task, Waiting] = {}
        totals = None
        try:
            async with asyncio.timeout(PATIENCE):
                waiting, totals = await self._store.backlog.waiting(), await self._store.totals()
        except StoreError:
            problems.append("the database can't be read")
        except TimeoutError:
            problems.append("the database does not answer")
        problems += self._pulse.problems
        if self._chats is not None and not self._chats:
            problems.append("no chat is open yet")
        platforms = {chat.platform: chat.up for chat in self._chats or ()}
        problems += [f"{name} is not connected" for name, up in platforms.items() if not up]
        encoder = self._model.encoder
        return Report(
            tuple(problems),
            self._model.stage,
            self._model.done,
            None if encoder is None else (encoder.model.name, encoder.model.fingerprint),
            platforms,
            waiting,
            totals,
            self._decoder.lost,
        )
