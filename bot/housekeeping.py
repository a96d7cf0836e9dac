"""What has to be done now and then, without anybody asking."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from bot.errors import StoreError
from bot.ports import GroupStore

log = logging.getLogger(__name__)

ROUND_SECONDS = 3600.0


async def erase_left_groups(groups: GroupStore, grace: timedelta) -> None:
    """Forget groups that the bot was removed from longer than `grace` ago; until cancelled."""
    while True:
        try:
            for group in await groups.erase_left(datetime.now(UTC) - grace):
                log.info("forgot %s, which the bot was removed from", group.id)
        except StoreError as error:
            log.error("left groups are not forgotten yet: %s", error)
        await asyncio.sleep(ROUND_SECONDS)
