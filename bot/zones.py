"""Time zones by the names that people write: the IANA's, or the end of one."""

from __future__ import annotations

import difflib
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

UTC = "UTC"
MOST = 25
"""Names that are offered at once."""


@cache
def names() -> tuple[str, ...]:
    """All that this machine knows, in order. Reads files."""
    return tuple(sorted(available_timezones() - {"localtime", "Factory"}))


def usual() -> str:
    """The machine's own (TZ overrules it), or UTC where it has none by name. Reads files."""
    import tzlocal

    try:
        name = tzlocal.get_localzone_name()
        ZoneInfo(name or "")
    except (LookupError, OSError, ValueError):
        return UTC
    return str(name)


def named(words: str) -> str | None:
    """The zone that somebody means: its whole name, or a city that one zone alone ends with.
    Reads files."""
    wanted = _folded(words)
    ends: list[str] = []
    for name in names():
        if _folded(name) == wanted:
            return name
        if _folded(name.rpartition("/")[2]) == wanted:
            ends.append(name)
    return ends[0] if len(ends) == 1 else None


def offers(words: str, most: int = MOST) -> list[str]:
    """Zones that somebody could mean, the likeliest first. Reads files."""
    wanted = _folded(words)
    by_city = {_folded(name.rpartition("/")[2]): name for name in names()}
    alike = difflib.get_close_matches(wanted, by_city, 3, 0.75) if wanted else []
    found = [name for city, name in by_city.items() if city.startswith(wanted)] if wanted else []
    found += [name for name in names() if wanted in _folded(name)]
    found += [by_city[city] for city in alike]
    return list(dict.fromkeys(found))[:most]


def _folded(words: str) -> str:
    # A name may come back with the invisible sign in it by which chats were told not to link it.
    return "_".join(words.casefold().replace("_", " ").replace("\u2060", "").split())
