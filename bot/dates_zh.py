"""Dates as people write them in Chinese: `去年夏天`, `上个月`, `三天前`, `2023年5月`.

dateparser reads few of these, so they are worked out here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from bot.periods import (
    DAY,
    Period,
    ago,
    feast,
    latest,
    monday_of,
    months,
    one_day,
    since,
    whole_year,
)

_DIGITS = "〇一二三四五六七八九"
_YEAR = r"(?:(?:19[7-9]\d|20\d\d)|[二2][〇零0][〇零一二三四五六七八九\d]{2})\s?年"
_SEASONS = {"春": 3, "夏": 6, "秋": 9, "冬": 12}
_NUMBER = rf"(?:\d{{1,3}}|[零两十{_DIGITS}]{{1,3}})"
_UNITS = {"天": "day", "周": "week", "星期": "week", "礼拜": "week", "月": "month", "年": "year"}
_UNIT = "天|个?星期|周|个?礼拜|个月|年"
_DAYS = {"今天": 0, "昨天": 1, "前天": 2, "大前天": 3, "昨晚": 1, "今早": 0}
SHAPES = rf"""
    (?:{_YEAR}|去年|今年|前年)的?
        (?:[春夏秋冬](?:天|季|(?![节游]))|{_NUMBER}月份?(?:{_NUMBER}[日号])?|圣诞节?|万圣节)
    | {_YEAR} | (?:去年|(?<!如)今年|前年)(?![糕货级轻])
    | {_NUMBER}月{_NUMBER}[日号]
    | (?<![马晚早以])(?:上|这|本)个?(?:周|星期|礼拜)(?![刊期岁年])(?:[一二三四五六日天末])?
    | (?:上上?|这|本)个月 | 上月 | 本月
    | 大?前天 | 昨天 | 今天 | 昨晚 | 今早
    | {_NUMBER}(?:{_UNIT})前
    | (?:最近|过去)(?:这)?{_NUMBER}(?:{_UNIT})
"""
"""Alternatives of a verbose regular expression."""

Reading = Callable[[re.Match[str], date], Period | None]


def read(phrase: str, today: date) -> Period | None:
    """What a phrase of one of the shapes means. Raises ValueError for a 31st of February."""
    for shape, reading in _READINGS:
        if match := shape.fullmatch(phrase):
            return reading(match, today)
    return None


def _year(match: re.Match[str], today: date) -> Period | None:
    """A year, with a season, a month, a day or a feast of it."""
    year = _year_of(match["year"], today)
    if match["season"]:
        return months(year, _SEASONS[match["season"]], 3)
    if match["feast"]:
        return feast("christmas" if match["feast"].startswith("圣诞") else "halloween", year)
    if not match["month"]:
        return whole_year(year)
    month = _number(match["month"])
    if match["day"]:
        return one_day(date(year, month, _number(match["day"])))
    return months(year, month, 1)


def _day(match: re.Match[str], today: date) -> Period | None:
    month, day = _number(match[1]), _number(match[2])
    return latest(lambda year: one_day(date(year, month, day)), today)


def _week(match: re.Match[str], today: date) -> Period:
    monday = monday_of(today) - (7 * DAY if match[1] == "上" else 0 * DAY)
    if not match[2]:
        return Period(monday, monday + 7 * DAY)
    if match[2] == "末":
        return Period(monday + 5 * DAY, monday + 7 * DAY)
    return one_day(monday + "一二三四五六日".index(match[2].replace("天", "日")) * DAY)


def _month(match: re.Match[str], today: date) -> Period:
    return ago({"上": 1, "上上": 2}.get(match[1], 0), "month", today)


def _ago(match: re.Match[str], today: date) -> Period:
    return ago(_number(match[1]), _UNITS[match[2].removeprefix("个")], today)


def _last(match: re.Match[str], today: date) -> Period:
    return since(_number(match[1]), _UNITS[match[2].removeprefix("个")], today)


def _named_day(match: re.Match[str], today: date) -> Period:
    if match[0] == "昨晚":
        return Period(today - DAY, today + DAY)
    return one_day(today - _DAYS[match[0]] * DAY)


def _number(text: str) -> int:
    """`3`, `两`, `十二`."""
    if text.isdecimal():
        return int(text)
    text = text.replace("两", "二").replace("零", "〇")
    if "十" not in text:
        return int("".join(str(_DIGITS.index(each)) for each in text))
    tens, _, ones = text.partition("十")
    return 10 * (_DIGITS.index(tens) if tens else 1) + (_DIGITS.index(ones) if ones else 0)


def _year_of(text: str, today: date) -> int:
    relative = {"今年": 0, "去年": 1, "前年": 2}
    if text in relative:
        return today.year - relative[text]
    written = text.removesuffix("年").strip().replace("零", "〇")
    return int("".join(c if c.isdecimal() else str(_DIGITS.index(c)) for c in written))


_READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (re.compile(shape), reading)
    for shape, reading in (
        (
            rf"(?P<year>{_YEAR}|去年|今年|前年)的?(?:(?P<season>[春夏秋冬])[天季]?"
            rf"|(?P<month>{_NUMBER})月份?(?:(?P<day>{_NUMBER})[日号])?"
            r"|(?P<feast>圣诞节?|万圣节))?",
            _year,
        ),
        (rf"({_NUMBER})月({_NUMBER})[日号]", _day),
        (r"([上这本])个?(?:周|星期|礼拜)([一二三四五六日天末])?", _week),
        (r"(上上?|这|本)个?月", _month),
        (rf"({_NUMBER})({_UNIT})前", _ago),
        (rf"(?:最近|过去)这?({_NUMBER})({_UNIT})", _last),
        ("|".join(_DAYS), _named_day),
    )
)
