"""The worker: takes waiting photos from the store, fetches, decodes, embeds, reads, saves.

Everything it does can be stopped at any moment and goes on from the store's jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bot.decoder import Decoder, Picture
from bot.errors import FetchFailed, NotAPhoto, PhotoGone, ShoeboxError
from bot.memory import PhotoMemory
from bot.originals import Originals, fetch
from bot.photos import Job, Model, Task, Vector
from bot.ports import ChatAdapter, Encoder, PhotoStore
from bot.pulse import Pulse
from bot.succession import Succession

log = logging.getLogger(__name__)

BATCH = 8
"""Photos embedded at once; measured: larger batches gain nothing on a CPU."""
AHEAD = 16
"""Photos that are fetched and decoded while others are embedded."""
WORTH_ASKING = 4
"""With room for so many the store is asked for more, though some are ready to be embedded."""
PAUSES = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds before a failed fetch is tried again; after the last it is given up."""
POLL_SECONDS = 2.0
"""Another process (`import`) may add photos without waking this one."""
SLOW_SECONDS = 0.5
"""Who takes longer to come is not waited for any more: others are looked for."""
AT_HAND = 2
"""Originals that are fetched at once for reading, which takes much longer than most fetches."""
MEMORY = 128 * 2**20
"""Bytes of originals: half of it may be kept between embedding and reading, so that most are
fetched only once; half may be on their way to the decoder."""
GUESSED = 4 * 2**20
"""Bytes of a photo, as long as nothing is known of those that come."""


class Indexer:
    """Makes photos findable: by meaning in small batches, by the text in them one by one."""

    def __init__(
        self,
        store: PhotoStore,
        memory: PhotoMemory,
        adapters: Mapping[str, ChatAdapter],
        decoder: Decoder,
        memory_bytes: int = MEMORY,
        keep_thumbnails: bool = False,
        switch: Callable[[], None] | None = None,
        elsewhere: Callable[[Job], Awaitable[bytes]] | None = None,
    ) -> None:
        """`switch` makes the model that is coming the one that answers. `elsewhere` has the
        originals of platforms that there is no adapter for."""
        self._store = store
        self._memory = memory
        self._adapters = adapters
        self._decoder = decoder
        self._meter = memory.meter
        self.pulse = Pulse()
        """Whether it is at work."""
        self._originals = Originals(memory_bytes // 2, self._fetch)
        self._most_held = memory_bytes // 2
        self._held = 0
        """Bytes of originals that are being decoded, or wait for that."""
        self._decoding = 0
        """How many those are."""
        self._usual = GUESSED
        """Bytes that one which is being fetched is counted with: as the largest of late."""
        self._keep_thumbnails = keep_thumbnails
        self._elsewhere = elsewhere
        self._succession = Succession(store, memory.model, switch or memory.model.switch)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background until the block ends."""
        tasks = [
            asyncio.create_task(self._stand()),
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
        try:
            if self._elsewhere is not None and job.ref.platform not in self._adapters:
                return await self._elsewhere(job)
            return await fetch(self._adapters, job.ref)
        except FetchFailed as failure:
            self._meter.failed(failure)
            raise

    async def _forever(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` whenever there may be some; what fails is tried again after a pause."""
        with self.pulse.beating():
            while True:
                news = self._memory.news
                try:
                    await work()
                    self.pulse.round(well=True)
                except ShoeboxError as error:
                    self.pulse.round(well=False)
                    log.error("indexing pauses: %s", error)
                    await asyncio.sleep(10 * POLL_SECONDS)
                except Exception as error:
                    self.pulse.round(well=False)
                    self._meter.failed(error)
                    log.exception("indexing stumbled and goes on")
                    await asyncio.sleep(10 * POLL_SECONDS)
                await _news(news)

    async def _stand(self) -> None:
        """Have a say in which model answers, once there is one here."""
        while self._memory.model.encoder is None:
            news = self._memory.news
            await _news(news)
        await self._succession.stand(self._memory.wake)

    async def _embed_waiting(self) -> None:
        """First what no model has seen, then what another one is to see too."""
        for task in (Task.EMBED, Task.RENEW):
            if (encoder := await self._succession.encoder_for(task)) is not None:
                await self._embed(task, encoder)
        await self._succession.finish()

    async def _embed(self, task: Task, encoder: Encoder) -> None:
        """Until nothing is due. While some photos are embedded, others are fetched and decoded, and
        those before are saved; one that takes long keeps no other waiting."""
        ahead: dict[int, asyncio.Task[Picture | None]] = {}
        embedding: dict[asyncio.Task[Vector], dict[int, Picture]] = {}
        # A call waits for its turn, so that no lane does; where there is one, calls are large.
        most = encoder.lanes + 1 if encoder.lanes > 1 else 1
        saving: asyncio.Task[None] | None = None
        saved: Collection[int] = ()
        try:
            while True:
                self.pulse.beat()
                if task is Task.RENEW and await self._embedding_comes_first():
                    break  # somebody posts
                if not await self._succession.is_right(task, encoder):
                    begun = [*ahead, *itertools.chain(*embedding.values())]
                    await self._leave_to_others(task, begun)
                    break
                done = [photo for photo, each in ahead.items() if each.done()]
                room = self._room(len(ahead))
                if room >= WORTH_ASKING or (room and not done):
                    skip = [*ahead, *itertools.chain(*embedding.values()), *saved]
                    for job in await self._store.take(task, room, skip):
                        ahead[job.photo] = asyncio.create_task(self._prepare(job, encoder))
                if not ahead and not embedding:
                    break
                while done and len(embedding) < most:
                    looks = {photo: ahead.pop(photo).result() for photo in done[:BATCH]}
                    done = done[BATCH:]
                    if batch := {photo: look for photo, look in looks.items() if look is not None}:
                        pixels = np.stack([look.pixels for look in batch.values()])
                        embedding[asyncio.create_task(encoder.encode_images(pixels))] = batch
                waiting: list[asyncio.Task[Any]] = [*embedding]
                if len(embedding) < most:
                    waiting += [each for each in ahead.values() if not each.done()]
                if waiting:
                    await asyncio.wait(
                        waiting, timeout=SLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                if finished := [each for each in embedding if each.done()]:
                    if saving is not None:
                        await saving
                    vectors = np.concatenate([each.result() for each in finished])
                    batch = dict(itertools.chain(*(embedding.pop(e).items() for e in finished)))
                    saved = batch.keys()
                    saving = asyncio.create_task(self._save(task, encoder.model, batch, vectors))
            if saving is not None:
                await saving
        finally:
            unfinished: list[asyncio.Task[Any]] = [*ahead.values(), *embedding]
            for each in unfinished:
                each.cancel()
            saves = [saving] if saving is not None else []
            await asyncio.gather(*unfinished, *saves, return_exceptions=True)

    async def _save(
        self, task: Task, model: Model, batch: Mapping[int, Picture], vectors: Vector
    ) -> None:
        seen = {photo: look.fingerprint for photo, look in batch.items() if look.fingerprint}
        await self._store.save_fingerprints(seen)
        if thumbnails := {photo: look.thumbnail for photo, look in batch.items() if look.thumbnail}:
            await self._store.thumbnails.keep(thumbnails)
        await self._store.save_vectors(model, list(batch), vectors)
        self._meter.indexed(Task.FINGERPRINT, len(seen))
        self._meter.indexed(task, len(batch))

    async def _prepare(self, job: Job, encoder: Encoder) -> Picture | None:
        spec = encoder.image_spec
        if job.task is Task.RENEW:
            thumbnail = await self._store.thumbnails.of(job.photo)
            if thumbnail is not None:
                pixels = await self._decoder.pixels(thumbnail, spec)
                return Picture(pixels, b"", b"")
        try:
            data = await self._originals.get(job)
        except FetchFailed as failure:
            await self._try_later(job, failure, encoder)
            return None
        self._held += len(data)
        self._decoding += 1
        self._usual = max(len(data), self._usual * 9 // 10)
        try:
            return await self._decoder.look(data, spec, self._keep_thumbnails)
        except NotAPhoto as reason:
            if job.task is Task.RENEW:  # it was one
                await self._store.models.overlook(job.photo, encoder.model, str(reason))
            else:
                await self._refuse(job, str(reason))
            return None
        finally:
            self._held -= len(data)
            self._decoding -= 1

    def _room(self, ahead: int) -> int:
        """How many more photos may be fetched ahead."""
        fetching = ahead - self._decoding
        fits = (self._most_held - self._held) // max(1, self._usual) - fetching
        return min(max(fits, 0 if ahead else 1), AHEAD - ahead)

    async def _read_waiting(self) -> None:
        """Read the text in photos one by one, so that an urgent stop loses one at most."""
        async with aclosing(self._coming(Task.READ)) as coming:
            async for job, data in coming:
                if isinstance(data, FetchFailed):
                    await self._try_later(job, data)
                    continue
                try:
                    await self._store.save_text(job.photo, await self._decoder.read(data))
                    self._meter.indexed(job.task, 1)
                except NotAPhoto as reason:
                    await self._refuse(job, str(reason))
        self._originals.clear()  # reading takes longest: now nothing else needs them

    async def _fingerprint_waiting(self) -> None:
        """Fingerprint what embedding doesn't: photos from before there were fingerprints, and all
        while there is no model.

        A photo can be found without a fingerprint, so that none is given up for the lack of one.
        """
        if await self._embedding_comes_first():
            return
        after = None if self._memory.model.encoder is None else Task.EMBED
        async with aclosing(self._coming(Task.FINGERPRINT, after)) as coming:
            async for job, data in coming:
                if isinstance(data, FetchFailed):
                    await self._fingerprint_later(job, data)
                    continue
                try:
                    seen = await self._decoder.fingerprint(data)
                    await self._store.save_fingerprints({job.photo: seen})
                    self._meter.indexed(job.task, 1)
                except NotAPhoto:
                    await self._store.end(job.photo, job.task)
                if after is None and self._memory.model.encoder is not None:
                    return  # there is a model now
                if await self._embedding_comes_first():
                    return

    async def _embedding_comes_first(self) -> bool:
        """It fingerprints too; looking for what is left among a flood would cost more than it
        brings."""
        here = self._memory.model.encoder is not None and self._succession.embeds
        return here and bool(await self._store.take(Task.EMBED, 1, ()))

    async def _leave_to_others(self, task: Task, photos: Collection[int]) -> None:
        """What was begun, whoever has the model for it."""
        now = datetime.now(UTC)
        for photo in photos:
            await self._store.postpone(photo, task, now, "another model is asked by now")

    async def _coming(
        self, task: Task, after: Task | None = None
    ) -> AsyncGenerator[tuple[Job, bytes | FetchFailed], None]:
        """Photos that are due, until none is, each with its bytes as soon as it has come: who comes
        slowly keeps nobody waiting."""
        ahead: dict[int, tuple[Job, asyncio.Task[bytes]]] = {}
        try:
            while True:
                self.pulse.beat()
                if len(ahead) < AHEAD and not any(each.done() for _, each in ahead.values()):
                    most = min(AT_HAND, AHEAD - len(ahead))
                    for job in await self._store.take(task, most, [*ahead], after):
                        fetching = asyncio.create_task(self._originals.get(job))
                        ahead[job.photo] = job, fetching
                if not ahead:
                    return
                await asyncio.wait(
                    [each for _, each in ahead.values()],
                    timeout=SLOW_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                came = next((job for job, each in ahead.values() if each.done()), None)
                if came is None:
                    continue
                job, fetched = ahead.pop(came.photo)
                failure = fetched.exception()
                yield job, failure if isinstance(failure, FetchFailed) else fetched.result()
        finally:
            for _, fetching in ahead.values():
                fetching.cancel()
            await asyncio.gather(*(each for _, each in ahead.values()), return_exceptions=True)

    async def _fingerprint_later(self, job: Job, failure: FetchFailed) -> None:
        if isinstance(failure, PhotoGone) or job.attempts >= len(PAUSES):
            log.info(
                "photo %d stays without a fingerprint: %s", job.photo, failure, extra=_ids(job)
            )
            await self._store.end(job.photo, job.task)
        else:
            await self._postpone(job, failure)

    async def _try_later(
        self, job: Job, failure: FetchFailed, encoder: Encoder | None = None
    ) -> None:
        if not isinstance(failure, PhotoGone) and job.attempts < len(PAUSES):
            await self._postpone(job, failure)
        elif job.task is Task.RENEW and encoder is not None:
            told = "photo %d is found by words only: %s"
            log.warning(told, job.photo, failure, extra=_ids(job))
            await self._store.models.overlook(job.photo, encoder.model, str(failure))
        else:
            log.warning("photo %d is given up: %s", job.photo, failure, extra=_ids(job))
            await self._store.refuse(job.photo, str(failure), False, job.task)

    async def _postpone(self, job: Job, failure: FetchFailed) -> None:
        pause = max(PAUSES[job.attempts], failure.retry_after or 0.0)
        log.info("photo %d waits %.0f s: %s", job.photo, pause, failure, extra=_ids(job))
        until = datetime.now(UTC) + timedelta(seconds=pause)
        await self._store.postpone(job.photo, job.task, until, str(failure))

    async def _refuse(self, job: Job, reason: str) -> None:
        log.info("photo %d is not kept: %s", job.photo, reason, extra=_ids(job))
        self._originals.drop(job.photo)
        await self._store.refuse(job.photo, reason, True, job.task)


async def _news(news: asyncio.Event) -> None:
    """Wait for some, or until it is time to look."""
    # Not asyncio.wait_for: when both come at once, it loses that it was cancelled.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_SECONDS):
            await news.wait()


def _ids(job: Job) -> dict[str, object]:
    """For programs that read the log."""
    return {"photo": job.photo, "task": job.task}
