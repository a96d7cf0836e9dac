"""What people do in their clients: make groups, post, edit, delete, press, ask."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

from tests.standins.telegram.files import StoredFile
from tests.standins.telegram.model import (
    ANONYMOUS,
    CHANNEL_BOT,
    SERVICE,
    Callback,
    Chat,
    InlineAnswer,
    Message,
    Sender,
    Topic,
    User,
)
from tests.standins.telegram.rules import Json, entities_of
from tests.standins.telegram.state import State

Who = User | Sender


class World(State):
    """Telegram's clients."""

    # --- people and chats

    def user(self, name: str, username: str | None = None, is_bot: bool = False) -> User:
        user = User(next(self._numbers), name, username, is_bot)
        self.users[user.id] = user
        return user

    def private(self, user: User) -> Chat:
        """The private chat that a user has started with the bot."""
        if user.id not in self.chats:
            self.chats[user.id] = Chat(user.id, "private", username=user.username, owner=user)
        return self.chats[user.id]

    def block(self, user: User) -> None:
        """A user blocks the bot."""
        chat = self.private(user)
        self.set_member(chat, self.bot, "kicked", user)
        chat.blocked = True

    def group(
        self,
        title: str,
        members: Sequence[User] = (),
        kind: str = "supergroup",
        forum: bool = False,
        protected: bool = False,
        username: str | None = None,
    ) -> Chat:
        """A group without the bot; the first member owns it."""
        assert kind == "supergroup" or (kind == "group" and not (forum or username))
        number = next(self._numbers)
        chat = Chat(
            -1_000_000_000_000 - number if kind == "supergroup" else -number,
            kind,
            title,
            username,
            forum,
            protected,
            members={user.id: "member" if n else "creator" for n, user in enumerate(members)},
        )
        self.chats[chat.id] = chat
        return chat

    def topic(self, group: Chat, name: str, by: User | None = None) -> Topic:
        assert group.is_forum
        created = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message = self.add(group, by or self._owner(group), created)
        topic = group.topics[message.id] = Topic(message.id, name)
        message.json |= {"message_thread_id": topic.id, "is_topic_message": True}
        self.tell("message", message)
        return topic

    def add_bot(self, group: Chat, by: User, admin: bool = False) -> None:
        group.private_to_bot = self.privacy
        self.set_member(group, self.bot, "administrator" if admin else "member", by)
        self._service(group, by, new_chat_members=[self.bot.json])

    def remove_bot(self, group: Chat, by: User) -> None:
        self.set_member(group, self.bot, "kicked", by)
        if group.kind == "group":  # only there is the service message told to who has gone
            gone = self.add(group, by, {"left_chat_member": self.bot.json})
            self.queue("message", gone.json)

    def promote_bot(self, group: Chat, by: User) -> None:
        self.set_member(group, self.bot, "administrator", by)

    def demote_bot(self, group: Chat, by: User) -> None:
        self.set_member(group, self.bot, "member", by)

    def make_admin(self, group: Chat, user: User, by: User | None = None) -> None:
        self.set_member(group, user, "administrator", by or self._owner(group))

    def restrict(self, group: Chat, user: User, is_member: bool = True) -> None:
        """Somebody may no longer write; and is not in the group either, unless `is_member`."""
        status = "restricted" if is_member else "restricted out"
        self.set_member(group, user, status, self._owner(group))

    def join(self, group: Chat, user: User) -> None:
        self.set_member(group, user, "member", user)
        self._service(group, user, new_chat_members=[user.json])

    def leave(self, group: Chat, user: User) -> None:
        self.set_member(group, user, "left", user)
        self._service(group, user, left_chat_member=user.json)

    def kick(self, group: Chat, user: User, by: User | None = None) -> None:
        self.set_member(group, user, "kicked", by or self._owner(group))
        self._service(group, by or self._owner(group), left_chat_member=user.json)

    def rename(self, group: Chat, title: str, by: User | None = None) -> None:
        group.title = title
        self._service(group, by or self._owner(group), new_chat_title=title)

    def migrate(self, group: Chat) -> Chat:
        """A basic group becomes a supergroup, which is returned; the old messages stay behind."""
        assert group.kind == "group"
        new = self.group(group.title)
        new.members = dict(group.members)
        new.protected, new.private_to_bot = group.protected, group.private_to_bot
        self._service(group, self._owner(group), migrate_to_chat_id=new.id)
        anonymous = Sender(ANONYMOUS, new.json)
        self.tell("message", self.add(new, anonymous, {"migrate_from_chat_id": group.id}))
        group.migrated_to = new.id
        return new

    def _owner(self, group: Chat) -> User:
        return next((self.users[n] for n, s in group.members.items() if s == "creator"), SERVICE)

    def _service(self, group: Chat, who: Who, **content: Any) -> Message:
        return self.tell("message", self.add(group, who, content))

    # --- what people post

    def say(
        self,
        chat: Chat,
        who: Who,
        text: str,
        reply_to: Message | None = None,
        topic: Topic | None = None,
        protected: bool = False,
        **more: Any,
    ) -> Message:
        """A text. `more` of every kind of post goes into the message as it is."""
        content = {"text": text, "entities": entities_of(text)} | more
        message = self.add(chat, who, content, reply_to=reply_to, topic=topic, protected=protected)
        return self.tell("message", message)

    def post_photo(
        self,
        chat: Chat,
        who: Who,
        data: bytes,
        caption: str = "",
        spoiler: bool = False,
        topic: Topic | None = None,
        reply_to: Message | None = None,
        protected: bool = False,
        forwarded_from: User | str | Message | None = None,
        media_group_id: str | None = None,
        via_bot: bool = False,
        **more: Any,
    ) -> Message:
        """A photo; `via_bot`: chosen from our bot's inline results."""
        content: Json = {
            "caption": caption,
            "caption_entities": entities_of(caption),
            "has_media_spoiler": spoiler,
            "media_group_id": media_group_id,
            "forward_origin": self._origin(forwarded_from),
            "via_bot": self.bot.json if via_bot else None,
        }
        return self._post(
            chat, who, content | more, self.files.photo(data), None, reply_to, topic, protected
        )

    def post_album(
        self,
        chat: Chat,
        who: Who,
        photos: Sequence[bytes],
        caption: str = "",
        caption_on: int = 0,
        **more: Any,
    ) -> list[Message]:
        """Photos in updates of their own that share a media_group_id."""
        assert 2 <= len(photos) <= 10
        album = str(secrets.randbelow(10**17))
        return [
            self.post_photo(
                chat, who, data, caption if n == caption_on else "", media_group_id=album, **more
            )
            for n, data in enumerate(photos)
        ]

    def post_document(
        self,
        chat: Chat,
        who: Who,
        data: bytes,
        name: str,
        mime: str,
        thumbnail: bytes | None = None,
        claimed_size: int | None = None,
        caption: str = "",
        topic: Topic | None = None,
        reply_to: Message | None = None,
        protected: bool = False,
        forwarded_from: User | str | Message | None = None,
        media_group_id: str | None = None,
        **more: Any,
    ) -> Message:
        file = self.files.document(data, name, mime, thumbnail, claimed_size)
        content: Json = {
            "caption": caption,
            "caption_entities": entities_of(caption),
            "media_group_id": media_group_id,
            "forward_origin": self._origin(forwarded_from),
        }
        return self._post(chat, who, content | more, [], file, reply_to, topic, protected)

    def forward(
        self, message: Message, chat: Chat, who: Who, topic: Topic | None = None, **more: Any
    ) -> Message:
        """The same file again, under new ids and the old unique ones."""
        kept = ("text", "entities", "caption", "caption_entities", "has_media_spoiler")
        content = {key: message.json[key] for key in kept if key in message.json}
        content["forward_origin"] = self._origin(message)
        return self._post(
            chat, who, content | more, message.sizes, message.file, None, topic, False
        )

    def channel(self, title: str) -> Json:
        """A channel, as messages speak of it."""
        return {"id": -1_000_000_000_000 - next(self._numbers), "title": title, "type": "channel"}

    def post_as_channel(
        self, group: Chat, channel_title: str, data: bytes, caption: str = "", **more: Any
    ) -> Message:
        """A linked channel's post is forwarded into its group by itself."""
        channel = self.channel(channel_title)
        origin = {"type": "channel", "chat": channel, "message_id": 7, "date": int(self.clock())}
        more |= {"is_automatic_forward": True, "forward_origin": origin}
        return self.post_photo(group, Sender(SERVICE, channel), data, caption, **more)

    def anonymous(self, group: Chat) -> Sender:
        """An admin who posts in the group's name: for `who` of any post."""
        return Sender(ANONYMOUS, group.json)

    def own_channel(self, title: str) -> Sender:
        """Somebody who posts in the name of a channel of their own: for `who` of any post."""
        return Sender(CHANNEL_BOT, self.channel(title))

    def post_anonymously(
        self, group: Chat, data: bytes | None = None, text: str = "", **more: Any
    ) -> Message:
        """An admin's photo, or without one a text, in the group's name."""
        if data is None:
            return self.say(group, self.anonymous(group), text, **more)
        return self.post_photo(group, self.anonymous(group), data, text, **more)

    def _post(
        self,
        chat: Chat,
        who: Who,
        content: Json,
        sizes: list[StoredFile],
        file: StoredFile | None,
        reply_to: Message | None,
        topic: Topic | None,
        protected: bool,
    ) -> Message:
        message = self.add(
            chat,
            who,
            content,
            reply_to=reply_to,
            topic=topic,
            protected=protected,
            sizes=sizes,
            file=file,
        )
        return self.tell("message", message)

    def _origin(self, source: User | str | Message | None) -> Json | None:
        date = int(self.clock()) - 3600
        match source:
            case None:
                return None
            case str():
                return {"type": "hidden_user", "date": date, "sender_user_name": source}
            case User():
                return {"type": "user", "date": date, "sender_user": source.json}
            case Message():
                user = {"type": "user", "sender_user": source.json["from"]}
                return user | {"date": source.json["date"]}

    # --- what they change afterwards

    def edit_text(self, message: Message, text: str) -> Message:
        return self._edit(message, text=text, entities=entities_of(text))

    def edit_caption(self, message: Message, caption: str) -> Message:
        return self._edit(message, caption=caption, caption_entities=entities_of(caption))

    def edit_photo(self, message: Message, data: bytes, caption: str | None = None) -> Message:
        """Another photo in the place of a photo, a document or a text, which becomes its caption;
        with the old caption, unless another is given."""
        kept = message.text if caption is None else caption
        message.sizes, message.file = self.files.photo(data), None
        for key in ("document", "text", "entities"):
            message.json.pop(key, None)
        return self._edit(
            message,
            photo=[self.files.json(size) for size in message.sizes],
            caption=kept,
            caption_entities=entities_of(kept),
        )

    def edit_document(self, message: Message, data: bytes, name: str, mime: str) -> Message:
        """A file in the place of a photo or of another file."""
        message.sizes, message.file = [], self.files.document(data, name, mime)
        message.json.pop("photo", None)
        return self._edit(message, document=self.files.json(message.file))

    def _edit(self, message: Message, **content: Any) -> Message:
        message.json |= content | {"edit_date": int(self.clock())}
        for key in [key for key in content if content[key] in ("", [])]:
            del message.json[key]
        return self.tell("edited_message", message)

    def delete(self, message: Message) -> None:
        """No bot is told."""
        message.deleted = True

    # --- buttons and inline questions

    def press(self, message: Message, label_or_data: str, by: User) -> Callback:
        """Press one of a message's buttons."""
        for button in message.buttons:
            if button.data is not None and label_or_data in (button.label, button.data):
                return self.press_raw(message, button.data, by)
        raise AssertionError(f"no button {label_or_data!r} among {message.buttons}")

    def press_raw(self, message: Message, data: str, by: User) -> Callback:
        """A client may send any data, whatever the buttons hold."""
        callback = Callback(secrets.token_hex(9), by, data, time.monotonic())
        self.callbacks[callback.id] = callback
        shown = message.json
        if message.deleted:
            shown = {"chat": message.chat.json, "message_id": message.id, "date": 0}
        query = {
            "id": callback.id,
            "from": by.json,
            "message": shown,
            "chat_instance": str(abs(message.chat.id) * 7),
            "data": data,
        }
        self.queue("callback_query", query)
        return callback

    async def ask_inline(
        self,
        who: User,
        query: str,
        timeout: float = 10,
        offset: str = "",
        chat_type: str | None = "sender",
    ) -> InlineAnswer:
        """Type the bot's name and some words into a chat that it knows nothing of."""
        assert self.inline, "inline mode is off"
        number = secrets.token_hex(9)
        answer: asyncio.Future[InlineAnswer] = asyncio.get_running_loop().create_future()
        self.inline_answers[number] = (time.monotonic(), answer)
        asked: Json = {"id": number, "from": who.json, "query": query, "offset": offset}
        self.queue("inline_query", asked | ({"chat_type": chat_type} if chat_type else {}))
        return await asyncio.wait_for(answer, timeout)
