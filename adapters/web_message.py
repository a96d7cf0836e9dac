"""How one message looks. Whatever a person typed is set as text, never as markup."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload
from zlib import crc32

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from bot.answers import more_like_it
from bot.language import say
from storage.chatlog import Find, Message, Reply

COLOURS = 8

OnMessage = Callable[[Message], object]


@overload
def tag(name: str, classes: str = "", text: None = None, **attributes: str) -> Element: ...
@overload
def tag(name: str, classes: str, text: str, **attributes: str) -> TextElement: ...
def tag(name: str, classes: str = "", text: str | None = None, **attributes: str) -> Element:
    """One HTML element; `text` and attribute values may hold anything."""
    element = Element(name) if text is None else TextElement(tag=name, text=text)
    if classes:
        element.classes(classes)
    for key, value in attributes.items():
        element.props[key.rstrip("_").replace("_", "-")] = value
    return element


def draw_message(
    message: Message, on_reply: OnMessage, on_nearest: OnMessage, on_delete: OnMessage | None
) -> None:
    """Draw into the element that is open now; `on_delete`: if its reader may do that."""
    colour = crc32(message.author.encode()) % COLOURS
    tag("div", f"avatar colour-{colour}", message.author[:1].upper(), aria_hidden="true")
    with tag("div", "body"):
        with tag("div", "byline"):
            tag("span", "author", message.author)
            tag("time", datetime=message.posted_at.isoformat())
            _menu(message, on_reply, on_delete)
        if message.answers is not None:
            tag("a", "jump answers", say("↩ in reply"), href=f"#m{message.answers}")
        if message.question is not None:
            with tag("div", "question"):
                tag("span", "slash", "/find")
                tag("span", "words", message.question)
            with tag("div", "reply", aria_live="polite"):
                _draw_reply(message.reply)
                if message.reply is not None and message.reply.nearest is not None:
                    button = tag("button", "nearest", say("Show the nearest"), type="button")
                    button.on("click", lambda: on_nearest(message))
            return
        if message.attachments:
            _draw_attachments(message)
        if message.text:
            tag("div", "text", message.text)


def _menu(message: Message, on_reply: OnMessage, on_delete: OnMessage | None) -> None:
    with tag("button", "more", type="button", aria_label=say("Message menu")):
        tag("span", "", "⋯", aria_hidden="true")
        with ui.menu().props("auto-close"):
            ui.menu_item(say("Reply"), lambda: on_reply(message))
            if on_delete is not None:
                ui.menu_item(say("Delete for everybody"), lambda: on_delete(message))


def _draw_attachments(message: Message) -> None:
    pictures = [n for n, attachment in enumerate(message.attachments) if attachment.picture]
    if pictures:
        with tag("div", f"photos count-{min(len(pictures), 4)}"):
            for number in pictures:
                name = message.attachments[number].name
                _draw_photo(f"/attachment/{message.id}/{number}", name)
    for attachment in message.attachments:
        if not attachment.picture:
            with tag("div", "file"):
                tag("span", "name", attachment.name or say("A file without a name"))
                tag("span", "hint", say("This file isn't a picture that can be shown."))


def _draw_photo(address: str, name: str) -> None:
    with tag("figure", "photo"):
        tag("img", "zoom", src=address, alt=name, title=name, loading="lazy", tabindex="0")
        tag("figcaption", "missing", say("This photo is no longer here."))


def _draw_reply(reply: Reply | None) -> None:
    if reply is None:
        with tag("div", "looking", role="status"):
            tag("span", "spinner", aria_hidden="true")
            tag("span", "", say("Looking…"))
        return
    tag("div", "sentence", reply.sentence)
    if reply.finds:
        with tag("div", f"finds count-{len(reply.finds)}"):
            for find in reply.finds:
                _draw_find(find)
    if reply.notice:
        tag("div", "hint", reply.notice)


def _draw_find(find: Find) -> None:
    with tag("div", "find"):
        _draw_photo(f"/photo/{find.photo}", find.name)
        if find.caption:
            tag("div", "caption", find.caption)
        with tag("div", "origin"):
            tag("span", "author", find.author)
            tag("time", datetime=find.posted_at.isoformat())
        if find.copies:
            tag("div", "hint copies", more_like_it(len(find.copies), find.others))
        with tag("div", "why"):
            for signal in find.why:
                tag("span", "signal", signal)
        if find.jump is not None:
            tag("a", "jump", say("Show in chat"), href=f"#m{find.jump}")
        elif find.name:
            tag("div", "hint name", find.name)
