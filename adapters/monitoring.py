"""/healthz and /metrics over HTTP, for whoever watches over the bot.

Uvicorn belongs to some of the chats only, and lets a client take for ever over its first line. So
this is asyncio's server with h11, which the core has anyway: one short request a connection.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import h11

import bot
from adapters.hosts import host_name
from adapters.prometheus import CONTENT_TYPE, PrometheusMeter
from bot.health import Report
from bot.settings import Settings, is_loopback

log = logging.getLogger(__name__)

MOST = 64
"""Connections at once."""
SECONDS = 10.0
"""That a request may take from the first byte to the last of its answer."""
MAX_HEAD = 8192
"""Bytes of the request line and the headers."""
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

Look = Callable[[], Awaitable[Report]]
Said = tuple[int, str, bytes]
"""Status, type and body of an answer."""


class Monitor:
    """Counts, and tells who asks."""

    def __init__(self, chosen: Settings) -> None:
        self.meter = PrometheusMeter()
        self._host = chosen.metrics_host
        self._port = chosen.metrics_port
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, look: Look) -> AsyncIterator[None]:
        """Answer while the block runs. A port that can't be had is no reason to stop the bot."""
        self._look = look
        server = await self._listen()
        try:
            yield
        finally:
            if server is not None:
                server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> asyncio.Server | None:
        if not self._port:
            return None
        where = f"[{self._host}]" if ":" in self._host else self._host
        try:
            server = await asyncio.start_server(
                self._connected, self._host, self._port, limit=MAX_HEAD
            )
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"can't be had ({error})"
            log.warning(
                "nobody can see whether this bot is well, since %s:%d %s: set METRICS_PORT to "
                "another one (0: none), if two bots run on this machine each needs its own",
                where,
                self._port,
                why,
            )
            return None
        log.info("/healthz and /metrics are at http://%s:%d", where, self._port)
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= MOST:
            writer.close()
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(SECONDS):
                await self._converse(reader, writer)
        except (TimeoutError, OSError, h11.ProtocolError):
            pass  # who asks is slow, gone, or does not speak HTTP
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            request = await _request(connection, reader)
        except h11.RemoteProtocolError as error:
            said: Said = (error.error_status_hint, TEXT, b"This is not understood.\n")
        else:
            if request is None:
                return
            said = await self._answer(request)
        status, kind, body = said
        headers = [
            ("content-type", kind),
            ("content-length", str(len(body))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ]
        if status == 405:
            headers.append(("allow", "GET"))
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            writer.write(connection.send(event) or b"")
        await writer.drain()

    async def _answer(self, request: h11.Request) -> Said:
        host = next((value for name, value in request.headers if name == b"host"), b"")
        ours = {"localhost", "127.0.0.1", "::1", self._host.lower()}
        if is_loopback(self._host) and host_name(host.decode("latin-1")) not in ours:
            return 421, TEXT, b"This address is not served here.\n"
        path = request.target.partition(b"?")[0]
        if path not in (b"/healthz", b"/metrics"):
            return 404, TEXT, b"There are /healthz and /metrics.\n"
        if request.method != b"GET":
            return 405, TEXT, b"Only GET is understood.\n"
        report = await self._look()
        if path == b"/metrics":
            return 200, CONTENT_TYPE, self.meter.exposition(report)
        return 503 if report.problems else 200, JSON, healthz(report)


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """What is asked; None if nothing is. Raises h11.RemoteProtocolError."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(await reader.read(MAX_HEAD))


def healthz(report: Report) -> bytes:
    """A report as JSON. `pid` tells two bots of one machine apart."""
    told = {
        "status": "failing" if report.problems else "ok",
        "problems": report.problems,
        "model": {"state": report.stage, "progress": report.progress},
        "adapters": report.platforms,
        "waiting": {task: each.photos for task, each in report.waiting.items()},
        "version": bot.__version__,
        "pid": os.getpid(),
    }
    return json.dumps(told).encode() + b"\n"
