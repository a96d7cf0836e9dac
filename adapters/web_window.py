"""One person's open page of one group: the stretch of the chat that it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nicegui import Client
from nicegui.element import Element

from adapters.web_files import UploadRefused
from adapters.web_message import draw_message, tag
from adapters.web_rooms import Rooms
from bot.errors import ShoeboxError, StoreError
from bot.language import Language, speaking
from storage.chatlog import ChatLog, Message

PAGE = 40
"""Messages that are loaded at once."""
MOST = 400
"""Messages that a page keeps; older ones are loaded again when asked for."""


class RoomWindow:
    """Draws messages as they come, and older ones on demand."""

    def __init__(
        self, client: Client, group: str, name: str, log: ChatLog, rooms: Rooms, spoken: Language
    ) -> None:
        """Draws into the element that is open now."""
        self.group = group
        self.name = name
        self._client = client
        self._log = log
        self._rooms = rooms
        self._spoken = spoken
        self._shown: dict[int, Element] = {}
        self._gone: set[int] = set()
        self._arrived: list[Message] | None = None
        self._at_end = True
        with tag("div", "messages") as self._list:
            self._older = tag("button", "load", spoken.say("Show older messages"), type="button")
            self._older.on("click", self.load_older)
            self._empty = tag("div", "empty")
            with self._empty:
                tag("div", "title", spoken.say("Nothing here yet"))
                how = spoken.say("Drop photos anywhere on this page, then find them with /find.")
                tag("div", "", how)
            self._middle = tag("div", "stretch")
            self._newer = tag(
                "button", "load after", spoken.say("Show newer messages"), type="button"
            )
            self._newer.on("click", self.load_newer)

    @property
    def here(self) -> bool:
        """Whether the browser is connected now."""
        return self._client.has_socket_connection

    async def load(self, around: int | None = None) -> None:
        """Show the newest messages, or those around one of them."""
        target = None if around is None else await self._log.get(around)
        self._arrived = []
        if target is None or target.group != self.group:
            messages = await self._log.recent(self.group, limit=PAGE)
            more_before, self._at_end = len(messages) == PAGE, True
        else:
            before = await self._log.recent(self.group, target.id + 1, PAGE // 2)
            after = await self._log.following(self.group, target.id, PAGE // 2)
            messages = before + after
            more_before, self._at_end = len(before) == PAGE // 2, len(after) < PAGE // 2
        self._middle.clear()
        self._shown.clear()
        self._draw(messages, self._middle)
        self._older.set_visibility(more_before)
        self._newer.set_visibility(not self._at_end)
        self._catch_up()
        if around is not None:
            if target is None or target.group != self.group:
                self._tell(self._spoken.say("That message is no longer here."))
            else:
                self._run("jump", around)

    async def load_older(self) -> None:
        if not self._shown:
            return
        messages = await self._log.recent(self.group, min(self._shown), PAGE)
        with self._middle, tag("div", "stretch") as stretch:
            pass
        stretch.move(self._middle, 0)
        self._draw(messages, stretch)
        self._older.set_visibility(len(messages) == PAGE)

    async def load_newer(self) -> None:
        if not self._shown:
            return
        self._arrived = []
        messages = await self._log.following(self.group, max(self._shown), PAGE)
        self._draw(messages, self._middle)
        self._at_end = len(messages) < PAGE
        self._newer.set_visibility(not self._at_end)
        self._catch_up()

    async def jump(self, message: int) -> None:
        """Bring a message into view, wherever in the chat it is."""
        if message in self._shown:
            self._run("jump", message)
        else:
            await self.load(around=message)

    def show(self, message: Message) -> None:
        """Show a new message, or one that changed."""
        if self._arrived is not None:
            self._arrived.append(message)
        elif (shown := self._shown.get(message.id)) is not None:
            shown.clear()
            with shown:
                self._draw_message(message)
        elif self._at_end and message.id > max(self._shown, default=0):
            self._draw([message], self._middle)
            self._trim()
        elif not self._at_end:
            self._run("newer")

    def remove(self, message: int) -> None:
        self._gone.add(message)
        if (shown := self._shown.pop(message, None)) is not None:
            shown.delete()
        self._empty.set_visibility(not self._shown)

    def present(self, names: Sequence[str]) -> None:
        """Show who is here."""
        self._run("present", list(names))

    def ready(self) -> None:
        """Let the person write."""
        self._run("start", {"group": self.group, "name": self.name})

    def reload(self) -> None:
        """Show everything anew: another language is spoken now."""
        self._run("reload")

    def _catch_up(self) -> None:
        arrived, self._arrived = self._arrived or [], None
        for message in arrived:
            self.show(message)

    def _draw(self, messages: Sequence[Message], place: Element) -> None:
        for message in messages:
            if message.id in self._gone or message.id in self._shown:
                continue
            with place, tag("article", "message", data_message=str(message.id)) as article:
                self._draw_message(message)
            self._shown[message.id] = article
        self._empty.set_visibility(not self._shown)

    def _draw_message(self, message: Message) -> None:
        mine = message.author == self.name
        with speaking(self._spoken):
            draw_message(message, self._reply, self._nearest, self._delete if mine else None)

    def _trim(self) -> None:
        if len(self._shown) > MOST + PAGE:
            for message in sorted(self._shown)[:-MOST]:
                self._shown.pop(message).delete()
            self._older.set_visibility(True)

    def _reply(self, message: Message) -> None:
        self._run("replyTo", message.id, message.author)

    async def _nearest(self, message: Message) -> None:
        with speaking(self._spoken):
            try:
                await self._rooms.nearest(self.group, message.id)
            except ShoeboxError as error:
                self._tell(str(error))

    async def _delete(self, message: Message) -> None:
        try:
            await self._rooms.delete(self.group, self.name, message.id)
        except UploadRefused as error:
            self._tell(str(error))
        except StoreError:
            self._tell(
                self._spoken.say("It is hidden now, and will be erased when the bot starts next.")
            )

    def _tell(self, line: str) -> None:
        self._run("note", [line])

    def _run(self, function: str, *values: object) -> None:
        self._client.run_javascript(f"shoebox.{function}({json.dumps(values)[1:-1]})")
