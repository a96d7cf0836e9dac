"""/healthz and /metrics over HTTP, for whoever watches over the bot."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import bot
from adapters.hosts import host_name
from adapters.prometheus import CONTENT_TYPE, PrometheusMeter
from adapters.short_http import Asked, Said, ShortServer
from bot.health import Report
from bot.settings import Settings, is_loopback

log = logging.getLogger(__name__)

MOST = 64
"""Connections at once."""
SECONDS = 10.0
"""That a request may take from the first byte to the last of its answer."""
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

Look = Callable[[], Awaitable[Report]]


class Monitor:
    """Counts, and tells who asks."""

    def __init__(self, chosen: Settings) -> None:
        self.meter = PrometheusMeter()
        self._host = chosen.metrics_host
        self._port = chosen.metrics_port
        self._server = ShortServer(self._answer, connections=MOST, seconds=SECONDS)

    @asynccontextmanager
    async def serving(self, look: Look) -> AsyncIterator[None]:
        """Answer while the block runs. A port that can't be had is no reason to stop the bot."""
        self._look = look
        await self._listen()
        try:
            yield
        finally:
            await self._server.close()

    async def _listen(self) -> None:
        if not self._port:
            return
        where = f"[{self._host}]" if ":" in self._host else self._host
        try:
            await self._server.listen(self._host, self._port)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"can't be had ({error})"
            log.warning(
                "nobody can see whether this bot is well, since %s:%d %s: set METRICS_PORT to "
                "another one (0: none), if two bots run on this machine each needs its own",
                where,
                self._port,
                why,
            )
        else:
            log.info("/healthz and /metrics are at http://%s:%d", where, self._port)

    async def _answer(self, asked: Asked) -> Said:
        ours = {"localhost", "127.0.0.1", "::1", self._host.lower()}
        if is_loopback(self._host) and host_name(asked.headers.get("host", "")) not in ours:
            return Said(421, TEXT, b"This address is not served here.\n")
        if asked.path not in ("/healthz", "/metrics"):
            return Said(404, TEXT, b"There are /healthz and /metrics.\n")
        if asked.method != "GET":
            return Said(405, TEXT, b"Only GET is understood.\n", [("allow", "GET")])
        report = await self._look()
        if asked.path == "/metrics":
            return Said(200, CONTENT_TYPE, self.meter.exposition(report))
        return Said(503 if report.problems else 200, JSON, healthz(report))


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
