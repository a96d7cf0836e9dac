"""Brings the encoder in without keeping anyone waiting, and tries again when there is none."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from bot.errors import HubUnreachable, ModelUnavailable
from bot.language import to_say
from bot.model_state import ModelState
from bot.ports import Encoder
from bot.starter import files as starter

log = logging.getLogger(__name__)

RETRY_SECONDS = (60.0, 300.0, 1800.0)
"""Pauses between tries to get a model; the last is kept."""


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
    ) -> None:
        """`ready` is called once the encoder is there; `progress` while it is downloaded.

        `fallback` is loaded instead when nothing but the network to the hub is missing.
        """
        self._state = state
        self._load = load
        self._ready = ready
        self._progress = progress
        self._fallback = fallback
        self._retry = retry
        self._stopping = threading.Event()
        self._encoder: LoadedEncoder | None = None
        self._unreachable: HubUnreachable | None = None

    async def load_once(self) -> bool:
        """Try once; whether there is an encoder now. The state says why not."""
        missing = ""
        try:
            try:
                self._encoder = await self._in_thread(self._load)
            except HubUnreachable as problem:
                if self._fallback is None:
                    raise
                missing = str(problem)
                self._encoder = await self._in_thread(self._fallback)
        except ModelUnavailable as problem:
            self._unreachable = problem if isinstance(problem, HubUnreachable) else None
            self._state.problem = str(problem)
            self._state.loaded = self._state.prepared = None
            return False
        if self._encoder.model.name == starter.NAME:
            why = (STANDS_IN, missing) if missing else (starter.WAY_OUT,)
            self._state.cautions = (starter.LIMITS, *why)
        self._state.encoder = self._encoder
        self._state.problem = self._state.loaded = self._state.prepared = None
        self._ready()
        return True

    async def load_until_there(self, insist: bool = False) -> None:
        """Try until there is an encoder, with growing pauses.

        With `insist`, a model that is not here yet and can't be downloaded raises HubUnreachable.
        """
        tries = 0
        while not await self.load_once():
            if insist and self._unreachable is not None:
                raise self._unreachable
            pause = self._retry[min(tries, len(self._retry) - 1)]
            log.warning("no model yet (next try in %.0f s): %s", pause, self._state.problem)
            await asyncio.sleep(pause)
            tries += 1
        if self._state.cautions:
            log.warning("%s", " ".join(self._state.cautions))
        assert self._encoder is not None
        log.info("the model %s is ready", self._encoder.model.name)

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
        self._state.encoder = None
        if self._encoder is not None:
            self._encoder.close()
