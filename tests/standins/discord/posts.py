"""What people post, change and take back."""

from __future__ import annotations

import asyncio
import io
import itertools
import re

from PIL import Image
from simcord.backend import serializers
from simcord.backend.models import Channel, Message, SystemMessageMetadata, User, Webhook
from simcord.enums import ChannelType, MessageType

from tests.standins.discord.state import State

FORWARD = 1
Upload = bytes | tuple[str, bytes]
"""A file, with a name of its own or one that is made up."""


class Posts(State):
    """People may only do here what their permissions let them do."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._timers: list[asyncio.TimerHandle] = []

    def post(
        self,
        channel: Channel,
        author: User,
        content: str = "",
        *files: Upload,
        reply_to: Message | None = None,
        spoiler: bool = False,
        alt: str | None = None,
        flags: int = 0,
    ) -> Message:
        """Somebody posts a message, perhaps with files."""
        self._require(channel, author, *(["attach_files"] if files else []))
        if channel.thread_metadata is not None and channel.thread_metadata.archived:
            self.archive(channel, False)
        reference = None
        if reply_to is not None:
            reference = self.backend.normalize_message_reference(
                channel.id, {"message_id": str(reply_to.id)}
            )
        return self.backend.create_message(
            channel.id,
            author.id,
            content,
            attachments=[self._stored(channel, file, spoiler, alt) for file in files],
            reference=reference,
            flags=flags,
        )

    def webhook(self, channel: Channel, name: str, creator: User) -> Webhook:
        """An incoming webhook."""
        return self.backend.create_webhook(channel.id, name, creator.id)

    def post_by(self, webhook: Webhook, content: str = "", *files: Upload) -> Message:
        """A webhook posts."""
        channel = self.backend.get_channel(webhook.channel_id)
        return self.backend.create_message(
            channel.id,
            webhook.webhook_user_id,
            content,
            attachments=[self._stored(channel, file, False, None) for file in files],
            webhook_id=webhook.id,
        )

    def forward(self, message: Message, channel: Channel, author: User) -> Message:
        """Somebody forwards a message, which is copied as it is now."""
        reference = {
            "type": FORWARD,
            "channel_id": str(message.channel_id),
            "message_id": str(message.id),
        }
        return self.backend.create_message(channel.id, author.id, reference=reference)

    def post_link(
        self, channel: Channel, author: User, link: str, image: bytes, after: float | None = 0.05
    ) -> Message:
        """Somebody posts a link to an image; its embed comes with an update a moment later, or,
        with None, when `unfurl` is called."""
        message = self.post(channel, author, link)
        if after is not None:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(after, self.unfurl, message, link, image))
        return message

    def unfurl(self, message: Message, link: str, image: bytes) -> None:
        """Discord has looked at a link, and shows the image by its proxy."""
        path = self.cdn.store_external(link, image)
        file = self.cdn.files[path]
        thumbnail = {"url": link, "proxy_url": f"{self.cdn.base}/proxy{path}", **file.facts}
        message.embeds = [{"type": "image", "url": link, "thumbnail": thumbnail}]
        payload = serializers.message_payload(self.backend, message)
        self.backend.emit("MESSAGE_UPDATE", payload)

    def edit(self, message: Message, content: str) -> None:
        """The author changes the text."""
        self.backend.edit_message(message.channel_id, message.id, {"content": content})

    def drop(self, message: Message, index: int = 0) -> None:
        """The author takes one file out of a message."""
        kept = [file for i, file in enumerate(message.attachments) if i != index]
        self.backend.edit_message(message.channel_id, message.id, {"attachments": kept})

    def delete(self, *messages: Message) -> None:
        """A message is deleted, or several of a channel at once."""
        channel = messages[0].channel_id
        if len(messages) == 1:
            self.backend.delete_message(channel, messages[0].id)
        else:
            self.backend.bulk_delete_messages(channel, [message.id for message in messages])

    def thread(
        self,
        channel: Channel,
        name: str,
        owner: User,
        *members: User,
        private: bool = False,
        message: Message | None = None,
    ) -> Channel:
        """A thread in a channel, perhaps about a message of it."""
        kind = ChannelType.PRIVATE_THREAD if private else ChannelType.PUBLIC_THREAD
        thread = self.backend.create_thread(
            channel.id,
            name,
            owner.id,
            type=kind,
            message_id=message.id if message else None,
            broadcast=False,
        )
        for member in members:
            thread.thread_members[member.id] = self.backend.now_iso()
        self.backend.announce_thread_create(thread)
        if message is not None:
            self._begin(thread, message, owner)
        elif not private:
            self.backend.create_system_message(
                channel.id, MessageType.THREAD_CREATED, owner.id, target_channel_id=thread.id
            )
        return thread

    def forum_post(
        self, forum: Channel, name: str, author: User, content: str = "", *files: Upload
    ) -> tuple[Channel, Message]:
        """A post in a forum: a thread that begins with a message of its own id."""
        assert forum.type == ChannelType.FORUM
        self._require(forum, author)
        id_ = self.backend.snowflake()
        thread = self.backend.create_thread(
            forum.id, name, author.id, message_id=id_, broadcast=False
        )
        self.backend.announce_thread_create(thread)
        starter = self.backend.prepare_message(
            thread.id,
            author.id,
            content,
            attachments=[self._stored(thread, file, False, None) for file in files],
        )
        starter.id = id_
        return thread, self.backend.commit_message(starter)

    def archive(self, thread: Channel, archived: bool = True) -> None:
        """A thread is put away, or taken out again."""
        self.backend.edit_channel(
            thread.id,
            {},
            thread_metadata={
                "archived": archived,
                "archive_timestamp": self.backend.now_iso(),
            },
        )

    def add(self, thread: Channel, user: User) -> None:
        """Somebody becomes a member of a thread. A bot hears of the thread, too."""
        self.backend.add_thread_member(thread.id, user.id)
        if user.id == self.bot:
            payload = serializers.channel_payload(self.backend, thread)
            self.backend.emit("THREAD_CREATE", payload)

    def remove(self, thread: Channel, user: User) -> None:
        """Somebody is no longer a member of a thread."""
        self.backend.remove_thread_member(thread.id, user.id)

    def _begin(self, thread: Channel, about: Message, owner: User) -> None:
        """A thread about a message begins with an empty one that refers to it."""
        referred = SystemMessageMetadata(
            referenced_channel_id=about.channel_id, referenced_message_id=about.id
        )
        first = self.backend.prepare_message(
            thread.id,
            owner.id,
            "-",
            message_type=MessageType.THREAD_STARTER_MESSAGE,
            system_metadata=referred,
        )
        first.content = ""
        self.backend.commit_message(first, broadcast=False)

    def stop_timers(self) -> None:
        """Nothing more comes by itself."""
        while self._timers:
            self._timers.pop().cancel()

    def _require(self, channel: Channel, author: User, *more: str) -> None:
        if channel.guild_id is None:
            return
        assert channel.guild_id not in self.outages, "nobody can post there now"
        send = "send_messages_in_threads" if channel.is_thread else "send_messages"
        self.backend.require_permissions(channel.guild_id, author.id, channel.id, send, *more)

    def _stored(
        self, channel: Channel, file: Upload, spoiler: bool, alt: str | None
    ) -> dict[str, object]:
        name, content = file if isinstance(file, tuple) else (self._name(file), file)
        name = re.sub(r"[^\w.\-]", "", name.replace(" ", "_"))
        if spoiler:
            name = f"SPOILER_{name}"
        id_ = self.backend.snowflake()
        return self.backend.cdn.store_attachment(id_, channel.id, name, content, alt)

    def _name(self, content: bytes) -> str:
        try:
            with Image.open(io.BytesIO(content)) as image:
                kind = (image.format or "bin").lower()
        except OSError:
            kind = "bin"
        return f"image-{next(self._numbers)}.{'jpg' if kind == 'jpeg' else kind}"
