"""What somebody typed -> the words to look for, and what they narrow the search to.

    cake "happy birthday" -people from:ann in:#kitchen after:2024-05 last summer

What isn't understood is never dropped: it is searched as words, and a hint says so. Dates in words
are taken out only where nothing else can be meant (see `dates`), and a hint says that too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from bot import dates
from bot.language import say, to_say
from bot.periods import Period
from bot.words import fold

NOT_A_DATE = to_say("I don't understand the date in “{typed}”; searched as a word.")
NOTHING_TO_TAKE_AWAY = to_say("A “-” takes away only the word right behind it, like -cat.")
NOT_TAKEN_AWAY = to_say("I can't take away “{typed}”; searched as a word.")
READ_AS_DATE = to_say("“{typed}” is read as a date: photos posted {period}. Quotes make it words.")
OTHER_DATE = to_say("One time is enough: “{typed}” is searched as words.")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, taken apart. Names are as they were typed; nobody has looked them up yet."""

    words: str
    """What is left to look for."""
    phrases: tuple[str, ...] = ()
    """Exact text that the caption or the photo must hold."""
    without: tuple[str, ...] = ()
    """What must neither be said of a photo nor be seen in it."""
    authors: tuple[str, ...] = ()
    """Any of them may have posted it."""
    channels: tuple[str, ...] = ()
    """It may be in any of them."""
    after: datetime | None = None
    before: datetime | None = None
    dates: tuple[str, ...] = ()
    """What was understood as a date, as typed."""
    hints: tuple[str, ...] = ()
    """What the asker should know of how this was understood."""

    @property
    def narrows(self) -> bool:
        """Whether anything but words was said."""
        return bool(
            self.phrases
            or self.without
            or self.authors
            or self.channels
            or self.after
            or self.before
        )


def parse(text: str, now: datetime) -> Asked:
    """Take a question apart. Never fails; a text without any filter stays as it is."""
    return _Reading(text, now).result()


_QUOTED = r"\"[^\"]+\"|“[^“”]+”|„[^„“”]+[“”]|”[^“”]+”|«[^«»]+»|「[^「」]+」|『[^『』]+』"
_KEYS = {"from": "from", "来自": "from", "in": "in", "在": "in"} | {
    key: key for key in ("after", "before", "on")
}
_TOKEN = re.compile(
    rf"""
    (?<!\S)(?P<minus>[-−－])(?P<away>{_QUOTED}|[^\W\d_]\S*)
    | (?<!\S)(?P<lone>[-−－])(?!\S)
    | (?<!\S)(?P<key>{"|".join(_KEYS)})[:：](?P<value>{_QUOTED}|[^\s"“”„«»「」『』]+)
    | (?P<quoted>(?<![0-9A-Za-zÀ-ɏͰ-ӿ])(?:{_QUOTED})(?![0-9A-Za-zÀ-ɏͰ-ӿ]))
    """,
    re.I | re.X,
)
_ENDING = re.compile(r"[,.;!?，。；！？、]+$")
_UNTIL = re.compile(r"\s*(?:to|until|till|through|and|-|–|至|到)\s*", re.I)


class _Reading:
    """One text while it is taken apart, from left to right."""

    def __init__(self, text: str, now: datetime) -> None:
        self._now = now
        self._text = text
        self._words: list[str] = []
        self._phrases: list[str] = []
        self._without: list[str] = []
        self._authors: list[str] = []
        self._channels: list[str] = []
        self._dates: list[str] = []
        self._hints: list[str] = []
        self._after: datetime | None = None
        self._before: datetime | None = None
        self._said: Period | None = None
        """The time that was given in words."""
        position = 0
        while match := _TOKEN.search(text, position):
            self._plain(text[position : match.start()])
            position = self._token(match)
        self._plain(text[position:])

    def result(self) -> Asked:
        words = "".join(self._words)
        whole = words == self._text
        return Asked(
            words.strip() if whole else " ".join(words.split()),
            tuple(self._phrases),
            tuple(self._without),
            tuple(self._authors),
            tuple(self._channels),
            self._after,
            self._before,
            tuple(self._dates),
            tuple(dict.fromkeys(self._hints)),
        )

    def _token(self, match: re.Match[str]) -> int:
        """Take one filter; returns where the text goes on."""
        if match["lone"]:
            self._hints.append(say(NOTHING_TO_TAKE_AWAY))
            self._words.append(match[0])
        elif match["away"]:
            self._take_away(match)
        elif match["quoted"]:
            phrase = _bare(match["quoted"])
            if fold(phrase):
                self._phrases.append(phrase)
                self._words.append(" ")
            else:
                self._words.append(match[0])
        else:
            return self._filter(match)
        return match.end()

    def _take_away(self, match: re.Match[str]) -> None:
        typed = _ENDING.sub("", match["away"])
        if re.match(rf"(?:{'|'.join(_KEYS)})[:：]", typed, re.I) or not fold(_bare(typed)):
            self._hints.append(say(NOT_TAKEN_AWAY, typed=match["minus"] + typed))
            self._words.append(match["away"])
            return
        self._without.append(_bare(typed))
        self._words.append(match["away"][len(typed) :])

    def _filter(self, match: re.Match[str]) -> int:
        key, typed = _KEYS[match["key"].lower()], match["value"]
        value = _bare(_ENDING.sub("", typed))
        if not fold(value):
            self._words.append(match[0])
        elif key in ("from", "in"):
            names = self._authors if key == "from" else self._channels
            names.append(value)
            self._words.append(" ")
        else:
            return self._date(match, key, value)
        return match.end()

    def _date(self, match: re.Match[str], key: str, value: str) -> int:
        """`after:`, `before:` and `on:`, whose value may have several words without quotes."""
        end = match.end()
        found = dates.at(self._text, match.start("value"), self._now)
        if found is not None and found.end > end:
            period, end = found.period, found.end
        else:
            read = dates.read(value, self._now)
            if read is None:
                typed = f"{match['key']}:{value}"
                self._hints.append(say(NOT_A_DATE, typed=typed))
                self._words.append(match["value"])
                return end
            period = read
        self._dates.append(self._text[match.start() : end])
        self._words.append(" ")
        if key != "before":
            self._not_before(period.after)
        if key != "after":
            self._not_after(period.after if key == "before" else period.before)
        return end

    def _plain(self, text: str) -> None:
        """Words, and the dates among them."""
        position = 0
        found = _joined(text, dates.find(text, self._now))
        for date in found:
            typed = text[date.start : date.end].strip()
            period = date.period
            if self._said is not None:
                open_ends = (period.start is None, period.end is None)
                before = (self._said.start is None, self._said.end is None)
                if {open_ends, before} != {(True, False), (False, True)}:
                    self._hints.append(say(OTHER_DATE, typed=typed))
                    continue
            self._said = period
            self._words += [text[position : date.start], " "]
            position = date.end
            self._dates.append(typed)
            self._hints.append(say(READ_AS_DATE, typed=typed, period=period))
            self._not_before(period.after)
            self._not_after(period.before)
        self._words.append(text[position:])

    def _not_before(self, moment: datetime | None) -> None:
        if moment is not None:
            self._after = moment if self._after is None else max(self._after, moment)

    def _not_after(self, moment: datetime | None) -> None:
        if moment is not None:
            self._before = moment if self._before is None else min(self._before, moment)


def _joined(text: str, found: list[dates.Found]) -> list[dates.Found]:
    """`May 2023 to July 2023` is one period."""
    joined: list[dates.Found] = []
    for date in found:
        last = joined[-1] if joined else None
        if last is not None and _UNTIL.fullmatch(text[last.end : date.start]):
            begins, ends = last.period.start, date.period.end
            if begins is not None and ends is not None and begins < ends:
                joined[-1] = dates.Found(last.start, date.end, Period(begins, ends))
                continue
        joined.append(date)
    return joined


def _bare(value: str) -> str:
    """Without the quotes around it, and without what channels and people are marked with."""
    if len(value) > 2 and re.fullmatch(_QUOTED, value):
        value = value[1:-1]
    return " ".join(value.split())
