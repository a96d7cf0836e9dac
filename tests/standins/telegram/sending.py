"""The Bot API's methods that put messages into chats and change them there."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from tests.standins.telegram.files import MAX_PHOTO, StoredFile
from tests.standins.telegram.model import Chat, Message, Topic
from tests.standins.telegram.rules import Json, Refused, bad, caption, keyboard, message_text
from tests.standins.telegram.state import State

ACTIONS = (
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document "
    "choose_sticker find_location record_video_note upload_video_note"
).split()


class Upload(NamedTuple):
    name: str
    mime: str
    data: bytes


class Place(NamedTuple):
    """Where a new message goes."""

    chat: Chat
    topic: Topic | None
    reply_to: Message | None


def truth(value: object) -> bool:
    return value is True or value == 1 or str(value).lower() in ("true", "yes")


def whole(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise bad(f'can\'t parse "{name}" as an integer') from None


class Sending:
    """Each method takes the parameters and the files that came along, and raises Refused."""

    def __init__(self, state: State) -> None:
        self._state = state

    def send_message(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        place = self._place(params)
        text, entities = message_text(str(params.get("text", "")), params.get("parse_mode"))
        content = {"text": text, "entities": entities}
        return self._send(place, params, content | self._markup(params)).json

    def send_photo(self, params: Json, uploads: dict[str, Upload]) -> Json:
        return self._send_file("photo", params, uploads)

    def send_document(self, params: Json, uploads: dict[str, Upload]) -> Json:
        return self._send_file("document", params, uploads)

    def _send_file(self, kind: str, params: Json, uploads: dict[str, Upload]) -> Json:
        place = self._place(params)
        media = self._media(kind, params.get(kind), uploads, kind)
        content = self._caption(params) | self._markup(params)
        content["has_media_spoiler"] = kind == "photo" and truth(params.get("has_spoiler"))
        return self._send(place, params, content, media).json

    def send_media_group(self, params: Json, uploads: dict[str, Upload]) -> list[Json]:
        place = self._place(params)
        asked = params.get("media")
        if not isinstance(asked, list):
            raise bad("can't parse media JSON object" if asked else 'parameter "media" is required')
        if not 2 <= len(asked) <= 10:
            raise bad("wrong number of messages in an album: there must be 2-10")
        items: list[tuple[str, list[StoredFile], Json]] = []
        for one in asked:
            kind = one.get("type") if isinstance(one, dict) else None
            if kind not in ("photo", "document"):
                raise bad("can't parse InputMedia: invalid media type specified")
            media = self._media(kind, one.get("media"), uploads)
            content = self._caption(one)
            content["has_media_spoiler"] = kind == "photo" and truth(one.get("has_spoiler"))
            items.append((kind, media, content))
        if len({kind for kind, _, _ in items}) > 1:
            raise bad("document can't be mixed with other media types")
        self._state.count_against_flood(place.chat, len(items))
        album = {"media_group_id": str(secrets.randbelow(10**17))}
        sent = [
            self._send(place, params, content | album, media, counted=True)
            for _, media, content in items
        ]
        return [message.json for message in sent]

    def send_chat_action(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        self._place(params)
        if params.get("action") not in ACTIONS:
            raise bad("wrong parameter action in request")
        return True

    # --- changes

    def edit_message_text(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        message = self._own(params)
        if message.kind != "text":
            raise bad("there is no text in the message to edit")
        text, entities = message_text(str(params.get("text", "")), params.get("parse_mode"))
        return self._edit(message, {"text": text, "entities": entities} | self._markup(params))

    def edit_message_caption(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        message = self._own(params)
        if message.kind not in ("photo", "document"):
            raise bad("there is no caption in the message to edit")
        return self._edit(message, self._caption(params) | self._markup(params))

    def edit_message_reply_markup(self, params: Json, _uploads: dict[str, Upload]) -> Json:
        return self._edit(self._own(params), self._markup(params))

    def delete_message(self, params: Json, _uploads: dict[str, Upload]) -> bool:
        chat = self._state.chat_of(params.get("chat_id"))
        message = self._find(chat, params.get("message_id"), "message to delete not found")
        is_private = chat.owner is not None
        if not (message.by_bot or is_private or self._state.is_bot_admin(chat)):
            raise bad("message can't be deleted")
        message.deleted = True
        return True

    def _own(self, params: Json) -> Message:
        chat = self._state.chat_of(params.get("chat_id"))
        message = self._find(chat, params.get("message_id"), "message to edit not found")
        if not message.by_bot or message.kind == "service":
            raise bad("message can't be edited")
        return message

    def _edit(self, message: Message, content: Json) -> Json:
        changed = message.json | content
        changed = {key: value for key, value in changed.items() if value not in (None, "", [])}
        if changed == message.json:
            raise bad(
                "message is not modified: specified new message content and reply markup are "
                "exactly the same as a current content and reply markup of the message"
            )
        message.json = changed | {"edit_date": int(self._state.clock())}
        return message.json

    # --- parts

    def _find(self, chat: Chat, number: object, otherwise: str) -> Message:
        if number in (None, ""):
            raise bad("message identifier is not specified")
        message = chat.message(whole(number, "message_id"))
        if message is None:
            raise bad(otherwise)
        return message

    def _place(self, params: Json) -> Place:
        chat = self._state.chat_of(params.get("chat_id"))
        reply: Any = params.get("reply_parameters") or {}
        if not isinstance(reply, dict):
            raise bad("can't parse reply parameters JSON object")
        number = reply.get("message_id") or params.get("reply_to_message_id")
        lenient = reply.get("allow_sending_without_reply") or truth(
            params.get("allow_sending_without_reply")
        )
        reply_to: Message | None = None
        if number:
            there = chat
            if reply.get("chat_id"):
                there = self._state.chat_of(reply["chat_id"])
            reply_to = there.message(whole(number, "message_id"))
            if reply_to is None and not lenient:
                raise bad("message to be replied not found")
        topic: Topic | None = None
        if thread := params.get("message_thread_id"):
            topic = chat.topics.get(whole(thread, "message_thread_id"))
            if topic is None or topic.deleted:
                raise bad("message thread not found")
        if topic is not None and topic.closed and not self._state.is_bot_admin(chat):
            raise bad("TOPIC_CLOSED")
        if chat.muted or chat.members.get(self._state.bot.id) == "restricted":
            raise bad("not enough rights to send text messages to the chat")
        return Place(chat, topic, reply_to)

    def _markup(self, params: Json) -> Json:
        return {"reply_markup": keyboard(params.get("reply_markup"))}

    def _caption(self, params: Json) -> Json:
        text, entities = caption(str(params.get("caption") or ""), params.get("parse_mode"))
        return {"caption": text, "caption_entities": entities}

    def _media(
        self, kind: str, given: object, uploads: dict[str, Upload], part: str = ""
    ) -> list[StoredFile]:
        """The file that a parameter names or brings along: a photo's sizes, or one document."""
        files = self._state.files
        name = str(given or "")
        upload = uploads.get(name.removeprefix("attach://") if name else part)
        if upload is None and not name:
            raise bad(f"there is no {kind} in the request")
        if upload is None and name.startswith("attach://"):
            raise bad("wrong file identifier/HTTP URL specified")
        if upload is None:
            file = files.find(name, kind)
            return file.siblings or [file]
        if not upload.data:
            raise bad("file must be non-empty")
        if kind == "document":
            return [files.document(upload.data, upload.name, upload.mime)]
        if len(upload.data) > MAX_PHOTO:
            raise Refused("Request Entity Too Large", 413)
        return files.photo(upload.data)

    def _send(
        self,
        place: Place,
        params: Json,
        content: Json,
        media: list[StoredFile] | None = None,
        counted: bool = False,
    ) -> Message:
        if not counted:
            self._state.count_against_flood(place.chat, 1)
        is_photo = bool(media) and media is not None and media[0].kind == "photo"
        return self._state.add(
            place.chat,
            self._state.bot,
            content,
            reply_to=place.reply_to,
            topic=place.topic,
            protected=truth(params.get("protect_content")),
            sizes=media if is_photo and media else (),
            file=None if is_photo or not media else media[0],
        )
