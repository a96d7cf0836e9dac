"""The worker: takes waiting photos from the store, fetches, decodes, embeds, reads, saves.

Everything it does can be stopped at any moment and goes on from the store's jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.decoder import Decoder
from bot.errors import FetchFailed, NotAPhoto, PhotoGone, ShoeboxError
from bot.memory import PhotoMemory
from bot.originals import Originals, fetch
from bot.photos import Job, Model, Pixels, Task, Vector
from bot.ports import ChatAdapter, Encoder, PhotoStore

log = logging.getLogger(__name__)

BATCH = 8
"""Photos embedded at once; measured: larger batches gain nothing on a CPU."""
AHEAD = 16
"""Photos that are fetched and decoded while others are embedded."""
PAUSES = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds before a failed fetch is tried again; after the last it is given up."""
POLL_SECONDS = 2.0
"""Another process (`import`) may add photos without waking this one."""
Prepared = tuple[Pixels, bytes]
"""What the encoder wants, and what copies are known by."""
KEPT_BYTES = 64 * 1024 * 1024
"""Originals kept between embedding and reading, so that most are fetched once."""


class Indexer:
    """Makes photos findable: by meaning in small batches, by the text in them one by one."""

    def __init__(
        self,
        store: PhotoStore,
        memory: PhotoMemory,
        adapters: Mapping[str, ChatAdapter],
        decoder: Decoder,
    ) -> None:
        self._store = store
        self._memory = memory
        self._adapters = adapters
        self._decoder = decoder
        self._originals = Originals(KEPT_BYTES, self._fetch)
        self._complete_for: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background until the block ends."""
        tasks = [
            asyncio.create_task(self._forever(self._embed_waiting), name="embed"),
            asyncio.create_task(self._forever(self._read_waiting), name="read"),
            asyncio.create_task(self._forever(self._fingerprint_waiting), name="fingerprint"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._originals.close()

    async def _fetch(self, job: Job) -> bytes:
        return await fetch(self._adapters, job.ref)

    async def _forever(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` whenever there may be some; what fails is tried again after a pause."""
        while True:
            news = self._memory.news
            try:
                await work()
            except ShoeboxError as error:
                log.error("indexing pauses: %s", error)
                await asyncio.sleep(10 * POLL_SECONDS)
            except Exception:
                log.exception("indexing stumbled and goes on")
                await asyncio.sleep(10 * POLL_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), POLL_SECONDS)

    async def _embed_waiting(self) -> None:
        """Embed until nothing is due. While some photos are encoded, others are fetched and
        decoded, and those before are saved; one that takes long keeps no other waiting."""
        encoder = self._memory.model.encoder
        if encoder is None:
            return
        if self._complete_for != encoder.model.fingerprint:
            await self._store.require_vectors(encoder.model)
            self._complete_for = encoder.model.fingerprint
        ahead: dict[int, asyncio.Task[Prepared | None]] = {}
        saving: asyncio.Task[None] | None = None
        saved: Collection[int] = ()
        try:
            while True:
                if len(ahead) < AHEAD:
                    skip = [*ahead, *saved]
                    for job in await self._store.take(Task.EMBED, AHEAD - len(ahead), skip):
                        ahead[job.photo] = asyncio.create_task(self._prepare(job, encoder))
                if not ahead:
                    break
                await asyncio.wait(ahead.values(), return_when=asyncio.FIRST_COMPLETED)
                done = [photo for photo, task in ahead.items() if task.done()][:BATCH]
                looks = {photo: ahead.pop(photo).result() for photo in done}
                batch = {photo: look for photo, look in looks.items() if look is not None}
                if not batch:
                    continue
                pixels = np.stack([pixels for pixels, _ in batch.values()])
                vectors = await encoder.encode_images(pixels)
                if saving is not None:
                    await saving
                saved = batch.keys()
                saving = asyncio.create_task(self._save(encoder.model, batch, vectors))
            if saving is not None:
                await saving
        finally:
            left = [*ahead.values(), *([saving] if saving is not None else [])]
            for task in ahead.values():
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _save(self, model: Model, batch: Mapping[int, Prepared], vectors: Vector) -> None:
        await self._store.save_fingerprints({photo: seen for photo, (_, seen) in batch.items()})
        await self._store.save_vectors(model, list(batch), vectors)

    async def _prepare(self, job: Job, encoder: Encoder) -> Prepared | None:
        data = await self._original(job)
        if data is None:
            return None
        try:
            return await self._decoder.look(data, encoder.image_spec)
        except NotAPhoto as reason:
            await self._refuse(job, str(reason))
            return None

    async def _read_waiting(self) -> None:
        """Read the text in photos one by one, so that an urgent stop loses one at most."""
        while jobs := await self._store.take(Task.READ, 1, ()):
            data = await self._original(jobs[0])
            if data is None:
                continue
            try:
                await self._store.save_text(jobs[0].photo, await self._decoder.read(data))
            except NotAPhoto as reason:
                await self._refuse(jobs[0], str(reason))
        self._originals.clear()  # reading takes longest: now nothing else needs them

    async def _fingerprint_waiting(self) -> None:
        """Fingerprint what embedding doesn't: photos from before there were fingerprints, and all
        while there is no model.

        A photo can be found without a fingerprint, so that none is given up for the lack of one.
        """
        while True:
            after = None
            if self._memory.model.encoder is not None:
                after = Task.EMBED
                if await self._store.take(Task.EMBED, 1, ()):
                    return  # looking for what is left among a flood would cost more than it brings
            jobs = await self._store.take(Task.FINGERPRINT, 1, (), after)
            if not jobs:
                return
            job = jobs[0]
            try:
                seen = await self._decoder.fingerprint(await self._originals.get(job))
            except FetchFailed as failure:
                await self._fingerprint_later(job, failure)
            except NotAPhoto:
                await self._store.end(job.photo, job.task)
            else:
                await self._store.save_fingerprints({job.photo: seen})

    async def _fingerprint_later(self, job: Job, failure: FetchFailed) -> None:
        if isinstance(failure, PhotoGone) or job.attempts >= len(PAUSES):
            log.info("photo %d stays without a fingerprint: %s", job.photo, failure)
            await self._store.end(job.photo, job.task)
        else:
            await self._postpone(job, failure)

    async def _original(self, job: Job) -> bytes | None:
        """The photo's bytes, or None when it has to wait or was given up."""
        try:
            return await self._originals.get(job)
        except FetchFailed as failure:
            await self._try_later(job, failure)
            return None

    async def _try_later(self, job: Job, failure: FetchFailed) -> None:
        if isinstance(failure, PhotoGone) or job.attempts >= len(PAUSES):
            log.warning("photo %d is given up: %s", job.photo, failure)
            await self._store.refuse(job.photo, str(failure), final=False)
            return
        await self._postpone(job, failure)

    async def _postpone(self, job: Job, failure: FetchFailed) -> None:
        pause = max(PAUSES[job.attempts], failure.retry_after or 0.0)
        log.info("photo %d waits %.0f s: %s", job.photo, pause, failure)
        until = datetime.now(UTC) + timedelta(seconds=pause)
        await self._store.postpone(job.photo, job.task, until, str(failure))

    async def _refuse(self, job: Job, reason: str) -> None:
        log.info("photo %d is not kept: %s", job.photo, reason)
        self._originals.drop(job.photo)
        await self._store.refuse(job.photo, reason, final=True)
