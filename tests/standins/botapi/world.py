"""Telegram's side of a story: people, chats, messages, files; a test makes them act."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from tests.standins.botapi.rules import Entity, Refused, entities_of

Json = dict[str, Any]

TOKEN = "123456:test-token"
BOT_ID = 123456
BOT: Json = {"id": BOT_ID, "is_bot": True, "first_name": "Shoebox", "username": "shoebox_bot"}
SERVICE = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
ANONYMOUS = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
RENDITIONS = (90, 320, 800, 1280)
"""Longest sides in pixels of the sizes that Telegram makes of a photo."""
MOST_DOWNLOAD = 20 * 1024 * 1024


@dataclass
class Person:
    id: int
    name: str
    username: str | None = None

    @property
    def json(self) -> Json:
        user: Json = {"id": self.id, "is_bot": False, "first_name": self.name}
        return user | ({"username": self.username} if self.username else {})


@dataclass
class File:
    """A stored file; `unique` stays the same however often it is sent."""

    id: str
    unique: str
    data: bytes
    size: int
    width: int = 0
    height: int = 0
    kind: str = "photo"
    name: str = ""
    mime: str = ""
    thumbnail: File | None = None
    lost: bool = False

    @property
    def json(self) -> Json:
        base: Json = {"file_id": self.id, "file_unique_id": self.unique, "file_size": self.size}
        if self.kind == "photo":
            return base | {"width": self.width, "height": self.height}
        base |= {"file_name": self.name, "mime_type": self.mime}
        return base | ({"thumbnail": self.thumbnail.json} if self.thumbnail else {})


@dataclass
class Message:
    """One message, by a person, the bot, or Telegram itself."""

    chat: Chat
    id: int
    json: Json
    date: int
    photo: list[File] = field(default_factory=list)
    document: File | None = None
    by_bot: bool = False
    deleted: bool = False
    protected: bool = False

    @property
    def text(self) -> str:
        return str(self.json.get("text") or self.json.get("caption") or "")

    @property
    def entities(self) -> list[Entity]:
        found: list[Entity] = self.json.get("entities") or self.json.get("caption_entities") or []
        return found

    @property
    def unique(self) -> str:
        """Identity of its photo or file."""
        return (
            self.photo[-1].unique if self.photo else self.document.unique if self.document else ""
        )

    @property
    def buttons(self) -> list[Json]:
        rows = (self.json.get("reply_markup") or {}).get("inline_keyboard", [])
        return [button for row in rows for button in row]

    @property
    def reply_to(self) -> int | None:
        answered = self.json.get("reply_to_message")
        return answered["message_id"] if answered else None

    def full(self, replies: bool = True) -> Json:
        """As it goes out in an update."""
        content = {"message_id": self.id, "date": self.date, "chat": self.chat.json} | self.json
        if self.photo:
            content["photo"] = [size.json for size in self.photo]
        if self.document:
            content["document"] = self.document.json
        if self.protected or self.chat.protected:
            content["has_protected_content"] = True
        if not replies:
            content.pop("reply_to_message", None)
        return content


@dataclass
class Chat:
    id: int
    kind: str
    title: str = ""
    forum: bool = False
    protected: bool = False
    members: dict[int, str] = field(default_factory=dict)
    """Status by user id."""
    messages: list[Message] = field(default_factory=list)
    topics: set[int] = field(default_factory=set)
    moved_to: int | None = None
    hides_photos: bool = False
    """Privacy mode holds here, as it was when the bot was added."""
    sent_at: list[float] = field(default_factory=list)
    read: int = 0
    """How many of the bot's messages a test has waited for."""
    owner: Person | None = None

    @property
    def json(self) -> Json:
        if self.owner is not None:
            return {"id": self.id, "type": "private", "first_name": self.owner.name}
        chat: Json = {"id": self.id, "type": self.kind, "title": self.title}
        return chat | ({"is_forum": True} if self.forum else {})

    @property
    def by_bot(self) -> list[Message]:
        """What the bot has said here and not deleted."""
        return [m for m in self.messages if m.by_bot and not m.deleted]

    def message(self, number: int) -> Message | None:
        return next((m for m in self.messages if m.id == number and not m.deleted), None)


@dataclass
class Press:
    """Somebody pressed a button; `answer` is what the bot told them."""

    id: str
    at: float
    answer: asyncio.Future[Json]

    async def answered(self, timeout: float = 10) -> Json:
        return await asyncio.wait_for(asyncio.shield(self.answer), timeout)


class World:
    """Everything the Bot API knows, and what people do in their clients."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.revoked = False
        self.privacy = False
        self.members_hidden = False
        self.flood_limit: tuple[int, float] | None = None
        """(messages, seconds) that a chat takes."""
        self.press_seconds = 60.0
        """How long a press can be answered."""
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, File] = {}
        self.updates: list[Json] = []
        self.news = asyncio.Event()
        self.confirmed = 0
        self.presses: dict[str, Press] = {}
        self.inline: dict[str, asyncio.Future[Json]] = {}
        self.calls: list[tuple[str, Json]] = []
        self.downloads: list[File] = []
        self.commands: dict[str, list[Json]] = {}
        self.webhook: Json = {}
        self._numbers = itertools.count(1000)
        self._update_ids = itertools.count(1)

    # --- who and where

    def person(self, name: str, username: str | None = None) -> Person:
        """Somebody who has started a private chat with the bot."""
        person = Person(next(self._numbers), name, username)
        self.people[person.id] = person
        self.chats[person.id] = Chat(person.id, "private", owner=person)
        return person

    def private(self, person: Person) -> Chat:
        return self.chats[person.id]

    def group(
        self,
        title: str,
        *people: Person,
        kind: str = "supergroup",
        forum: bool = False,
        protected: bool = False,
        bot: bool = True,
    ) -> Chat:
        """A group that the first person owns; the bot is added, unless `bot` is False."""
        number = next(self._numbers)
        chat = Chat(
            -number if kind == "group" else -1_000_000_000_000 - number,
            kind,
            title,
            forum,
            protected,
            {person.id: "member" for person in people},
        )
        if people:
            chat.members[people[0].id] = "creator"
        self.chats[chat.id] = chat
        if bot:
            self.add_bot(chat, people[0])
        return chat

    def add_bot(self, chat: Chat, by: Person, admin: bool = False) -> None:
        chat.hides_photos = self.privacy
        self._change_bot(chat, by, "administrator" if admin else "member")
        self._post(chat, {"from": by.json, "new_chat_members": [BOT]})

    def remove_bot(self, chat: Chat, by: Person) -> None:
        self._change_bot(chat, by, "kicked")

    def promote_bot(self, chat: Chat, by: Person) -> None:
        self._change_bot(chat, by, "administrator")

    def rename(self, chat: Chat, by: Person, title: str) -> None:
        chat.title = title
        self._post(chat, {"from": by.json, "new_chat_title": title})

    def migrate(self, chat: Chat) -> Chat:
        """A basic group becomes a supergroup; returns that one."""
        new = Chat(
            -1_000_000_000_000 - next(self._numbers), "supergroup", chat.title, members=chat.members
        )
        self.chats[new.id] = new
        self._post(chat, {"from": SERVICE, "migrate_to_chat_id": new.id})
        self._post(new, {"from": SERVICE, "migrate_from_chat_id": chat.id})
        chat.moved_to = new.id
        return new

    # --- what people post

    def say(
        self, chat: Chat, who: Person, text: str, reply_to: Message | None = None, topic: int = 0
    ) -> Message:
        return self._post(
            chat,
            {"from": who.json, "text": text, "entities": entities_of(text, [])},
            reply_to,
            topic,
        )

    def post_photo(
        self,
        chat: Chat,
        who: Person,
        data: bytes,
        caption: str = "",
        reply_to: Message | None = None,
        topic: int = 0,
        protected: bool = False,
        **more: Any,
    ) -> Message:
        """`more` goes into the message as it is, e.g. has_media_spoiler, via_bot, from."""
        content: Json = {"from": who.json, "caption": caption}
        content["caption_entities"] = entities_of(caption, [])
        return self._post(
            chat, content | more, reply_to, topic, photo=self._sizes(data), protected=protected
        )

    def post_again(self, chat: Chat, who: Person, message: Message, caption: str = "") -> Message:
        """Forward a photo that is known already: the same file."""
        origin = {"type": "hidden_user", "date": message.date, "sender_user_name": "Somebody"}
        content = {"from": who.json, "caption": caption, "forward_origin": origin}
        return self._post(chat, content, photo=message.photo)

    def post_album(
        self, chat: Chat, who: Person, photos: Sequence[bytes], caption: str = "", on: int = 0
    ) -> list[Message]:
        """Each photo is a message of its own; the caption is on one of them."""
        album = secrets.token_hex(8)
        return [
            self.post_photo(chat, who, data, caption if n == on else "", media_group_id=album)
            for n, data in enumerate(photos)
        ]

    def post_document(
        self,
        chat: Chat,
        who: Person,
        data: bytes,
        name: str,
        mime: str,
        thumbnail: bytes | None = None,
        claimed_size: int | None = None,
        caption: str = "",
    ) -> Message:
        small = self._store(thumbnail) if thumbnail else None
        file = self._store(data, "document", name, mime)
        file.thumbnail, file.size = small, claimed_size or len(data)
        content = {"from": who.json, "caption": caption}
        return self._post(chat, content, document=file)

    def post_as_channel(self, chat: Chat, title: str, data: bytes, caption: str = "") -> Message:
        """A linked channel's post appears in its group."""
        channel = {"id": -1_009_999_999_999, "type": "channel", "title": title}
        sender = Person(777000, "Telegram")
        return self.post_photo(
            chat, sender, data, caption, sender_chat=channel, is_automatic_forward=True
        )

    def post_anonymously(
        self, chat: Chat, data: bytes | None = None, text: str = "", **more: Any
    ) -> Message:
        """An admin speaks in the group's own name."""
        content: Json = {"from": ANONYMOUS, "sender_chat": chat.json}
        if data is None:
            content |= {"text": text, "entities": entities_of(text, [])}
            return self._post(chat, content, more.get("reply_to"))
        return self._post(chat, content | {"caption": text}, photo=self._sizes(data))

    def edit(
        self, message: Message, caption: str | None = None, data: bytes | None = None, **more: Any
    ) -> None:
        """Another caption, another photo, or (with `photo_gone`) none at all."""
        message.json |= {"edit_date": int(time.time())}
        if caption is not None:
            message.json |= {"caption": caption, "caption_entities": entities_of(caption, [])}
        if data is not None:
            message.photo = self._sizes(data)
        if more.get("photo_gone"):
            message.photo = []
            message.json["text"] = message.json.pop("caption", "") or "gone"
        self._queue("edited_message", message.full(), message.chat)

    def delete(self, message: Message) -> None:
        """No bot is told."""
        message.deleted = True

    def lose_file(self, message: Message) -> None:
        """Its file ids are worth nothing any more; the message stays."""
        for file in [*message.photo, *([message.document] if message.document else [])]:
            file.lost = True

    # --- buttons and inline

    def press(self, message: Message, label: str, by: Person) -> Press:
        button = next(b for b in message.buttons if b["text"] == label)
        return self.press_raw(message, button["callback_data"], by)

    def press_raw(self, message: Message, data: str, by: Person) -> Press:
        """Clients may send whatever data they like."""
        press = Press(
            secrets.token_hex(8), time.monotonic(), asyncio.get_running_loop().create_future()
        )
        self.presses[press.id] = press
        query = {
            "id": press.id,
            "from": by.json,
            "message": message.full(),
            "chat_instance": "1",
            "data": data,
        }
        self._queue("callback_query", query)
        return press

    async def ask_inline(self, who: Person, words: str, timeout: float = 10) -> Json:
        number = secrets.token_hex(8)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.inline[number] = answer
        self._queue("inline_query", {"id": number, "from": who.json, "query": words, "offset": ""})
        return await asyncio.wait_for(answer, timeout)

    # --- waiting

    async def bot_says(self, chat: Chat, count: int = 1, timeout: float = 20) -> list[Message]:
        """The next messages of the bot there that were not waited for yet."""
        async with asyncio.timeout(timeout):
            while len(chat.by_bot) < chat.read + count:
                await asyncio.sleep(0.01)
        found = chat.by_bot[chat.read : chat.read + count]
        chat.read += count
        return found

    async def settled(self, timeout: float = 20) -> None:
        """Every update was confirmed."""
        async with asyncio.timeout(timeout):
            while self.updates:
                await asyncio.sleep(0.01)

    def called(self, method: str) -> list[Json]:
        return [params for name, params in self.calls if name == method]

    # --- for the API

    def chat(self, number: object) -> Chat:
        """A chat that the bot may act in. Raises Refused."""
        chat = self.chats.get(int(str(number)))
        if chat is None:
            raise Refused("Bad Request: chat not found")
        if chat.moved_to:
            raise Refused(
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.moved_to,
            )
        if chat.kind != "private" and chat.members.get(BOT_ID, "left") in (
            "left",
            "kicked",
        ):
            raise Refused(f"Forbidden: bot was kicked from the {chat.kind} chat", 403)
        return chat

    def file(self, number: str, kind: str | None = None) -> File:
        found = self.files.get(number)
        if found is None or found.lost:
            raise Refused("Bad Request: wrong file identifier/HTTP URL specified")
        if kind is not None and found.kind != kind:
            raise Refused("Bad Request: type of file mismatch")
        return found

    def renditions(self, file: File) -> list[File]:
        """All sizes of the photo that a file is one of."""
        stem = re.sub(r"-\d+$", "", file.unique)
        return [f for f in self.files.values() if re.sub(r"-\d+$", "", f.unique) == stem]

    def bot_posts(self, chat: Chat, content: Json, **media: Any) -> Message:
        if self.flood_limit is not None:
            most, seconds = self.flood_limit
            now = time.monotonic()
            chat.sent_at = [at for at in chat.sent_at if now - at < seconds]
            if len(chat.sent_at) >= most:
                wait = max(1, round(seconds - (now - chat.sent_at[0])))
                raise Refused(f"Too Many Requests: retry after {wait}", 429, retry_after=wait)
            chat.sent_at.append(now)
        message = Message(
            chat,
            next(self._numbers),
            {"from": BOT} | content,
            int(time.time()),
            by_bot=True,
            **media,
        )
        chat.messages.append(message)
        return message

    def _post(
        self,
        chat: Chat,
        content: Json,
        reply_to: Message | None = None,
        topic: int = 0,
        protected: bool = False,
        **media: Any,
    ) -> Message:
        if reply_to is not None:
            content["reply_to_message"] = reply_to.full(replies=False)
        if topic:
            content |= {"message_thread_id": topic, "is_topic_message": True}
        content = {key: value for key, value in content.items() if value not in ("", [], None)}
        message = Message(
            chat, next(self._numbers), content, int(time.time()), protected=protected, **media
        )
        chat.messages.append(message)
        self._queue("message", message.full(), chat)
        return message

    def _queue(self, kind: str, content: Json, chat: Chat | None = None) -> None:
        if chat is not None and not self._is_shown(chat, content):
            return
        update = {"update_id": next(self._update_ids), kind: json.loads(json.dumps(content))}
        self.updates.append(update)
        self.news.set()

    def _is_shown(self, chat: Chat, content: Json) -> bool:
        """Whether the bot is in the chat, and privacy mode lets it see this message."""
        if chat.kind == "private":
            return True
        status = chat.members.get(BOT_ID, "left")
        if status not in ("member", "administrator"):
            return False
        if status == "administrator" or not chat.hides_photos:
            return True
        said = content.get("text") or content.get("caption") or ""
        answered = (content.get("reply_to_message") or {}).get("from", {}).get("id")
        is_service = not said and "photo" not in content and "document" not in content
        return said.startswith("/") or answered == BOT_ID or is_service

    def _change_bot(self, chat: Chat, by: Person, status: str) -> None:
        old = chat.members.get(BOT_ID, "left")
        chat.members[BOT_ID] = status
        change = {
            "chat": chat.json,
            "from": by.json,
            "date": int(time.time()),
            "old_chat_member": self.member(old, BOT),
            "new_chat_member": self.member(status, BOT),
        }
        self._queue("my_chat_member", change)

    def member(self, status: str, user: Json) -> Json:
        member: Json = {"status": status, "user": user}
        if status == "administrator":
            rights = """can_be_edited is_anonymous can_manage_chat can_delete_messages
                can_manage_video_chats can_restrict_members can_promote_members can_change_info
                can_invite_users can_post_stories can_edit_stories can_delete_stories""".split()
            member |= dict.fromkeys(rights, False)
        if status == "creator":
            member["is_anonymous"] = False
        if status == "kicked":
            member["until_date"] = 0
        if status == "restricted":
            rights = """is_member can_change_info can_invite_users can_pin_messages
                can_send_messages can_send_polls can_send_other_messages can_add_web_page_previews
                can_manage_topics can_send_audios can_send_documents can_send_photos can_send_videos
                can_send_video_notes can_send_voice_notes can_edit_tag""".split()
            member |= dict.fromkeys(rights, False) | {"until_date": 0}
        return member

    def _sizes(self, data: bytes) -> list[File]:
        """What Telegram makes of a photo: JPEGs of several sizes, none larger than it was."""
        stem = secrets.token_hex(8)
        sizes: list[File] = []
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB")
        except OSError:  # a test wants Telegram to hand out something broken
            return [self._store(data, unique=f"{stem}-800", width=800, height=600)]
        for side in RENDITIONS:
            if sizes and max(sizes[-1].width, sizes[-1].height) >= max(image.size):
                break
            small = image.copy()
            small.thumbnail((side, side))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=85)
            sizes.append(
                self._store(
                    out.getvalue(), unique=f"{stem}-{side}", width=small.width, height=small.height
                )
            )
        return sizes

    def _store(
        self,
        data: bytes,
        kind: str = "photo",
        name: str = "",
        mime: str = "",
        unique: str = "",
        width: int = 90,
        height: int = 90,
    ) -> File:
        file = File(
            secrets.token_hex(30),
            unique or f"{secrets.token_hex(8)}-0",
            data,
            len(data),
            width,
            height,
            kind,
            name,
            mime,
        )
        self.files[file.id] = file
        return file
