"""Which photos of some groups and an audience could answer, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.photos import ALL, EVERYONE, Audience, Only
from storage.pg.joins import ON_POST
from storage.pg.wording import holds


def seen_by(audience: Audience) -> tuple[str, tuple[Any, ...]]:
    """Conditions on `posts`, each beginning with AND, that leave what an audience may see."""
    where, values = "", tuple[Any, ...]()
    if not audience.protected:
        where += " AND NOT posts.protected"
    if audience.channels is not None:
        where += " AND posts.channel = ANY(?)"
        values = (sorted(audience.channels),)
    return where, values


class Scope:
    """The photos that may be looked at: these groups', and of them only the audience's, narrowed
    to what the asker wants. `is_whole`: all of theirs that aren't refused."""

    def __init__(self, groups: Sequence[int], audience: Audience, only: Only = ALL) -> None:
        """`groups` are the database's own numbers."""
        self.groups = groups
        self.is_whole = audience == EVERYONE and only == ALL
        seen, channels = seen_by(audience)
        self._where = f"photos.group_id = ANY(?) AND photos.refused IS NULL{seen}"
        self._values: tuple[Any, ...] = (list(groups), *channels)
        if only.authors is not None:
            self._add(" AND posts.author = ANY(?)", sorted(only.authors))
        if only.after is not None:
            self._add(" AND posts.posted_at >= ?", only.after)
        if only.before is not None:
            self._add(" AND posts.posted_at < ?", only.before)
        for phrases, wanted in ((only.holding, ""), (only.lacking, "NOT ")):
            for phrase in phrases:
                condition, values = holds(phrase)
                self._add(f" AND {wanted}{condition}", *values)
        if only.apart:
            self._add(" AND photos.id <> ALL(?)", sorted(only.apart))
        if only.among is not None:
            self._add(" AND photos.id = ANY(?)", sorted(only.among))

    def _add(self, where: str, *values: Any) -> None:
        self._where += where
        self._values += values

    def count(self) -> tuple[str, tuple[Any, ...]]:
        """A statement that counts the photos in scope."""
        if self.is_whole:
            return (
                "SELECT count(*) FROM photos WHERE group_id = ANY(?) AND refused IS NULL",
                (list(self.groups),),
            )
        return self.select("count(*)")

    def select(
        self,
        columns: str,
        joins: str = "",
        where: str = "",
        values: Iterable[Any] = (),
        first: Iterable[Any] = (),
    ) -> tuple[str, tuple[Any, ...]]:
        """A SELECT over the photos in scope, with its values; `where` begins with AND. `first` are
        the values of `columns` and `joins`."""
        return (
            f"SELECT {columns} FROM photos JOIN posts ON {ON_POST} {joins}"
            f" WHERE {self._where} {where}",
            (*first, *self._values, *values),
        )
