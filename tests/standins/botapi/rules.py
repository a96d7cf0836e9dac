"""What the Bot API does to texts: markup to entities, and what it makes pressable by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

Entity = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "s": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-spoiler": "spoiler",
    "blockquote": "blockquote",
}
OPAQUE = ("code", "pre", "text_link")
"""Nothing inside these is made pressable by itself."""

_END = r"(?:com|org|net|io|me|de|ru|dev|app|test)"
DETECTED = (
    (
        "url",
        re.compile(rf"(?<![\w@.-])(?:[a-z]+://)?(?:[\w-]+\.)+{_END}(?![\w-])(?:[/?#]\S*)?", re.I),
    ),
    ("url", re.compile(r"(?<!\w)(?:https?|ftp|tg|ton)://[\w.-]+\S*", re.I)),
    ("email", re.compile(rf"[\w.+-]+@(?:[\w-]+\.)+{_END}(?![\w-])", re.I)),
    ("mention", re.compile(r"(?<!\w)@[A-Za-z0-9_]{3,32}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#])#[^\W\d]\w*")),
    ("cashtag", re.compile(r"(?<!\w)\$[A-Z]{1,8}(?!\w)")),
    (
        "bot_command",
        re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    ),
)


class Refused(Exception):
    """The request is refused, with the description that the real API gives."""

    def __init__(self, description: str, status: int = 400, **parameters: object) -> None:
        super().__init__(description)
        self.description = description
        self.status = status
        self.parameters = parameters


def units(text: str) -> int:
    """Length as Telegram counts it: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[Entity] = []
        self._open: list[tuple[str, Entity]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise Refused(f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"')
        entity: Entity = {"type": TAGS[tag], "offset": units(self.text)}
        if tag == "a":
            entity["url"] = dict(attrs).get("href") or ""
        self._open.append((tag, entity))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise Refused(f'Bad Request: can\'t parse entities: Unexpected end tag "{tag}"')
        entity = self._open.pop()[1]
        entity["length"] = units(self.text) - entity["offset"]
        if entity["length"]:
            self.entities.append(entity)

    def handle_data(self, data: str) -> None:
        self.text += data

    def end(self) -> None:
        self.close()
        if self._open:
            raise Refused(
                f"Bad Request: can't parse entities: Can't find end tag for {self._open[-1][0]}"
            )


def parse_html(markup: str) -> tuple[str, list[Entity]]:
    """Text and entities of an HTML message. Raises Refused like the real one."""
    # The real parser takes "<" only where a tag begins; Python's is more forgiving.
    if re.search(r"<(?![a-z/])", markup):
        raise Refused("Bad Request: can't parse entities: Unsupported start tag")
    if re.search(r"<[^>]*$", markup):
        raise Refused("Bad Request: can't parse entities: Unclosed start tag")
    reader = _Reader()
    reader.feed(markup)
    reader.end()
    return reader.text, sorted(reader.entities, key=lambda e: (e["offset"], -e["length"]))


def entities_of(text: str, marked: list[Entity]) -> list[Entity]:
    """All entities of a text: those of its markup, and those that are detected in it."""
    taken = [(e["offset"], e["offset"] + e["length"]) for e in marked if e["type"] in OPAQUE]
    found = list(marked)
    for kind, pattern in DETECTED:
        for match in pattern.finditer(text):
            start, end = units(text[: match.start()]), units(text[: match.end()])
            if not any(start < b and a < end for a, b in taken):
                taken.append((start, end))
                found.append({"type": kind, "offset": start, "length": end - start})
    return sorted(found, key=lambda e: (e["offset"], -e["length"]))


def formatted(text: str, parse_mode: str | None) -> tuple[str, list[Entity]]:
    """What a message shows. Raises Refused."""
    if parse_mode is None:
        return text, entities_of(text, [])
    if parse_mode.upper() != "HTML":
        raise Refused("Bad Request: unsupported parse_mode")
    shown, marked = parse_html(text)
    return shown, entities_of(shown, marked)
