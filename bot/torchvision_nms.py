"""Makes torchvision importable beside a CPU-only torch (pytorch/vision#9085).

PyPI's torchvision is built against CUDA. Beside a CPU-only torch its compiled operators can't be
loaded, and `import torchvision` then fails with "operator torchvision::nms does not exist", though
nothing of what an encoder needs is missing.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

MISSING = ("nms", "qnms")
"""The operators that torchvision refers to at import even where it has none."""

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def make_importable() -> tuple[str, ...]:
    """Name the missing operators, so that `import torchvision` works after this.

    Does nothing where torchvision is imported already, is not installed, or brings its operators.
    Returns the names of the operators that were defined.
    """
    if "torchvision" in sys.modules or _brings_operators():
        return ()
    import torch

    defined = []
    for name in MISSING:
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", SCHEMA)
            defined.append(name)
    return tuple(defined)


def _brings_operators() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    import torch

    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return False
