"""The web chat's two pages: the door, where a name is chosen, and the room."""

from __future__ import annotations

import logging
from urllib.parse import quote

from nicegui import Client, ui
from nicegui.client import ClientConnectionTimeout

from adapters.files import LONGEST_NAME
from adapters.web_message import tag
from adapters.web_rooms import MAX_NAME, Rooms
from adapters.web_window import RoomWindow
from bot.memory import PhotoMemory
from bot.photos import StoreError
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
<p class="lead">A group chat that remembers its photos and finds them by words.</p>
<label>Your name<input id="name" maxlength="{MAX_NAME}" required autofocus></label>
<label>Group<input id="group" value="family" maxlength="{LONGEST_NAME}" required></label>
<div id="groups"></div>
<button class="primary">Enter</button>
</form>
"""

COMPOSER = """
<div id="notes" role="status" aria-live="polite"></div>
<form id="composer" hidden>
<div id="answering" hidden></div>
<div id="staged"></div>
<div class="row">
<button id="add" type="button" class="round" aria-label="Add photos">
<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg></button>
<input id="files" type="file" multiple accept="image/*,.heic,.heif,.avif" hidden>
<textarea id="text" rows="1" maxlength="4000" aria-label="Message"
 placeholder="Message or /find …"></textarea>
<button id="send" class="round primary" aria-label="Send">
<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12h13M12 5l7 7-7 7"/></svg></button>
</div>
</form>
<button id="newest" type="button" hidden>New messages ↓</button>
<div id="drop" hidden><div>Drop photos here</div></div>
<dialog id="zoom"><img alt=""><button type="button" aria-label="Close">×</button></dialog>
"""

_log = logging.getLogger(__name__)


def pages(rooms: Rooms, memory: PhotoMemory, log: ChatLog) -> None:
    """Register both pages with NiceGUI."""

    @ui.page("/", title="Shoebox")
    async def door() -> None:
        ui.add_head_html(HEAD)
        ui.query("body").classes("door")
        ui.html(DOOR, sanitize=False)
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
        ui.page_title(f"{group} · Shoebox")
        with tag("div", "room") as place:
            _header(group)
            banner = ui.label().classes("notice")
            banner.props["role"] = "status"
            banner.set_visibility(False)
            scroll = tag("main", "scroll")
            ui.html(COMPOSER, sanitize=False).classes("bottom")
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
            window = RoomWindow(client, group, name, log, rooms)
        ui.on("jump", lambda event: window.jump(_id(event.args)))
        ui.on("newest", lambda: window.load())
        rooms.enter(window)
        client.on_delete(lambda: rooms.leave(window))
        client.on_connect(lambda: rooms.tell_presence(group))
        client.on_disconnect(lambda: rooms.tell_presence(group))

        def look() -> None:
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


def _header(group: str) -> None:
    with tag("header", "top"):
        with tag("div", "where"):
            tag("h1", "group", group)
            tag("div", "present")
        tag("button", "leave", "Leave", type="button", id="leave")


def _id(sent: object) -> int:
    return sent if isinstance(sent, int) and 0 < sent < 2**53 else 0


def _name(hello: object) -> str:
    name = hello.get("name") if isinstance(hello, dict) else None
    return name.strip()[:MAX_NAME] if isinstance(name, str) else ""
