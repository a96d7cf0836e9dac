"""The gateway: one WebSocket connection, from HELLO on
(https://docs.discord.com/developers/events/gateway)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web
from discord import Intents
from simcord.intents import missing_privileged_intents

from tests.standins.discord.session import Frame, Session
from tests.standins.discord.state import State

EVENT, BEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
RECONNECT, MEMBERS, INVALID, HELLO, ACK = 7, 8, 9, 10, 11

UNKNOWN_OP, BAD_PAYLOAD, NOT_YET, BAD_TOKEN, ALREADY = 4001, 4002, 4003, 4004, 4005
BAD_SEQ, BAD_SHARD, BAD_INTENTS, INTENTS_NOT_APPROVED = 4007, 4010, 4013, 4014
"""Codes that a connection is closed with."""


class Connection:
    """A client on the line."""

    def __init__(self, state: State, request: web.Request) -> None:
        self._state = state
        self._request = request
        self._ws = web.WebSocketResponse(compress=False, max_msg_size=4096)
        self._outbox: asyncio.Queue[Frame | int] = asyncio.Queue()
        self._session: Session | None = None
        self._ours = False
        """This end was the first to close."""
        self._squeezer = (
            zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        )

    @property
    def session(self) -> Session | None:
        """Whose connection it is, once the client has said."""
        return self._session

    def send(self, frame: Frame) -> None:
        """Send, after all that was to be sent before."""
        self._outbox.put_nowait(frame)

    def close(self, code: int) -> None:
        """Close properly, after all that was to be sent before."""
        self._outbox.put_nowait(code)

    def cut(self) -> None:
        """The line is dead; nobody is told."""
        self._let_go()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> web.WebSocketResponse:
        """Serve until either side ends it."""
        await self._ws.prepare(self._request)
        self.send(
            {"op": HELLO, "d": {"heartbeat_interval": self._state.switches.heartbeat_interval}}
        )
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._ws:
                if message.type is not WSMsgType.TEXT:
                    self.close(BAD_PAYLOAD)
                    continue
                await self._receive(message.data)
                self._state.notify()
        finally:
            if self._session is not None and not self._ours:
                self._session.resumable &= self._ws.close_code not in (1000, 1001)
            self._let_go()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            self._state.notify()
        return self._ws

    def _let_go(self) -> None:
        if self._session is not None and self._session.pipe == self.send:
            self._session.pipe = None

    async def _write(self) -> None:
        """Frames go out in order, a slow client or not."""
        while True:
            frame = await self._outbox.get()
            try:
                if isinstance(frame, int):
                    self._ours = True
                    await self._ws.close(code=frame)
                    return
                text = json.dumps(frame)
                if self._squeezer is None:
                    await self._ws.send_str(text)
                else:
                    packed = self._squeezer.compress(text.encode())
                    await self._ws.send_bytes(packed + self._squeezer.flush(zlib.Z_SYNC_FLUSH))
            except (ConnectionError, RuntimeError):
                return

    async def _receive(self, text: str) -> None:
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError):
            return self.close(BAD_PAYLOAD)
        if op == BEAT:
            if self._state.switches.acks:
                self.send({"op": ACK})
        elif op == IDENTIFY:
            self._identify(data)
        elif op == RESUME:
            self._resume(data)
        elif self._session is None:
            self.close(NOT_YET)
        elif op == MEMBERS:
            await self._session.request_members(data)
        elif op not in (PRESENCE, VOICE):
            self.close(UNKNOWN_OP)

    def _identify(self, data: Mapping[str, Any]) -> None:
        if self._session is not None:
            return self.close(ALREADY)
        if data.get("token") != self._state.token:
            return self.close(BAD_TOKEN)
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            return self.close(BAD_SHARD)
        value = data.get("intents")
        if not isinstance(value, int) or value & ~Intents.all().value:
            return self.close(BAD_INTENTS)
        intents = Intents._from_value(value)
        if missing_privileged_intents(intents, self._state.switches.approved):
            return self.close(INTENTS_NOT_APPROVED)
        session = Session(self._state, intents, shard, shards)
        self._state.sessions[session.id] = session
        self._attach(session)
        session.start()
        return None

    def _resume(self, data: Mapping[str, Any]) -> None:
        if self._session is not None:
            return self.close(ALREADY)
        if data.get("token") != self._state.token:
            return self.close(BAD_TOKEN)
        session = self._state.sessions.get(str(data.get("session_id")))
        if session is None or not session.resumable:
            return self.send({"op": INVALID, "d": False})
        if not isinstance(data.get("seq"), int) or data["seq"] > session.seq:
            return self.close(BAD_SEQ)
        self._attach(session)
        session.resume(data["seq"])
        return None

    def _attach(self, session: Session) -> None:
        self._session = session
        session.pipe = self.send
