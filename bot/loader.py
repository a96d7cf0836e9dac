"""Brings the encoder in without keeping anyone waiting, and tries again when there is none."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from bot.errors import HubUnreachable, ModelUnavailable
from bot.language import to_say
from bot.model_state import ModelState
from bot.photos import Model
from bot.ports import Encoder
from bot.starter import files as starter

log = logging.getLogger(__name__)

RETRY_SECONDS = (60.0, 300.0, 1800.0)
"""Pauses between tries to get a model; the last is kept."""


CLOSING_SECONDS = 60.0
"""After which nobody waits any more for a model that no longer answers."""

STANDS_IN = to_say("It stands in until a start can fetch the real model.")


class LoadedEncoder(Encoder, Protocol):
    """An encoder that owns something to be closed."""

    def close(self) -> None: ...


Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""
Preparing = Callable[[int], None]
"""Called with percents of what is done once to a model, before it is used first."""
Load = Callable[[Progress, Preparing], LoadedEncoder]
"""Blocking; raises ModelUnavailable."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The model whose embeddings a memory has, while another one is chosen."""

    find: Callable[[], Awaitable[Model | None]]
    """Which it is, if there is one."""
    load: Callable[[str, Preparing], LoadedEncoder]
    """By its name, from what is on this machine. Blocking; raises ModelUnavailable."""


class _Stopped(Exception):
    """Ends a download or an export from inside its progress callback."""


class ModelLoader:
    """Fills a ModelState. Use as `async with`: leaving it ends the load and the encoder."""

    def __init__(
        self,
        state: ModelState,
        load: Load,
        ready: Callable[[], None],
        progress: Progress | None = None,
        fallback: Load | None = None,
        retry: tuple[float, ...] = RETRY_SECONDS,
        predecessor: Predecessor | None = None,
    ) -> None:
        """`ready` is called once the encoder is there; `progress` while it is downloaded.

        `fallback` is loaded instead when nothing but the network to the hub is missing, and there
        is no predecessor.
        """
        self._state = state
        self._load = load
        self._ready = ready
        self._progress = progress
        self._fallback = fallback
        self._retry = retry
        self._predecessor = predecessor
        self._looked_back = False
        self._stopping = threading.Event()
        self._encoders: list[LoadedEncoder] = []
        self._closing: asyncio.Task[None] | None = None
        self._unreachable: HubUnreachable | None = None

    async def load_to_answer(self) -> bool:
        """Try once to get whatever a question can be asked now; whether there is something."""
        await self._look_back()
        return self._state.encoder is not None or await self.load_once()

    async def load_once(self) -> bool:
        """Try once to get the model that was chosen, or what stands in for it; whether it is there.
        The state says why not. The predecessor comes first, so that nobody waits."""
        await self._look_back()
        missing = ""
        try:
            try:
                encoder = await self._in_thread(self._load)
            except HubUnreachable as problem:
                if self._fallback is None or self._state.encoder is not None:
                    raise
                missing = str(problem)
                encoder = await self._in_thread(self._fallback)
        except ModelUnavailable as problem:
            self._unreachable = problem if isinstance(problem, HubUnreachable) else None
            self._state.problem = str(problem)
            self._state.loaded = self._state.prepared = None
            return False
        self._take(encoder, missing)
        self._state.problem = self._state.loaded = self._state.prepared = None
        self._ready()
        return True

    async def _look_back(self) -> None:
        """Get the model whose embeddings there are, if it is another one than the chosen."""
        if self._looked_back or self._predecessor is None:
            return
        self._looked_back = True
        load, model = self._predecessor.load, await self._predecessor.find()
        if model is None or model.name == self._state.name:
            return
        try:
            encoder = await self._in_thread(lambda _, preparing: load(model.name, preparing))
        except ModelUnavailable as problem:
            log.warning(
                "%s, which has seen the photos, can't be had: until the chosen model has seen them "
                "they are found by words only (%s)",
                model.name,
                problem,
            )
            return
        if encoder.model.fingerprint != model.fingerprint:
            log.warning("%s is not the model any more that has seen the photos", model.name)
            encoder.close()
            return
        self._take(encoder)
        self._ready()

    def _take(self, encoder: LoadedEncoder, missing: str = "") -> None:
        """`missing`: why it stands in for another one."""
        state, before = self._state, self._state.encoder
        self._encoders.append(encoder)
        if before is not None and before.model.fingerprint != encoder.model.fingerprint:
            state.coming = encoder
            return
        state.encoder = encoder
        state.stands_in = bool(missing)
        state.cautions = _cautions(encoder, missing)
        self._let_go(before)  # the same under another name

    def switch(self) -> None:
        """The model that was coming answers from now on; the other one goes, a little later."""
        before = self._state.encoder
        self._state.switch()
        assert self._state.encoder is not None
        self._state.cautions = _cautions(self._state.encoder)
        self._let_go(before)

    def _let_go(self, gone: Encoder | None) -> None:
        for encoder in [each for each in self._encoders if each is gone]:
            self._encoders.remove(encoder)
            self._closing = asyncio.create_task(_close(encoder))

    async def load_until_there(self, insist: bool = False) -> None:
        """Try until there is the encoder, with growing pauses.

        With `insist`, a model that is not here yet and can't be downloaded raises HubUnreachable,
        unless there is a predecessor.
        """
        tries = 0
        while not await self.load_once():
            if insist and self._unreachable is not None and self._state.encoder is None:
                raise self._unreachable
            pause = self._retry[min(tries, len(self._retry) - 1)]
            log.warning("no model yet (next try in %.0f s): %s", pause, self._state.problem)
            await asyncio.sleep(pause)
            tries += 1
        if self._state.cautions:
            log.warning("%s", " ".join(self._state.cautions))
        encoder = self._state.coming or self._state.encoder
        assert encoder is not None
        log.info("the model %s is ready", encoder.model.name)

    async def _in_thread(self, load: Load) -> LoadedEncoder:
        """A daemon thread: a download of gigabytes must not hold up the end of the program."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[LoadedEncoder] = loop.create_future()

        def settle(encoder: LoadedEncoder | None, error: BaseException | None) -> None:
            if done.done():
                if encoder is not None:
                    encoder.close()
            elif error is not None:
                done.set_exception(error)
            elif encoder is not None:
                done.set_result(encoder)

        def work() -> None:
            encoder: LoadedEncoder | None = None
            error: BaseException | None = None
            try:
                encoder = load(self._on_progress, self._on_preparing)
            except BaseException as raised:
                error = raised
            try:
                loop.call_soon_threadsafe(settle, encoder, error)
            except RuntimeError:  # the loop is closed
                if encoder is not None:
                    encoder.close()

        threading.Thread(target=work, name="model-loader", daemon=True).start()
        return await done

    def _on_progress(self, done: int, total: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
        percent = 100 * done // total if total else 0
        self._state.prepared = None
        self._state.loaded = percent, round(total / 1e6)
        if self._progress is not None:
            self._progress(done, total)

    def _on_preparing(self, percent: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
        if self._state.prepared is None:
            log.info("the model is prepared for this machine; this is done once")
        self._state.loaded = None
        self._state.prepared = percent

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._state.encoder = self._state.coming = None
        if self._closing is not None:
            self._closing.cancel()
            await asyncio.wait([self._closing])
        for encoder in self._encoders:
            encoder.close()


def _cautions(encoder: Encoder, missing: str = "") -> tuple[str, ...]:
    if encoder.model.name != starter.NAME:
        return ()
    why = (STANDS_IN, missing) if missing else (starter.WAY_OUT,)
    return (starter.LIMITS, *why)


async def _close(encoder: LoadedEncoder) -> None:
    """Once all are answered who asked it."""
    try:
        await asyncio.sleep(CLOSING_SECONDS)
    finally:
        encoder.close()
