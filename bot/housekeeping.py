"""What has to be done now and then, without anybody asking."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from bot.errors import StoreError
from bot.ports import PhotoStore

log = logging.getLogger(__name__)

ROUND_SECONDS = 3600.0
SCRUB_SECONDS = 5.0
"""What somebody had forgotten is gone from the files about so soon."""
CLEAR_SECONDS = 60.0
AT_ONCE = 200
"""Posts that are forgotten in one transaction, so that nobody waits long for it."""
BREATH_SECONDS = 0.1
"""Between two transactions of long work."""
UPGRADE_DAYS = 30
"""How long the copy that an upgrade makes is kept, with all that was forgotten since."""


async def keep_house(
    store: PhotoStore,
    grace: timedelta,
    retention: timedelta | None,
    keep_thumbnails: bool = False,
    drop_copies: Callable[[datetime], Awaitable[int]] | None = None,
) -> None:
    """All chores side by side, until cancelled. `drop_copies` deletes what upgrades copied before
    a moment."""
    chores = [
        _again(
            CLEAR_SECONDS,
            "embeddings that nobody needs still take room",
            lambda: _clear(store, keep_thumbnails),
        ),
        _again(ROUND_SECONDS, "left groups are not forgotten yet", lambda: _left(store, grace)),
        _again(SCRUB_SECONDS, "deleted data may be left in the files", store.scrub),
    ]
    if retention is not None:
        chores.append(
            _again(
                ROUND_SECONDS, "old photos are not forgotten yet", lambda: _old(store, retention)
            )
        )
    if drop_copies is not None:
        chores.append(
            _again(
                ROUND_SECONDS,
                "a copy that an upgrade made is not deleted yet",
                lambda: _copies(drop_copies, retention),
            )
        )
    await asyncio.gather(*chores)


async def forget_old(store: PhotoStore, retention: timedelta) -> int:
    """Forget what was posted longer ago than that; returns how many posts. Raises StoreError."""
    before = datetime.now(UTC) - retention
    posts = 0
    while some := await store.forget_older(before, AT_ONCE):
        posts += some
    if posts:
        log.info("forgot %d posts that were older than %d days", posts, retention.days)
    return posts


async def _left(store: PhotoStore, grace: timedelta) -> None:
    for group in await store.groups.erase_left(datetime.now(UTC) - grace):
        log.info("forgot %s, which the bot was removed from", group.id)


async def _old(store: PhotoStore, retention: timedelta) -> None:
    await forget_old(store, retention)


async def _copies(drop: Callable[[datetime], Awaitable[int]], retention: timedelta | None) -> None:
    """A copy must not know for longer what its memory is to forget by its age."""
    age = min(timedelta(days=UPGRADE_DAYS), retention or timedelta.max)
    if gone := await drop(datetime.now(UTC) - age):
        log.info("deleted %d copies that upgrades made more than %d days ago", gone, age.days)


async def _clear(store: PhotoStore, keep_thumbnails: bool) -> None:
    while await store.models.clear(AT_ONCE):  # noqa: ASYNC110
        await asyncio.sleep(BREATH_SECONDS)
    while not keep_thumbnails and await store.thumbnails.drop(AT_ONCE):  # noqa: ASYNC110
        await asyncio.sleep(BREATH_SECONDS)


async def _again(pause: float, problem: str, chore: Callable[[], Awaitable[object]]) -> None:
    """Do it over and over; where the database refuses it, once an hour."""
    while True:
        try:
            await chore()
        except StoreError as error:
            log.error("%s: %s", problem, error)
            await asyncio.sleep(ROUND_SECONDS)
        await asyncio.sleep(pause)
