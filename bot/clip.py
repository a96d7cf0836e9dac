"""A CLIP model behind the Encoder port, on one thread, by the fastest way this machine has.

Without a GPU that is ONNX Runtime (bot.exported), from files that are made once a model
(bot.exporting): it is twice as fast as PyTorch, needs a third of the memory, and starts without
importing torch, which alone takes seconds and 400 MB. With a GPU, and for models that can't be
exported, it is PyTorch (bot.eager). Both give the same vectors, so that they share the model's
fingerprint: the export is checked against PyTorch and refused where it is off. The starter brings
its export along, and runs so everywhere.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from bot import eager, exporting, modelfolder, models
from bot.errors import ModelUnavailable, line_of
from bot.exported import ExportedNetwork
from bot.hub import Hub, Progress
from bot.loader import Preparing
from bot.modelfolder import Hashes, ModelFolder
from bot.models import ModelPresence
from bot.photos import Calibration, ImageSpec, Model, Pixels, Vector
from bot.starter import files as starter
from bot.threads import Closed, Threads, Urgency

log = logging.getLogger(__name__)

REMEMBERED = 512
"""Texts whose vectors are kept: a question that is asked again, its pages, and what is compared
with every question. 2 or 3 KB each."""

LOOKING_NICENESS = 5
"""Of threads that embed images beside one that embeds texts: a question goes first."""


class Network(Protocol):
    """Both towers of a loaded model. Synchronous; each is called from one thread only."""

    image_spec: ImageSpec
    calibration: Calibration
    dimension: int
    batch: int
    """At most so many images go through it at once: a query waits no longer than that."""
    side_by_side: bool
    """Whether the towers may run at the same time: then a query doesn't wait at all."""
    lanes: int
    """How many images, or batches of them, may be worked on at the same time."""

    def images(self, images: Pixels) -> Vector:
        """(n, height, width, 3) uint8 -> (n, d) unit vectors."""
        ...

    def text(self, text: str) -> Vector:
        """One text -> (d,) unit vector."""
        ...


def load(
    model: str,
    models_folder: Path,
    hub_url: str,
    progress: Progress,
    preparing: Preparing = lambda percent: None,
) -> ClipEncoder:
    """Load `model`, downloading and exporting it first if need be. Blocks: a second, or as long
    as those take.

    `progress` is told (bytes done, bytes in all) while downloading, `preparing` percents of the
    export; what they raise stops that.
    Raises ModelUnavailable with one line: what was tried and the ways out.
    """
    hashes = Hashes(models_folder / "hashes.json")
    folder = models.obtain(model, models_folder, Hub(hub_url), eager.recipe, hashes, progress)
    try:
        fingerprint = modelfolder.fingerprint(folder, hashes)
        network = _network(folder, fingerprint, models_folder, preparing)
        return ClipEncoder(Model(model, fingerprint, network.dimension), network)
    except ModelUnavailable as error:
        raise models.explained(model, error) from error
    except (ImportError, OSError, RuntimeError, MemoryError) as error:
        raise models.explained(model, ModelUnavailable(line_of(error))) from error


def _network(
    folder: ModelFolder, fingerprint: str, models_folder: Path, preparing: Preparing
) -> Network:
    if folder.path == starter.FOLDER:
        return ExportedNetwork(folder.path)
    if _gpu() and eager.sees_gpu():
        return eager.EagerNetwork(folder)
    try:
        return ExportedNetwork(exporting.obtain(folder, fingerprint, models_folder, preparing))
    except exporting.CanNotExport as reason:
        log.warning("the model runs in PyTorch, slower and with more memory: %s", reason)
        return eager.EagerNetwork(folder)


def _gpu() -> bool:
    """Whether there is an NVIDIA driver with a GPU, asked without importing torch (seconds)."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        return (
            driver.cuInit(0) == 0
            and not driver.cuDeviceGetCount(ctypes.byref(count))
            and (count.value > 0)
        )
    except (OSError, AttributeError):
        return False


def inspect(model: str, models_folder: Path, hub_url: str) -> ModelPresence:
    """Say whether `model` is here or can be had, without loading it; torch-free if it is here."""
    return models.inspect(model, models_folder, Hub(hub_url), eager.recipe)


class ClipEncoder:
    """Runs a network on threads of its own; texts go ahead of waiting images.

    Errors of the network reach the caller as ModelUnavailable, as does a call after `close`.
    """

    def __init__(self, model: Model, network: Network) -> None:
        self._model = model
        self._network = network
        apart = network.side_by_side
        self._looking = Threads("clip-images", network.lanes, LOOKING_NICENESS if apart else 0)
        self._reading = Threads("clip-texts") if apart else self._looking
        self._texts: OrderedDict[str, Vector] = OrderedDict()

    @property
    def model(self) -> Model:
        return self._model

    @property
    def lanes(self) -> int:
        return self._network.lanes

    @property
    def image_spec(self) -> ImageSpec:
        return self._network.image_spec

    @property
    def calibration(self) -> Calibration:
        return self._network.calibration

    async def encode_images(self, images: Pixels) -> Vector:
        """(n, height, width, 3) uint8 RGB of `image_spec.size` -> (n, d) unit vectors."""
        if images.dtype != np.uint8 or images.shape[1:] != (*self.image_spec.size, 3):
            raise ValueError(f"images of {self.image_spec.size} wanted, not {images.shape}")
        batch, lanes = self._network.batch, self._network.lanes
        vectors = np.empty((len(images), self._model.dimension), np.float32)

        async def embed(places: range) -> None:
            for start in places:
                part = slice(start, start + batch)
                call = partial(self._network.images, images[part])
                vectors[part] = await self._run(self._looking, call)

        starts = range(0, len(images), batch)
        await asyncio.gather(*(embed(starts[lane::lanes]) for lane in range(lanes)))
        return vectors

    async def encode_text(self, text: str) -> Vector:
        """A query -> (d,) unit vector, not to be written to. What is longer than the model reads
        is cut."""
        vector = self._texts.pop(text, None)
        if vector is None:
            vector = await self._run(self._reading, partial(self._network.text, text), Urgency.NOW)
            vector.flags.writeable = False
        self._texts[text] = vector
        if len(self._texts) > REMEMBERED:
            self._texts.popitem(last=False)
        return vector

    def close(self) -> None:
        """End the threads after what is in progress; whoever waits gets ModelUnavailable."""
        self._reading.close()
        self._looking.close()

    async def __aenter__(self) -> ClipEncoder:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.close)

    async def _run(
        self, threads: Threads, call: Callable[[], Vector], urgency: Urgency = Urgency.WHENEVER
    ) -> Vector:
        try:
            return await threads.run(urgency, call)
        except Closed:
            raise ModelUnavailable(f"{self._model.name} was closed") from None
        except RuntimeError as error:
            raise ModelUnavailable(f"{self._model.name} failed: {line_of(error)}") from error
