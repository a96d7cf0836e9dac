"""A process of its own for work on strangers' bytes, so that a crash costs one photo.

Parent and child speak frames over the child's stdin and stdout: lengths of both parts
(`>IQ`), a JSON header, a binary payload; a large payload lies in a file that both have open (see
bot.sharedfile), which the header says. No pickle: the child is not trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import sys
from typing import Any

from bot.errors import NotAPhoto, ShoeboxError
from bot.sharedfile import WORTH, SharedFile

LENGTHS = struct.Struct(">IQ")
MAX_REPLY = 512 * 1024 * 1024
SHARED = "shared"
"""In a header: the payload lies in the shared file."""


class SandboxBroken(ShoeboxError):
    """The child hung on this input, or died on it twice."""


class Sandbox:
    """One child that answers one request at a time, started when first needed."""

    def __init__(self, timeout: float, memory: int, niceness: int = 0, idle: float = 300) -> None:
        """`timeout` seconds a request, `memory` bytes of address space; after `idle` seconds
        without work the child is ended, and started again by the next request."""
        self._timeout = timeout
        self._options = [f"--memory={memory}", f"--nice={niceness}"]
        self._idle = idle
        self.started = 0
        """Children so far."""
        self.lost = 0
        """Those of them that hung or died."""
        self._lock = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._shared: SharedFile | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    async def call(
        self, verb: str, header: dict[str, Any], payload: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """Run `verb` in the child. Raises NotAPhoto for bytes that can't be one, and
        SandboxBroken when the child ran out of time, or died twice, on them."""
        async with self._lock:
            for last_try in (False, True):
                try:
                    reply, body = await self._exchange(verb, header, payload)
                    break
                except TimeoutError:
                    self.lost += 1
                    await self._end()
                    raise SandboxBroken("the picture takes too long to open") from None
                except (EOFError, ConnectionError):
                    self.lost += 1
                    await self._end()
                    if last_try:
                        raise SandboxBroken("the picture crashes its decoder") from None
                except BaseException:
                    await self._end()  # cancelled in the middle of a frame
                    raise
        if "refused" in reply:
            raise NotAPhoto(str(reply["refused"]))
        if "failed" in reply:
            raise SandboxBroken(str(reply["failed"]))
        return reply, body

    async def _exchange(
        self, verb: str, header: dict[str, Any], payload: bytes
    ) -> tuple[dict[str, Any], bytes]:
        child = await self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        async with asyncio.timeout(self._timeout):
            child.stdin.writelines(frame({"verb": verb, **header}, payload, self._shared))
            await child.stdin.drain()
            lengths = LENGTHS.unpack(await child.stdout.readexactly(LENGTHS.size))
            if sum(lengths) > MAX_REPLY:
                raise EOFError
            reply = json.loads(await child.stdout.readexactly(lengths[0]))
            if reply.get(SHARED) and self._shared is not None:
                body = self._shared.read(lengths[1])
            else:
                body = await child.stdout.readexactly(lengths[1])
        self._rest()
        return reply, body

    async def _running(self) -> asyncio.subprocess.Process:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._child is None or self._child.returncode is not None:
            self.started += 1
            self._let_go()
            self._shared = SharedFile.make()
            inherited = () if self._shared is None else (self._shared.descriptor,)
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot.sandbox_child",
                *self._options,
                *(f"--shared={descriptor}" for descriptor in inherited),
                pass_fds=inherited,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent alone
                env={**environment(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        return self._child

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._idle, lambda: loop.create_task(self._end_idle()))

    async def _end_idle(self) -> None:
        if not self._lock.locked():
            async with self._lock:
                await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        self._let_go()
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()

    def _let_go(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    async def close(self) -> None:
        """End the child; whatever it was doing is lost."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self._end()


def frame(header: dict[str, Any], payload: bytes, shared: SharedFile | None) -> list[bytes]:
    """What is to be sent for one part of an exchange; a large payload is put into `shared`."""
    if shared is not None and len(payload) >= WORTH:
        shared.write(payload)
        head = json.dumps({**header, SHARED: True}).encode()
        return [LENGTHS.pack(len(head), len(payload)), head]
    head = json.dumps(header).encode()
    return [LENGTHS.pack(len(head), len(payload)), head, payload]


def environment() -> dict[str, str]:
    """A child's: without the owner's secrets, which one taken over by a photo could read."""
    secret = ("_TOKEN", "_PASSWORD", "_SECRET")
    return {key: value for key, value in os.environ.items() if not key.endswith(secret)}
