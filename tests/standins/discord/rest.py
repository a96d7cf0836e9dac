"""The REST API: HTTP in and out, around simcord's routes and our own."""

from __future__ import annotations

import io
import json
import re
import traceback
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, MultipartReader, web
from simcord.backend import errors
from simcord.backend.errors import BackendError
from simcord.http.router import RouteNotImplemented, UnsupportedField

from tests.standins.discord.answers import error_response, json_response
from tests.standins.discord.routes import Call, answer
from tests.standins.discord.state import Request, State

PREFIX = "/api/v10"
LARGEST = 10 << 20
"""Bytes that a bot may upload at once."""
OPEN_TO_ALL = re.compile(r"/(interactions/\d+/[^/]+/callback|webhooks/\d+/[^/]+(/.*)?)")
"""What carries its own token in its path."""


@dataclass
class Upload:
    """A file of a request, as simcord's routes read it."""

    filename: str
    fp: io.BytesIO
    description: str | None = None


class Unreadable(Exception):
    """The body is no JSON."""


class Rest:
    """Discord's REST API for one bot."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, and tell whoever waits for what it brought about."""
        state = self._state
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        try:
            body, uploads = await _body(request)
        except Unreadable:
            return error_response(400, 50109, "The request body contains invalid JSON.")
        seen = Request(request.method, path, dict(request.query), body)
        state.requests.append(seen)
        state.notify()
        response = await state.faults.meet(request, path) or self._answer(request, seen, uploads)
        seen.status = response.status
        state.notify()
        return response

    def _answer(self, request: web.Request, seen: Request, uploads: list[Upload]) -> web.Response:
        state = self._state
        called = f"{seen.method} {seen.path}"
        if not OPEN_TO_ALL.fullmatch(seen.path) and (
            request.headers.get("Authorization") != f"Bot {state.token}"
        ):
            return error_response(401, 0, "401: Unauthorized")
        reason = request.headers.get("X-Audit-Log-Reason")
        call = Call(
            state,
            seen.method,
            seen.path,
            state.dress.back(seen.json),
            seen.params,
            uploads,
            unquote(reason) if reason else None,
        )
        try:
            if sum(upload.fp.getbuffer().nbytes for upload in uploads) > LARGEST:
                raise BackendError(413, 40005, "Request entity too large")
            result = answer(call)
        except (RouteNotImplemented, UnsupportedField) as gap:
            state.gaps.append(f"{called}: {gap}")
            return error_response(501, 0, str(gap))
        except BackendError as error:
            return json_response(error.to_json(), error.status)
        except Exception:
            state.gaps.append(f"{called}: {traceback.format_exc()}")
            return error_response(501, 0, "the stand-in failed")
        if result is None:
            return web.Response(status=204)
        return json_response(state.dress.out(result))


async def _body(request: web.Request) -> tuple[Any, list[Upload]]:
    """The JSON of a request, and its files in the order of their numbers."""
    if not request.content_type.startswith("multipart/"):
        return _parsed(await request.text()), []
    body: Any = {}
    files: dict[str, Upload] = {}
    reader = await request.multipart()
    async for part in reader:
        if isinstance(part, MultipartReader):
            raise errors.invalid_form_body("nested parts")
        assert isinstance(part, BodyPartReader)
        name = part.name or ""
        content = bytes(await part.read(decode=True))
        if name == "payload_json":
            body = _parsed(content.decode())
        elif part.filename is not None:
            files[name] = Upload(part.filename, io.BytesIO(content))
    uploads = [files[name] for name in sorted(files, key=_number)]
    for described in _described(body):
        name = f"files[{described.get('id')}]"
        if name in files:
            files[name].description = described.get("description")
            files[name].filename = described.get("filename") or files[name].filename
    return body, uploads


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise Unreadable from error


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _described(body: Any) -> list[dict[str, Any]]:
    """What a body says of its uploads: at its top, or in the message that it holds."""
    for part in (body, body.get("data"), body.get("message")):
        if isinstance(part, dict) and isinstance(part.get("attachments"), list):
            return [item for item in part["attachments"] if isinstance(item, dict)]
    return []
