"""Gateways give photos' bytes to who knows the secret, and tell nothing to anybody else; over real
sockets."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters import remote
from adapters.files import Files, NotOnThisDisk
from adapters.originals_server import PATH, OriginalsServer
from adapters.remote import Gateways
from adapters.vouching import ONCE, SIGNATURE, SKEW_SECONDS, TIME, Voucher
from bot.decoder import Decoder
from bot.errors import FetchFailed, PhotoGone, SettingsError, StoreError
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import Job, PhotoRef, Post, Task
from bot.ports import ChatAdapter
from storage.sqlite import SqliteStore
from tests.loopback import serving
from tests.test_indexing import Shelf

SECRET = "a secret of the test's, 0123456789"


@dataclass
class Gateway:
    """A memory with a shelf, and the server of it."""

    store: SqliteStore
    memory: PhotoMemory
    shelf: Shelf
    server: OriginalsServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def post(
        self, name: str, content: bytes | Exception, platform: str = "shelf", locator: str = ""
    ) -> Job:
        self.shelf.files[name] = content
        ref = PhotoRef(platform, name, locator or name, name)
        now = datetime(2024, 1, 1, tzinfo=UTC)
        post = Post("g", "main", name, "u", "Ann", now, (ref,), "")
        (photo,) = (await self.memory.remember(post)).added
        return Job(photo, Task.EMBED, ref, 0)


@asynccontextmanager
async def opened(folder: Path, files: Path | None = None) -> AsyncIterator[Gateway]:
    shelf = Shelf()
    adapters: dict[str, ChatAdapter] = {"shelf": shelf}
    if files is not None:
        adapters["file"] = Files(files, 2**20)
    async with SqliteStore(folder / "box.db") as store:
        memory = PhotoMemory(store, ModelState("none"), adapters, Decoder())
        async with OriginalsServer(memory, SECRET, "127.0.0.1", 0) as server:
            yield Gateway(store, memory, shelf, server)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with opened(tmp_path, tmp_path) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "AWAY_SECONDS", 0.0)


async def ask(
    url: str, headers: dict[str, str], body: bytes, method: str = "POST", path: str = PATH
) -> tuple[int, bytes, list[str]]:
    """Status, body and the headers that it could not do without."""
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, url + path, data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.read(), sorted(name.lower() for name in answer.headers)


async def test_an_encoder_gets_what_the_platform_gives(gateway: Gateway, tmp_path: Path) -> None:
    large = bytes(range(256)) * 8192
    (tmp_path / "on-disk.jpg").write_bytes(b"on the disk")
    async with Gateways([gateway.url], SECRET) as gateways:
        assert await gateways.fetch(await gateway.post("large", large)) == large
        assert await gateways.fetch(await gateway.post("empty", b"")) == b""
        kept = await gateway.post("d", b"", "file", "on-disk.jpg")
        assert await gateways.fetch(kept) == b"on the disk"
        gone = await gateway.post("gone", PhotoGone("the message was deleted"))
        with pytest.raises(PhotoGone, match=r"^the message was deleted$"):
            await gateways.fetch(gone)
        slow = await gateway.post("slow down", FetchFailed("asks to wait", 17.2))
        with pytest.raises(FetchFailed, match=r"^asks to wait$") as waits:
            await gateways.fetch(slow)
        assert waits.value.retry_after == 18
        failed = await gateway.post("failed", FetchFailed("it broke: \N{SNOWMAN}\nand more"))
        with pytest.raises(FetchFailed, match=r"^it broke: . and more$") as breaks:
            await gateways.fetch(failed)
        assert not isinstance(breaks.value, PhotoGone)
        assert breaks.value.retry_after is None
        elsewhere = await gateway.post("x", b"", "discord")
        with pytest.raises(FetchFailed, match="discord is not switched on"):
            await gateways.fetch(elsewhere)
        many = [await gateway.post(f"{n}", b"%d" % n) for n in range(40)]
        assert await asyncio.gather(*map(gateways.fetch, many)) == [b"%d" % n for n in range(40)]


async def test_only_what_is_remembered_is_given(gateway: Gateway, tmp_path: Path) -> None:
    """Not whatever a token or the disk could give."""
    (tmp_path / ".env").write_text("DISCORD_TOKEN=canary")
    forgotten = await gateway.post("a", b"a")
    await gateway.memory.forget("g", "main", "a")
    async with Gateways([gateway.url], SECRET) as gateways:
        with pytest.raises(PhotoGone, match="no longer remembered"):
            await gateways.fetch(forgotten)
        unknown = Job(999, Task.EMBED, PhotoRef("file", "k", ".env", ""), 0)
        with pytest.raises(PhotoGone):
            await gateways.fetch(unknown)


async def test_a_database_that_is_away_is_no_reason_to_give_a_photo_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await gateway.post("a", b"a")

    async def broken(ids: object) -> object:
        raise StoreError("postgresql://ann:canary@host is away")

    monkeypatch.setattr(gateway.store, "photos", broken)
    async with Gateways([gateway.url], SECRET) as gateways:
        with pytest.raises(FetchFailed, match="can't read the database") as failed:
            await gateways.fetch(job)
    assert not isinstance(failed.value, PhotoGone)


async def test_who_does_not_know_the_secret_learns_nothing(gateway: Gateway) -> None:
    job = await gateway.post("a", b"the photo")
    body = json.dumps({"photo": job.photo}).encode()
    good = Voucher(SECRET).ask("POST", PATH, body)
    other = json.dumps({"photo": job.photo + 1}).encode()
    late = Voucher(SECRET, lambda: datetime.now(UTC).timestamp() - SKEW_SECONDS - 5)
    early = Voucher(SECRET, lambda: datetime.now(UTC).timestamp() + SKEW_SECONDS + 5)
    skewed = Voucher(SECRET, lambda: datetime.now(UTC).timestamp() - SKEW_SECONDS / 2)
    strange = [
        await ask(gateway.url, {}, b"", "GET", "/"),
        await ask(gateway.url, {}, b"", "GET", "/healthz"),
        await ask(gateway.url, {}, body),
        await ask(gateway.url, Voucher("another secret, 12345").ask("POST", PATH, body), body),
        await ask(gateway.url, good, other),
        await ask(gateway.url, good, body, path=PATH + "?a"),
        await ask(gateway.url, good, body, method="PUT"),
        await ask(gateway.url, {**good, TIME: str(float(good[TIME]) + 1)}, body),
        await ask(gateway.url, {**good, ONCE: "1"}, body),
        await ask(gateway.url, {**good, SIGNATURE: "\u00e4"}, body),
        await ask(gateway.url, late.ask("POST", PATH, body), body),
        await ask(gateway.url, early.ask("POST", PATH, body), body),
        await ask(gateway.url, {}, b"x" * 100_000),
        await ask(gateway.url, Voucher(SECRET).ask("POST", PATH, b"{}"), b"{}"),
    ]
    assert {(status, answer) for status, answer, _ in strange} == {(404, b"")}
    assert len({tuple(names) for _, _, names in strange}) == 1
    assert gateway.shelf.fetched == []
    assert (await ask(gateway.url, good, body))[:2] == (200, b"the photo")
    assert (await ask(gateway.url, good, body))[:2] == (404, b""), "once only"
    assert (await ask(gateway.url, skewed.ask("POST", PATH, body), body))[0] == 200


def test_what_was_used_is_remembered_as_long_as_it_matters() -> None:
    now = [1000.0]
    voucher = Voucher(SECRET, lambda: now[0])
    early = Voucher(SECRET, lambda: now[0] + SKEW_SECONDS - 1).ask("POST", "/", b"")
    assert voucher.is_asked("POST", "/", early, b"")
    now[0] += 2 * SKEW_SECONDS - 2
    assert not voucher.is_asked("POST", "/", early, b"")
    now[0] += SKEW_SECONDS
    assert voucher.is_asked("POST", "/", voucher.ask("POST", "/", b""), b"")
    assert len(voucher._seen) == 1, "the rest is too old to be used again"


async def test_who_is_slow_or_speaks_no_http_disturbs_nobody(gateway: Gateway) -> None:
    job = await gateway.post("a", b"a")
    lines = []
    for words in (b"", b"POST /orig", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        writer.write(words)
        lines.append(writer)
    async with Gateways([gateway.url], SECRET) as gateways:
        assert await gateways.fetch(job) == b"a"
    for writer in lines:
        writer.close()


async def test_the_next_gateway_is_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    down = "http://127.0.0.1:1"
    async with opened(tmp_path) as gateway, Gateways([down, gateway.url], SECRET) as gateways:
        for name in "abc":
            assert await gateways.fetch(await gateway.post(name, b"x")) == b"x"
        told = [line for line in caplog.messages if down in line]
        assert len(told) == 1, "and from then on the one that works comes first"
    assert SECRET not in caplog.text


async def test_of_files_one_gateway_may_have_what_another_lacks(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    (other / "a.jpg").write_bytes(b"here")
    async with opened(tmp_path, one) as first, opened(tmp_path, other) as second:
        job = await first.post("a", b"", "file", "a.jpg")
        lost = await first.post("b", b"", "file", "b.jpg")
        async with Gateways([first.url, second.url], SECRET) as gateways:
            assert await gateways.fetch(job) == b"here"
            with pytest.raises(PhotoGone, match="no longer where it was"):
                await gateways.fetch(lost)
        async with Gateways([first.url, "http://127.0.0.1:1"], SECRET) as gateways:
            with pytest.raises(FetchFailed) as failed:
                await gateways.fetch(lost)
            assert not isinstance(failed.value, PhotoGone), "the other may have it"


async def test_a_gateway_that_is_started_again_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "AWAY_SECONDS", 20.0)
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.02)
    async with opened(tmp_path) as gateway:
        job, port = await gateway.post("a", b"a"), gateway.server.port
        await gateway.server.__aexit__()
        async with Gateways([gateway.url], SECRET) as gateways:
            coming = asyncio.create_task(gateways.fetch(job))
            await asyncio.sleep(0.1)
            assert not coming.done()
            async with OriginalsServer(gateway.memory, SECRET, "127.0.0.1", port):
                assert await coming == b"a"


@pytest.mark.parametrize("status", [200, 410, 503])
async def test_an_answer_that_is_not_signed_is_not_believed(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody in between could have photos given up, or pictures of theirs taken for them."""
    seen: list[str] = []

    async def forged(request: web.Request) -> web.Response:
        before = Voucher(SECRET).answer({ONCE: "another request"}, status, "", b"forged")
        seen.append(str(dict(request.headers)))
        return web.Response(status=status, body=b"forged", headers={SIGNATURE: before})

    job = Job(1, Task.EMBED, PhotoRef("discord", "k", "[1, 2]", ""), 0)
    async with serving([web.post(PATH, forged)]) as url, Gateways([url], SECRET) as gateways:
        with pytest.raises(FetchFailed, match=r"GATEWAY_SECRET must be the same") as failed:
            await gateways.fetch(job)
    assert not isinstance(failed.value, PhotoGone)
    assert SECRET not in "".join(seen), "it is never sent"


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_BYTES", 100_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 50_000)

    job = Job(1, Task.EMBED, PhotoRef("discord", "k", "[1, 2]", ""), 0)
    async with serving([web.post(PATH, endless)]) as url, Gateways([url], SECRET) as gateways:
        with pytest.raises(FetchFailed, match="can't be reached"):
            await gateways.fetch(job)


async def test_a_port_that_can_not_be_had_is_one_line(gateway: Gateway) -> None:
    taken = OriginalsServer(gateway.memory, SECRET, "127.0.0.1", gateway.server.port)
    with pytest.raises(SettingsError, match=r"GATEWAY_LISTEN=127\.0\.0\.1:\d+ can't be had"):
        async with taken:
            pass


async def test_who_asks_from_the_internet_is_not_heard(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from adapters import originals_server

    monkeypatch.setattr(originals_server, "is_global", lambda peer: peer == "127.0.0.1")
    job = await gateway.post("a", b"a")
    async with Gateways([gateway.url], SECRET) as gateways:
        with pytest.raises(FetchFailed, match="can't be reached"):
            await gateways.fetch(job)
    with pytest.raises(SettingsError, match="reached from the Internet"):
        async with OriginalsServer(gateway.memory, SECRET, "127.0.0.1", 0):
            pass


async def test_a_file_that_is_not_on_this_disk_may_be_on_another(tmp_path: Path) -> None:
    files = NotOnThisDisk(Files(tmp_path, 100))
    (tmp_path / "a.jpg").write_bytes(b"here")
    assert await files.fetch(PhotoRef("file", "k", "a.jpg", "")) == b"here"
    with pytest.raises(FetchFailed, match="a gateway that has it") as failed:
        await files.fetch(PhotoRef("file", "k", "b.jpg", ""))
    assert not isinstance(failed.value, PhotoGone)


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
