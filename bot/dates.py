"""Dates as people write them: `last summer`, `in May 2023`, `two weeks ago`, `去年夏天`.

What a phrase means is asked of dateparser. Where phrases are, it is not: its search takes `march
of the` and `sat on a` for dates. So a phrase must have one of the shapes below, which nobody would
use for anything else. What the library doesn't know is worked out in `periods` and `dates_zh`:
seasons, weekends, feasts, most of what is Chinese. A whole period is meant: `two weeks ago` is that
week, from Monday.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from bot import dates_zh
from bot.periods import (
    DAY,
    FEASTS,
    FIRST_YEAR,
    LAST_YEAR,
    MONTHS,
    SEASONS,
    Period,
    ago,
    latest,
    monday_of,
    months,
    one_day,
    since,
    whole,
    whole_year,
    yearly,
)

LANGUAGES = ["en", "zh", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "uk", "ja", "ko"]
"""Tried one after another on what is said to be a date (`after:gestern`)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A phrase in a text that is a date, with all that belongs to it."""

    start: int
    end: int
    period: Period


def read(text: str, now: datetime) -> Period | None:
    """The period that a text as a whole means, if it was given as a date; None: it is none."""
    text = " ".join(text.split())
    today = now.astimezone().date()
    if text.lower() in (*SEASONS, *FEASTS):
        return latest(yearly(text.lower()), today)
    return _by_shape(text, today) or _by_library(text, today, LANGUAGES)


def at(text: str, position: int, now: datetime) -> Found | None:
    """The date that begins exactly there."""
    match = _PHRASE.match(text, position)
    period = match and _by_shape(match["date"], now.astimezone().date())
    return Found(position, match.end(), period) if match and period else None


def find(text: str, now: datetime) -> list[Found]:
    """Everything in a text that clearly is a date, and has begun: nobody posts in the future."""
    today = now.astimezone().date()
    found: list[Found] = []
    for match in _IN_TEXT.finditer(text):
        if _ON_A_LABEL.search(text[: match.start()]):
            continue
        period = _meant(match, today)
        if period is not None and (period.start is None or period.start <= today):
            found.append(Found(match.start(), match.end(), period))
    return found


# --- shapes

_MONTH = "|".join(MONTHS)
_SHORT = r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
_ANY_MONTH = rf"(?:{_MONTH}|(?:{_SHORT})\.?)"
_WEEKDAY = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_SEASON = "|".join(SEASONS)
_FEAST = "|".join(FEASTS)
_YEAR = r"(?:19[7-9]\d|20\d\d)"
_NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
_COUNT = rf"(?:\d{{1,3}}|an?|(?:a\ )?(?:few|couple\ of|couple)|{'|'.join(_NUMBERS.split())})"
_UNIT = "day|week|month|year"
_DAY = r"\d{1,2}"
_NTH = rf"{_DAY}(?:st|nd|rd|th)"

_ENGLISH = rf"""
    {_YEAR}-\d{{2}}-\d{{2}}
    | {_YEAR}[/.]\d{{1,2}}[/.]\d{{1,2}} | {_DAY}[/.]\d{{1,2}}[/.]{_YEAR}
    | {_ANY_MONTH}\ (?:{_NTH}|{_DAY}),?\ {_YEAR}
    | (?:{_NTH}|{_DAY})\ (?:of\ )?{_ANY_MONTH},?\ {_YEAR}
    | {_NTH}\ (?:of\ )?{_ANY_MONTH} | {_ANY_MONTH}\ {_NTH}
    | {_ANY_MONTH},?\ (?:of\ )?{_YEAR}
    | (?:{_SEASON}|{_FEAST})\ (?:of\ )?{_YEAR}
    | today | (?:the\ )?day\ before\ yesterday | yesterday | last\ night
    | this\ (?:morning|afternoon|evening)
    | (?:last|this)\ (?:week|month|year|weekend|{_WEEKDAY}|{_MONTH}|{_SEASON}|{_FEAST})
    | (?:the\ )?(?:last|past)\ {_COUNT}\ (?:{_UNIT})s?
    | {_COUNT}\ (?:{_UNIT})s?\ ago
"""
_PHRASE = re.compile(
    rf"""(?P<date>(?<![\w.,/-])(?:{_ENGLISH})(?![\w/-]|[.,]\d)|(?:{dates_zh.SHAPES}))(?:['’]s(?!\w))?""",
    re.I | re.X,
)
_IN_TEXT = re.compile(
    rf"""
    (?<![\w.,/-])(?:(?:(?P<bound>since|before|after)|in|on|from|of|during|over|within|at)\ )?
        (?:the\ )?(?P<english>{_ENGLISH})(?:['’]s)?(?![\w/-]|[.,]\d)
    | (?<![\w.,/-])(?:(?P<limit>since|before|after)|in|during)\ (?P<bare>{_YEAR}|{_MONTH})
        (?![\w/:'’-]|[.,]\d|\ (?:{_YEAR}|\d{{1,2}}\b))
    | (?<![\w.,/-])on\ (?P<day>{_DAY}\ {_ANY_MONTH}|{_ANY_MONTH}\ {_DAY})(?![\w/:-]|[.,]\d)
    | (?<![\w.,/-])(?P<edge>since)\ (?P<feast>{_FEAST})(?!\w)
    | (?<!\d)(?<![.,/-])[在从自于]?(?P<chinese>{dates_zh.SHAPES})
        (?P<until>(?:以|之)?[前后]|以来|起)?(?:拍|发)?的?
    """,
    re.I | re.X,
)
_ON_A_LABEL = re.compile(
    r"(?:\b(?:best|use|expir\w+|exp\.?|dated?|made|built|born|founded|printed|class)|"
    r"生产日期|日期|保质期|有效期|出生)[:：]?\s*$",
    re.I,
)
"""Before a date that stands on a thing."""


def _meant(match: re.Match[str], today: date) -> Period | None:
    """What a phrase means with the word before or after it: `since`, `以前`."""
    named = match["bare"] or match["feast"]
    phrase = match["english"] or match["chinese"] or match["day"] or named
    if match["day"] is not None:
        period = _by_library(phrase, today, ["en"])
    elif match["feast"] is not None:
        period = latest(yearly(phrase.lower()), today)
    elif match["bare"] is not None:
        number = phrase.isdecimal()
        period = whole_year(int(phrase)) if number else latest(yearly(phrase.lower()), today)
    else:
        period = _by_shape(phrase, today)
    if period is None:
        return None
    bound = (match["bound"] or match["limit"] or match["edge"] or "").lower()
    after = match["until"] or ""
    if bound in ("since", "after") or after.endswith(("后", "来", "起")):
        return Period(period.start, None)
    if bound == "before" or after.endswith("前"):
        return Period(None, period.start)
    return period


# --- meanings


def _by_shape(phrase: str, today: date) -> Period | None:
    """What a phrase of one of the shapes means."""
    phrase = " ".join(phrase.lower().replace("’", "'").split())
    try:
        for shape, reading in _READINGS:
            if match := shape.fullmatch(phrase):
                return reading(match, today)
        if found := dates_zh.read(phrase, today):
            return found
    except ValueError:  # 31 February
        return None
    if _PHRASE.fullmatch(phrase):
        return _by_library(phrase, today, ["en", "zh"])
    return None


def _digits(match: re.Match[str], today: date) -> Period | None:
    """`2024`, `2024-05`, `2024-05-17`, `17.5.2024`; `5/17/2024` if no other order is possible."""
    if match["year"]:
        if not match["month"]:
            return whole_year(int(match["year"]))
        if not match["day"]:
            return months(int(match["year"]), int(match["month"]), 1)
        return one_day(date(int(match["year"]), int(match["month"]), int(match["day"])))
    day, month, year = int(match["d"]), int(match["m"]), int(match["y"])
    if match["sign"] == "/":
        if day <= 12 and month <= 12 and day != month:
            return None
        day, month = max(day, month), min(day, month)
    return one_day(date(year, month, day))


def _of_year(match: re.Match[str], today: date) -> Period:
    return yearly(match[1])(int(match[2]))


def _last_or_this(match: re.Match[str], today: date) -> Period | None:
    """`last`: the latest that is over. `this`: the latest that has begun."""
    return latest(yearly(match[2]), today, over=match[1] == "last")


def _weekend(match: re.Match[str], today: date) -> Period:
    saturday = monday_of(today) + 5 * DAY
    saturday -= 7 * DAY if match[1] == "last" else 0 * DAY
    return Period(saturday, saturday + 2 * DAY)


def _last_night(match: re.Match[str], today: date) -> Period:
    return Period(today - DAY, today + DAY)


def _this_day(match: re.Match[str], today: date) -> Period:
    return Period(today, today + DAY)


def _last_units(match: re.Match[str], today: date) -> Period:
    return since(_number(match[1]), match[2], today)


def _units_ago(match: re.Match[str], today: date) -> Period:
    return ago(_number(match[1]), match[2], today)


Reading = Callable[[re.Match[str], date], Period | None]
_READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (re.compile(shape), reading)
    for shape, reading in (
        (
            rf"(?P<year>{_YEAR})(?:[-/.](?P<month>\d{{1,2}})(?:[-/.](?P<day>\d{{1,2}}))?)?"
            rf"|(?P<d>\d{{1,2}})(?P<sign>[./])(?P<m>\d{{1,2}})(?P=sign)(?P<y>{_YEAR})",
            _digits,
        ),
        (rf"({_SEASON}|{_FEAST}) (?:of )?({_YEAR})", _of_year),
        (rf"(last|this) ({_MONTH}|{_SEASON}|{_FEAST})", _last_or_this),
        (r"(last|this) weekend", _weekend),
        (r"last night", _last_night),
        (r"this (?:morning|afternoon|evening)", _this_day),
        (rf"(?:the )?(?:last|past) ({_COUNT}) ({_UNIT})s?".replace("\\ ", " "), _last_units),
        (rf"({_COUNT}) ({_UNIT})s? ago".replace("\\ ", " "), _units_ago),
    )
)


def _number(text: str) -> int:
    """`3`, `three`, `a`, `a few`."""
    if text.isdecimal():
        return int(text)
    if text in _NUMBERS.split():
        return _NUMBERS.split().index(text) + 1
    return 3 if "few" in text else 2 if "couple" in text else 1


_HAS_LETTER = re.compile(r"[^\W\d_]")


def _by_library(text: str, today: date, languages: list[str]) -> Period | None:
    """What dateparser makes of it. It is lenient: single signs and bare numbers are nothing."""
    if (len(text) < 3 and text.isascii()) or not _HAS_LETTER.search(text):
        return None
    noon = datetime(today.year, today.month, today.day, 12)  # noqa: DTZ001 -- the wall clock's
    try:
        data = _library(tuple(languages), noon).get_date_data(text)
    except (ValueError, OverflowError, TypeError, RecursionError):
        return None
    if data.date_obj is None:
        return None
    day = data.date_obj.date()
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        return None
    unit = data.period if data.period in ("week", "month", "year") else "day"
    return whole(day, unit)


@cache
def _parser_class() -> Any:
    """Read when first needed: it brings its tables of languages along."""
    from dateparser.date import DateDataParser

    return DateDataParser


def _library(languages: tuple[str, ...], noon: datetime) -> Any:
    settings = {
        "RELATIVE_BASE": noon,
        "PREFER_DATES_FROM": "past",
        "RETURN_TIME_AS_PERIOD": True,
    }
    return _parser_class()(languages=list(languages), settings=settings)
