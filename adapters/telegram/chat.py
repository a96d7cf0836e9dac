"""Telegram as a chat platform: updates in, answers out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from telegram import (
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    CallbackQuery,
    Chat,
    Message,
    Update,
)
from telegram.error import ChatMigrated, InvalidToken, TelegramError

from adapters.sight import Sight
from adapters.telegram import replies, text
from adapters.telegram.answers import Answers
from adapters.telegram.bot import NAME, connect, is_gone, reason
from adapters.telegram.buttons import Buttons
from adapters.telegram.commands import Command, Commands, command_in, implied
from adapters.telegram.files import fetch
from adapters.telegram.groups import GROUPS, Groups
from adapters.telegram.ids import PLATFORM, exported, group_id
from adapters.telegram.inline import Inline
from adapters.telegram.members import Members
from adapters.telegram.memories import Memories
from adapters.telegram.places import ELSEWHERE, Place
from adapters.telegram.posts import as_post, is_from_a_bot
from adapters.telegram.recognising import recognise
from adapters.telegram.token import NOT_KNOWN
from adapters.telegram.updates import Updates
from adapters.trouble import Trouble
from bot.answers import Hit
from bot.elections import lead
from bot.errors import FetchFailed, ShoeboxError, TokenRefused
from bot.language import language, languages, say, to_say
from bot.memory import PhotoMemory
from bot.photos import PhotoRef, StoredPhoto
from bot.ports import Recall

if TYPE_CHECKING:
    from adapters.telegram.webhook import Webhook

log = logging.getLogger(__name__)

STOP_SECONDS = 3.0
"""How long answers that are on their way may take when the bot is stopped."""
ALBUMS = 100
"""How many albums that were questions are known, while the rest of their photos comes in."""


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """What the owner chose for Telegram."""

    token: str
    api_url: str
    webhook_url: str = ""
    webhook_listen: tuple[str, int] = ("127.0.0.1", 8443)
    inline: bool = False
    grace_days: int = 7


class TelegramChat:
    """ChatAdapter for Telegram. Use as `async with`, then `serve`."""

    platform = PLATFORM

    def __init__(self, memory: PhotoMemory, chosen: TelegramSettings) -> None:
        self._memory = memory
        self._chosen = chosen
        try:
            self._bot = connect(chosen.token, chosen.api_url)
        except InvalidToken:
            raise TokenRefused(NOT_KNOWN) from None
        self._answers = Answers(self._bot, memory, self._moved)
        self._members = Members(self._bot, memory.groups)
        self._groups = Groups(self._bot, memory, self._say, self._spawn, chosen.grace_days)
        self._memories = Memories(memory, self._bot, self._answers, self._groups)
        self._inline = Inline(self._bot, memory, self._members, self._answers.media)
        self._commands: Commands | None = None
        self._buttons: Buttons | None = None
        self._connected = False
        self._trouble = Trouble(NAME)
        self._serving = False
        self._leads = False
        """Of all processes it is this one that does what only one may do."""
        self._asked_with: deque[str] = deque(maxlen=ALBUMS)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Whether updates come in and can be kept, here or where this process would take over."""
        return self._serving and not self._trouble.told

    async def __aenter__(self) -> Self:
        """Nothing is asked of Telegram yet: it may be out of reach, and photos wait."""
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bot.shutdown()
        await self._bot.request.shutdown()  # PTB leaves it open where the token was refused

    async def fetch(self, ref: PhotoRef) -> bytes:
        """The photo's bytes, in a rendition large enough to look at. Raises FetchFailed."""
        if not self._connected:
            raise FetchFailed(to_say("Telegram can't be reached yet"))
        return await fetch(self._bot, ref)

    async def sights(self, user: int) -> list[Sight]:
        """See LiveChat."""
        if not self._connected:
            return []
        return [Sight(group, ELSEWHERE) for group in await self._members.shared(user)]

    async def is_posted(self, photo: StoredPhoto) -> bool:
        """See LiveChat."""
        return self._connected and await self._answers.is_there(Hit(1, photo, 1.0, ()))

    async def remind(self, group: str, place: str, recall: Recall) -> None:
        """(see Reminder) Every process could say it; one does."""
        if self._leads:
            await self._memories.remind(group, place, recall)

    async def serve(self) -> None:
        """Take part in groups until cancelled. Raises TokenRefused, SettingsError.

        Only one process asks Telegram for updates; calls come to any of them.
        """
        await self._connect()
        updates = Updates(self._bot, self._take, self._trouble)
        self._serving = True
        try:
            if self._chosen.webhook_url:
                from adapters.telegram.webhook import Webhook

                webhook = Webhook(
                    self._bot, updates, self._chosen.webhook_url, self._chosen.webhook_listen
                )
                await self._serve_calls(webhook)
            else:
                await self._lead(updates.poll)
        finally:
            self._serving = False

    async def assist(self) -> None:
        """(see LiveChat)"""
        await self._until_it_works(self._bot.initialize)
        self._connected = self._serving = True
        try:
            await asyncio.Event().wait()
        finally:
            self._connected = self._serving = False

    async def _serve_calls(self, webhook: Webhook) -> None:
        """Raises SettingsError, TokenRefused."""
        tasks = {
            asyncio.create_task(webhook.serve()),
            asyncio.create_task(self._lead(webhook.keep)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whenever this process is the one for it, do `work` and what else one is enough for."""

        async def all_of_it() -> None:
            await self._until_it_works(self._offer_commands)
            if not self._chosen.webhook_url:
                await self._until_it_works(self._bot.delete_webhook)
            rounds = asyncio.create_task(self._groups.rounds())
            self._leads = True
            try:
                await work()
            finally:
                self._leads = False
                rounds.cancel()
                await asyncio.gather(rounds, return_exceptions=True)

        await lead(self._memory.elections, NAME, all_of_it)

    async def _connect(self) -> None:
        """Find out who we are; until it works."""
        await self._until_it_works(self._bot.initialize)
        me = self._bot.bot
        self._commands = Commands(
            self._memory, self._answers, self._members, self._groups, self._bot.username
        )
        self._buttons = Buttons(
            self._memory, self._answers, self._commands, self._members, self._groups
        )
        self._connected = True
        log.info("Telegram: @%s is here", self._bot.username)
        if not me.can_read_all_group_messages:
            log.warning(
                "Telegram hides photos from @%s where it is no admin: send /setprivacy to "
                "@BotFather, choose Disable, and add the bot to its groups again",
                self._bot.username,
            )
        if self._chosen.inline and not me.supports_inline_queries:
            log.warning("TELEGRAM_INLINE is on: send /setinline to @BotFather too")

    async def _until_it_works(self, request: Callable[[], Awaitable[object]]) -> None:
        """Raises TokenRefused."""
        while True:
            try:
                await request()
                break
            except InvalidToken:
                raise TokenRefused(f"TELEGRAM_TOKEN: {NOT_KNOWN}") from None
            except TelegramError as error:
                await self._trouble.pause(reason(error, self._bot.token))
        self._trouble.over()

    async def _offer_commands(self) -> None:
        """As Telegram shows them while people type: to everybody in the usual language, and to
        those whose Telegram speaks another one in that. Raises TelegramError."""
        usual = self._memory.languages.usual
        others = [language(code) for code in languages() if code != usual.code]
        # Codes have two letters (https://core.telegram.org/bots/api#setmycommands).
        for spoken in (usual, *(each for each in others if len(each.code) == 2)):
            for commands, scope in (
                (text.GROUP_COMMANDS, BotCommandScopeAllGroupChats()),
                (text.PRIVATE_COMMANDS, BotCommandScopeAllPrivateChats()),
            ):
                await self._bot.set_my_commands(
                    [BotCommand(name, spoken.say(help_)) for name, help_ in commands],
                    scope=scope,
                    language_code=None if spoken is usual else spoken.code,
                )

    async def _take(self, update: Update) -> None:
        """Keep what an update tells; what has to be answered is answered in the background.

        Raises StoreError: then the update comes again.
        """
        assert self._commands is not None
        assert self._buttons is not None
        if update.message is not None:
            if update.message.chat.type in GROUPS:
                await self._take_message(update.message, self._commands)
            else:
                command = command_in(update.message, self._bot.username)
                if not self._is_asked_already(update.message) and (
                    command := command or implied(update.message)
                ):
                    self._ask(self._commands, update.message, command)
        elif (edited := update.edited_message) is not None:
            if edited.chat.type in GROUPS:
                await self._take_edit(edited)
        elif (change := update.my_chat_member) is not None:
            self._members.forget(change.chat.id)
            await self._groups.changed(change)
        elif (press := update.callback_query) is not None:
            self._press(self._buttons, press)
        elif (inline := update.inline_query) is not None and self._chosen.inline:
            self._spawn(self._inline.asked(inline), inline.from_user.id)

    async def _take_message(self, message: Message, commands: Commands) -> None:
        await self._groups.serviced(message)
        if message.migrate_to_chat_id or message.left_chat_member:
            return
        await self._groups.meet(message.chat)
        if is_from_a_bot(message):
            return
        if message.from_user is not None and message.sender_chat is None:
            await self._members.see(message.chat.id, message.from_user.id)
        await recognise(self._memory, message.reply_to_message)
        if command := command_in(message, self._bot.username):
            self._ask(commands, message, command)
        elif self._is_asked_already(message):
            return
        elif post := as_post(message):
            if message.chat.type == Chat.GROUP:
                await self._memory.stand_ins.settle(post, exported(message.chat.id))
            await self._memory.remember(post)
            if not self._is_to_us(message):
                await self._groups.saw_photo(message.chat.id)
        else:
            await replies.hear(self._memory, message)

    def _is_to_us(self, message: Message) -> bool:
        """Whether it would be shown to us even where Telegram hides photos: as a reply to us."""
        answered = message.reply_to_message
        sender = answered.from_user if answered else None
        return sender is not None and sender.id == self._bot.id

    async def _take_edit(self, message: Message) -> None:
        """Another caption, another photo, a photo where there was none, another reply."""
        await replies.hear(self._memory, message)
        if command_in(message, self._bot.username):
            return
        post = as_post(message)
        where = (group_id(message.chat.id), str(message.chat.id), str(message.message_id))
        if await self._memory.knows(*where):
            keep = [ref.key for ref in post.photos] if post else []
            await self._memory.revise(*where, message.caption or "", keep)
        if post is not None:
            await self._memory.remember(post)

    def _is_asked_already(self, message: Message) -> bool:
        """Whether it is one more photo of an album that was sent as a question."""
        return message.media_group_id is not None and message.media_group_id in self._asked_with

    def _ask(self, commands: Commands, message: Message, command: Command) -> None:
        if message.media_group_id is not None:
            self._asked_with.append(message.media_group_id)
        self._answer(commands, message, command)

    def _answer(self, commands: Commands, message: Message, command: Command) -> None:
        async def work() -> None:
            try:
                await commands.answer(message, command)
            except ShoeboxError as error:
                log.error("/%s could not be answered: %s", command.name, error)
                await self._answers.say(Place.of(message), say(text.WENT_WRONG))
            except TelegramError:
                raise
            except Exception:
                log.exception("/%s could not be answered", command.name)
                await self._answers.say(Place.of(message), say(text.WENT_WRONG))

        self._spawn(work(), message.chat.id)

    def _press(self, buttons: Buttons, press: CallbackQuery) -> None:
        chat = press.from_user.id if press.message is None else press.message.chat.id
        self._spawn(buttons.pressed(press), chat)

    async def _say(self, chat: int, markup: str) -> None:
        kind = "private" if chat > 0 else "group"
        await self._answers.say(Place(chat, kind), markup)

    async def _moved(self, old: int, new: int) -> None:
        await self._groups.moved(old, new)

    def _spawn(self, work: Coroutine[Any, Any, None], chat: int) -> None:
        """Run `work`, which concerns a chat, in the background; one log line if it fails."""

        async def guarded() -> None:
            try:
                await work
            except ChatMigrated as migrated:
                await self._groups.moved(chat, migrated.new_chat_id)
            except TelegramError as error:
                log.warning("Telegram, chat %s: %s", chat, reason(error, self._bot.token))
                if is_gone(error) and chat < 0:
                    await self._groups.left(chat)
            except ShoeboxError as error:
                log.error("Telegram, chat %s: %s", chat, error)
            except Exception:
                log.exception("Telegram, chat %s: something went wrong", chat)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
