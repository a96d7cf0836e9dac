"""What may go wrong on the way: rate limits, errors, cut connections, rubbish."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass, field

from aiohttp import web

from tests.standins.discord.answers import error_response, json_response

HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body></body></html>"


@dataclass
class Fault:
    """The next `times` requests that match get this instead of an answer."""

    path: str = "*"
    """A pattern such as `/channels/*/messages`, without /api/v10, or `/cdn/*` or `/proxy/*`."""
    method: str = "*"
    times: int = 1
    status: int = 500
    code: int = 0
    """Discord's number for the error."""
    retry_after: float | None = None
    """Say 429, and to come back in so many seconds."""
    everywhere: bool = False
    """The rate limit is the global one."""
    cut: bool = False
    """Close the connection without a word."""
    garbage: bool = False
    """Answer a page of HTML, as proxies do."""
    until: asyncio.Event | None = None
    """Hold the answer back until this is set, then answer as usual."""

    def matches(self, method: str, path: str) -> bool:
        """Is this request meant?"""
        return (
            self.times > 0 and self.method in ("*", method) and fnmatch.fnmatchcase(path, self.path)
        )

    def response(self) -> web.Response:
        """What is answered instead."""
        if self.garbage:
            return web.Response(status=self.status, text=HTML, content_type="text/html")
        if self.retry_after is None:
            return error_response(self.status, self.code, f"{self.status}: as the test wants it")
        return json_response(
            {
                "message": "You are being rate limited.",
                "retry_after": self.retry_after,
                "global": self.everywhere,
            },
            status=429,
            headers={
                "Via": "1.1 google",
                "Retry-After": str(max(1, round(self.retry_after))),
                "X-RateLimit-Limit": "5",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset-After": str(self.retry_after),
                "X-RateLimit-Bucket": "a-bucket-of-the-stand-in",
                "X-RateLimit-Scope": "global" if self.everywhere else "user",
            },
        )


@dataclass
class Faults:
    """All that is to go wrong."""

    waiting: list[Fault] = field(default_factory=list)

    async def meet(self, request: web.Request, path: str) -> web.Response | None:
        """What a request gets instead of its answer, if anything is to go wrong with it."""
        fault = self.take(request.method, path)
        if fault is None:
            return None
        if fault.cut:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError("cut as the test wants it")
        if fault.until is not None:
            await fault.until.wait()
            return None
        return fault.response()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        for fault in self.waiting:
            if fault.matches(method, path):
                fault.times -= 1
                return fault
        return None
