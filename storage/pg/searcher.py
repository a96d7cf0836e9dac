"""Answers questions from PostgreSQL, each as of one moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.candidates import Background, Candidates, Meant
from bot.photos import ALL, Audience, Model, Only, Vector
from storage.cohort import Cohort
from storage.meaning import candidates
from storage.pg.heights import Heights
from storage.pg.indexes import LOOK, Indexes
from storage.pg.likeness import alike
from storage.pg.meaning import Asked, all_cosines, by_meaning
from storage.pg.near import kind_of
from storage.pg.pool import Pool
from storage.pg.rows import Connection, numbers_of_groups
from storage.pg.scope import Scope
from storage.pg.sizes import Sizes
from storage.pg.words import by_words, said_of, words_of


class Searcher:
    """The search side of a store."""

    def __init__(self, pool: Pool, indexes: Indexes) -> None:
        self._pool = pool
        self._indexes = indexes
        self._heights = Heights()
        self._sizes = Sizes()
        self._cohorts: dict[str, tuple[Background, Cohort]] = {}

    async def search(
        self,
        groups: Collection[str],
        audience: Audience,
        terms: Sequence[str],
        vectors: Sequence[Vector],
        model: Model | None,
        nearest: int,
        only: Only = ALL,
        meant: Meant | None = None,
        background: Background | None = None,
    ) -> Candidates:
        """See PhotoStore.search."""
        cohort = self._cohort(model, background)
        async with self._pool.snapshot() as db:
            asked = await self._asked(db, groups, audience, only, model)
            scope = Scope(asked.groups, audience, only)
            words = await by_words(db, asked.groups, scope, terms)
            named = await alike(asked, meant, nearest)
            also = {*words, *named}
            total, found = await by_meaning(asked, vectors, nearest, also, cohort, self._heights)
            words |= await words_of(db, scope, (found.cosines.keys() | named.keys()) - words.keys())
            said = await said_of(db, words)

        items = candidates(words, said, named, found)
        self._indexes.need(asked.kind, asked.groups, total)
        return Candidates(total, found.median, items, found.level)

    async def cosines(
        self, groups: Collection[str], audience: Audience, vector: Vector, model: Model
    ) -> dict[int, float]:
        """See ScopeStore.cosines."""
        async with self._pool.snapshot() as db:
            return await all_cosines(await self._asked(db, groups, audience, ALL, model), vector)

    async def _asked(
        self,
        db: Connection,
        groups: Collection[str],
        audience: Audience,
        only: Only,
        model: Model | None,
    ) -> Asked:
        numbers = list((await numbers_of_groups(db, groups)).values())
        kind = await kind_of(db, None if model is None else model.fingerprint)
        indexed = set(await self._indexes.ready(db, kind, numbers))
        for group in list(indexed):  # of few photos, all: neither index nor sample tells of them
            if await self._sizes.of(db, group, audience, only) < self._indexes.kept_from:
                indexed.remove(group)
        if indexed:
            await db.execute(LOOK)
        return Asked(db, numbers, audience, only, kind, frozenset(indexed), self._sizes)

    def _cohort(self, model: Model | None, background: Background | None) -> Cohort | None:
        """Of this background, worked out once."""
        if model is None or background is None:
            return None
        known = self._cohorts.get(model.fingerprint)
        if known is None or known[0] is not background:
            known = self._cohorts[model.fingerprint] = (background, Cohort(background))
        return known[1]
