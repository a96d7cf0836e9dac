"""The Bot API over HTTP: holds polls, checks requests as the real one does, breaks on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from tests.standins.botapi.rules import Refused, formatted, units
from tests.standins.botapi.world import BOT, BOT_ID, MOST_DOWNLOAD, Chat, File, Json, Message, World


@dataclass
class Fault:
    """What goes wrong with the next calls of a method."""

    method: str
    times: int
    kind: str
    """`refuse`, `cut`, `garbage`."""
    status: int = 500
    description: str = "Internal Server Error"
    parameters: Json | None = None


class BotApi:
    """Serves a world's Bot API. `url` is what TELEGRAM_API_URL names."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults: list[Fault] = []
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._poll: asyncio.Event | None = None
        self._caller: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def fail(self, method: str, times: int = 1, **what: Any) -> None:
        """The next calls are refused: status, description, parameters."""
        self.faults.append(Fault(method, times, "refuse", **what))

    def cut(self, method: str, times: int = 1) -> None:
        """The connection is cut instead of an answer; `file`: in the middle of a download."""
        self.faults.append(Fault(method, times, "cut"))

    def garbage(self, method: str, times: int = 1) -> None:
        """A proxy in between answers with a page."""
        self.faults.append(Fault(method, times, "garbage"))

    async def start(self) -> None:
        """Listen; at the same port as before, if it is started again."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/bot{token}/{method}", self._called)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Nobody answers any more; the world goes on."""
        if self._caller is not None:
            self._caller.cancel()
            await asyncio.gather(self._caller, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    # --- one request

    async def _called(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params = await _params(request)
        self.world.calls.append((method, params))
        try:
            if (fault := self._fault(method)) is not None:
                return await _broken(request, fault)
            if request.match_info["token"] != self.world.token or self.world.revoked:
                raise Refused("Unauthorized", 401)
            handler: Callable[[Json], Any] | None = getattr(self, f"_{method}", None)
            if handler is None:
                raise Refused("Not Found", 404)
            result = handler(params)
            if asyncio.iscoroutine(result):
                result = await result
        except Refused as refused:
            return _json(
                {
                    "ok": False,
                    "error_code": refused.status,
                    "description": refused.description,
                }
                | ({"parameters": refused.parameters} if refused.parameters else {}),
                refused.status,
            )
        return _json({"ok": True, "result": result})

    def _fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and fault.times:
                fault.times -= 1
                return fault
        return None

    async def _download(self, request: web.Request) -> web.StreamResponse:
        # PTB escapes the colon of the token; the real server takes it either way.
        if request.match_info["token"] != self.world.token:
            return web.Response(status=404)
        found = next(
            (f for f in self.world.files.values() if _path(f) == request.match_info["path"]), None
        )
        if found is None or found.lost:
            return web.Response(status=404)
        if (fault := self._fault("file")) is not None:
            return await _broken(request, fault, found.data)
        self.world.downloads.append(found)
        return web.Response(body=found.data)

    # --- methods: getting updates

    def _getMe(self, params: Json) -> Json:
        return BOT | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self.world.privacy,
            "supports_inline_queries": True,
        }

    async def _getUpdates(self, params: Json) -> list[Json]:
        if self.world.webhook:
            raise Refused(
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook "
                "to delete the webhook first",
                409,
            )
        offset = int(params.get("offset", 0))
        self.world.updates = [u for u in self.world.updates if u["update_id"] >= offset]
        if self._poll is not None:
            self._poll.set()
        self._poll = ended = asyncio.Event()
        try:
            until = time.monotonic() + float(params.get("timeout", 0))
            while not self.world.updates and (left := until - time.monotonic()) > 0:
                self.world.news.clear()
                waiting = [
                    asyncio.create_task(self.world.news.wait()),
                    asyncio.create_task(ended.wait()),
                ]
                await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
                if ended.is_set():
                    raise Refused(
                        "Conflict: terminated by other getUpdates request; make sure that only one "
                        "bot instance is running",
                        409,
                    )
            allowed = params.get("allowed_updates") or []
            found = [u for u in self.world.updates if not allowed or set(u) & set(allowed)]
            return found[: int(params.get("limit", 100))]
        finally:
            if self._poll is ended:
                self._poll = None

    def _setWebhook(self, params: Json) -> bool:
        url = str(params["url"])
        if not url.startswith(("https://", "http://127.0.0.1")):
            raise Refused("Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.world.webhook = params
        if self._caller is not None:
            self._caller.cancel()
        self._caller = asyncio.create_task(self._call(url, str(params.get("secret_token", ""))))
        return True

    async def _call(self, url: str, secret: str) -> None:
        """Deliver updates one by one; again and again what is not answered with success."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        async with aiohttp.ClientSession() as session:
            while True:
                while self.world.updates:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.post(
                            url, json=self.world.updates[0], headers=headers
                        ) as response:
                            if response.ok:
                                self.world.updates.pop(0)
                                continue
                            self.world.webhook["last_error_message"] = str(response.status)
                            self.world.webhook["last_error_date"] = int(time.time())
                    await asyncio.sleep(0.1)
                self.world.news.clear()
                await self.world.news.wait()

    def _deleteWebhook(self, params: Json) -> bool:
        self.world.webhook = {}
        if self._caller is not None:
            self._caller.cancel()
        return True

    def _getWebhookInfo(self, params: Json) -> Json:
        info = {k: v for k, v in self.world.webhook.items() if k.startswith("last_error")}
        return info | {
            "url": self.world.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.updates),
        }

    def _setMyCommands(self, params: Json) -> bool:
        for command in params["commands"]:
            name, words = command["command"], command["description"]
            if not name.isascii() or not name.replace("_", "").isalnum() or not name.islower():
                raise Refused("Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(name) <= 32 or not 1 <= len(words) <= 256:
                raise Refused("Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        self.world.commands[params.get("scope", {"type": "default"})["type"]] = params["commands"]
        return True

    # --- methods: sending

    def _sendMessage(self, params: Json) -> Json:
        chat = self.world.chat(params["chat_id"])
        text, entities = formatted(str(params.get("text", "")), params.get("parse_mode"))
        if not text.strip():
            raise Refused("Bad Request: message text is empty")
        if units(text) > 4096:
            raise Refused("Bad Request: message is too long")
        content = {"text": text, "entities": entities}
        return self._sent(chat, params, content).full()

    def _sendPhoto(self, params: Json) -> Json:
        file = self.world.file(params["photo"], "photo")
        chat = self.world.chat(params["chat_id"])
        return self._sent(chat, params, _caption(params), photo=self.world.renditions(file)).full()

    def _sendDocument(self, params: Json) -> Json:
        file = self.world.file(params["document"], "document")
        chat = self.world.chat(params["chat_id"])
        return self._sent(chat, params, _caption(params), document=file).full()

    def _sendMediaGroup(self, params: Json) -> list[Json]:
        chat = self.world.chat(params["chat_id"])
        media = params["media"]
        if not 2 <= len(media) <= 10:
            raise Refused("Bad Request: media group must have 2-10 items")
        if "reply_markup" in params:
            raise Refused("Bad Request: reply markup isn't allowed in media groups")
        if len({item["type"] for item in media}) > 1:
            raise Refused("Bad Request: document can't be mixed with other media types")
        files = [self.world.file(item["media"], item["type"]) for item in media]
        captions = [_caption(item) for item in media]
        album = f"bot-{len(chat.messages)}"
        return [
            self._sent(
                chat,
                params,
                caption | {"media_group_id": album},
                **(
                    {"photo": self.world.renditions(file)}
                    if file.kind == "photo"
                    else {"document": file}
                ),
            ).full()
            for file, caption in zip(files, captions, strict=True)
        ]

    def _sent(self, chat: Chat, params: Json, content: Json, **media: Any) -> Message:
        if topic := params.get("message_thread_id"):
            if int(topic) not in chat.topics:
                raise Refused("Bad Request: message thread not found")
            content |= {"message_thread_id": int(topic), "is_topic_message": True}
        if reply := params.get("reply_parameters"):
            answered = chat.message(int(reply["message_id"]))
            if answered is None and not reply.get("allow_sending_without_reply"):
                raise Refused("Bad Request: message to be replied not found")
            if answered is not None:
                content["reply_to_message"] = answered.full(replies=False)
        if markup := params.get("reply_markup"):
            for row in markup["inline_keyboard"]:
                for button in row:
                    if len(button.get("callback_data", "x").encode()) > 64:
                        raise Refused("Bad Request: BUTTON_DATA_INVALID")
            content["reply_markup"] = markup
        return self.world.bot_posts(
            chat, content, protected=bool(params.get("protect_content")), **media
        )

    def _sendChatAction(self, params: Json) -> bool:
        self.world.chat(params["chat_id"])
        return True

    def _editMessageReplyMarkup(self, params: Json) -> Json:
        message = self._mine(params)
        markup = params.get("reply_markup")
        if message.json.get("reply_markup") == markup:
            raise Refused(
                "Bad Request: message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup of the message"
            )
        message.json["reply_markup"] = markup
        return message.full()

    def _editMessageText(self, params: Json) -> Json:
        message = self._mine(params)
        text, entities = formatted(str(params["text"]), params.get("parse_mode"))
        message.json |= {"text": text, "entities": entities}
        message.json.pop("reply_markup", None)
        return message.full()

    def _mine(self, params: Json) -> Message:
        message = self.world.chat(params["chat_id"]).message(int(params["message_id"]))
        if message is None:
            raise Refused("Bad Request: message to edit not found")
        if not message.by_bot:
            raise Refused("Bad Request: message can't be edited")
        return message

    def _answerCallbackQuery(self, params: Json) -> bool:
        press = self.world.presses.get(str(params["callback_query_id"]))
        late = press is None or time.monotonic() - press.at > self.world.press_seconds
        if press is None or late or press.answer.done():
            raise Refused(
                "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        if len(str(params.get("text", ""))) > 200:
            raise Refused("Bad Request: MESSAGE_TOO_LONG")
        press.answer.set_result(params)
        return True

    def _answerInlineQuery(self, params: Json) -> bool:
        answer = self.world.inline[str(params["inline_query_id"])]
        if len(params["results"]) > 50:
            raise Refused("Bad Request: RESULTS_TOO_MUCH")
        for result in params["results"]:
            kind = result["type"]
            self.world.file(result[f"{kind}_file_id"], kind)
            if not 1 <= len(result["id"].encode()) <= 64:
                raise Refused("Bad Request: RESULT_ID_INVALID")
        answer.set_result(params)
        return True

    # --- methods: asking

    def _getFile(self, params: Json) -> Json:
        try:
            file = self.world.file(params["file_id"])
        except Refused:
            raise Refused(
                "Bad Request: wrong file_id or the file is temporarily unavailable"
            ) from None
        if file.size > MOST_DOWNLOAD:
            raise Refused("Bad Request: file is too big")
        return {
            "file_id": file.id,
            "file_unique_id": file.unique,
            "file_size": file.size,
            "file_path": _path(file),
        }

    def _getChat(self, params: Json) -> Json:
        chat = self.world.chat(params["chat_id"])
        more = {"has_protected_content": True} if chat.protected else {}
        return (
            chat.json
            | more
            | {
                "accent_color_id": 0,
                "max_reaction_count": 11,
                "accepted_gift_types": {
                    "unlimited_gifts": True,
                    "limited_gifts": True,
                    "unique_gifts": True,
                    "premium_subscription": True,
                    "gifts_from_channels": True,
                },
            }
        )

    def _getChatMember(self, params: Json) -> Json:
        chat = self.world.chat(params["chat_id"])
        user = int(params["user_id"])
        is_admin = chat.members.get(BOT_ID) == "administrator"
        if self.world.members_hidden and not is_admin and user != BOT_ID:
            raise Refused("Bad Request: member list is inaccessible")
        if user == BOT_ID:
            return self.world.member(chat.members[BOT_ID], BOT)
        if user not in self.world.people:
            raise Refused("Bad Request: user not found")
        status = chat.members.get(user, "left")
        return self.world.member(status, self.world.people[user].json)


async def _params(request: web.Request) -> Json:
    """Form, multipart or JSON; values that are JSON themselves are read as the real one does."""
    if request.content_type == "application/json":
        return dict(await request.json())
    found: Json = {}
    for key, value in [*request.query.items(), *(await request.post()).items()]:
        assert isinstance(value, str), "nothing is uploaded"
        if key in ("text", "caption", "photo", "document", "file_id", "url", "secret_token"):
            found[key] = value
            continue
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _caption(params: Json) -> Json:
    caption, entities = formatted(str(params.get("caption", "")), params.get("parse_mode"))
    if units(caption) > 1024:
        raise Refused("Bad Request: message caption is too long")
    content: Json = {"caption": caption, "caption_entities": entities} if caption else {}
    return content | ({"has_media_spoiler": True} if params.get("has_spoiler") else {})


async def _broken(request: web.Request, fault: Fault, data: bytes = b"") -> web.StreamResponse:
    if fault.kind == "refuse":
        body: Json = {"ok": False, "error_code": fault.status, "description": fault.description}
        return _json(
            body | ({"parameters": fault.parameters} if fault.parameters else {}), fault.status
        )
    if fault.kind == "garbage":
        return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
    if data:
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        await asyncio.sleep(0.02)
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def _path(file: File) -> str:
    return f"{file.kind}s/file {file.unique}.jpg"


def _json(value: object, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[BotApi]:
    """A world with its API up."""
    api = BotApi(world)
    await api.start()
    try:
        yield api
    finally:
        await api.stop()
