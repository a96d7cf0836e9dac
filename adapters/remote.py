"""Photos' bytes, from gateways that can fetch them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from typing import Self

import httpx2

from adapters.originals_server import FAILED, GONE, PATH, SECONDS, WAIT
from adapters.vouching import SIGNATURE, Voucher
from bot.errors import FetchFailed, PhotoGone
from bot.photos import Job

log = logging.getLogger(__name__)

PATIENCE = httpx2.Timeout(SECONDS, connect=5.0)
MOST_BYTES = 65 * 2**20
"""Of one answer; gateways refuse larger photos."""
AWAY_SECONDS = 30.0
PAUSE_SECONDS = 1.0
ON_A_DISK = ("file", "export")
"""Platforms of which one gateway may have what another lacks."""


class _Away(FetchFailed):
    """A gateway can't be reached."""


class Gateways:
    """One or several. Use as `async with`."""

    def __init__(self, urls: Sequence[str], secret: str) -> None:
        """The first of them that works is asked; one that doesn't comes last from then on."""
        self._urls = list(urls)
        self._voucher = Voucher(secret)
        self._client = httpx2.AsyncClient(
            timeout=PATIENCE, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )
        self._told: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def fetch(self, job: Job) -> bytes:
        """The original of a photo. Gateways that are being started again are waited for. Raises
        PhotoGone, FetchFailed."""
        until = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return await self._fetch(job)
            except _Away:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def _fetch(self, job: Job) -> bytes:
        """Raises PhotoGone, FetchFailed."""
        gone: PhotoGone | None = None
        failed: FetchFailed | None = None
        for url in list(self._urls):
            try:
                return await self._ask(url, job.photo)
            except PhotoGone as error:
                if job.ref.platform not in ON_A_DISK:
                    raise
                gone = error
            except FetchFailed as error:
                if error.retry_after is not None:  # all gateways have the same token
                    raise
                failed = error if failed is None or isinstance(failed, _Away) else failed
        if failed is not None:
            raise failed
        assert gone is not None
        raise gone

    async def _ask(self, url: str, photo: int) -> bytes:
        """Raises PhotoGone, FetchFailed."""
        question = json.dumps({"photo": photo}).encode()
        asked = self._voucher.ask("POST", PATH, question)
        try:
            async with asyncio.timeout(SECONDS):
                status, headers, body = await self._exchange(f"{url}{PATH}", asked, question)
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            self._put_last(url)
            kind = type(error).__name__
            line = f"the gateway {url} can't be reached ({kind})"
            self._tell(url, line)
            raise _Away(line) from None
        wait = headers.get(WAIT, "")
        if not self._voucher.is_answered(asked, status, wait, body, headers.get(SIGNATURE, "")):
            self._put_last(url)
            line = (
                f"the gateway {url} answers with {status}: GATEWAY_SECRET must be the same there, "
                "and the clocks within half a minute"
            )
            self._tell(url, line)
            raise FetchFailed(line)
        self._told.discard(url)
        if status == 200:
            return body
        reason = body.decode("utf-8", "replace")
        if status == GONE:
            raise PhotoGone(reason)
        assert status == FAILED
        raise FetchFailed(reason, float(wait) if wait.isdecimal() else None)

    async def _exchange(
        self, url: str, headers: dict[str, str], question: bytes
    ) -> tuple[int, httpx2.Headers, bytes]:
        body = bytearray()
        async with self._client.stream("POST", url, headers=headers, content=question) as answer:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise httpx2.ReadError("the answer is too large")
        return answer.status_code, answer.headers, bytes(body)

    def _put_last(self, url: str) -> None:
        if url in self._urls:
            self._urls.remove(url)
            self._urls.append(url)

    def _tell(self, url: str, line: str) -> None:
        """Once, until it works again."""
        if url not in self._told:
            self._told.add(url)
            log.warning("%s", line)
