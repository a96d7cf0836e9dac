"""Downloads over real sockets from servers that mean no good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from adapters.discord import download
from adapters.discord.download import Downloader
from bot.errors import FetchFailed, PhotoGone
from tests import loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async with loopback.serving([web.get("/file", handler)]) as address:
        yield f"{address}/file"


@pytest.fixture
async def downloader() -> AsyncIterator[Downloader]:
    made = Downloader()
    yield made
    await made.close()
    await made.close()


async def test_a_file_comes_whole(downloader: Downloader) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 300_000)

    async with serving(handler) as url:
        assert await downloader.get(url) == b"x" * 300_000


async def test_nobody_is_followed_elsewhere(downloader: Downloader) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/secret"})

    async with serving(handler) as url:
        with pytest.raises(FetchFailed, match="302"):
            await downloader.get(url)
    assert seen == ["/file"]


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_too_much_is_not_read_to_its_end(
    downloader: Downloader, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        if told:
            answer.content_length = 10**9
        await answer.prepare(request)
        while sent < 10**9:
            await answer.write(bytes(10_000))
            sent += 10_000
        return answer

    async with serving(handler) as url:
        with pytest.raises(PhotoGone, match="larger than"):
            await downloader.get(url)
        await downloader.close()
    assert sent < 30_000_000, "what the sockets hold, and no more"


async def test_a_byte_now_and_then_is_given_up(
    downloader: Downloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SECONDS", aiohttp.ClientTimeout(total=0.5))

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.05)

    async with serving(handler) as url:
        with pytest.raises(FetchFailed, match="no answer in time"):
            await downloader.get(url)


async def test_what_breaks_off_is_no_file(downloader: Downloader) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_length = 5000
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer

    async with serving(handler) as url:
        with pytest.raises(FetchFailed, match="connection failed"):
            await downloader.get(url)


async def test_who_is_asked_to_wait_waits(downloader: Downloader) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "7"})

    async with serving(handler) as url:
        with pytest.raises(FetchFailed) as failed:
            await downloader.get(url)
    assert failed.value.retry_after == 7
    with pytest.raises(FetchFailed, match="can't be reached"):
        await downloader.get(url)
