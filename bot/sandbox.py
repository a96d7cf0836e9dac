"""A process of its own for work on strangers' bytes, so that a crash costs one photo.

Parent and child speak frames over the child's stdin and stdout: lengths of both parts
(`>IQ`), a JSON header, a binary payload. No pickle: the child is not trusted.
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

LENGTHS = struct.Struct(">IQ")
MAX_REPLY = 512 * 1024 * 1024


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
        head = json.dumps({"verb": verb, **header}).encode()
        async with asyncio.timeout(self._timeout):
            child.stdin.writelines([LENGTHS.pack(len(head), len(payload)), head, payload])
            await child.stdin.drain()
            lengths = LENGTHS.unpack(await child.stdout.readexactly(LENGTHS.size))
            if sum(lengths) > MAX_REPLY:
                raise EOFError
            reply = json.loads(await child.stdout.readexactly(lengths[0]))
            body = await child.stdout.readexactly(lengths[1])
        self._rest()
        return reply, body

    async def _running(self) -> asyncio.subprocess.Process:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._child is None or self._child.returncode is not None:
            self.started += 1
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot.sandbox_child",
                *self._options,
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
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()

    async def close(self) -> None:
        """End the child; whatever it was doing is lost."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self._end()


def environment() -> dict[str, str]:
    """A child's: without the owner's secrets, which one taken over by a photo could read."""
    secret = ("_TOKEN", "_PASSWORD", "_SECRET")
    return {key: value for key, value in os.environ.items() if not key.endswith(secret)}
