"""Dates as people type them into options, and what is offered while they type."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
OFFERED = 12


def moment_of(text: str) -> datetime | None:
    """The moment at which a year, month or day begins, in UTC; None for anything else."""
    found = _DATE.fullmatch(text.strip())
    if not found:
        return None
    try:
        return datetime(int(found[1]), int(found[2] or 1), int(found[3] or 1), tzinfo=UTC)
    except ValueError:
        return None


def offers(typed: str, now: datetime) -> list[str]:
    """Dates that begin as typed: years, and the months of the year that is typed."""
    years = [str(now.year - back) for back in range(OFFERED)]
    year = typed[:4] if len(typed) >= 4 else str(now.year)
    months = [f"{year}-{month:02d}" for month in range(1, 13)] if year.isdecimal() else []
    days = [now.date().isoformat()]
    latest = [month for month in months if month <= f"{now:%Y-%m}"]
    found = [text for text in days + latest[::-1] + years if text.startswith(typed.strip())]
    if moment_of(typed) is not None:
        found = [typed.strip(), *(text for text in found if text != typed.strip())]
    return found[:25]
