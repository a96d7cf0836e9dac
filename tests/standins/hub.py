"""A loopback model hub: serves repositories from folders the way the real one does.

It runs in a thread of its own, because the client under test blocks.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from aiohttp import web

LARGE = 1000
"""Bytes from which a file is kept in LFS, with a SHA-256."""


@dataclass
class Request:
    """One request that arrived."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class HubStandin:
    """Switches may be turned while it runs; counts are for tests to read."""

    repositories: dict[str, Path]
    status: int = 200
    """Answer everything with this error."""
    error_code: str = ""
    """The hub's X-Error-Code with it."""
    silent: bool = False
    """Take requests and never answer."""
    cut_after: int | None = None
    """End the connection after so many bytes of a file's body ..."""
    cuts_left: int = 0
    """... this often."""
    damage: int = 0
    """Change one byte of a large file's body, this often."""
    ignore_range: bool = False
    requests: list[Request] = field(default_factory=list)
    bytes_sent: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def __enter__(self) -> HubStandin:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run(started))
        self._loop.close()

    async def _run(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        app = web.Application(middlewares=[self._switches])
        app.router.add_get("/api/models/{repo:.+}", self._info)
        app.router.add_get("/{repo:.+}/resolve/{commit}/{file}", self._file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        started.set()
        await self._stopping.wait()
        await runner.cleanup()

    @web.middleware
    async def _switches(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        self.requests.append(
            Request(
                request.method,
                request.path,
                request.headers.get("Range"),
                request.headers.get("Authorization"),
            )
        )
        if self.silent:
            await self._stopping.wait()
        if self.status != 200:
            return web.Response(status=self.status, headers={"X-Error-Code": self.error_code})
        return await handler(request)

    async def _info(self, request: web.Request) -> web.Response:
        repo = request.match_info["repo"]
        if repo not in self.repositories:
            return web.Response(status=404, headers={"X-Error-Code": "RepoNotFound"})
        siblings = []
        for path in sorted(self.repositories[repo].iterdir()):
            entry: dict[str, object] = {"rfilename": path.name}
            if "blobs" in request.query:
                content = path.read_bytes()
                entry |= {"size": len(content), "blobId": _git_blob(content)}
                if len(content) >= LARGE:
                    sha256 = hashlib.sha256(content).hexdigest()
                    entry["blobId"] = _git_blob(sha256.encode())
                    entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return web.json_response({"id": repo, "sha": "c0ffee", "siblings": siblings})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self.repositories.get(request.match_info["repo"], Path("/nowhere"))
        path /= request.match_info["file"]
        if not path.is_file() or request.match_info["commit"] not in ("main", "c0ffee"):
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        content = path.read_bytes()
        start = 0
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": "c0ffee"}
        if (asked := request.headers.get("Range")) and not self.ignore_range:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if len(content) >= LARGE and self.damage:
            self.damage -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        body = content[start:]
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        if self.cut_after is not None and self.cuts_left and len(body) > self.cut_after:
            self.cuts_left -= 1
            await self._send(path.name, response, body[: self.cut_after])
            assert request.transport is not None
            await asyncio.sleep(0.05)
            request.transport.close()
            return response
        await self._send(path.name, response, body)
        return response

    async def _send(self, name: str, response: web.StreamResponse, body: bytes) -> None:
        for i in range(0, len(body), 1 << 16):
            await response.write(body[i : i + (1 << 16)])
        self.bytes_sent[name] = self.bytes_sent.get(name, 0) + len(body)


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
