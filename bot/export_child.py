"""`python -m bot.export_child MODEL TARGET`: an open_clip model -> the files of bot.exported.

Linear layers, attention's projections included, become int8. The image tower's: weights by channel,
activations by what they turn out to be (dynamic quantisation, Jacob et al. 2018); weights take 7
bits, since on a CPU without VNNI products of two full bytes overflow the 16 bits in which pairs of
them are added. The text tower's: weights and activations by blocks, as large as still comes close
enough. A short text takes as long as its weights take to be read, of which a quarter is left. A
tower that turns its vectors too far in int8 stays float32, and the text tower where this CPU does
blocks no sooner. Prints percents, one a line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot import modelfolder
from bot.eager import EagerNetwork
from bot.errors import line_of
from bot.exported import ABOUT, FLOAT32, IMAGE, INT8, TEXT, About
from bot.exporting import UNFIT
from bot.proof import Proof
from bot.tokens import Tokens
from bot.towers import Towers

CLOSE = {IMAGE: 0.995, TEXT: 0.9996}
"""Cosine to PyTorch in float32 that every test picture and text has to reach in int8; for other
texts 0.9995 is promised. They have to be closer than pictures: a query's error moves all photos
against each other."""
IN_INT8 = 4
"""Activations as well (MatMulNBits' accuracy_level)."""


def export(model: Path, target: Path) -> Iterator[int]:
    """Write the files into `target`, percent by percent. Raises Unfit."""
    yield 0
    network = EagerNetwork(modelfolder.read(model), precision=lambda device: None)
    yield 15
    proof = Proof(network)
    yield 25
    towers = Towers(network)
    towers.write_vocabulary(target)
    proof.check_tokens(Tokens(target, towers.reading))
    towers.write_rows(target)
    yield 30
    towers.write_image(target / IMAGE)
    yield 45
    towers.write_text(target / TEXT)
    about = towers.about
    del network, towers
    gc.collect()
    yield 60
    about.write(target / ABOUT)
    about = replace(about, cosine=proof.check_same(target))
    exact = proof.seconds(target)
    yield 65
    for percent, (tower, quantise) in zip(PERCENTS, WAYS, strict=True):
        if about.precision[tower] == FLOAT32:
            _try(target, tower, quantise, proof, about, exact)
        yield percent
    about.write(target / ABOUT)
    yield 100


def _try(
    target: Path,
    tower: str,
    quantise: Callable[[Path, Path], None],
    proof: Proof,
    about: About,
    seconds: float,
) -> None:
    """Put the tower in int8 into the place of that in float32, if it is as good. `seconds`: what
    texts took before."""
    exact = (target / tower).rename(target / "exact.onnx")
    quantise(exact, target / tower)
    cosine = proof.cosines(target)[tower]
    if cosine >= CLOSE[tower] and (tower == IMAGE or proof.seconds(target) < seconds):
        about.precision[tower], about.cosine[tower] = INT8, cosine
        exact.unlink()
    else:
        exact.replace(target / tower)


def _by_channel(exact: Path, target: Path) -> None:
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


def _by_block(size: int, exact: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    how = DefaultWeightOnlyQuantConfig(size, is_symmetric=True, accuracy_level=IN_INT8, bits=8)
    quantizer = MatMulNBitsQuantizer(onnx.load(exact), algo_config=how)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


BLOCKS = (128, 64, 32)
WAYS: tuple[tuple[str, Callable[[Path, Path], None]], ...] = (
    (IMAGE, _by_channel),
    *((TEXT, partial(_by_block, size)) for size in BLOCKS),
)
"""What is tried, one after another."""
PERCENTS = (80, 86, 92, 98)


def attempt(model: Path, target: Path) -> Iterator[int]:
    """Export; what is wrong with the model is written into the target, other trouble is raised."""
    try:
        yield from export(model, target)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # exporters raise anything on layers that they don't know
        (target / UNFIT).write_text(json.dumps(line_of(error)), "utf-8")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> int:
    """Read the command line, export."""
    model, target = map(Path, sys.argv[1:])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if os.name == "posix":
        os.nice(5)
    percents = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no percent
    for percent in attempt(model, target):
        print(percent, file=percents, flush=True)
    return 0


if __name__ == "__main__":
    # Libraries' threads may still run.
    sys.stdout.flush()
    os._exit(main())
