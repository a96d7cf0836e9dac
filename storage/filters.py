"""Which rows of a group's columns are in scope: what `Scope` asks of SQL, asked of memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bot.photos import Audience, Only
from storage.roll import Block

Rows = NDArray[np.bool_]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Filter:
    """An audience's photos, narrowed; `holding` are all that hold the wanted words, if those are
    asked for.

    Channels and authors are compared by hashes: whoever shows what was found asks SQL once more.
    """

    def __init__(
        self, audience: Audience, only: Only, holding: NDArray[np.int64] | None = None
    ) -> None:
        self._channels = None if audience.channels is None else _hashes(audience.channels)
        self._protected = audience.protected
        self._authors = None if only.authors is None else _hashes(only.authors)
        self._after = None if only.after is None else microseconds(only.after)
        self._before = None if only.before is None else microseconds(only.before)
        self._apart = np.array(sorted(only.apart), np.int64)
        among = None if only.among is None else np.array(sorted(only.among), np.int64)
        self._sets = [each for each in (among, holding) if each is not None]
        self.narrow = (
            any(each is not None for each in (self._authors, self._after, self._before))
            or bool(self._sets)
            or len(self._apart) > 0
        )

    def tags(self, block: Block) -> Rows:
        """Which of the block's tags may be shown, (t,)."""
        channels, protected, _ = block.tags
        allowed = np.ones(len(channels), np.bool_)
        if self._channels is not None:
            allowed &= np.isin(channels, self._channels)
        if not self._protected:
            allowed &= ~protected
        return allowed

    def rows(self, block: Block) -> Rows | None:
        """Which of the block's photos are in scope, (n,). None: all of its rows."""
        allowed, (_, _, of_row) = self.tags(block), block.tags
        if not self.narrow and block.whole and allowed.all():
            return None
        columns = block.columns
        mask: Rows = np.append(allowed, False)[of_row]
        if self._authors is not None:
            mask &= np.isin(columns.authors, self._authors)
        if self._after is not None:
            mask &= columns.posted >= self._after
        if self._before is not None:
            mask &= columns.posted < self._before
        if len(self._apart):
            mask &= ~np.isin(columns.ids, self._apart)
        for each in self._sets:
            mask &= np.isin(columns.ids, each)
        return mask


@lru_cache(65536)
def hashed(key: str) -> int:
    """64 bits that stand for a key, the same in every process."""
    return int.from_bytes(
        hashlib.blake2b(key.encode(), digest_size=8).digest(), "little", signed=True
    )


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _hashes(keys: Iterable[str]) -> NDArray[np.int64]:
    return np.array(sorted(hashed(key) for key in keys), np.int64)
