"""Others that look for the nearest vectors, each as it is meant to be used for one group."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.photos import Vector

TOP = 3
Ask = Callable[[Vector], list[int]]
"""A (d,) question -> the TOP nearest, numbered in the order that they were put in."""


def rivals(vectors: Vector, work: Path) -> dict[str, Ask]:
    """Every rival by its name and version, filled with (n, d) unit vectors."""
    coded = np.rint(vectors * (127 / np.abs(vectors).max())).astype(np.int8)
    return {
        f"NumPy {version('numpy')}, matrix × vector": _numpy(vectors),
        f"faiss {version('faiss-cpu')}, IndexFlatIP": _faiss(vectors),
        f"usearch {version('usearch')}, exact, float32": _usearch(vectors, np.float32),
        f"usearch {version('usearch')}, exact, int8": _usearch(coded, np.int8),
        f"sqlite-vec {version('sqlite-vec')}, float32": _sqlite_vec(vectors, work / "f32.db"),
        f"sqlite-vec {version('sqlite-vec')}, int8": _sqlite_vec(coded, work / "int8.db"),
    }


def _numpy(vectors: Vector) -> Ask:
    def ask(question: Vector) -> list[int]:
        cosines = vectors @ question
        best = np.argpartition(-cosines, TOP)[:TOP]
        return [int(n) for n in best]

    return ask


def _faiss(vectors: Vector) -> Ask:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    def ask(question: Vector) -> list[int]:
        return [int(n) for n in index.search(question[None], TOP)[1][0]]

    return ask


def _usearch(vectors: NDArray[np.generic], kind: type[np.generic]) -> Ask:
    from usearch.index import MetricKind, search

    def ask(question: Vector) -> list[int]:
        if kind is np.int8:
            asked = np.rint(question / np.abs(question).max() * 127).astype(np.int8)
        else:
            asked = question
        found = search(vectors, asked, TOP, MetricKind.IP, exact=True, threads=0)
        return [int(n) for n in np.asarray(found.keys).ravel()]

    return ask


def _sqlite_vec(vectors: NDArray[np.generic], path: Path) -> Ask:
    """A vec0 table in a file. apsw loads it: many Pythons' sqlite3 can't load extensions."""
    import apsw
    import sqlite_vec

    is_coded = vectors.dtype == np.int8
    kind, value = ("int8", "vec_int8(?)") if is_coded else ("float", "?")
    db = apsw.Connection(str(path))
    db.enable_load_extension(True)
    db.load_extension(sqlite_vec.loadable_path())
    db.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
    db.execute(
        "CREATE VIRTUAL TABLE photos USING vec0"
        f"(vector {kind}[{vectors.shape[1]}] distance_metric=cosine)"
    )
    with db:
        db.executemany(
            f"INSERT INTO photos (rowid, vector) VALUES (?, {value})",
            ((n, vector.tobytes()) for n, vector in enumerate(vectors)),
        )

    def ask(question: Vector) -> list[int]:
        if is_coded:
            question = np.rint(question / np.abs(question).max() * 127).astype(np.int8)
        return [
            int(n)
            for (n,) in db.execute(
                f"SELECT rowid FROM photos WHERE vector MATCH {value} AND k = {TOP}",
                (question.tobytes(),),
            )
        ]

    return ask
