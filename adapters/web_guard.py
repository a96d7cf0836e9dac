"""Who may talk to a page of ours: right host, same origin, and the password if there is one."""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.hosts import host_name
from bot.language import ENGLISH, Language, language, say, speak, spoken, to_say

SESSION = 30 * 24 * 3600
"""Seconds that a login lasts."""
FREE_TRIES = 3
MAX_WAIT = 300
"""Seconds; the wait doubles with every wrong try up to this."""
MAX_ADDRESSES = 10_000
MAX_FORM = 4096
OPEN_PATHS = ("/shoebox/web.css", "/favicon.ico")

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # The page framework compiles templates and injects scripts in the page: 'unsafe-…' stay.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True, slots=True)
class Door:
    """What a password opens."""

    password: str
    """Empty: everybody may come in."""
    home: str = "/"
    """The page behind it; its login lies beside it."""
    lead: str = to_say("This chat is closed with a password.")
    name: str = "shoebox"
    """Of the cookie that a login leaves."""
    session: int = SESSION
    """Seconds that it lasts."""
    same_site: Literal["lax", "strict"] = "lax"

    @property
    def login(self) -> str:
        return f"{self.home.rstrip('/')}/login"

    @property
    def logout(self) -> str:
        return f"{self.home.rstrip('/')}/logout"


class Guard:
    """ASGI middleware around all that a door leads to: pages, images, uploads, the websocket."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: frozenset[str] | None,
        door: Door,
        secret: bytes,
        port: int,
        clock: Callable[[], float] = time.time,
        speaks: Language | None = None,
    ) -> None:
        """`hosts`: the names this server answers to (against DNS rebinding); None: any."""
        self.app = app
        self._hosts = hosts
        self._door = door
        self._password = door.password.encode()
        # With the password in the key, changing it ends every session; with the door, no door's
        # ticket opens another.
        self._key = hmac.digest(secret, door.home.encode() + b"\0" + self._password, hashlib.sha256)
        self._cookie = f"{door.name}-{port}"
        self._clock = clock
        self._spoken = speaks or language(ENGLISH)
        self._tries = _Tries(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = self._refusal(HTTPConnection(scope))
        if refused is None and scope["type"] == "http":
            if scope["path"] == self._door.login:
                refused = await self._login(Request(scope, receive))
            elif scope["path"] == self._door.logout:
                refused = self._leave(Request(scope, receive))
        if refused is None:
            refused = self._login_needed(HTTPConnection(scope))
        if refused is None:
            await self.app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            await refused(scope, receive, _with_headers(send))

    def knows(self, connection: HTTPConnection) -> bool:
        """Whether this caller has come in."""
        return not self._password or self._is_valid(connection.cookies.get(self._cookie, ""))

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        host = connection.headers.get("host", "")
        if self._hosts is not None and host_name(host) not in self._hosts:
            return PlainTextResponse("This address is not served here.", 421)
        origin = connection.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return PlainTextResponse("Requests from other sites are refused.", 403)
        return None

    def _login_needed(self, connection: HTTPConnection) -> Response | None:
        scope = connection.scope
        if self.knows(connection):
            return None
        if scope["type"] == "http" and scope["path"] in OPEN_PATHS:
            return None
        if "text/html" in connection.headers.get("accept", ""):
            return RedirectResponse(f"{self._door.login}?next={quote(scope['path'])}", 303)
        return PlainTextResponse(
            f"The password is needed: open {self._door.home} in a browser.", 401
        )

    async def _login(self, request: Request) -> Response:
        speak(self._spoken)
        target = request.query_params.get("next", self._door.home)
        if not target.startswith("/") or target.startswith(("//", "/\\")):
            target = self._door.home
        if not self._password:
            return RedirectResponse(target, 303)
        if request.method != "POST":
            return _login_page(self._door, target)
        who = _address(request)
        if wait := self._tries.wait(who):
            return _login_page(
                self._door,
                target,
                say("Too many wrong tries. Wait {seconds} seconds.", seconds=wait),
                429,
            )
        # Counted before the form is read: parallel tries must not all pass the check above.
        self._tries.failed(who)
        given = await _password_of(request)
        if not hmac.compare_digest(given, self._password):
            return _login_page(self._door, target, say("That is not the password."), 403)
        self._tries.succeeded(who)
        response = RedirectResponse(quote(target, safe="/%"), 303)
        response.set_cookie(
            self._cookie,
            self._ticket(int(self._clock()) + self._door.session),
            max_age=self._door.session,
            httponly=True,
            samesite=self._door.same_site,
            secure=request.url.scheme == "https",
        )
        return response

    def _leave(self, request: Request) -> Response:
        """Only by a form of ours: a link to it, from wherever, shows the page behind the door."""
        response = RedirectResponse(self._door.home, 303)
        if request.method == "POST":
            response.delete_cookie(self._cookie)
        return response

    def _ticket(self, until: int) -> str:
        return f"{until}.{hmac.digest(self._key, str(until).encode(), hashlib.sha256).hex()}"

    def _is_valid(self, ticket: str) -> bool:
        until = ticket.partition(".")[0]
        if not until.isascii() or not until.isdigit() or len(until) > 12:
            return False
        known = hmac.compare_digest(ticket.encode(), self._ticket(int(until)).encode())
        return known and int(until) > self._clock()


class _Tries:
    """Makes guessing slow: every wrong try doubles the wait of the address it came from."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, who: str) -> int:
        """Seconds until the next try is taken."""
        count, last = self._failures.get(who, (0, 0.0))
        if count < FREE_TRIES:
            return 0
        pause = min(1 << (count - FREE_TRIES + 1), MAX_WAIT)
        return max(0, math.ceil(last + pause - self._clock()))

    def failed(self, who: str) -> None:
        count, _ = self._failures.pop(who, (0, 0.0))
        self._failures[who] = (min(count + 1, 30), self._clock())
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, who: str) -> None:
        self._failures.pop(who, None)


async def _password_of(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return b""
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return fields.get("password", [""])[0].encode()


def _address(request: Request) -> str:
    """The caller's address; an IPv6 one without the half that its owner can change at will."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(address) if address.version == 4 else str(int(address) >> 64)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            added = [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in present
            ]
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return sending


def _say(text: str) -> str:
    return html.escape(say(text))


def _login_page(door: Door, target: str, problem: str = "", status: int = 200) -> Response:
    action = html.escape(f"{door.login}?next={quote(target)}")
    lead = _say(door.lead)
    password, enter = _say("Password"), _say("Come in")
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{spoken().code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Shoebox</title>
<link rel="stylesheet" href="/shoebox/web.css">
</head>
<body class="door">
<main class="card">
<h1>Shoebox</h1>
<p class="lead">{lead}</p>
<form method="post" action="{action}">
<label>{password}<input name="password" type="password" autocomplete="current-password"
 required autofocus></label>
<p class="problem" role="alert">{html.escape(problem)}</p>
<button class="primary">{enter}</button>
</form>
</main>
</body>
</html>""",
        status,
        headers={"cache-control": "no-store"},
    )
