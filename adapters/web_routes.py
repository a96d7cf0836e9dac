"""The web chat's plain HTTP: files in, messages in, previews out."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from adapters.files import LOCAL
from adapters.web_files import MAX_BYTES, UploadRefused, WebFiles, preview_key, too_large
from adapters.web_forgetting import button_under
from adapters.web_rooms import Rooms
from bot.errors import FetchFailed, NotAPhoto, PhotoGone, SettingsError, ShoeboxError
from bot.language import say, speak
from bot.memory import PhotoMemory
from storage.chatlog import ChatLog

MAX_JSON = 64 * 1024
MAX_ID = 2**63
"""Above what SQLite can be asked for."""
ASSETS = {"web.js": "text/javascript", "web.css": "text/css", "web_owner.css": "text/css"}
SHOWN = {"cache-control": "private, max-age=3600"}

_log = logging.getLogger(__name__)


def assets(app: FastAPI) -> None:
    """What pages are drawn with."""

    @app.get("/shoebox/{name}")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            return _gone()
        return FileResponse(
            Path(__file__).with_name(name),
            media_type=ASSETS[name],
            headers={"cache-control": "no-cache"},
        )


def routes(app: FastAPI, rooms: Rooms, memory: PhotoMemory, log: ChatLog, files: WebFiles) -> None:
    """Add the chat's own addresses to `app`; the pages come from elsewhere."""

    @app.post("/upload")
    async def upload(request: Request, name: str = "", group: str = "") -> Response:
        """One file as the request's body; the reply's token goes into a message."""
        speak(await memory.languages.of(LOCAL + group))
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > MAX_BYTES:
            return _refused(too_large(), 413)
        try:
            arrived = await files.receive(name[-200:], request.stream())
        except UploadRefused as error:
            return _refused(str(error), 413 if str(error) == too_large() else 507)
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse({"token": arrived.token, "picture": arrived.picture})

    @app.post("/discard")
    async def discard(request: Request) -> Response:
        with contextlib.suppress(UploadRefused):
            await files.discard(str((await _json(request)).get("token", "")))
        return JSONResponse({})

    @app.post("/post")
    async def post(request: Request) -> Response:
        """A message: `{group, author, text, uploads: [token], answers: message}`; `hints` are for
        its sender, with a `button` that sends its `text` where something is to be confirmed."""
        try:
            sent = await _json(request)
            uploads, answers = sent.get("uploads", []), sent.get("answers")
            if not isinstance(uploads, list):
                raise UploadRefused(say("This message can't be read."))
            hints = await rooms.post(
                str(sent.get("group", "")),
                str(sent.get("author", "")),
                str(sent.get("text", "")),
                [str(token) for token in uploads],
                answers if isinstance(answers, int) and 0 < answers < MAX_ID else None,
            )
        except ShoeboxError as error:
            if not isinstance(error, UploadRefused | SettingsError):
                _log.error("a message can't be taken: %s", error)
                return _refused(say("The message can't be kept right now. Please try again."), 503)
            return _refused(str(error), 400)
        return JSONResponse({"hints": hints, **button_under(str(sent.get("text", "")))})

    @app.get("/attachment/{message}/{number}")
    async def attachment(message: int, number: int) -> Response:
        found = await log.get(message) if message < MAX_ID else None
        if found is None or not 0 <= number < len(found.attachments):
            return _gone()
        locator = found.attachments[number].locator

        async def load() -> bytes:
            try:
                return await files.read(locator)
            except OSError as error:
                raise PhotoGone(f"{locator} can't be read: {error}") from error

        return await _shown(files, locator, load)

    @app.get("/photo/{photo}")
    async def photo(photo: int) -> Response:
        """A photo of an answer; other platforms' groups are not to be seen here."""
        found = await memory.photo(photo) if photo < MAX_ID else None
        if found is None or not found.post.group.startswith(LOCAL):
            return _gone()
        stored = found

        async def load() -> bytes:
            return await memory.fetch(stored)

        posted_here = stored.ref.locator.startswith("web/photos/")
        key = stored.ref.locator if posted_here else preview_key(photo)
        return await _shown(files, key, load)


async def _shown(files: WebFiles, key: str, load: Callable[[], Awaitable[bytes]]) -> Response:
    try:
        path = await files.preview(key, load)
    except PhotoGone:
        return _gone()
    except FetchFailed:
        return PlainTextResponse("The photo can't be fetched right now.", 503)
    except NotAPhoto as error:
        return PlainTextResponse(f"Not a picture that can be shown: {error}", 415)
    except ShoeboxError as error:
        _log.warning("a preview can't be made: %s", error)
        return PlainTextResponse("The photo can't be shown.", 415)
    return FileResponse(path, media_type="image/jpeg", headers=SHOWN)


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise UploadRefused(say("This message is too long."))
    try:
        sent = json.loads(body)
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise UploadRefused(say("This message can't be read."))
    return sent


def _gone() -> Response:
    return PlainTextResponse("There is no such thing here any more.", 404)


def _refused(reason: str, status: int) -> Response:
    return JSONResponse({"error": reason}, status)
