"""`python -m bot.starter.graphs`: the starter's towers, as graphs that hold no weights.

Both take them from the file that PyTorch loads, where they lie in half precision, and compute in
float32 as PyTorch does. So every weight is here once, and there is one model whatever runs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot import modelfolder
from bot.eager import EagerNetwork
from bot.errors import ShoeboxError
from bot.exported import ABOUT, IMAGE, TEXT
from bot.modelfolder import Tensor
from bot.proof import Proof
from bot.starter import files
from bot.tokens import Tokens
from bot.towers import Towers

if TYPE_CHECKING:
    from onnx import ModelProto


def write(folder: Path) -> None:
    """Put them beside the weights, with the rest of what bot.exported reads. Raises Unfit."""
    import onnx

    found = modelfolder.read(folder)
    network = EagerNetwork(found, precision=lambda device: None)
    proof = Proof(network)
    towers = Towers(network, folded=False)
    towers.write_vocabulary(folder)
    proof.check_tokens(Tokens(folder, towers.reading))
    towers.write_rows(folder)
    towers.write_image(folder / IMAGE)
    towers.write_text(folder / TEXT)
    tensors = modelfolder.tensors(found.weights)
    for name in (IMAGE, TEXT):
        graph = onnx.load(folder / name)
        _empty(graph, found.weights.name, tensors)
        (folder / name).write_bytes(graph.SerializeToString(deterministic=True))
    towers.about.write(folder / ABOUT)
    proof.check_same(folder)


def _empty(model: ModelProto, weights: str, tensors: dict[str, Tensor]) -> None:
    """Let a graph take each weight that the file holds from there."""
    from onnx import TensorProto
    from onnx.helper import make_node

    casts, kept = [], []
    for held in model.graph.initializer:
        tensor = tensors.get(held.name.removeprefix("clip.").replace(".whole.", "."))
        if tensor is None or tensor.dtype != "F16" or tensor.shape != tuple(held.dims):
            kept.append(held)
            continue
        half = TensorProto(
            name=f"{held.name}.half",
            data_type=TensorProto.FLOAT16,
            dims=held.dims,
            data_location=TensorProto.EXTERNAL,
        )
        where = {"location": weights, "offset": tensor.offset, "length": tensor.length}
        for key, value in where.items():
            half.external_data.add(key=key, value=str(value))
        kept.append(half)
        casts.append(make_node("Cast", [half.name], [held.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)


def main() -> int:
    """Read the command line, write."""
    parser = argparse.ArgumentParser(prog="python -m bot.starter.graphs", description=__doc__)
    parser.add_argument("--model", type=Path, default=files.FOLDER, help="the model's folder")
    options = parser.parse_args()
    try:
        write(options.model)
        files.write_sums(options.model)
    except ShoeboxError as error:
        print(f"starter: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
