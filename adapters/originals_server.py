"""Gives photos' bytes to encoders that have no token of the platform, or not the disk."""

from __future__ import annotations

import json
import logging
import math
from typing import Self

from adapters.short_http import Asked, Said, ShortServer
from adapters.vouching import SIGNATURE, Voucher
from bot.errors import FetchFailed, PhotoGone, SettingsError, StoreError, line_of
from bot.memory import PhotoMemory
from bot.sharing import is_global

log = logging.getLogger(__name__)

PATH = "/original"
CONNECTIONS = 256
AT_ONCE = 16
"""Photos that are on their way at the same time, each of 64 MB at most; others wait."""
SECONDS = 240.0
"""That a request may take, waiting for the others and for the platform included."""
LARGEST_QUESTION = 256
GONE, FAILED = 410, 503
WAIT = "retry-after"


def stranger(status: int = 404) -> Said:
    """What is told to who doesn't know the secret: nothing, whatever is asked."""
    return Said(404, "text/plain", b"")


class OriginalsServer:
    """A server for encoders alone. Use as `async with`.

    It gives out what is remembered, by the photo's number in the memory, and nothing else that a
    platform or this machine has. Who asks from the Internet isn't heard.
    """

    def __init__(self, memory: PhotoMemory, secret: str, host: str, port: int) -> None:
        self._memory = memory
        self._voucher = Voucher(secret)
        self._host = host
        self._port = port
        self._server = ShortServer(
            self._answer,
            connections=CONNECTIONS,
            seconds=SECONDS,
            at_once=AT_ONCE,
            largest=LARGEST_QUESTION,
            misunderstood=stranger,
            lets_in=lambda peer: not is_global(peer),
        )
        self.port = 0
        """Where it listens."""

    async def __aenter__(self) -> Self:
        """Raises SettingsError when the port can't be had, or is the Internet's."""
        host, port = self._host, self._port
        try:
            places = await self._server.listen(host, port)
        except OSError as error:
            raise SettingsError(
                f"GATEWAY_LISTEN={host}:{port} can't be had: {error.strerror or error}"
            ) from None
        if found := [each for each, _ in places if is_global(each)]:
            await self._server.close()
            raise SettingsError(
                f"GATEWAY_LISTEN={host}:{port}: {found[0]} is reached from the Internet; write an "
                "address in the private network"
            )
        self.port = places[0][1]
        log.info("encoders get photos at %s:%d", self._host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _answer(self, asked: Asked) -> Said:
        known = self._voucher.is_asked(asked.method, asked.target, asked.headers, asked.body)
        if not known or (asked.method, asked.target) != ("POST", PATH):
            return stranger()
        wait = ""
        try:
            photo = int(json.loads(asked.body)["photo"])
            status, body = 200, await self._original(photo)
        except PhotoGone as gone:
            status, body = GONE, line_of(gone).encode()
        except FetchFailed as failed:
            status, body = FAILED, line_of(failed).encode()
            wait = str(math.ceil(failed.retry_after)) if failed.retry_after else ""
        except StoreError:
            status, body = FAILED, b"the gateway can't read the database now"
        except (ValueError, KeyError, TypeError):
            return stranger()
        headers = [(SIGNATURE, self._voucher.answer(asked.headers, status, wait, body))]
        if wait:
            headers.append((WAIT, wait))
        return Said(status, "application/octet-stream", body, headers)

    async def _original(self, photo: int) -> bytes:
        stored = await self._memory.photo(photo)
        if stored is None:
            raise PhotoGone("it is no longer remembered")
        return await self._memory.fetch(stored)
