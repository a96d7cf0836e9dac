"""Wiring of photos' bytes between processes: gateways, which have tokens and disks, give them to
encoders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from adapters.files import NotOnThisDisk
from bot.memory import PhotoMemory
from bot.photos import Job
from bot.ports import ChatAdapter
from bot.settings import Settings

Elsewhere: TypeAlias = Callable[[Job], Awaitable[bytes]]
"""Has the originals that no adapter here has. Raises FetchFailed, PhotoGone."""


@asynccontextmanager
async def from_gateways(chosen: Settings) -> AsyncIterator[Elsewhere | None]:
    """What encoders ask, while the block runs; None: the settings name no gateway."""
    if not chosen.gateway_urls:
        yield None
        return
    from adapters.remote import Gateways

    async with Gateways(chosen.gateway_urls, chosen.gateway_secret) as gateways:
        yield gateways.fetch


def leave_to_gateways(adapters: dict[str, ChatAdapter], *, is_given: bool) -> None:
    """Photos that are files lie on a gateway's disk, and what lies here under the same name is
    something else; unless no gateway gives anything: then the disk may be the same."""
    if is_given:
        adapters.clear()
    else:
        adapters.update({each: NotOnThisDisk(files) for each, files in adapters.items()})


@asynccontextmanager
async def to_encoders(chosen: Settings, memory: PhotoMemory) -> AsyncIterator[None]:
    """Give them what they ask for, while the block runs. Raises SettingsError when the port can't
    be had."""
    if chosen.gateway_listen is None:
        yield
        return
    from adapters.originals_server import OriginalsServer

    host, port = chosen.gateway_listen
    async with OriginalsServer(memory, chosen.gateway_secret, host, port):
        yield
