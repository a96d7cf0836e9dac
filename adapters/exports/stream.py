"""Reads exported chats message by message, in bounded memory, as far as the file can be read.

Both exporters write one object with a chat's facts first and then its "messages". An account of
Telegram has such objects in "chats" and "left_chats", each in a "list". Telegram Desktop writes
control characters as `\\x1f`, which is no JSON (SerializeString in its
Telegram/SourceFiles/export/output/export_output_json.cpp): they are mended on the way.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from adapters.exports.package import UNREADABLE, Unreadable

CHUNK = 256 * 1024
LARGEST = 32 * 1024 * 1024
"""Characters of one message, or of one other part of the file."""
FACTS = ("name", "type", "id", "guild", "channel")
"""What is kept of what a file says about a chat."""
LISTS = ("chats", "left_chats")
ALMOST = 32
"""Characters from the end within which an error means that the rest has not been read yet."""

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Damaged(Exception):
    """From here on the file can't be read; the message says why."""


@dataclass(slots=True)
class Chat:
    """What a file says about a chat: complete once all of its messages are read."""

    number: int
    """Its place in the file, from 0."""
    facts: dict[str, Any] = field(default_factory=dict)


Read = tuple[Chat, Any]
"""A chat with one of its messages, or with None when there are no more."""


def read_chats(file: BinaryIO) -> Iterator[Read]:
    """Every message of a file, with its chat. Raises Damaged after the last one that is whole."""
    text = _Text(file)
    single = Chat(0)
    chats, is_single = 0, False
    for key in text.members():
        if key == "messages" and text.begins("["):
            is_single = True
            yield from _messages(text, single)
        elif key in LISTS and text.begins("{"):
            for inner in text.members():
                if inner != "list" or not text.begins("["):
                    text.value()
                    continue
                for _ in text.elements():
                    yield from _chat(text, Chat(chats))
                    chats += 1
        else:
            _note(single, key, text.value())
    if is_single:
        yield single, None


def kind_of(file: BinaryIO) -> str | None:
    """`discord`, `telegram`, or None for a file that no exporter of these has written."""
    text = _Text(file)
    seen: set[str] = set()
    try:
        for key in text.members():
            seen.add(key)
            if {"guild", "channel"} <= seen:
                return "discord"
            if key in LISTS and text.begins("{"):
                return "telegram"
            if key == "messages" and text.begins("["):
                return "telegram" if {"type", "id"} <= seen else None
            text.value()
    except Damaged:
        pass
    return None


def _chat(text: _Text, chat: Chat) -> Iterator[Read]:
    if not text.begins("{"):
        text.value()
        return
    for key in text.members():
        if key == "messages" and text.begins("["):
            yield from _messages(text, chat)
        else:
            _note(chat, key, text.value())
    yield chat, None


def _messages(text: _Text, chat: Chat) -> Iterator[Read]:
    for _ in text.elements():
        if (message := text.value()) is not None:
            yield chat, message


def _note(chat: Chat, key: str, value: Any) -> None:
    if key in FACTS:
        chat.facts[key] = value


class _Text:
    """The text of a file, of which a part is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._text = ""
        self._at = 0
        self._held = ""
        self._is_whole = False

    def members(self) -> Iterator[str]:
        """The keys of an object; whoever iterates takes each one's value before the next."""
        self._take("{")
        if self._takes("}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise Damaged("it is damaged: something else stands where a name should")
            self._take(":")
            yield key
            if self._takes("}"):
                return
            self._take(",")

    def elements(self) -> Iterator[None]:
        """The places of an array's values; whoever iterates takes each before the next."""
        self._take("[")
        if self._takes("]"):
            return
        while True:
            yield None
            if self._takes("]"):
                return
            self._take(",")

    def begins(self, character: str) -> bool:
        """Whether that is what comes next, besides white space."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at] == character
            if not self._fill(CHUNK):
                return False

    def value(self) -> Any:
        """The value that comes next. Raises Damaged."""
        self.begins("")
        size = CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise Damaged("it is damaged: too much lies in each other") from None
            except ValueError as error:
                if not self._may_go_on(error):
                    raise Damaged("it is damaged") from None
                if len(self._text) - self._at > LARGEST:
                    raise Damaged(f"a part of it is longer than {LARGEST >> 20} MB") from None
                if not self._fill(size):
                    raise Damaged("it ends in the middle") from None
                size *= 2
            else:
                if end < len(self._text) or not self._fill(size):  # a number may go on
                    self._at = end
                    return value

    def _may_go_on(self, error: ValueError) -> bool:
        if not isinstance(error, json.JSONDecodeError):
            return False  # a number of thousands of digits
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - ALMOST

    def _take(self, character: str) -> None:
        if not self._takes(character):
            whole = self._at < len(self._text)
            raise Damaged("it is damaged" if whole else "it ends in the middle")

    def _takes(self, character: str) -> bool:
        if not self.begins(character):
            return False
        self._at += 1
        return True

    def _fill(self, size: int) -> bool:
        """Read on; False at the end of the file."""
        if self._is_whole:
            return False
        try:
            data = self._file.read(size)
        except (*UNREADABLE, Unreadable) as error:
            raise Damaged(f"it can't be read further ({type(error).__name__})") from None
        self._is_whole = not data
        text = self._held + self._decoder.decode(data, self._is_whole)
        self._held = ""
        if not self._is_whole and (len(text) - len(text.rstrip("\\"))) % 2:
            text, self._held = text[:-1], text[-1]
        if "\\x" in text:
            text = _ESCAPE.sub(lambda m: "\\u00" if m[1] == "x" else m[0], text)
        self._text = self._text[self._at :] + text
        self._at = 0
        return True
