"""What two processes did at once, and one of them could not finish, is done again."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections.abc import Callable
from typing import Any, TypeVar

from storage.pg.trouble import Clash

TRIES = 4
PAUSE_SECONDS = 0.1
T = TypeVar("T")


def done_again(kind: type[T]) -> type[T]:
    """A class whose verbs are transactions, or begin anew where they were broken off: after a
    deadlock each is done again as a whole."""
    for name, verb in list(vars(kind).items()):
        if not name.startswith("_") and inspect.iscoroutinefunction(verb):
            setattr(kind, name, _again(verb))
    return kind


def _again(verb: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(verb)
    async def insist(*args: Any, **named: Any) -> Any:
        for tried in range(1, TRIES):
            try:
                return await verb(*args, **named)
            except Clash:
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * tried))  # noqa: S311
        return await verb(*args, **named)

    return insist
