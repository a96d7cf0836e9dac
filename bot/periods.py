"""Periods of whole days, and those that come again every year: months, seasons, a few feasts.

Seasons are the northern ones, by whole months, since nobody's hemisphere is known; a winter is
called by the year in which it begins. Days begin at midnight in this machine's time zone.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.language import say

FIRST_YEAR, LAST_YEAR = 1970, 2100
DAY = timedelta(days=1)

MONTHS = tuple(
    "january february march april may june july august september october november december".split()
)
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
FEASTS: dict[str, tuple[int, int, int]] = {
    "christmas eve": (12, 24, 1),
    "christmas": (12, 24, 3),
    "xmas": (12, 24, 3),
    "halloween": (10, 31, 1),
    "valentine's day": (2, 14, 1),
    "new year's eve": (12, 31, 1),
    "new year's day": (1, 1, 1),
}
"""Month, day, how many days. Christmas is from its eve on."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the beginning of one day to the beginning of another, or open to one side."""

    start: date | None
    end: date | None

    @property
    def after(self) -> datetime | None:
        return None if self.start is None else _midnight(self.start)

    @property
    def before(self) -> datetime | None:
        return None if self.end is None else _midnight(self.end)

    def __str__(self) -> str:
        last = None if self.end is None else self.end - DAY
        if self.start is None or last is None:
            if last is None:
                return say("since {day}", day=self.start)
            return say("before {day}", day=self.end)
        if self.start == last:
            return say("on {day}", day=last)
        return say("from {first} to {last}", first=self.start, last=last)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day).astimezone()


def monday_of(day: date) -> date:
    return day - day.weekday() * DAY


def one_day(day: date) -> Period:
    return Period(day, day + DAY)


def whole_year(year: int) -> Period:
    return Period(date(year, 1, 1), date(year + 1, 1, 1))


def months(year: int, first: int, count: int) -> Period:
    """Whole months, on into the next year."""
    month = first - 1 + count
    return Period(date(year, first, 1), date(year + month // 12, month % 12 + 1, 1))


def feast(name: str, year: int) -> Period:
    month, day, days = FEASTS[name]
    start = date(year, month, day)
    return Period(start, start + days * DAY)


def yearly(name: str) -> Callable[[int], Period]:
    """What comes every year: a month, a season, a feast."""
    if name in FEASTS:
        return lambda year: feast(name, year)
    if name in SEASONS:
        return lambda year: months(year, SEASONS[name], 3)
    return lambda year: months(year, MONTHS.index(name) + 1, 1)


def latest(period: Callable[[int], Period], today: date, over: bool = False) -> Period | None:
    """The latest of a yearly period that has begun, or is over."""
    for back in range(3):
        found = period(today.year - back)
        edge = found.end if over else found.start
        if edge is not None and edge <= today:
            return found
    return None


def whole(day: date, unit: str) -> Period:
    """The day, week, month or year that a day is in."""
    if unit == "week":
        return Period(monday_of(day), monday_of(day) + 7 * DAY)
    if unit == "month":
        return months(day.year, day.month, 1)
    return whole_year(day.year) if unit == "year" else one_day(day)


def ago(count: int, unit: str, today: date) -> Period:
    """The day, week, month or year that was so many of them ago."""
    return whole(_back(count, unit, today), unit)


def since(count: int, unit: str, today: date) -> Period:
    """From so many days, weeks, months or years ago on."""
    return Period(_back(count, unit, today), None)


def _back(count: int, unit: str, today: date) -> date:
    if unit in ("day", "week"):
        return max(today - count * (7 if unit == "week" else 1) * DAY, date(FIRST_YEAR, 1, 1))
    ordinal = today.year * 12 + today.month - 1 - count * (12 if unit == "year" else 1)
    year, month = max(ordinal // 12, FIRST_YEAR), ordinal % 12 + 1
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))
