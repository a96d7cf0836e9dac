"""A loopback Telegram: its clients' side for a test to play, and a strict Bot API for the bot."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from tests.standins.telegram.api import Api
from tests.standins.telegram.files import Download, StoredFile
from tests.standins.telegram.model import (
    Button,
    Callback,
    CallbackAnswer,
    Chat,
    InlineAnswer,
    Message,
    Sender,
    Topic,
    User,
)
from tests.standins.telegram.state import Call
from tests.standins.telegram.world import World

__all__ = [
    "Api",
    "Button",
    "Call",
    "Callback",
    "CallbackAnswer",
    "Chat",
    "Download",
    "InlineAnswer",
    "Message",
    "Sender",
    "StoredFile",
    "TelegramWorld",
    "Topic",
    "User",
]


class TelegramWorld(World):
    """Telegram for one bot."""

    def serving(self, port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve at an address, which is given back. It may be stopped and served again, at the
        same port, with all that it knows."""
        return Api(self).serving(port)
