"""Wiring of what is served to browsers: the local web chat, and the owner's page beside whatever
chat there is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from adapters import LiveChat
from bot.decoder import Decoder
from bot.health import Watched
from bot.memory import PhotoMemory
from bot.settings import Settings

if TYPE_CHECKING:
    from adapters.web_owner import OwnersPage, OwnersSite

log = logging.getLogger(__name__)


async def web_chat(
    chosen: Settings,
    memory: PhotoMemory,
    decoder: Decoder,
    watched: list[Watched],
    page: str = "",
) -> None:
    """The local web chat until cancelled, and the owner's page if there is a password for it.
    `watched`: the chats whose health is told, which it joins; `page`: where to begin."""
    from adapters.web import WebChat
    from storage.chatlog import ChatLog

    async with AsyncExitStack() as stack:
        owner = None
        if chosen.owner_password:
            owner = _owners_page(chosen, memory, decoder, ())
            stack.push_async_callback(owner.close)
        chat_log = await stack.enter_async_context(ChatLog(chosen.chat_path))
        chat = await stack.enter_async_context(
            WebChat(
                memory,
                chat_log,
                decoder.preview,
                chosen.data_folder,
                chosen.web_host,
                chosen.web_port,
                chosen.web_password,
                owner,
            )
        )
        watched.append(chat)
        log.info(
            "no chat platform is switched on: open the local web chat at %s%s", chat.address, page
        )
        await chat.serve()


@asynccontextmanager
async def owners_site(
    chosen: Settings, memory: PhotoMemory, decoder: Decoder, live: Sequence[LiveChat]
) -> AsyncIterator[None]:
    """The owner's page beside chat platforms, while the block runs; nothing without a password.
    Raises SettingsError when its port can't be had."""
    if not chosen.owner_password:
        yield
        return
    from adapters.web_owner import OwnersSite

    page = _owners_page(chosen, memory, decoder, live)
    folder, host, port = chosen.data_folder, chosen.web_host, chosen.web_port
    async with OwnersSite(page, memory, folder, host, port) as site:
        serving = asyncio.create_task(_serve(site))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def _owners_page(
    chosen: Settings, memory: PhotoMemory, decoder: Decoder, live: Sequence[LiveChat]
) -> OwnersPage:
    from adapters.web_owner import OwnersPage

    ids = chosen.owner_ids
    known = {each.platform: (each, ids[each.platform]) for each in live if each.platform in ids}
    return OwnersPage(memory, decoder.preview, chosen.owner_password, known)


async def _serve(site: OwnersSite) -> None:
    try:
        await site.serve()
    except Exception:
        log.exception("the owner's page stops, the chats go on")
