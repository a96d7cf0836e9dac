"""torchvision is importable beside this torch, whichever it is; seen from a fresh process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torchvision_can_be_imported_after_it_and_a_second_call_does_nothing() -> None:
    code = """
import sys
from bot import torchvision_nms
assert "torch" not in sys.modules
defined = torchvision_nms.make_importable()
assert torchvision_nms.make_importable() == ()
import torchvision
from torchvision.extension import _has_ops
assert bool(defined) != _has_ops(), (defined, _has_ops())
assert torchvision_nms.make_importable() == ()
print(torchvision.transforms.CenterCrop(4).size)
"""
    assert run(code) == "(4, 4)"


def test_operators_that_exist_are_left_alone() -> None:
    code = """
import torch
from bot import torchvision_nms
if torchvision_nms._brings_operators():
    assert torchvision_nms.make_importable() == ()
else:
    torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores) -> Tensor")
    assert "nms" not in torchvision_nms.make_importable()
print(len(torch.ops.torchvision.nms.default._schema.arguments))
"""
    assert run(code) in ("2", "3"), "3: beside the torch that it was built for it has its own"
