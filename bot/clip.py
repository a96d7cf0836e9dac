"""open_clip behind the Encoder port: the only file that imports torch or open_clip.

Importing this module is cheap; torch comes with `load` (seconds), on the caller's thread.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot import modelfolder, models, torchvision_nms
from bot.errors import ModelUnavailable
from bot.hub import Hub, Progress
from bot.modelfolder import Hashes, ModelFolder
from bot.models import ModelPresence, Recipe
from bot.onethread import Closed, OneThread, Urgency
from bot.photos import Calibration, ImageSpec, Model, Pixels, Vector

if TYPE_CHECKING:
    import torch

BATCH = 8
"""At most so many images go through the model at once: a query waits no longer than that."""

WORTH_IT = 1.5
"""How many times faster a lower precision has to be to be taken."""

Precision = Callable[["torch.device"], "torch.dtype | None"]
"""Chooses what a device computes in besides float32, if anything."""


def load(model: str, models_folder: Path, hub_url: str, progress: Progress) -> ClipEncoder:
    """Load `model`, downloading it first if need be. Blocks: seconds, or as long as it downloads.

    `progress` is told (bytes done, bytes in all) while downloading; what it raises stops that.
    Raises ModelUnavailable with one line: what was tried and the ways out.
    """
    hashes = Hashes(models_folder / "hashes.json")
    folder = models.obtain(model, models_folder, Hub(hub_url), recipe, hashes, progress)
    try:
        fingerprint = modelfolder.fingerprint(folder, hashes)
        network = Network(folder)
        return ClipEncoder(Model(model, fingerprint, network.dimension), network)
    except ModelUnavailable as error:
        raise models.explained(model, error) from error
    except (ImportError, OSError, RuntimeError, MemoryError) as error:
        raise models.explained(model, ModelUnavailable(_line(error))) from error


def inspect(model: str, models_folder: Path, hub_url: str) -> ModelPresence:
    """Say whether `model` is here or can be had, without loading it; torch-free if it is here."""
    return models.inspect(model, models_folder, Hub(hub_url), recipe)


class ClipEncoder:
    """Runs a network on one thread of its own; texts go ahead of waiting images.

    Errors of the network reach the caller as ModelUnavailable, as does a call after `close`.
    """

    def __init__(self, model: Model, network: Network) -> None:
        self._model = model
        self._network = network
        self._thread = OneThread("clip")

    @property
    def model(self) -> Model:
        return self._model

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
        vectors = [
            await self._run(Urgency.WHENEVER, partial(self._network.images, images[i : i + BATCH]))
            for i in range(0, len(images), BATCH)
        ]
        return np.concatenate([np.empty((0, self._model.dimension), np.float32), *vectors])

    async def encode_text(self, text: str) -> Vector:
        """A query -> (d,) unit vector. What is longer than the model reads is cut."""
        return await self._run(Urgency.NOW, partial(self._network.text, text))

    def close(self) -> None:
        """End the thread after the batch in progress; whoever waits gets ModelUnavailable."""
        self._thread.close()

    async def __aenter__(self) -> ClipEncoder:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.close)

    async def _run(self, urgency: Urgency, call: Callable[[], Vector]) -> Vector:
        try:
            return await self._thread.run(urgency, call)
        except Closed:
            raise ModelUnavailable(f"{self._model.name} was closed") from None
        except RuntimeError as error:
            raise ModelUnavailable(f"{self._model.name} failed: {_line(error)}") from error


def faster_precision(device: torch.device) -> torch.dtype | None:
    """bfloat16 where it is measured to be faster than float32, else None.

    Measured on one thread, since small work on several measures the scheduler. float16 is not
    tried: its range is too small for some models.
    """
    import torch

    side = 256 if device.type == "cpu" else 4096  # enough to keep it busy for a moment

    def seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones((side, side), dtype=dtype, device=device)
        began = time.perf_counter()
        took: list[float] = []
        while len(took) < 2 or time.perf_counter() - began < 0.03:
            start = time.perf_counter()
            (matrix @ matrix)[0, 0].item()
            took.append(time.perf_counter() - start)
        return min(took)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        faster = seconds(torch.bfloat16) * WORTH_IT < seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)
    return torch.bfloat16 if faster else None


class Network:
    """A loaded open_clip model with its tokenizer. Synchronous; call it from one thread only.

    Raises ModelUnavailable when the folder's weights are not those its configuration describes.
    """

    def __init__(self, folder: ModelFolder, precision: Precision = faster_precision) -> None:
        torchvision_nms.make_importable()
        with quiet():
            import torch

            self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            self._lower = precision(self._device)
            self._clip, self._tokenize = _build(folder)
        self._clip.eval().requires_grad_(False).to(self._device)
        cfg = self._clip.visual.preprocess_cfg
        self._mean, self._std = (
            torch.tensor(cfg[key], device=self._device).view(1, -1, 1, 1) for key in ("mean", "std")
        )
        size = cfg["size"]
        self.image_spec = ImageSpec(
            size=(size, size) if isinstance(size, int) else (int(size[0]), int(size[-1])),
            resize_mode=cfg["resize_mode"],
            interpolation=cfg["interpolation"],
            fill=cfg["fill_color"],
        )
        bias = getattr(self._clip, "logit_bias", None)
        self.calibration = Calibration(
            scale=float(self._clip.logit_scale.exp()),  # learned as its logarithm
            bias=None if bias is None else float(bias),
        )
        try:
            blank = np.zeros((1, *self.image_spec.size, 3), np.uint8)
            self.dimension = int(self.text("warm up").shape[0])
            same_space = self.images(blank).shape == (1, self.dimension)
        except Exception as error:
            raise ModelUnavailable(f"{folder.path} does not work: {_line(error)}") from error
        if not same_space:
            raise ModelUnavailable(f"{folder.path}: its images and texts differ in dimension")

    def images(self, images: Pixels) -> Vector:
        """(n, height, width, 3) uint8 -> (n, d) unit vectors."""
        import torch

        pixels = torch.tensor(images, device=self._device).permute(0, 3, 1, 2).float() / 255
        return self._vectors(self._clip.encode_image, (pixels - self._mean) / self._std)

    def text(self, text: str) -> Vector:
        """One text -> (d,) unit vector."""
        well_formed = text.encode("utf-8", "replace").decode()
        tokens = self._tokenize([well_formed]).to(self._device)
        vector: Vector = self._vectors(self._clip.encode_text, tokens)[0]
        return vector

    def _vectors(self, encode: Callable[..., torch.Tensor], inputs: torch.Tensor) -> Vector:
        import torch

        lower = self._lower
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, lower or torch.bfloat16, enabled=lower is not None),
        ):
            features = encode(inputs).float()
            features = torch.nn.functional.normalize(features, dim=-1)
        vectors: Vector = features.cpu().numpy()
        if not np.isfinite(vectors).all():
            raise RuntimeError("it computes values that are no numbers")
        return vectors


def recipe(model: str) -> Recipe:
    """What open_clip's list says of NAME/TAG. Raises ModelUnavailable with near matches."""
    name, _, tag = model.rpartition("/") if "/" in model else (model, "", "")
    name = name.replace("/", "-")
    if model.startswith((".", "/", "~")):
        raise ModelUnavailable(f"a folder is written local-dir:{model}")
    torchvision_nms.make_importable()
    with quiet():
        import open_clip
    tags = open_clip.list_pretrained_tags_by_model(name)
    architecture = open_clip.get_model_config(name)
    if architecture is None or not tags:
        near = [f"{other}/{tag}" for other, tag in open_clip.list_pretrained()]
        raise ModelUnavailable(
            f"open_clip knows no model {name}; {_near(model, near)} (a repository on the hub is "
            "written hf-hub:ORG/REPO)"
        )
    pretrained = open_clip.get_pretrained_cfg(name, tag)
    if not pretrained:
        said = f"{name} has no tag {tag}" if tag else f"{name} needs a tag"
        raise ModelUnavailable(f"{said}; {_near(model, [f'{name}/{tag}' for tag in tags])}")
    repository, _, weights = pretrained.get("hf_hub", "").rpartition("/")
    if not repository:
        raise ModelUnavailable(f"the files of {model} are not on the hub")
    if pretrained.get("quick_gelu"):
        architecture["quick_gelu"] = True
    keys = ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")
    preprocess = {key: pretrained[key] for key in keys if key in pretrained}
    return Recipe(
        repository,
        "" if weights in modelfolder.WEIGHTS else weights,
        {"model_cfg": architecture, "preprocess_cfg": preprocess},
    )


def _build(folder: ModelFolder) -> tuple[Any, Callable[[list[str]], torch.Tensor]]:
    """The model with exactly the weights of the folder, and its tokenizer."""
    import open_clip

    name = f"{models.LOCAL}{folder.path}"
    local_only = {"local_files_only": True, "trust_remote_code": False} if folder.tokenizer else {}
    try:
        clip = open_clip.create_model(name, load_weights=False, pretrained_text=False)
        open_clip.load_checkpoint(clip, str(folder.weights), strict=True, weights_only=True)
    except Exception as error:
        raise ModelUnavailable(
            f"{folder.weights} does not fit the model that {modelfolder.CONFIG} describes: "
            f"{_line(error)}"
        ) from error
    try:
        return clip, open_clip.get_tokenizer(name, **local_only)
    except Exception as error:
        raise ModelUnavailable(
            f"the tokenizer in {folder.path} can't be loaded: {_line(error)}"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what open_clip and transformers say while loading off the log and the terminal."""

    def is_ours(record: logging.LogRecord) -> bool:
        return "open_clip" not in record.pathname

    root, deaf = logging.getLogger(), logging.NullHandler()
    root.addFilter(is_ours)
    root.addHandler(deaf)  # without any, logging.warning() would set up the terminal
    try:
        yield
    finally:
        root.removeFilter(is_ours)
        root.removeHandler(deaf)


def _near(asked: str, known: Iterable[str]) -> str:
    names = list(known)
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(asked.lower(), lower, n=3, cutoff=0.5)
    return f"near to it: {', '.join([lower[name] for name in near] or names[:3])}"


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"
