"""What a model says of nothing in particular, kept on disk: tens of embeddings, seconds of a CPU.

It lies beside the model's export under the same fingerprint. It is a cache: a file that is missing
or damaged, or can't be written, costs time, never an error.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import zipfile
from pathlib import Path

import numpy as np

from bot.photos import Vector

log = logging.getLogger(__name__)

FOLDER = "exports"
NEARLY = 1e-2


class BackgroundFile:
    """One model's texts and pictures, as it sees them."""

    def __init__(self, models_folder: Path, fingerprint: str, asked: str) -> None:
        """`asked` tells what was embedded: what was made of anything else is not found."""
        self._path = models_folder / FOLDER / f"{fingerprint}-background-{asked}.npz"

    def read(self, texts: int, pictures: int, dimension: int) -> tuple[Vector, Vector] | None:
        """So many texts and pictures; None: they are not here."""
        try:
            with zipfile.ZipFile(self._path) as held:  # which compares checksums
                found = _vectors(held, "texts"), _vectors(held, "pictures")
        except FileNotFoundError:
            return None
        except Exception as error:  # a damaged archive raises anything
            log.info("%s is made again: it can't be read (%s)", self._path, type(error).__name__)
            return None
        for vectors, count in zip(found, (texts, pictures), strict=True):
            if vectors.dtype != np.float32 or vectors.shape != (count, dimension):
                return None
            if not np.all(np.abs(np.linalg.norm(vectors, axis=1) - 1) < NEARLY):
                return None
        return found

    def write(self, texts: Vector, pictures: Vector) -> None:
        """Under another name first: whoever reads finds all of it or nothing."""
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as target:
                np.savez(target, texts=texts, pictures=pictures)
            partial.replace(self._path)
        except OSError as error:
            log.info("%s can't be kept: %s", self._path, error.strerror)
            with contextlib.suppress(OSError):
                partial.unlink()


def _vectors(held: zipfile.ZipFile, name: str) -> Vector:
    """Checked by whoever asks."""
    vectors: Vector = np.lib.format.read_array(
        io.BytesIO(held.read(f"{name}.npy")), allow_pickle=False
    )
    return vectors
