"""Which model answers and which is to, agreed upon by all processes of a memory.

One process is elected to tell the store what there is, as the settings want it; the others look it
up there. So nobody embeds with a model that is not asked, also while processes are restarted with
another MODEL one after another.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from bot.elections import Alone, lead
from bot.errors import StoreError
from bot.model_state import ModelState
from bot.photos import Model, Task
from bot.ports import Encoder, PhotoStore

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
SETTLED_SECONDS = 60.0
"""After a change, when it is looked whether another process went on with the old model for a
moment."""


class Succession:
    """One process's part in it."""

    def __init__(self, store: PhotoStore, state: ModelState, switch: Callable[[], None]) -> None:
        """`switch` makes the model that is coming the one that answers."""
        self._store = store
        self._models = store.models
        self._state = state
        self._switch = switch
        self._leads = False
        self.embeds = True
        """Whether what is new is looked at here, as far as was known last."""
        self._outdated = asyncio.Event()
        self._settled: tuple[Encoder | None, Encoder | None] = None, None
        """The encoders that the store knows of."""
        self._answered = ""
        """Fingerprint of our encoder, once it was the one that answers."""
        self._lacks = False
        """The model that answers is not here, but may be in other processes."""
        self._look_again: float | None = None
        self._told = ""

    async def stand(self, elected: Callable[[], None]) -> None:
        """Be ready to tell the store, until cancelled or outdated; `elected` is called whenever it
        is this process that does. Only for who has an encoder."""

        async def reign() -> None:
            self._leads, self._settled = True, (None, None)
            elected()
            try:
                await self._outdated.wait()
            finally:
                self._leads = False

        await lead(self._store.elections, "which model answers", reign)

    async def encoder_for(self, task: Task) -> Encoder | None:
        """The one to EMBED or to RENEW with here and now. Raises StoreError."""
        found = await self._encoder_for(task)
        if task is Task.EMBED:
            self.embeds = found is not None
        return found

    async def _encoder_for(self, task: Task) -> Encoder | None:
        state = self._state
        if state.encoder is None:
            return None
        if self._leads:
            await self._settle(state.encoder)
        if self._leads:  # still
            if task is Task.RENEW:
                return state.coming or state.encoder
            return None if self._lacks else state.encoder
        await self.follow()
        answering = await self._models.answering()
        if task is Task.EMBED:
            return state.encoder if _is(state.encoder, answering) else None
        expected = await self._models.coming() or answering
        ours = state.coming or state.encoder
        return ours if _is(ours, expected) else None

    async def is_right(self, task: Task, encoder: Encoder) -> bool:
        """Whether `encoder` still is the one for a task. Raises StoreError."""
        return self._leads or await self.encoder_for(task) is encoder

    async def finish(self) -> None:
        """If all photos were seen by the model that is coming, it answers from now on. Raises
        StoreError."""
        coming = self._state.encoder if self._lacks else self._state.coming
        if self._leads and coming is not None and await self._models.succeed(coming.model):
            log.info("%s has seen all photos and answers from now on", coming.model.name)
            if coming is self._state.coming:
                self._switch()
            self._lacks = False
            self._look_again = time.monotonic() + SETTLED_SECONDS

    async def follow(self) -> None:
        """Do what was done elsewhere. Raises StoreError."""
        state, answering = self._state, await self._models.answering()
        if answering is None or state.encoder is None:
            return
        if state.coming is not None and _is(state.coming, answering):
            log.info("%s has seen all photos and answers from now on", answering.name)
            self._switch()
        if _is(state.encoder, answering):
            self._answered = answering.fingerprint
        elif answering.fingerprint != self._told:
            self._told = answering.fingerprint
            log.error(
                "the memory is asked with the model %s, which this process does not have: start it "
                "again, with the same MODEL in all processes",
                answering.name,
            )

    async def follow_for_ever(self) -> None:
        """For who looks at no photos; until cancelled."""
        while True:
            try:
                await self.follow()
            except StoreError as error:
                log.debug("which model answers is not known now: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _settle(self, encoder: Encoder) -> None:
        """Tell the store once which encoders there are."""
        state = self._state
        now = encoder, state.coming
        if self._settled == now and not self._is_time():
            return
        answering = await self._models.answering()
        if not _is(encoder, answering) and encoder.model.fingerprint == self._answered:
            await self.follow()  # which says so
            self._leads = False
            self._outdated.set()
            return
        # With a file it would be asked by nobody, and the new one answers at once.
        others = answering is not None and not isinstance(self._store.elections, Alone)
        self._lacks = others and state.coming is None and not _is(encoder, answering)
        if state.coming is not None or self._lacks:
            await self._models.expect((state.coming or encoder).model)
        elif not state.stands_in:
            await self._models.answer(encoder.model)
            self._answered = encoder.model.fingerprint
        wanted = state.coming or encoder
        if waiting := await self._models.require(wanted.model):
            log.info("%d photos wait for the model %s", waiting, wanted.model.name)
        self._settled, self._look_again = now, None

    def _is_time(self) -> bool:
        return self._look_again is not None and time.monotonic() >= self._look_again


def _is(encoder: Encoder, model: Model | None) -> bool:
    return model is not None and encoder.model.fingerprint == model.fingerprint
