"""A model that runs in ONNX Runtime: two graphs, a table of token vectors and what to know of it.

The folder is made by bot.export_child, the starter's by bot.starter.graphs:

    about.json        an About
    image.onnx        `pixels` (n, height, width, 3) uint8 -> `vectors` (n, d), unit length
    text.onnx         `rows` (1, t, width) float32, and `ids` (1, t) if it needs them -> `vectors`
    rows.npy          (vocabulary, width): a token's row. Mapped, not read: a query needs a few of
                      what is half of all weights in a model of 256,000 tokens
    tokenizer.json    see bot.tokens
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.cores import cores
from bot.errors import ModelUnavailable, line_of
from bot.photos import Calibration, ImageSpec, Pixels, Vector
from bot.tokens import Reading, Tokens

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ABOUT, IMAGE, TEXT, ROWS = "about.json", "image.onnx", "text.onnx", "rows.npy"
INT8, FLOAT32 = "int8", "float32"


@dataclass(frozen=True, slots=True)
class Pooling:
    """Which token's output is the text's vector, where the tower is causal: what comes after that
    token can't change it, so that it needs not be computed."""

    how: str
    """`argmax`: the highest id; `eos`: the first `end`. As open_clip's text_global_pool."""
    end: int | None = None

    def kept(self, ids: list[int]) -> int:
        """How many tokens have to be read."""
        if self.how == "argmax":
            return ids.index(max(ids)) + 1
        return ids.index(self.end) + 1 if self.end in ids else 1


@dataclass(frozen=True, slots=True)
class About:
    """What is to be known of an exported model."""

    image_spec: ImageSpec
    calibration: Calibration
    dimension: int
    reading: Reading
    pooling: Pooling | None
    """None: every token counts."""
    precision: dict[str, str]
    """Of each tower's file: `int8` or `float32`."""
    cosine: dict[str, float]
    """The lowest to PyTorch in float32 that was seen."""

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1), "utf-8")


def read(file: Path) -> About:
    """Raises OSError, ValueError, TypeError or KeyError for what `write` never wrote."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    spec = found["image_spec"] | {"size": tuple(found["image_spec"]["size"])}
    pooling = found["pooling"]
    return About(
        **found
        | {
            "image_spec": ImageSpec(**spec),
            "calibration": Calibration(**found["calibration"]),
            "reading": Reading(**found["reading"]),
            "pooling": pooling and Pooling(**pooling),
        }
    )


class ExportedNetwork:
    """The loaded model. Synchronous; each tower is called from one thread only."""

    side_by_side = True
    batch = 1
    """Several at once would make a photo's vector depend a little on its neighbours', since int8
    takes one scale for all that is computed; they are faster only where there is AMX."""
    lanes: int
    """Each image on a core of its own: two cores that share one wait for each other, 39 images a
    second instead of 62 (ViT-B-32)."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelUnavailable when a file is missing or damaged."""
        try:
            about = read(folder / ABOUT)
            self._rows = np.lib.format.open_memmap(folder / ROWS, mode="r")
            self._tokens = Tokens(folder, about.reading)
            self._image = session(folder / IMAGE, 1)
            self._text = session(folder / TEXT, cores(), spins=True)
        except Exception as error:  # each of these libraries has errors of its own
            raise ModelUnavailable(f"{folder} can't be read: {line_of(error)}") from error
        self._wants_ids = any(each.name == "ids" for each in self._text.get_inputs())
        self._pooling = about.pooling
        self.lanes = cores()
        self.image_spec = about.image_spec
        self.calibration = about.calibration
        self.dimension = about.dimension

    def images(self, images: Pixels) -> Vector:
        """(n, height, width, 3) uint8 -> (n, d) unit vectors."""
        return self._vectors(self._image, {"pixels": images})

    def text(self, text: str) -> Vector:
        """One text -> (d,) unit vector."""
        ids = self._tokens(text)
        if self._pooling is not None:
            ids = ids[: self._pooling.kept(ids)]
        fed: dict[str, Any] = {"rows": self._rows[ids][None].astype(np.float32)}
        if self._wants_ids:
            fed["ids"] = np.array([ids], np.int64)
        vector: Vector = self._vectors(self._text, fed)[0]
        return vector

    def _vectors(self, tower: InferenceSession, fed: dict[str, Any]) -> Vector:
        try:
            vectors: Vector = tower.run(["vectors"], fed)[0]
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise RuntimeError(line_of(error)) from error
        if not np.isfinite(vectors).all():
            raise RuntimeError("it computes values that are no numbers")
        return vectors


def session(graph: Path, threads: int, spins: bool = False) -> InferenceSession:
    """A graph that is ready to run, by several callers at once if need be, each time on so many
    cores. With `spins` its threads wait actively while it runs: short work is done a third sooner.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
