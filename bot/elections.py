"""What only one of all processes of a memory may do: who does it is elected, again and again."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bot.errors import LeadershipLost
from bot.ports import Elections

log = logging.getLogger(__name__)


class Alone:
    """Elections of a memory that only one process serves: it always leads."""

    @asynccontextmanager
    async def leading(self, name: str) -> AsyncIterator[None]:
        """(see Elections)"""
        yield


async def lead(elections: Elections, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` while this process is the one that is to do it; whenever it was not for a while,
    begin anew. Returns when the work has, and raises what it does."""
    while True:
        try:
            async with elections.leading(name):
                log.debug("this process does %r", name)
                await work()
                return
        except LeadershipLost as lost:
            log.warning("%s", lost)
