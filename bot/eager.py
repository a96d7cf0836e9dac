"""open_clip in PyTorch: any model that it knows, in float32 or what a GPU is faster in.

What lists, builds or exports a model comes here too. Importing this file is cheap; torch comes with
the first call (seconds), on the caller's thread.
"""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from bot import modelfolder, models, torchvision_nms
from bot.errors import ModelUnavailable, line_of
from bot.modelfolder import ModelFolder
from bot.models import Recipe
from bot.photos import Calibration, ImageSpec, Pixels, Vector

if TYPE_CHECKING:
    import torch

BATCH = 8
"""At most so many images go through the model at once on a CPU, where more gain nothing."""
GPU_BATCHES = (8, 16, 32, 64)
NEARLY = 1.1

WORTH_IT = 1.5
"""How many times faster a lower precision has to be to be taken."""

Precision = Callable[["torch.device"], "torch.dtype | None"]
"""Chooses what a device computes in besides float32, if anything."""


def sees_gpu() -> bool:
    """Whether PyTorch can use a GPU here; imports it (seconds)."""
    import torch

    return torch.cuda.is_available()


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


class EagerNetwork:
    """A loaded open_clip model with its tokenizer. Synchronous; call it from one thread only.

    Raises ModelUnavailable when the folder's weights are not those its configuration describes.
    """

    side_by_side, lanes = False, 1

    def __init__(self, folder: ModelFolder, precision: Precision = faster_precision) -> None:
        torchvision_nms.make_importable()
        with quiet():
            import torch

            self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            self._lower = precision(self._device)
            self.clip, self.tokenizer = _build(folder)
        self.clip.eval().requires_grad_(False).to(self._device)
        cfg = self.clip.visual.preprocess_cfg
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
        bias = getattr(self.clip, "logit_bias", None)
        self.calibration = Calibration(
            scale=float(self.clip.logit_scale.exp()),  # learned as its logarithm
            bias=None if bias is None else float(bias),
        )
        self.batch = BATCH
        try:
            blank = np.zeros((1, *self.image_spec.size, 3), np.uint8)
            self.dimension = int(self.text("warm up").shape[0])
            same_space = self.images(blank).shape == (1, self.dimension)
        except Exception as error:
            raise ModelUnavailable(f"{folder.path} does not work: {line_of(error)}") from error
        if not same_space:
            raise ModelUnavailable(f"{folder.path}: its images and texts differ in dimension")
        if self._device.type != "cpu":
            self.batch = self._fastest_batch()

    def _fastest_batch(self) -> int:
        """The smallest that is nearly as fast, image by image, as any: measured, on a GPU."""
        took: dict[int, float] = {}
        for count in GPU_BATCHES:
            blank = np.zeros((count, *self.image_spec.size, 3), np.uint8)
            try:
                self.images(blank)
                began = time.perf_counter()
                self.images(blank)
                took[count] = (time.perf_counter() - began) / count
            except RuntimeError:  # its memory is full
                break
        return min(count for count in took if took[count] <= NEARLY * min(took.values()))

    def images(self, images: Pixels) -> Vector:
        """(n, height, width, 3) uint8 -> (n, d) unit vectors."""
        import torch

        return self._vectors(self.image_features, torch.tensor(images, device=self._device))

    def text(self, text: str) -> Vector:
        """One text -> (d,) unit vector."""
        vector: Vector = self._vectors(self.text_features, self.tokens(text))[0]
        return vector

    def tokens(self, text: str) -> torch.Tensor:
        """(1, length) token ids."""
        return self.tokenizer([text.encode("utf-8", "replace").decode()]).to(self._device)

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, height, width, 3) uint8 -> (n, d) of unit length."""
        import torch

        values = pixels.permute(0, 3, 1, 2).float() / 255
        features = self.clip.encode_image((values - self._mean) / self._std)
        return torch.nn.functional.normalize(features.float(), dim=-1)

    def text_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, length) ids -> (n, d) of unit length."""
        import torch

        return torch.nn.functional.normalize(self.clip.encode_text(tokens).float(), dim=-1)

    def _vectors(self, encode: Callable[..., torch.Tensor], inputs: torch.Tensor) -> Vector:
        import torch

        lower = self._lower
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, lower or torch.bfloat16, enabled=lower is not None),
        ):
            vectors: Vector = encode(inputs).cpu().numpy()
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
            f"{line_of(error)}"
        ) from error
    try:
        return clip, open_clip.get_tokenizer(name, **local_only)
    except Exception as error:
        raise ModelUnavailable(
            f"the tokenizer in {folder.path} can't be loaded: {line_of(error)}"
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
