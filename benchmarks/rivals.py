"""How others turn photos into vectors, with the same weights as ours.

Each is its project's way of decoding, batching and storing, written here on open_clip's or ONNX
Runtime's call so that only the way differs:

- the plain loop, a photo at a time: what a first bot does, and what open_clip's README shows.
- Vesta (github.com/Ednaordinary/Vesta, main.py): everything that waits becomes one call of
  sentence-transformers' `encode`, which takes 32 at once; a file a vector.
- rclip 3.3 (PyPI, main.py and utils/preprocess.py, MIT): a thread a core decodes and scales three
  batches ahead, ONNX Runtime takes 8 at once, SQLite keeps the vectors.
"""

from __future__ import annotations

import io
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bot.eager import EagerNetwork
from bot.photos import Vector

VESTA_BATCH, RCLIP_BATCH, RCLIP_AHEAD = 32, 8, 3


class PyTorch:
    """open_clip in float32 with its own preprocessing of a whole decoded photo."""

    def __init__(self, network: EagerNetwork) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self._clip = network.clip
        config = PreprocessCfg(**network.clip.visual.preprocess_cfg)
        self._transform: Callable[[Image.Image], Any] = image_transform_v2(config, is_train=False)

    def prepared(self, jpeg: bytes) -> Any:
        """A normalised tensor (3, height, width)."""
        return self._transform(Image.open(io.BytesIO(jpeg)))

    def encoded(self, tensors: Sequence[Any]) -> Vector:
        """(n, d) unit vectors."""
        import torch

        with torch.inference_mode():
            vectors: Vector = self._clip.encode_image(torch.stack(list(tensors)), True).numpy()
        return vectors

    def plain_loop(self, jpegs: Sequence[bytes], work: Path) -> Vector:
        with _database(work) as database:
            vectors = []
            for number, jpeg in enumerate(jpegs):
                vector = self.encoded([self.prepared(jpeg)])[0]
                with database:
                    database.execute("INSERT INTO v VALUES (?, ?)", (number, vector.tobytes()))
                vectors.append(vector)
        return np.stack(vectors)

    def vesta(self, jpegs: Sequence[bytes], work: Path) -> Vector:
        vectors: list[Vector] = []
        for start in range(0, len(jpegs), VESTA_BATCH):
            batch = jpegs[start : start + VESTA_BATCH]
            for vector in self.encoded([self.prepared(jpeg) for jpeg in batch]):
                np.save(work / f"{len(vectors)}.npy", vector)
                vectors.append(vector)
        return np.stack(vectors)


class Rclip:
    """ONNX Runtime in float32, on `input` (n, height, width, 3) uint8."""

    def __init__(self, graph: Path, side: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._side = side

    def _prepared(self, jpeg: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        short, side = min(image.size), self._side
        size = (int(side * image.width / short), int(side * image.height / short))
        image = image.resize(size, Image.Resampling.BICUBIC)
        left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
        return np.array(image.crop((left, top, left + side, top + side)))

    def _ahead(self, jpegs: Sequence[bytes]) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
        waiting: deque[Future[np.ndarray[Any, np.dtype[np.uint8]]]] = deque()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for jpeg in jpegs:
                waiting.append(pool.submit(self._prepared, jpeg))
                if len(waiting) > RCLIP_AHEAD * RCLIP_BATCH:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def index(self, jpegs: Sequence[bytes], work: Path) -> Vector:
        found: list[Vector] = []
        batch: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
        with _database(work) as database, database:
            for number, pixels in enumerate(self._ahead(jpegs), 1):
                batch.append(pixels)
                if len(batch) == RCLIP_BATCH or number == len(jpegs):
                    vectors = self._session.run(None, {"pixels": np.stack(batch)})[0]
                    for vector in vectors:
                        database.execute("INSERT INTO v VALUES (?, ?)", (len(found), bytes(vector)))
                        found.append(vector)
                    batch.clear()
        return np.stack(found)


class _database:
    """A fresh one for vectors."""

    def __init__(self, work: Path) -> None:
        (work / "rival.db").unlink(missing_ok=True)
        self._connection = sqlite3.connect(work / "rival.db")
        self._connection.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, vector BLOB)")

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *exc: object) -> None:
        self._connection.close()
