"""Answers questions from memory and SQL in threads of its own, so that nothing waits for them."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from bot.candidates import Background, Candidates, Meant
from bot.cores import cores
from bot.errors import StoreError
from bot.photos import ALL, Audience, Model, Only, Vector
from storage.cohort import Cohort
from storage.connection import BUSY_SECONDS, Database
from storage.loading import fetch
from storage.meaning import by_meaning, candidates
from storage.names import alike
from storage.packing import pack
from storage.replies import said_of
from storage.roll import Kind
from storage.rolls import EXACT, Rolls
from storage.search import Scope, by_words, words_of
from storage.view import View

AT_ONCE = 4
"""Questions; each scan uses all cores anyway."""
MEGABYTE = 2**20
log = logging.getLogger(__name__)
Found = TypeVar("Found")


class Searcher:
    """The search side of a store. Questions about one group wait for each other, others don't."""

    def __init__(self, db: Database, cache_megabytes: int, exact: int = EXACT) -> None:
        self._db = db
        self._rolls = Rolls(cache_megabytes * MEGABYTE, exact)
        self._threads = cores()
        self._asking: ThreadPoolExecutor | None = None
        self._scanning: ThreadPoolExecutor | None = None
        self._connections: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._cohorts: dict[str, tuple[Background, Cohort]] = {}
        self._packing: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._asking = ThreadPoolExecutor(AT_ONCE, "search")
        self._scanning = ThreadPoolExecutor(self._threads, "scan")

    async def close(self) -> None:
        """Wait for what is being searched; safe to call twice."""
        if self._packing is not None:
            self._packing.cancel()
            await asyncio.wait([self._packing])
        for pool in (self._asking, self._scanning):
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)
        self._asking = self._scanning = None
        with suppress(queue.Empty):
            while True:
                self._connections.get_nowait().close()

    async def settled(self) -> None:
        """Until nothing is being packed."""
        if self._packing is not None:
            await asyncio.wait([self._packing])

    @property
    def nbytes(self) -> int:
        """What is kept in memory."""
        return self._rolls.nbytes

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

        def look(view: View) -> Candidates:
            scope = Scope(groups, audience, only)
            words = by_words(view.db, scope, terms)
            named = alike(view, groups, audience, only, meant, nearest)
            asked = vectors if view.kind.model else ()
            judging = None if background is None else cohort
            total, found = by_meaning(
                view, groups, audience, only, asked, nearest, {*words, *named}, judging
            )
            # What memory found is shown only if SQL says, at this moment, that it may be.
            wanted = (found.cosines.keys() | named.keys()) - words.keys()
            words |= words_of(view.db, scope, wanted)
            said = said_of(view.db, words)

            items = candidates(words, said, named, found)
            return Candidates(total, found.median, items, found.level)

        return await self._ask(groups, model, cohort, look)

    async def cosines(
        self, groups: Collection[str], audience: Audience, vector: Vector, model: Model
    ) -> dict[int, float]:
        """See ScopeStore.cosines."""

        def look(view: View) -> dict[int, float]:
            if not view.kind.model:
                return {}
            parts = view.parts(groups, audience, ALL, vector[None].astype(np.float32))
            ids = [part.ids for part in parts]
            values = [part.cosines[0] for part in parts]
            return {
                photo: value
                for some, those in zip(ids, values, strict=True)
                for photo, value in zip(some.tolist(), those.tolist(), strict=True)
            }

        return await self._ask(groups, model, self._cohort(model, None), look)

    def _cohort(self, model: Model | None, background: Background | None) -> Cohort | None:
        """The last one of this model, so that a question without one needs no other columns."""
        if model is None:
            return None
        known = self._cohorts.get(model.fingerprint)
        if background is not None and (known is None or known[0] is not background):
            cohort = Cohort(background)
            if known is not None and known[1].name == cohort.name:
                cohort = known[1]
            known = self._cohorts[model.fingerprint] = (background, cohort)
        return None if known is None else known[1]

    async def _ask(
        self,
        groups: Collection[str],
        model: Model | None,
        cohort: Cohort | None,
        look: Callable[[View], Found],
    ) -> Found:
        assert self._asking is not None, "the store is not open"

        def answer() -> Found:
            with self._view(groups, model, cohort) as view:
                return look(view)

        found = await asyncio.get_running_loop().run_in_executor(self._asking, answer)
        if self._rolls.to_pack and (self._packing is None or self._packing.done()):
            self._packing = asyncio.create_task(self._pack())
        return found

    @contextmanager
    def _view(
        self, groups: Collection[str], model: Model | None, cohort: Cohort | None
    ) -> Iterator[View]:
        assert self._scanning is not None, "the store is not open"
        try:
            with self._reading() as db:
                ids = dict(
                    fetch(
                        db,
                        "SELECT key, id FROM groups WHERE key IN (SELECT value FROM json_each(?))",
                        (json.dumps(list(groups)),),
                    )
                )
                # Locked first: no roll knows of later changes than this transaction.
                with self._rolls.locked(ids.values()) as held:
                    db.execute("BEGIN")
                    kind = _kind(db, model, cohort)
                    yield View(db, self._rolls, held, ids, kind, self._scanning, self._threads)
        except sqlite3.Error as error:
            raise self._db.trouble("read", error) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; its transaction ends with it."""
        try:
            db = self._connections.get_nowait()
        except queue.Empty:
            db = _connect(self._db.path)
        try:
            yield db
        finally:
            if db.in_transaction:
                db.execute("COMMIT")
            self._connections.put(db)

    async def _pack(self) -> None:
        """Write what had to be read one by one as packs, for the next start."""
        while self._rolls.to_pack:
            group, kind = self._rolls.to_pack.popitem()
            try:
                await pack(self._db, self._reading, group, kind)
            except StoreError as error:
                log.warning("the next start will take longer: %s", error)


def _kind(db: sqlite3.Connection, model: Model | None, cohort: Cohort | None) -> Kind:
    """Without embeddings as long as there are none of this model."""
    found = fetch(
        db,
        "SELECT id, dimension FROM models WHERE fingerprint = ?",
        ("" if model is None else model.fingerprint,),
    )
    return Kind(int(found[0][0]), int(found[0][1]), cohort) if found else Kind()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only = ON")
    return db
