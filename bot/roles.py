"""What a process is for, where several share a memory."""

from __future__ import annotations

from enum import StrEnum

from bot.errors import SettingsError
from bot.settings import Settings


class Role(StrEnum):
    """As on the command line."""

    GATEWAY = "gateway"
    """Takes part in chats and answers questions."""
    ENCODER = "encoder"
    """Looks at photos."""
    BOTH = "both"

    @property
    def talks(self) -> bool:
        return self is not Role.ENCODER

    @property
    def looks(self) -> bool:
        return self is not Role.GATEWAY


def make_sure(role: Role, chosen: Settings) -> None:
    """Raises SettingsError where a process can't do what it is for."""
    if role is not Role.BOTH and not chosen.on_postgres:
        raise SettingsError(
            f"--role {role} shares the memory with other processes, which needs PostgreSQL: set "
            "DATABASE_URL=postgresql://user:password@host/database (docs/scaling.md)"
        )
    tokens = chosen.discord_token or chosen.telegram_token
    if role is Role.ENCODER and not tokens and not chosen.gateway_urls:
        raise SettingsError(
            "--role encoder gets no photos: set GATEWAY_URL and GATEWAY_SECRET, or the tokens"
        )
