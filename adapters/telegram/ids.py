"""The core's ids of what is in Telegram, and links into it; needs no SDK."""

from __future__ import annotations

PLATFORM = "telegram"
PREFIX = f"{PLATFORM}:"
CHANNEL_IDS = -1_000_000_000_000
"""The Bot API counts supergroups and channels down from here
(https://core.telegram.org/api/bots-ids); ids have ten digits, so that it looks like -100 before
them."""


def group_id(chat: int) -> str:
    """The core's id of a Telegram chat."""
    return f"{PREFIX}{chat}"


def chat_id(group: str) -> int:
    """Telegram's id of a group of the core."""
    return int(group.removeprefix(PREFIX))


def person_id(sender: int) -> str:
    """The core's id of a user, or of a chat that somebody speaks for."""
    return f"{PREFIX}{sender}"


def channel_id(bare: int) -> int:
    """The Bot API's id of a supergroup or channel, of which apps know the bare number."""
    return CHANNEL_IDS - bare


def link_into(supergroup: int, message: int) -> str | None:
    """Where members of a supergroup can see a message; other chats have no such links."""
    bare = str(supergroup).removeprefix("-100")
    return None if bare == str(supergroup) else f"https://t.me/c/{bare}/{message}"


def exported(chat: int) -> str:
    """The channel of posts that are known from an export alone, whose message numbers aren't the
    bot's: in basic groups each account has its own (https://core.telegram.org/api/updates,
    "common message box"), also after they became supergroups."""
    return f"{chat}/export"


def is_exported(channel: str) -> bool:
    """Whether its message numbers say nothing to the bot."""
    return channel.endswith("/export")
