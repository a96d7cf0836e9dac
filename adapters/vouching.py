"""How gateways and encoders know each other: by a secret that is never sent.

A request names its moment and a number that is used once, and is signed with them; so nobody who
listens can ask anything else, or the same again later. The answer is signed too, for this request:
else somebody in between could have photos given up, or other pictures taken for them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

TIME, ONCE, SIGNATURE = "x-shoebox-time", "x-shoebox-once", "x-shoebox-signature"
"""Headers."""
SKEW_SECONDS = 30.0
"""That clocks may differ by, the way included."""
MOST_KEPT = 100_000
"""Requests of the last minute that are known again. More than that are not answered."""


class Voucher:
    """Signs what is asked and answered."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        """Numbers that were used, and until when that matters."""

    def ask(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of a request."""
        moment, once = f"{self._clock():.3f}", secrets.token_hex(16)
        signature = self._sign("asks", method, path, moment, once, _digest(body))
        return {TIME: moment, ONCE: once, SIGNATURE: signature}

    def is_asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether it comes from somebody who knows the secret, now and for the first time."""
        moment, once = headers.get(TIME, ""), headers.get(ONCE, "")
        expected = self._sign("asks", method, path, moment, once, _digest(body))
        if not _same(headers.get(SIGNATURE, ""), expected):
            return False
        now = self._clock()
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if not abs(now - float(moment)) <= SKEW_SECONDS:
            return False
        if once in self._seen or len(self._seen) >= MOST_KEPT:
            return False
        self._seen[once] = now + 2 * SKEW_SECONDS
        return True

    def answer(self, asked: Mapping[str, str], status: int, wait: str, body: bytes) -> str:
        """The signature of an answer to the request with these headers; `wait`: seconds after
        which it may be asked again, if the platform says so."""
        return self._sign("answers", asked.get(ONCE, ""), str(status), wait, _digest(body))

    def is_answered(
        self, asked: Mapping[str, str], status: int, wait: str, body: bytes, signature: str
    ) -> bool:
        """Whether an answer to a request of ours comes from somebody who knows the secret."""
        return _same(signature, self.answer(asked, status, wait, body))

    def _sign(self, *parts: str) -> str:
        # No part but the last can hold what parts are joined with: each is a line of HTTP.
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
