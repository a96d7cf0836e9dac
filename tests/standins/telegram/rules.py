"""What Telegram does to texts and buttons: markup to entities, things to press, refusals."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_BUTTONS = 100
MAX_CALLBACK_BYTES = 64

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-spoiler": "spoiler",
    "blockquote": "blockquote",
}
OPAQUE = ("code", "pre", "text_link", "text_mention")
"""Nothing inside these is made pressable by itself."""

_TLD = (
    "app|ai|be|biz|ch|cn|co|com|cz|de|dev|edu|es|eu|fr|gov|info|int|io|it|jp|me|mil|net|nl|org|pl|"
    "ru|shop|site|test|to|tv|ua|uk|us|xyz"
)
# TDLib takes every sign from U+00C0 on for a part of a domain, except the general punctuation.
_LABEL = r"[\w~\-\u200c\u200d\u00c0-\u1fff\u2070-\u2fff\u3001-\U0010ffff]{1,63}"
_PORT_AND_PATH = r"(?::\d{1,5})?(?:[/?#](?:[^\s<>\"«»{}|`]*[^\s<>\"«»{}|`.:;,('?!])?)?"
_WORD = r"\d_\w\u200c"
DETECTED = (
    ("mention", re.compile(r"(?<!\w)@[A-Za-z0-9_]{3,32}(?!\w)")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])"),
    ),
    (
        "email",
        re.compile(
            r"(?<![\w.+:-])(?:[a-z0-9_-]{0,26}[.+:]){0,10}[a-z0-9_-]{1,35}"
            r"@(?:(?:[a-z0-9][a-z0-9_-]{0,28})?[a-z0-9]\.){1,6}[a-z]{2,8}(?![\w-])",
            re.I,
        ),
    ),
    (
        "url",
        re.compile(
            rf"(?<!\w)(?:https?|ftp|tonsite)://(?:[^\s/@]+@)?(?:{_LABEL}\.)+[\w-]{{2,}}"
            rf"{_PORT_AND_PATH}",
            re.I,
        ),
    ),
    ("url", re.compile(r"(?<!\w)(?:tg|ton)://[\w-]{1,253}(?:[/?#][^\s<>\"]*)?", re.I)),
    (
        "url",
        re.compile(
            rf"(?<![\w@.$])(?:(?:{_LABEL}\.)+(?:{_TLD}|xn--[\w-]+)|(?:\d{{1,3}}\.){{3}}\d{{1,3}})"
            rf"(?![\w@-]){_PORT_AND_PATH}",
            re.I,
        ),
    ),
    ("hashtag", re.compile(rf"(?<![{_WORD}])#(?=\d*[^\W\d])[{_WORD}]{{1,256}}(?![{_WORD}]*#)")),
    ("cashtag", re.compile(rf"(?<![${_WORD}])\$[A-Z]{{1,8}}(?![${_WORD}])")),
)

_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CHARACTER = re.compile(r"&(#x[0-9a-fA-F]+|#[0-9]+|[a-zA-Z]+);?")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>/"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[A-Za-z0-9.\-]+))?""")
_LINK = re.compile(rf"(?:(?:https?|tg|ton)://\S+|(?:{_LABEL}\.)+[\w-]{{2,}}(?:[/?#:]\S*)?)$", re.I)


class Refused(Exception):
    """A request is refused, in the words of the real server."""

    def __init__(self, description: str, status: int = 400, **parameters: int) -> None:
        super().__init__(description)
        self.description = description
        self.status = status
        self.parameters = parameters


def bad(description: str, **parameters: int) -> Refused:
    return Refused(f"Bad Request: {description}", 400, **parameters)


def units(text: str) -> int:
    """Length as Telegram counts it: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_html(markup: str) -> tuple[str, list[Json]]:
    """Text and entities of an HTML message, read as TDLib does. Raises Refused."""
    text = ""
    found: list[Json] = []
    open_tags: list[tuple[str, Json]] = []
    at = 0

    def unreadable(what: str, offset: int) -> Refused:
        place = len(markup[:offset].encode())
        return bad(f"can't parse entities: {what.replace('BYTE', f'byte offset {place}')}")

    while at < len(markup):
        if markup[at] == "&":
            character, at = _character(markup, at)
            text += character
        elif markup[at] != "<":
            text += markup[at]
            at += 1
        elif markup.startswith("</", at):
            end = markup.find(">", at)
            if end < 0:
                raise unreadable("Unclosed end tag at BYTE", at)
            name = markup[at + 2 : end].strip().lower()
            if not open_tags:
                raise unreadable("Unexpected end tag at BYTE", at)
            tag, entity = open_tags.pop()
            if name not in ("", tag):
                raise unreadable(
                    f'Unmatched end tag at BYTE, expected "</{tag}>", found "</{name}>"', at
                )
            _close(text, entity, found)
            at = end + 1
        else:
            match = re.compile(r"<([^\s>]*)").match(markup, at)
            assert match
            tag = match[1].lower()
            if ">" not in markup[at:]:
                raise unreadable("Unclosed start tag at BYTE", at)
            if tag not in TAGS and tag != "span":
                raise unreadable(f'Unsupported start tag "{tag}" at BYTE', at)
            attributes, end = _attributes(markup, match.end())
            if end < 0:
                raise unreadable(f'Unclosed start tag "{tag}" at BYTE', at)
            if tag == "span" and attributes.get("class") != "tg-spoiler":
                raise unreadable('Tag "span" must have class "tg-spoiler" at BYTE', at)
            entity = {"type": TAGS.get(tag, "spoiler"), "offset": units(text), "start": len(text)}
            if tag == "a":
                entity["url"] = attributes.get("href", "")
            if tag == "blockquote" and "expandable" in attributes:
                entity["type"] = "expandable_blockquote"
            open_tags.append((tag, entity))
            at = end
    if open_tags:
        raise unreadable(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"', at)
    return text, _in_order(found)


def _character(markup: str, at: int) -> tuple[str, int]:
    """A character reference; what is none stays as it is written."""
    match = _CHARACTER.match(markup, at)
    if match:
        name = match[1]
        if name in _CHARACTERS:
            return _CHARACTERS[name], match.end()
        if name.startswith("#"):
            number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
            if 0 < number < 0x10FFFF:
                return chr(number), match.end()
    return "&", at + 1


def _attributes(markup: str, at: int) -> tuple[dict[str, str], int]:
    """A start tag's attributes, and where the tag ends; -1 if it does not."""
    found: dict[str, str] = {}
    while at < len(markup):
        rest = re.compile(r"\s*>").match(markup, at)
        if rest:
            return found, rest.end()
        match = _ATTRIBUTE.match(markup, at)
        if not match:
            break
        found[match[1].lower()] = _decoded((match[2] or "").strip("\"'"))
        at = match.end()
    return found, -1


def _decoded(value: str) -> str:
    text, at = "", 0
    while at < len(value):
        if value[at] == "&":
            character, at = _character(value, at)
            text += character
        else:
            text += value[at]
            at += 1
    return text


def _close(text: str, entity: Json, found: list[Json]) -> None:
    inside = text[entity.pop("start") :]
    entity["length"] = units(inside)
    if not entity["length"]:
        return
    if entity["type"] == "text_link":
        url = entity["url"] or inside
        if not _LINK.match(url):
            return  # Telegram drops a link that leads nowhere, without a word
        entity["url"] = url if "://" in url else f"http://{url}"
    found.append(entity)


def _in_order(entities: list[Json]) -> list[Json]:
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def entities_of(text: str, marked: list[Json] | None = None) -> list[Json]:
    """All entities of a text: those of its markup, and what Telegram makes pressable in it."""
    marked = marked or []
    taken = [(e["offset"], e["offset"] + e["length"]) for e in marked if e["type"] in OPAQUE]
    found = list(marked)
    for kind, pattern in DETECTED:
        for match in pattern.finditer(text):
            start, end = units(text[: match.start()]), units(text[: match.end()])
            if not any(start < b and a < end for a, b in taken):
                taken.append((start, end))
                found.append({"type": kind, "offset": start, "length": end - start})
    return _in_order(found)


def formatted(markup: str, parse_mode: str | None) -> tuple[str, list[Json]]:
    """What a message shows. Raises Refused."""
    text, marked = markup, list[Json]()
    if not parse_mode:
        pass
    elif parse_mode.lower() == "html":
        text, marked = parse_html(markup)
    else:
        raise bad("unsupported parse_mode")
    text = "".join(" " if c < " " and c != "\n" else c for c in text.replace("\r", ""))
    kept = text.lstrip()
    cut = units(text) - units(kept)
    kept = kept.rstrip()
    trimmed: list[Json] = []
    for entity in marked:
        start = max(0, entity["offset"] - cut)
        end = min(units(kept), entity["offset"] + entity["length"] - cut)
        if end > start:
            trimmed.append(entity | {"offset": start, "length": end - start})
    return kept, entities_of(kept, trimmed)


def message_text(markup: str, parse_mode: str | None) -> tuple[str, list[Json]]:
    text, entities = formatted(markup, parse_mode)
    if not text:
        raise bad("message text is empty")
    if units(text) > MAX_TEXT:
        raise bad("message is too long")
    return text, entities


def caption(markup: str, parse_mode: str | None) -> tuple[str, list[Json]]:
    text, entities = formatted(markup, parse_mode)
    if units(text) > MAX_CAPTION:
        raise bad("message caption is too long")
    return text, entities


def keyboard(markup: object) -> Json | None:
    """A message's buttons as they are kept. Raises Refused."""
    if markup in (None, "", {}):
        return None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" not in markup:
        return None  # keyboards of the client are not a part of the message
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" must be of type Array of Arrays')
    kept = [[_button(button) for button in row] for row in rows if row]
    if sum(map(len, kept)) > MAX_BUTTONS:
        raise bad("reply markup is too long")
    return {"inline_keyboard": kept} if kept else None


_ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
)


def _button(button: object) -> Json:
    if not isinstance(button, dict):
        raise bad("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    if not isinstance(button.get("text"), str) or not button["text"].strip():
        raise bad('can\'t parse inline keyboard button: Field "text" must be non-empty')
    chosen = [action for action in _ACTIONS if action in button]
    if len(chosen) != 1:
        raise bad(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= MAX_CALLBACK_BYTES:
            raise bad("BUTTON_DATA_INVALID")
    if "url" in button and not _LINK.match(str(button["url"])):
        raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
    return dict(button)
