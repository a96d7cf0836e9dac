"""Who is in which group, asked of Telegram at that moment."""

from __future__ import annotations

import asyncio

from telegram import ChatMember, ChatMemberRestricted
from telegram.error import TelegramError

from adapters.telegram.bot import TelegramBot
from adapters.telegram.ids import chat_id, group_id, person_id
from bot.photos import Group
from bot.stores import GroupStore

AT_ONCE = 8
"""Groups that are asked about at the same time."""


class Members:
    """Remembers who was seen where, and checks who is there now."""

    def __init__(self, bot: TelegramBot, groups: GroupStore) -> None:
        self._bot = bot
        self._groups = groups
        self._seen: set[tuple[int, int]] = set()

    async def see(self, chat: int, user: int) -> None:
        """Somebody said something in a group; they may ask for its photos in private."""
        if (chat, user) not in self._seen:
            await self._groups.see(group_id(chat), person_id(user))
            self._seen.add((chat, user))

    def forget(self, chat: int) -> None:
        """The group is no longer remembered: see its people anew."""
        self._seen = {pair for pair in self._seen if pair[0] != chat}

    async def shared(self, user: int) -> list[Group]:
        """The groups whose photos this person may see elsewhere: those they are in now, unless
        the group's content is protected."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def may(group: Group) -> bool:
            async with turn:
                return await self._may_see(chat_id(group.id), user)

        groups = await self._groups.of(person_id(user))
        allowed = await asyncio.gather(*(may(group) for group in groups))
        return [group for group, is_allowed in zip(groups, allowed, strict=True) if is_allowed]

    async def is_in(self, chat: int, user: int) -> bool:
        """Whether somebody is in a chat. What Telegram won't tell counts as no: it does so for
        certain only where the bot is an admin (https://core.telegram.org/bots/api#getchatmember).
        """
        member = await self._member(chat, user)
        if isinstance(member, ChatMemberRestricted):
            return member.is_member
        return member is not None and member.status not in (ChatMember.LEFT, ChatMember.BANNED)

    async def is_admin(self, chat: int, user: int) -> bool:
        """Whether somebody is an admin of a chat; no, if it can't be told."""
        member = await self._member(chat, user)
        return member is not None and member.status in (ChatMember.OWNER, ChatMember.ADMINISTRATOR)

    async def _member(self, chat: int, user: int) -> ChatMember | None:
        try:
            return await self._bot.get_chat_member(chat, user)
        except (TelegramError, TypeError):  # a TypeError: a server of another version than PTB's
            return None

    async def _may_see(self, chat: int, user: int) -> bool:
        if not await self.is_in(chat, user):
            return False
        try:
            return not (await self._bot.get_chat(chat)).has_protected_content
        except (TelegramError, TypeError):
            return False
