"""What Telegram's servers hold for one bot: its chats, its files, and the updates it waits for."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.standins.telegram.files import Download, Files, StoredFile
from tests.standins.telegram.model import (
    Callback,
    CallbackAnswer,
    Chat,
    InlineAnswer,
    Message,
    Sender,
    Topic,
    User,
    member_json,
)
from tests.standins.telegram.rules import Json, Refused, bad

IN_CHAT = ("creator", "administrator", "member", "restricted")
NOT_BY_DEFAULT = ("chat_member", "message_reaction", "message_reaction_count")


class Call(NamedTuple):
    method: str
    params: Json


@dataclass
class Fault:
    """What goes wrong with the next calls of a method."""

    method: str
    times: int
    kind: str
    """error, cut, cut_after or garbage."""
    status: int = 500
    description: str = ""
    retry_after: int | None = None


class State:
    """Switches may be turned while it is served; what the bot did is there to be read."""

    def __init__(self, token: str = "123456:test-token") -> None:
        self.token = token
        self.revoked = False
        self.privacy = False
        """BotFather's privacy mode; a chat heeds a change once the bot is added to it again."""
        self.inline = True
        """BotFather's inline mode."""
        self.members_hidden = False
        self.flood_limit: tuple[int, float] | None = None
        """How many messages a chat takes in how many seconds."""
        self.callback_seconds = 60.0
        """How long a press can be answered."""
        self.clock: Callable[[], float] = time.time
        """Says when messages are posted."""
        self.drip = 0
        """How many of the next downloads end in the middle."""
        self.bot = User(int(token.partition(":")[0]), "Shoebox", "shoebox_bot", is_bot=True)
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.chats: dict[int, Chat] = {}
        self.files = Files()
        self.calls: list[Call] = []
        self.downloads: list[Download] = []
        self.commands: dict[str, list[Json]] = {}
        """By the scope's type, with :language where one is given."""
        self.descriptions: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.callbacks: dict[str, Callback] = {}
        self.inline_answers: dict[str, tuple[float, asyncio.Future[InlineAnswer]]] = {}
        self.pending: list[Json] = []
        """Updates that are not confirmed yet."""
        self.news = asyncio.Event()
        self.allowed_updates: list[str] = []
        self.webhook: Json = {}
        self._update_ids = itertools.count(710_000_001)
        self._numbers = itertools.count(5001)
        self._message_ids = itertools.count(101)

    # --- what goes wrong

    def fail(
        self,
        method: str,
        times: int = 1,
        status: int = 500,
        description: str = "Internal Server Error",
        retry_after: int | None = None,
    ) -> None:
        """The next calls of a method (* is any; download is a file's) answer with an error."""
        self.faults.append(Fault(method, times, "error", status, description, retry_after))

    def cut(self, method: str, times: int = 1, after: bool = False) -> None:
        """The connection ends without an answer; with `after`, once the call has had its effect."""
        self.faults.append(Fault(method, times, "cut_after" if after else "cut"))

    def garbage(self, method: str, times: int = 1, status: int = 200) -> None:
        """The answer is a web page, as from a proxy."""
        self.faults.append(Fault(method, times, "garbage", status))

    def take_fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method.lower() in ("*", method.lower()) and fault.times:
                fault.times -= 1
                return fault
        return None

    def revoke(self) -> None:
        """The token is worth nothing any more."""
        self.revoked = True
        self.news.set()

    def restore(self) -> None:
        self.revoked = False

    def expire_file(self, what: Message | StoredFile) -> None:
        """No id of its files is worth anything any more, wherever it was sent."""
        for file in what.files() if isinstance(what, Message) else [what]:
            for each in file.siblings or [file]:
                each.expired = True

    def spoil_file(self, message: Message, data: bytes = b"not an image") -> None:
        """Other bytes are served than were posted."""
        for file in message.files():
            file.data = data

    # --- what the bot did

    def called(self, method: str) -> list[Json]:
        """The parameters of every call of a method."""
        return [call.params for call in self.calls if call.method == method]

    async def bot_sends(self, chat: Chat, count: int = 1, timeout: float = 10) -> list[Message]:
        """The bot's next messages in a chat that were not waited for yet."""
        await self._until(
            lambda: len(chat.by_bot) >= chat.consumed + count,
            timeout,
            lambda: (
                f"the bot sent {[m.text or m.kind for m in chat.by_bot[chat.consumed :]]}, "
                f"not {count} messages"
            ),
        )
        chat.consumed += count
        return chat.by_bot[chat.consumed - count : chat.consumed]

    async def idle(self, timeout: float = 10) -> None:
        """Until every update was confirmed."""
        await self._until(
            lambda: not self.pending, timeout, lambda: f"not confirmed: {self.pending}"
        )

    async def _until(
        self, holds: Callable[[], bool], timeout: float, otherwise: Callable[[], str]
    ) -> None:
        end = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < end, otherwise()
            await asyncio.sleep(0.005)

    # --- chats and messages

    def chat_of(self, number: object) -> Chat:
        """A chat that the bot may act in. Raises Refused."""
        if number in (None, ""):
            raise bad("chat_id is empty")
        if isinstance(number, str) and number.startswith("@"):
            named = (c for c in self.chats.values() if c.username == number[1:] and not c.owner)
            chat = next(named, None)
        else:
            try:
                number = int(str(number))
            except ValueError:
                raise bad("chat not found") from None
            if number in self.users and number not in self.chats:
                raise Refused("Forbidden: bot can't initiate conversation with a user", 403)
            chat = self.chats.get(number)
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to is not None:
            raise bad(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to
            )
        if chat.owner is not None:
            if chat.blocked:
                raise Refused("Forbidden: bot was blocked by the user", 403)
            return chat
        status = chat.members.get(self.bot.id)
        if status is None and chat.username is None:
            raise bad("chat not found")
        if status == "kicked":
            raise Refused(f"Forbidden: bot was kicked from the {chat.kind} chat", 403)
        if status not in IN_CHAT:
            raise Refused(f"Forbidden: bot is not a member of the {chat.kind} chat", 403)
        return chat

    def is_bot_admin(self, chat: Chat) -> bool:
        return chat.members.get(self.bot.id) in ("administrator", "creator")

    def count_against_flood(self, chat: Chat, messages: int) -> None:
        """Raises Refused when a chat has had too many."""
        if self.flood_limit is None:
            return
        most, seconds = self.flood_limit
        now = time.monotonic()
        chat.sent_at = [at for at in chat.sent_at if now - at < seconds]
        if len(chat.sent_at) + messages > most:
            wait = max(1, math.ceil(seconds - (now - (chat.sent_at or [now])[0])))
            raise Refused(f"Too Many Requests: retry after {wait}", 429, retry_after=wait)
        chat.sent_at += [now] * messages

    def add(
        self,
        chat: Chat,
        who: User | Sender,
        content: Json,
        *,
        reply_to: Message | None = None,
        topic: Topic | None = None,
        protected: bool = False,
        sizes: Iterable[StoredFile] = (),
        file: StoredFile | None = None,
    ) -> Message:
        """Put a message into a chat; nobody is told yet."""
        user = who.user if isinstance(who, Sender) else who
        own = chat.kind == "supergroup"
        number = len(chat.messages) + 1 if own else next(self._message_ids)
        head: Json = {"message_id": number, "from": user.json}
        if isinstance(who, Sender):
            head["sender_chat"] = who.chat
        head |= {"date": int(self.clock()), "chat": chat.json}
        if reply_to is not None and reply_to.message_thread_id and chat.is_forum and topic is None:
            topic = chat.topics.get(reply_to.message_thread_id)
        if topic is not None:
            head |= {"message_thread_id": topic.id, "is_topic_message": True}
        elif reply_to is not None and chat.kind == "supergroup":
            # Threads of replies carry an id too, which can't be sent to.
            head["message_thread_id"] = reply_to.message_thread_id or reply_to.id
        if reply_to is not None:
            head["reply_to_message"] = reply_to.quoted()
        if protected or chat.protected:
            head["has_protected_content"] = True
        message = Message(chat, head, user is self.bot, list(sizes), file)
        if message.sizes:
            head["photo"] = [self.files.json(size) for size in message.sizes]
        if file is not None:
            head["document"] = self.files.json(file)
        head |= {key: value for key, value in content.items() if value not in (None, "", [], False)}
        chat.messages.append(message)
        return message

    # --- updates

    def tell(self, kind: str, message: Message) -> Message:
        """Queue a message as an update, if the bot would get to see it."""
        if self._sees(message):
            self.queue(kind, message.json)
        return message

    def queue(self, kind: str, content: Json) -> None:
        if kind not in self.allowed_updates if self.allowed_updates else kind in NOT_BY_DEFAULT:
            return
        update = {"update_id": next(self._update_ids), kind: json.loads(json.dumps(content))}
        self.pending.append(update)
        self.news.set()

    def confirm(self, offset: int) -> None:
        self.pending = [update for update in self.pending if update["update_id"] >= offset]

    def _sees(self, message: Message) -> bool:
        chat = message.chat
        if chat.owner is not None:
            return not chat.blocked
        if chat.members.get(self.bot.id) not in IN_CHAT:
            return False
        if self.is_bot_admin(chat) or not chat.private_to_bot or message.kind == "service":
            return True
        if (message.json.get("via_bot") or {}).get("id") == self.bot.id:
            return True
        answered: Any = message.json.get("reply_to_message") or {}
        if (answered.get("from") or {}).get("id") == self.bot.id:
            return True
        addressed = [c.partition("@")[2].lower() for c in message.entity_texts("bot_command")]
        return any(name in ("", str(self.bot.username).lower()) for name in addressed)

    def member(self, chat: Chat, user: User) -> Json:
        status = chat.members.get(user.id, "left")
        return member_json(status.removesuffix(" out"), user, is_member=not status.endswith("out"))

    def set_member(self, chat: Chat, user: User, status: str, by: User) -> None:
        """Change what somebody is in a chat, and tell the bot if it may know."""
        was_there = chat.members.get(self.bot.id) in IN_CHAT
        old = self.member(chat, user)
        chat.members[user.id] = status
        change = {
            "chat": chat.json,
            "from": by.json,
            "date": int(self.clock()),
            "old_chat_member": old,
            "new_chat_member": self.member(chat, user),
        }
        if user is self.bot:
            self.queue("my_chat_member", change)
        elif was_there and self.is_bot_admin(chat):
            self.queue("chat_member", change)

    def answer_callback(self, number: object, answer: CallbackAnswer) -> None:
        """Raises Refused."""
        callback = self.callbacks.get(str(number))
        if (
            callback is None
            or callback.answer is not None
            or time.monotonic() - callback.pressed_at > self.callback_seconds
        ):
            raise bad("query is too old and response timeout expired or query ID is invalid")
        callback.tell(answer)
