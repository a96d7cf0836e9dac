"""The things there are in Telegram's world: people, chats, topics, messages, presses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.standins.telegram.files import StoredFile
from tests.standins.telegram.rules import Json


@dataclass(eq=False)
class User:
    """A person, or a bot."""

    id: int
    name: str
    username: str | None = None
    is_bot: bool = False
    language: str = "en"
    """Of their app."""

    @property
    def json(self) -> Json:
        user: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username:
            user["username"] = self.username
        return user if self.is_bot else user | {"language_code": self.language}


SERVICE = User(777000, "Telegram")
ANONYMOUS = User(1087968824, "Group", "GroupAnonymousBot", is_bot=True)
CHANNEL_BOT = User(136817688, "Channel", "Channel_Bot", is_bot=True)


@dataclass(eq=False)
class Sender:
    """Somebody who posts in the name of a chat."""

    user: User
    chat: Json
    """The chat that is shown as the sender."""


@dataclass(eq=False)
class Topic:
    id: int
    name: str
    closed: bool = False
    deleted: bool = False


@dataclass(eq=False)
class Chat:
    """A chat; `members` holds everybody's status, also of those who left."""

    id: int
    kind: str
    title: str = ""
    username: str | None = None
    is_forum: bool = False
    protected: bool = False
    owner: User | None = None
    """Whose private chat it is."""
    members: dict[int, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    topics: dict[int, Topic] = field(default_factory=dict)
    migrated_to: int | None = None
    private_to_bot: bool = False
    """Privacy mode holds here: it was on when the bot was last added."""
    blocked: bool = False
    muted: bool = False
    """The bot may read, not write."""
    hidden_before: int = 0
    """Messages that the bot can't see: posted before it came, where the history is hidden."""
    sent_at: list[float] = field(default_factory=list)
    consumed: int = 0
    """How many of the bot's messages a test has waited for."""

    @property
    def json(self) -> Json:
        if self.owner is not None:
            chat: Json = {"id": self.id, "first_name": self.owner.name, "type": "private"}
        else:
            chat = {"id": self.id, "title": self.title, "type": self.kind}
        if self.username:
            chat["username"] = self.username
        return chat | ({"is_forum": True} if self.is_forum else {})

    @property
    def by_bot(self) -> list[Message]:
        """All that the bot ever posted here."""
        return [message for message in self.messages if message.by_bot]

    def message(self, number: object) -> Message | None:
        """A message that is still there, and shown to the bot."""
        there = (m for m in self.messages if m.id >= self.hidden_before and not m.deleted)
        return next((m for m in there if m.id == number), None)


class Button(NamedTuple):
    label: str
    data: str | None
    url: str | None


@dataclass(eq=False)
class Message:
    """One message; `json` is what updates and answers say of it."""

    chat: Chat
    json: Json
    by_bot: bool = False
    sizes: list[StoredFile] = field(default_factory=list)
    """A photo's sizes, smallest first."""
    file: StoredFile | None = None
    """A document."""
    deleted: bool = False

    @property
    def id(self) -> int:
        return int(self.json["message_id"])

    @property
    def kind(self) -> str:
        """text, photo, document or service."""
        return next((k for k in ("text", "photo", "document") if k in self.json), "service")

    @property
    def text(self) -> str:
        """Its text or caption, as it is shown."""
        return str(self.json.get("text") or self.json.get("caption") or "")

    @property
    def caption(self) -> str:
        return str(self.json.get("caption", ""))

    @property
    def entities(self) -> list[Json]:
        found: list[Json] = self.json.get("entities") or self.json.get("caption_entities") or []
        return found

    def entity_texts(self, kind: str) -> list[str]:
        """What of the text is marked so."""
        raw = self.text.encode("utf-16-le")
        return [
            raw[e["offset"] * 2 : (e["offset"] + e["length"]) * 2].decode("utf-16-le")
            for e in self.entities
            if e["type"] == kind
        ]

    @property
    def photo(self) -> list[Json]:
        """PhotoSizes, smallest first."""
        found: list[Json] = self.json.get("photo", [])
        return found

    @property
    def document(self) -> Json | None:
        found: Json | None = self.json.get("document")
        return found

    @property
    def file_id(self) -> str:
        """Of the document, or of the photo's largest size."""
        return str((self.document or self.photo[-1])["file_id"])

    @property
    def file_unique_id(self) -> str:
        return str((self.document or self.photo[-1])["file_unique_id"])

    @property
    def media_group_id(self) -> str | None:
        return self.json.get("media_group_id")

    @property
    def has_spoiler(self) -> bool:
        return bool(self.json.get("has_media_spoiler"))

    @property
    def protect_content(self) -> bool:
        return bool(self.json.get("has_protected_content"))

    @property
    def reply_to(self) -> int | None:
        """The id of the message that it answers."""
        answered = self.json.get("reply_to_message")
        return answered["message_id"] if answered else None

    @property
    def message_thread_id(self) -> int | None:
        return self.json.get("message_thread_id")

    @property
    def reply_markup(self) -> Json | None:
        return self.json.get("reply_markup")

    @property
    def buttons(self) -> list[Button]:
        """All buttons, row by row."""
        rows = (self.reply_markup or {}).get("inline_keyboard", [])
        return [Button(b["text"], b.get("callback_data"), b.get("url")) for r in rows for b in r]

    def files(self) -> Iterator[StoredFile]:
        yield from self.sizes
        if self.file is not None:
            yield self.file
            if self.file.thumbnail is not None:
                yield self.file.thumbnail

    def quoted(self) -> Json:
        """As it stands inside of a message that answers it."""
        return {key: value for key, value in self.json.items() if key != "reply_to_message"}


class CallbackAnswer(NamedTuple):
    text: str
    show_alert: bool


@dataclass(eq=False)
class Callback:
    """Somebody pressed a button."""

    id: str
    by: User
    data: str
    pressed_at: float
    answer: CallbackAnswer | None = None
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, answer: CallbackAnswer) -> None:
        self.answer = answer
        self._told.set()

    async def answered(self, timeout: float = 10) -> CallbackAnswer:
        """What the bot told the one who pressed."""
        async with asyncio.timeout(timeout):
            await self._told.wait()
        assert self.answer is not None
        return self.answer


class InlineAnswer(NamedTuple):
    results: list[Json]
    is_personal: bool
    cache_time: int


def member_json(status: str, user: User, *, is_member: bool = True) -> Json:
    """A ChatMember of Bot API 10."""
    member: Json = {"status": status, "user": user.json}
    if status == "creator":
        member["is_anonymous"] = False
    elif status == "administrator":
        rights = (
            "can_manage_chat can_delete_messages can_manage_video_chats can_restrict_members "
            "can_change_info can_invite_users can_post_stories can_edit_stories can_delete_stories "
            "can_pin_messages can_manage_topics"
        )
        member |= dict.fromkeys(rights.split(), True)
        member |= {"can_be_edited": False, "can_promote_members": False, "is_anonymous": False}
    elif status == "restricted":
        rights = (
            "can_change_info can_invite_users can_pin_messages can_manage_topics can_send_messages "
            "can_send_audios can_send_documents can_send_photos can_send_videos "
            "can_send_video_notes can_send_voice_notes can_send_polls can_send_other_messages "
            "can_add_web_page_previews can_edit_tag can_react_to_messages"
        )
        member |= dict.fromkeys(rights.split(), False) | {"is_member": is_member, "until_date": 0}
    elif status == "kicked":
        member["until_date"] = 0
    return member
