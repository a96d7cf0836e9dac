"""`python -m bot.export_child MODEL TARGET`: an open_clip model -> the files of bot.exported.

Linear layers, attention's projections included, become int8: weights by channel, activations by
what they turn out to be (dynamic quantisation, Jacob et al. 2018). Weights take 7 bits: on a CPU
without VNNI, products of two full bytes overflow the 16 bits in which pairs of them are added. A
tower that turns its vectors too far in int8 stays float32. Prints percents, one a line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bot import modelfolder
from bot.eager import EagerNetwork
from bot.errors import ShoeboxError, line_of
from bot.exported import ABOUT, IMAGE, TEXT, About, ExportedNetwork
from bot.exporting import UNFIT
from bot.photos import Pixels, Vector
from bot.tokens import Tokens
from bot.towers import Towers

INT8, FLOAT32 = "int8", "float32"
CLOSE = {IMAGE: 0.995, TEXT: 0.9995}
"""Cosine to PyTorch in float32 that every test picture and text has to reach in int8. Texts have
to be closer: a query's error moves all photos against each other."""
SAME = 0.99999
"""The same in float32, where only the order of additions differs."""
PICTURES = 8
TEXTS = (
    "",
    "cake",
    "a photo of a cat",
    "Grandma's 80th birthday!!",
    "IMG_2041.jpg",
    "two dogs running on a beach at sunset, one of them with a red ball in its mouth",
    "the receipt from the hardware store",
    "生日蛋糕",
    "海边的两只狗和一个红色的球",
    "gâteau d'anniversaire",
    "с днём рождения 🎂🎉",
    "&lt;start_of_text&gt; & <end_of_text>",
    "we're sure it'll've been there's Ω ﬁ İstanbul 12:45",
    "x" * 300,
    "a very long story " * 40,
    "\ud800\x00",
)
"""Queries of every kind, to be read and embedded as PyTorch does."""


class Unfit(ShoeboxError):
    """This model can't be exported, or what came out is not the same model."""


def export(model: Path, target: Path) -> Iterator[int]:
    """Write the files into `target`, percent by percent. Raises Unfit."""
    yield 0
    network = EagerNetwork(modelfolder.read(model), precision=lambda device: None)
    yield 15
    pictures = test_pictures(network.image_spec.size)
    expected = {IMAGE: _images(network, pictures), TEXT: _texts(network)}
    yield 25
    towers = Towers(network)
    towers.write_vocabulary(target)
    read = Tokens(target, towers.reading)
    for text in TEXTS:
        if read(text) != network.tokens(text)[0].tolist():
            raise Unfit(f"its tokenizer can't be rebuilt: it reads {text[:40]!r} in another way")
    towers.write_rows(target)
    yield 30
    towers.write_image(target / IMAGE)
    yield 45
    towers.write_text(target / TEXT)
    about = About(
        network.image_spec,
        network.calibration,
        network.dimension,
        towers.reading,
        towers.pooling,
        {IMAGE: FLOAT32, TEXT: FLOAT32},
        {},
    )
    del network, towers
    gc.collect()
    yield 60
    about.write(target / ABOUT)
    about = replace(about, cosine=_cosines(target, pictures, expected))
    if min(about.cosine.values()) < SAME:
        raise Unfit(f"its export computes something else (cosines {about.cosine})")
    yield 65
    for tower, percent in ((IMAGE, 80), (TEXT, 95)):
        exact = (target / tower).rename(target / "exact.onnx")
        _quantise(exact, target / tower)
        cosine = _cosines(target, pictures, expected)[tower]
        if cosine >= CLOSE[tower]:
            about.precision[tower], about.cosine[tower] = INT8, cosine
            exact.unlink()
        else:
            exact.replace(target / tower)
        yield percent
    about.write(target / ABOUT)
    yield 100


def test_pictures(size: tuple[int, int]) -> Pixels:
    """(n, height, width, 3): seeded clouds with as much of every scale as photos have (1/f), half
    of them cut by an edge, from dark to bright."""
    rng = np.random.default_rng(0)
    height, width = size
    far = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    far[0, 0] = 1
    pictures = []
    for number in range(PICTURES):
        noise = np.fft.fft2(rng.normal(size=(3, height, width))) / far**1.2
        clouds = np.fft.ifft2(noise).real
        clouds += 1.5 * clouds.mean(axis=0)  # mostly grey
        clouds /= clouds.std()
        if number % 2:
            clouds[:, :, rng.integers(width // 4, width) :] += rng.normal(size=(3, 1, 1))
        level = 60 + 135 * number / PICTURES
        pictures.append(np.clip(level + 50 * clouds, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return np.stack(pictures)


def _images(network: EagerNetwork | ExportedNetwork, pictures: Pixels) -> Vector:
    return np.concatenate([network.images(picture[None]) for picture in pictures])


def _texts(network: EagerNetwork | ExportedNetwork) -> Vector:
    return np.stack([network.text(text) for text in TEXTS])


def _cosines(target: Path, pictures: Pixels, expected: dict[str, Vector]) -> dict[str, float]:
    network = ExportedNetwork(target)
    found = {IMAGE: _images(network, pictures), TEXT: _texts(network)}
    return {
        tower: float((found[tower] * vectors).sum(axis=1).min())
        for tower, vectors in expected.items()
    }


def _quantise(exact: Path, target: Path) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        exact,
        target,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> int:
    """Export; what is wrong with the model is written into the target, other troubles end it."""
    model, target = map(Path, sys.argv[1:])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if os.name == "posix":
        os.nice(5)
    percents = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no percent
    try:
        for percent in export(model, target):
            print(percent, file=percents, flush=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # exporters raise anything on layers that they don't know
        (target / UNFIT).write_text(json.dumps(line_of(error)), "utf-8")
    return 0


if __name__ == "__main__":
    # Libraries' threads may still run.
    sys.stdout.flush()
    os._exit(main())
