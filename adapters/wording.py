"""What the chat platforms say alike; each adds its own markup and escaping."""

from __future__ import annotations

import unicodedata
from datetime import timedelta

from bot.language import count, photos, say, to_say
from bot.photos import GroupStatus

FORGET_ME = to_say(
    "Forget all that you posted here? {photos}, what you said about others' photos, the names that "
    "you gave and what you asked, for ever. So that I remember nothing of yours later on: /optout"
)
OPTED_OUT = to_say(
    "From now on I remember nothing that you post, in any group that I am in. What I remember of "
    "you from before goes with {forget_me}. /optin takes this back."
)
OPTED_IN = to_say("From now on I remember what you post, like that of everybody else.")

_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""These turn the order of what follows around."""


def one_line(text: str) -> str:
    """Somebody's words without line breaks, control characters and what turns text around."""
    return " ".join("".join(c if _is_shown(c) else " " for c in text).split())


def grace(days: int) -> str:
    """When what is kept of a group goes, once the bot is no longer in it."""
    return count(days, "after {count} day", "after {count} days") if days else say("at once")


def ageing(retention: timedelta | None) -> str:
    """How old what is remembered may become; empty if it may become as old as it likes."""
    if retention is None:
        return ""
    return count(
        retention.days,
        "I forget what was posted after {count} day.",
        "I forget what was posted after {count} days.",
    )


def in_numbers(status: GroupStatus | None, some: str, none: str) -> str:
    """A group in numbers. `some`: how to say that there are {photos}; `none`: that there are
    none."""
    if status is None or not (status.photos or status.refused):
        return say(none)
    parts = [say(some, photos=photos(status.photos))]
    if waiting := status.waiting:
        parts.append(
            count(
                waiting,
                "{count} of them I am still looking at",
                "{count} of them I am still looking at",
            )
        )
    if renewed := status.waiting_renewal:
        parts.append(
            count(
                renewed,
                "{count} of them a new model has yet to see",
                "{count} of them a new model has yet to see",
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
