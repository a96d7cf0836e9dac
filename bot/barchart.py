"""A group in numbers as a picture: bars for months, for who posted most, for what waits.

There are digits in it and no words: the font that comes with Pillow has few letters, and a small
server may have no other one. Names stand beside the picture, under the same numbers.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date

from PIL import Image, ImageDraw, ImageFont

WIDTH = 960
"""Pixels; a phone shows about 350 points, so that digits of LABEL are still read."""
EDGE, LABEL, GAP = 36, 30, 18
CHART = 340
"""Height of the months' bars."""
ROW = 46
WIDEST = 72
"""Pixels of a bar, where there are few."""
MOST_BARS = 160
STEPS = (1, 3, 12, 60, 120, 600, 1200, 12000)
"""Months that one bar stands for: the first of these with which there aren't too many."""
FEW = 14
"""Bars up to which each has its month written under it."""
GROUND, GRID, INK, FAINT = "#1f2430", "#3a4254", "#eef1f7", "#a9b2c3"
"""Opaque and dark: it looks the same where people's chat is light and where it is dark."""
MONTHS, PEOPLE, WAITING = "#6ea8fe", "#86d19b", "#f2c14e"

Months = Sequence[tuple[date, int]]


def draw(months: Months, posted: Sequence[int], waiting: int, total: int, today: date) -> bytes:
    """A PNG. `months`: (first of the month, photos), oldest first, at least one. `posted`: the
    photos of who posted most, in order. `waiting`: of `total` photos that aren't looked at yet."""
    height = EDGE + LABEL + GAP + CHART + 2 * LABEL + GAP
    height += (GAP + len(posted) * ROW) if posted else 0
    height += (GAP + ROW) if waiting else 0
    image = Image.new("RGB", (WIDTH, height + EDGE // 2), GROUND)
    pen = _Pen(image)
    top = EDGE + LABEL + GAP
    pen.months(bars(months, today), top)
    top += CHART + 2 * LABEL + 2 * GAP
    if posted:
        for number, photos in enumerate(posted, start=1):
            pen.row(top, str(number), photos / max(posted), f"{photos:,}", PEOPLE)
            top += ROW
        top += GAP
    if waiting:
        pen.clock(top)
        pen.row(top, "", (total - waiting) / total, f"{total - waiting:,} / {total:,}", WAITING)
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()


def bars(months: Months, today: date) -> list[tuple[date, int]]:
    """(first month, photos) of each bar, without gaps, from the oldest photo to today."""
    counts = {_number(month): photos for month, photos in months}
    first, last = min(counts), max(_number(today), *counts)
    step = next(s for s in STEPS if (last - last % s - (first - first % s)) // s < MOST_BARS)
    found = dict.fromkeys(range(first - first % step, last + 1, step), 0)
    for month, photos in counts.items():
        found[month - month % step] += photos
    return [(date(max(1, n // 12), n % 12 + 1, 1), photos) for n, photos in found.items()]


def _number(month: date) -> int:
    return month.year * 12 + month.month - 1


class _Pen:
    """Draws into one image."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._font = ImageFont.load_default(LABEL)

    def months(self, found: Sequence[tuple[date, int]], top: int) -> None:
        """Bars with the tallest one's number over it, months or years under them."""
        most = max(photos for _, photos in found)
        bottom, room = top + CHART, WIDTH - 2 * EDGE
        wide = room / len(found)
        gap, half = max(1, round(wide * 0.2)), WIDEST // 2
        self._draw.line((EDGE, bottom, WIDTH - EDGE, bottom), GRID, 3)
        for part in (0.5, 1.0):
            y = bottom - CHART * part
            self._draw.line((EDGE, y, WIDTH - EDGE, y), GRID, 1)
        centres = [EDGE + wide * (n + 0.5) for n in range(len(found))]
        for n, (x, (_, photos)) in enumerate(zip(centres, found, strict=True)):
            if photos:
                y = bottom - max(3.0, CHART * photos / most)
                left = max(round(EDGE + wide * n), round(x) - half)
                right = min(round(EDGE + wide * (n + 1)) - gap - 1, round(x) + half)
                self._draw.rectangle((left, y, max(left, right), bottom), MONTHS)
        tallest = next(n for n, (_, photos) in enumerate(found) if photos == most)
        number = f"{most:,}"
        self._text(self._inside(centres[tallest], number), top - GAP // 2, number, "ms", INK)
        self._dates(centres, [first for first, _ in found], bottom + GAP // 2)

    def _dates(self, centres: Sequence[float], firsts: Sequence[date], top: int) -> None:
        """Under each bar its month, if there are few; each year where it begins, if there is
        room."""
        if len(firsts) <= FEW:
            for x, month in zip(centres, firsts, strict=True):
                self._text(x, top, str(month.month), "mt", FAINT)
        free = 0.0
        for n, (x, month) in enumerate(zip(centres, firsts, strict=True)):
            if n and month.year == firsts[n - 1].year:
                continue
            half = self._font.getlength(str(month.year)) / 2
            x = self._inside(x, str(month.year))
            if x - half >= free:
                self._text(x, top + LABEL, str(month.year), "mt", FAINT)
                free = x + half + 2 * GAP

    def row(self, top: int, name: str, share: float, number: str, colour: str) -> None:
        """A lying bar with its number behind it."""
        left = EDGE + 2 * LABEL
        room = WIDTH - EDGE - left - GAP - self._font.getlength(number)
        right = left + max(4.0, room * share)
        self._text(left - GAP, top + ROW // 2, name, "rm", INK)
        if colour == WAITING:
            self._draw.rectangle((left, top + 6, left + room, top + ROW - 6), GRID)
        self._draw.rectangle((left, top + 6, right, top + ROW - 6), colour)
        at = left + room if colour == WAITING else right
        self._text(at + GAP, top + ROW // 2, number, "lm", INK)

    def clock(self, top: int) -> None:
        """Stands for what waits."""
        x, y, r = EDGE + LABEL // 2, top + ROW // 2, LABEL // 2
        self._draw.ellipse((x - r, y - r, x + r, y + r), None, WAITING, 3)
        self._draw.line((x, y - r + 6, x, y, x + r - 7, y), WAITING, 3)

    def _inside(self, x: float, words: str) -> float:
        """Where words in the middle of x still are within the edges."""
        half = self._font.getlength(words) / 2
        return min(max(x, EDGE + half), WIDTH - EDGE - half)

    def _text(self, x: float, y: float, words: str, anchor: str, colour: str) -> None:
        self._draw.text((x, y), words, colour, self._font, anchor)
