"""The bot's own coming and going: joining, what it can see, being sent away, moving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from telegram import Chat, ChatMember, ChatMemberRestricted, ChatMemberUpdated, Message, User
from telegram.error import ChatMigrated, TelegramError

from adapters.telegram import text
from adapters.telegram.bot import TelegramBot, is_gone
from adapters.telegram.ids import PREFIX, chat_id, group_id
from adapters.telegram.places import Place
from adapters.wording import ageing, grace
from bot.errors import StoreError
from bot.language import Language, say, speak
from bot.memory import PhotoMemory
from bot.photos import Group

log = logging.getLogger(__name__)

HIDDEN = "photos are hidden"
"""Note on a group in which Telegram hides photos from the bot, and people were told."""
ROUND_SECONDS = 24 * 3600.0
PAUSE_SECONDS = 1.0
AGAIN_SECONDS = 600.0
"""Between two groups on a round, so that it costs nothing."""

GROUPS = (Chat.GROUP, Chat.SUPERGROUP)

Say = Callable[[int, str], Coroutine[Any, Any, None]]
"""Sends a message of our own words to a chat. Raises TelegramError."""
Spawn = Callable[[Coroutine[Any, Any, None], int], None]
"""Runs in the background what may wait for Telegram; errors concern that chat."""


class Groups:
    """What the memory knows of the groups that the bot is in."""

    def __init__(
        self,
        bot: TelegramBot,
        memory: PhotoMemory,
        tell: Say,
        spawn: Spawn,
        grace_days: int,
    ) -> None:
        self._bot = bot
        self._groups = memory.groups
        self._languages = memory.languages
        self._retention = memory.retention
        self._tell = tell
        self._spawn = spawn
        self._days = grace_days
        self._moving = asyncio.Lock()
        self._now: dict[str, str] = {}
        self._met: set[int] = set()
        self._hidden: set[int] = set()

    async def language(self, place: Place | None, user: User | None) -> Language:
        """What is spoken in a place; in private what somebody's own Telegram speaks."""
        if place is not None and place.group is not None:
            return await self._languages.of(await self.now(place.group))
        return await self._languages.of(None, user.language_code if user else None)

    async def meet(self, chat: Chat) -> None:
        """Something happened in a group: the bot is in it. Greet, if that is news."""
        if chat.id in self._met:
            return
        group = group_id(chat.id)
        is_news = await self._groups.meet(Group(group, chat.title or ""))
        self._met.add(chat.id)
        if is_news:
            self._spawn(self._greet(chat.id), chat.id)
        elif await self._groups.note(group, HIDDEN):
            self._hidden.add(chat.id)

    async def changed(self, change: ChatMemberUpdated) -> None:
        """The bot was added, sent away, or has other rights now."""
        if change.chat.type not in GROUPS:
            return
        if not _is_in(change.new_chat_member):
            await self.left(change.chat.id)
        elif _is_in(change.old_chat_member):
            if change.new_chat_member.status == ChatMember.ADMINISTRATOR:
                await self.meet(change.chat)
                await self.saw_photo(change.chat.id)
            elif change.old_chat_member.status == ChatMember.ADMINISTRATOR:
                self._spawn(self._look_whether_hidden(change.chat.id), change.chat.id)
        else:
            self._met.discard(change.chat.id)
            await self.meet(change.chat)

    async def left(self, chat: int) -> None:
        """The bot is no longer in a group; what it remembers goes after the grace period."""
        self._met.discard(chat)
        self._hidden.discard(chat)
        if await self._groups.leave(group_id(chat), datetime.now(UTC)):
            log.info("sent away from %s: what is kept of it goes %s", chat, grace(self._days))

    async def saw_photo(self, chat: int) -> None:
        """Photos are no longer hidden: say so, once."""
        if chat in self._hidden:
            await self._groups.take_note(group_id(chat), HIDDEN, None)
            self._hidden.discard(chat)
            self._spawn(self._say_visible(chat), chat)

    async def serviced(self, message: Message) -> None:
        """A message in which Telegram tells of the group itself."""
        if message.migrate_to_chat_id:
            await self.moved(message.chat.id, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id:
            await self.moved(message.migrate_from_chat_id, message.chat.id)
        elif message.new_chat_title:
            await self._groups.meet(Group(group_id(message.chat.id), message.new_chat_title))

    async def now(self, group: str) -> str:
        """The id of a group that may have moved since somebody asked in it."""
        async with self._moving:
            return self._now.get(group, group)

    async def moved(self, old: int, new: int) -> None:
        """A group became a supergroup, with another id."""
        async with self._moving:
            if await self._groups.move(group_id(old), group_id(new)):
                log.info("group %s became supergroup %s: its photos went along", old, new)
            self._now[group_id(old)] = group_id(new)
            self._languages.moved(group_id(old), group_id(new))
        self._met.discard(old)
        if old in self._hidden:
            self._hidden.add(new)

    async def forgotten(self, chat: int) -> None:
        """Everything was forgotten; the bot stays, and is no stranger to the group."""
        title = (await self._bot.get_chat(chat)).title or ""
        await self._groups.meet(Group(group_id(chat), title))
        await self._languages.keep(group_id(chat))

    async def rounds(self) -> None:
        """Now and then look whether the bot is still where it thinks it is: being sent away is
        told for 24 hours only, which may have passed while it was not running."""
        while True:
            try:
                await self._round()
            except StoreError as error:
                log.warning("Telegram: where the bot still is can't be looked up now: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        for group in await self._groups.present(PREFIX):
            chat = chat_id(group.id)
            try:
                await self._bot.get_chat(chat)
            except ChatMigrated as migrated:
                await self.moved(chat, migrated.new_chat_id)
            except TelegramError as error:
                if is_gone(error):
                    await self.left(chat)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _say_visible(self, chat: int) -> None:
        speak(await self._languages.of(group_id(chat)))
        await self._tell(chat, say(text.VISIBLE))

    async def _greet(self, chat: int) -> None:
        speak(await self._languages.of(group_id(chat)))
        greeting = say(text.GREETING, when=grace(self._days))
        if age := ageing(self._retention):
            greeting += f"\n{age}"
        if await self._are_hidden(chat):
            greeting += f"\n\n{say(text.HIDDEN)}"
        await self._tell(chat, greeting)

    async def _look_whether_hidden(self, chat: int) -> None:
        """The bot is no admin any more."""
        if await self._are_hidden(chat):
            speak(await self._languages.of(group_id(chat)))
            await self._tell(chat, say(text.HIDDEN))

    async def _are_hidden(self, chat: int) -> bool:
        """Whether Telegram hides photos here; if so it is noted, so that the end can be told."""
        if await self._sees_photos(chat):
            return False
        self._hidden.add(chat)
        await self._groups.take_note(group_id(chat), HIDDEN, "told")
        return True

    async def _sees_photos(self, chat: int) -> bool:
        """Privacy mode hides everything but commands and replies from bots that aren't admins
        (https://core.telegram.org/bots/features#privacy-mode)."""
        me = await self._bot.get_me()
        if me.can_read_all_group_messages:
            return True
        member = await self._bot.get_chat_member(chat, me.id)
        return member.status == ChatMember.ADMINISTRATOR


def _is_in(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in (ChatMember.LEFT, ChatMember.BANNED)
