"""A server for programs: one short request a connection, bounded in size and time.

Uvicorn belongs to some of the chats only, and lets a client take for ever over its first line. So
this is asyncio's server with h11, which the core has anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import h11

MAX_HEAD = 8192
"""Bytes of the request line and the headers."""
READING_SECONDS = 10.0
"""That a request may take from the first byte to its last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whole."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered."""

    status: int
    kind: str
    """MIME type."""
    body: bytes
    headers: Sequence[tuple[str, str]] = ()


Answer = Callable[[Asked], Awaitable[Said]]


def misunderstood(status: int) -> Said:
    """What is no HTTP, or too large."""
    return Said(status, "text/plain; charset=utf-8", b"This is not understood.\n")


class ShortServer:
    """Answers requests, as many at once as it is told."""

    def __init__(
        self,
        answer: Answer,
        *,
        connections: int,
        seconds: float,
        at_once: int | None = None,
        largest: int = 0,
        misunderstood: Callable[[int], Said] = misunderstood,
        lets_in: Callable[[str], bool] = lambda peer: True,
    ) -> None:
        """`seconds`: that a request may take in all; `at_once`: how many are being answered at the
        same time, while others wait; `largest`: bytes of a body; `misunderstood`:
        what is answered to what is no HTTP or too large; `lets_in` decides by a peer's address who
        is heard at all."""
        self._answer = answer
        self._connections = connections
        self._seconds = seconds
        self._turn = asyncio.Semaphore(at_once or connections)
        self._largest = largest
        self._misunderstood = misunderstood
        self._lets_in = lets_in
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        """Begin; at which addresses. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=MAX_HEAD)
        return [each.getsockname()[:2] for each in self._server.sockets]

    async def close(self) -> None:
        """Safe to call twice, and before the beginning."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = writer.get_extra_info("peername")
        if len(self._tasks) >= self._connections or not peer or not self._lets_in(peer[0]):
            writer.close()
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(self._seconds):
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
            async with asyncio.timeout(READING_SECONDS):
                asked = await self._read(connection, reader)
        except h11.RemoteProtocolError as error:
            said = self._misunderstood(error.error_status_hint)
            await _send(connection, writer, said)
            return
        if asked is not None:
            async with self._turn:  # until all is sent: what waits for that takes memory
                await _send(connection, writer, await self._answer(asked))

    async def _read(self, connection: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
        """What is asked; None if nothing is. Raises h11.RemoteProtocolError."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
                if not self._largest:  # nobody reads what comes with it
                    break
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._largest:
                    raise h11.RemoteProtocolError("too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif event is h11.NEED_DATA:
                connection.receive_data(await reader.read(MAX_HEAD))
            else:
                return None
        if request is None:
            return None
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers
        }
        method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
        return Asked(method, target, headers, bytes(body))


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, said: Said) -> None:
    headers = [
        ("content-type", said.kind),
        ("content-length", str(len(said.body))),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("connection", "close"),
        *said.headers,
    ]
    for event in (
        h11.Response(status_code=said.status, headers=headers),
        h11.Data(data=said.body),
        h11.EndOfMessage(),
    ):
        writer.write(connection.send(event) or b"")
    await writer.drain()
