"""What the chat platforms say alike; each adds its own markup and escaping."""

from __future__ import annotations

import unicodedata

from bot.language import count, photos, say
from bot.photos import GroupStatus

_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""These turn the order of what follows around."""


def one_line(text: str) -> str:
    """Somebody's words without line breaks, control characters and what turns text around."""
    return " ".join("".join(c if _is_shown(c) else " " for c in text).split())


def grace(days: int) -> str:
    """When what is kept of a group goes, once the bot is no longer in it."""
    return count(days, "after {count} day", "after {count} days") if days else say("at once")


def in_numbers(status: GroupStatus | None, some: str, none: str) -> str:
    """A group in numbers. `some`: how to say that there are {photos}; `none`: that there are
    none."""
    if status is None or not (status.photos or status.refused):
        return say(none)
    parts = [say(some, photos=photos(status.photos))]
    if waiting := max(status.waiting_embedding, status.waiting_text):
        parts.append(
            count(
                waiting,
                "{count} of them I am still looking at",
                "{count} of them I am still looking at",
            )
        )
    if refused := len(status.refused):
        parts.append(
            count(refused, "{count} file could not be read", "{count} files could not be read")
        )
    return say("{sentence}.", sentence=say("; ").join(parts))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") and (
        character not in _TURNING
    )
