"""The web chat's two pages: the door, where a name is chosen, and the room."""

from __future__ import annotations

import html
import logging
from urllib.parse import quote

from nicegui import Client, ui
from nicegui.client import ClientConnectionTimeout

from adapters.files import LOCAL, LONGEST_NAME
from adapters.web_message import tag
from adapters.web_rooms import MAX_NAME, Rooms
from adapters.web_window import RoomWindow
from adapters.web_words import for_browser
from bot.errors import StoreError
from bot.language import Language, say, speak, speaking
from bot.memory import PhotoMemory
from storage.chatlog import ChatLog

NOTICE_EVERY = 2.0
"""Seconds between looks at the memory's notice."""
RECONNECT = 120.0
"""Seconds that a page of a sleeping phone stays as it was."""

HEAD = """
<link rel="stylesheet" href="/shoebox/web.css">
<script src="/shoebox/web.js"></script>
"""


DOOR = f"""
<form id="enter" class="card" autocomplete="off">
<h1>Shoebox</h1>
<p class="lead">{{lead}}</p>
<label>{{name}}<input id="name" maxlength="{MAX_NAME}" required autofocus></label>
<label>{{group}}<input id="group" value="family" maxlength="{LONGEST_NAME}" required></label>
<div id="groups"></div>
<button class="primary">{{enter}}</button>
</form>
"""

COMPOSER = """
<div id="notes" role="status" aria-live="polite"></div>
<form id="composer" hidden>
<div id="answering" hidden></div>
<div id="staged"></div>
<div class="row">
<button id="add" type="button" class="round" aria-label="{add}">
<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg></button>
<input id="files" type="file" multiple accept="image/*,.heic,.heif,.avif" hidden>
<textarea id="text" rows="1" maxlength="4000" aria-label="{message}"
 placeholder="{hint}"></textarea>
<button id="send" class="round primary" aria-label="{send}">
<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12h13M12 5l7 7-7 7"/></svg></button>
</div>
</form>
<button id="newest" type="button" hidden>{newest}</button>
<div id="drop" hidden><div>{drop}</div></div>
<dialog id="zoom"><img alt=""><button type="button" aria-label="{close}">×</button></dialog>
"""

_log = logging.getLogger(__name__)


def pages(rooms: Rooms, memory: PhotoMemory, log: ChatLog) -> None:
    """Register both pages with NiceGUI."""

    @ui.page("/", title="Shoebox")
    async def door() -> None:
        speak(memory.languages.usual)
        ui.add_head_html(HEAD)
        ui.query("body").classes("door")
        ui.html(_door(), sanitize=False)
        try:
            groups = await rooms.groups()
        except StoreError as error:
            _log.error("the groups can't be listed: %s", error)
            groups = []
        with tag("div", "choices") as choices:
            choices.props["data-newest"] = groups[0] if groups else ""
            for group in groups[:30] if len(groups) > 1 else ():
                tag("button", "choice", group, type="button", data_group=group)

    @ui.page("/g/{group:path}", reconnect_timeout=RECONNECT)
    async def room(client: Client, group: str) -> None:
        ui.add_head_html(HEAD)
        if not is_group(group):
            ui.navigate.to("/")
            return
        spoken = await _spoken_in(group, memory)
        speak(spoken)
        ui.add_head_html(for_browser())
        ui.page_title(f"{group} · Shoebox")
        with tag("div", "room") as place:
            _header(group)
            banner = ui.label().classes("notice")
            banner.props["role"] = "status"
            banner.set_visibility(False)
            scroll = tag("main", "scroll")
            ui.html(_composer(), sanitize=False).classes("bottom")
        try:
            await client.connected(timeout=60)
        except ClientConnectionTimeout:
            return
        hello = await client.run_javascript("return shoebox.hello()", timeout=20)
        name = _name(hello)
        if not name:
            client.run_javascript(f"shoebox.leave({quote(group, safe='')!r})")
            return

        with scroll:
            window = RoomWindow(client, group, name, log, rooms, spoken)
        ui.on("jump", lambda event: window.jump(_id(event.args)))
        ui.on("newest", lambda: window.load())
        rooms.enter(window)
        client.on_delete(lambda: rooms.leave(window))
        client.on_connect(lambda: rooms.tell_presence(group))
        client.on_disconnect(lambda: rooms.tell_presence(group))

        def look() -> None:
            with speaking(spoken):
                notice = memory.model.notice
            banner.text = notice or ""
            banner.set_visibility(bool(notice))

        with place:
            look()
            ui.timer(NOTICE_EVERY, look)
        await window.load(around=_id(hello.get("target")) or None)
        window.ready()


def is_group(group: str) -> bool:
    """Whether a group may have this name: it must survive being part of an address."""
    return (
        0 < len(group) <= LONGEST_NAME
        and group == group.strip()
        and group.isprintable()
        and not set(group.split("/")) & {"", ".", ".."}
    )


async def _spoken_in(group: str, memory: PhotoMemory) -> Language:
    try:
        return await memory.languages.of(LOCAL + group)
    except StoreError as error:
        _log.error("which language is spoken can't be told: %s", error)
        return memory.languages.usual


def _door() -> str:
    return DOOR.format(
        lead=_say("A group chat that remembers its photos and finds them by words."),
        name=_say("Your name"),
        group=_say("Group"),
        enter=_say("Enter"),
    )


def _composer() -> str:
    return COMPOSER.format(
        add=_say("Add photos"),
        message=_say("Message"),
        hint=_say("Message or /find …"),
        send=_say("Send"),
        newest=_say("New messages ↓"),
        drop=_say("Drop photos here"),
        close=_say("Close"),
    )


def _say(text: str) -> str:
    return html.escape(say(text))


def _header(group: str) -> None:
    with tag("header", "top"):
        with tag("div", "where"):
            tag("h1", "group", group)
            tag("div", "present")
        tag("button", "leave", say("Leave"), type="button", id="leave")


def _id(sent: object) -> int:
    return sent if isinstance(sent, int) and 0 < sent < 2**53 else 0


def _name(hello: object) -> str:
    name = hello.get("name") if isinstance(hello, dict) else None
    return name.strip()[:MAX_NAME] if isinstance(name, str) else ""
