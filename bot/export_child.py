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

from bot import modelfolder
from bot.eager import EagerNetwork
from bot.errors import line_of
from bot.exported import ABOUT, IMAGE, INT8, TEXT
from bot.exporting import UNFIT
from bot.proof import Proof
from bot.tokens import Tokens
from bot.towers import Towers

CLOSE = {IMAGE: 0.995, TEXT: 0.9995}
"""Cosine to PyTorch in float32 that every test picture and text has to reach in int8. Texts have
to be closer: a query's error moves all photos against each other."""


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
    yield 65
    for tower, percent in ((IMAGE, 80), (TEXT, 95)):
        exact = (target / tower).rename(target / "exact.onnx")
        _quantise(exact, target / tower)
        cosine = proof.cosines(target)[tower]
        if cosine >= CLOSE[tower]:
            about.precision[tower], about.cosine[tower] = INT8, cosine
            exact.unlink()
        else:
            exact.replace(target / tower)
        yield percent
    about.write(target / ABOUT)
    yield 100


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
