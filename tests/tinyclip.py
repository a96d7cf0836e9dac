"""Saves small real open_clip models to a folder, the way a user's own checkpoint looks."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bot import export_child, exporting, torchvision_nms
from bot.loader import Preparing
from bot.modelfolder import ModelFolder

WORDS = ("a", "red", "green", "blue", "photo", "of", "tea", "box", "warm", "up")


def tiny_config(
    *, width: int = 16, image_size: int = 32, hf_tokenizer_name: str = ""
) -> dict[str, Any]:
    """What `open_clip_config.json` holds; with a tokenizer's name it is built like SigLIP."""
    text: dict[str, Any] = {
        "context_length": 16,
        "vocab_size": 49408,
        "width": width,
        "heads": 2,
        "layers": 1,
    }
    model: dict[str, Any] = {
        "embed_dim": width,
        "vision_cfg": {
            "image_size": image_size,
            "layers": 1,
            "width": width,
            "head_width": width // 2,
            "patch_size": image_size // 4,
        },
        "text_cfg": text,
    }
    preprocess: dict[str, Any] = {
        "mean": [0.48, 0.46, 0.41],
        "std": [0.27, 0.26, 0.28],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    if hf_tokenizer_name:
        model |= {"custom_text": True, "init_logit_bias": -10}
        text |= {
            "vocab_size": len(WORDS) + 3,
            "hf_tokenizer_name": hf_tokenizer_name,
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        }
        preprocess |= {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    return {"model_cfg": model, "preprocess_cfg": preprocess}


def save_tiny_clip(
    folder: Path,
    *,
    width: int = 16,
    image_size: int = 32,
    seed: int = 0,
    hf_tokenizer_name: str = "",
) -> Path:
    """Write configuration, random weights of a fixed seed (< 5 MB) and tokenizer; the folder.

    Another `width` makes another dimension, another `seed` other vectors.
    """
    torchvision_nms.make_importable()
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = tiny_config(width=width, image_size=image_size, hf_tokenizer_name=hf_tokenizer_name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config), "utf-8")
    model_class = open_clip.CustomTextCLIP if hf_tokenizer_name else open_clip.CLIP
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        arguments = {**config["model_cfg"]}
        arguments.pop("custom_text", None)
        model = model_class(**arguments)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    if hf_tokenizer_name:
        _save_tokenizer(folder)
    return folder


def export_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have exports made in this process, which has torch already, and each once only:
    test_exported.py has the process of their own that makes them."""

    def make(folder: ModelFolder, target: Path, preparing: Preparing) -> None:
        if target.name in _EXPORTED:
            shutil.copytree(_EXPORTED[target.name], target)
            return
        partial = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, partial)
        for percent in export_child.attempt(folder.path, partial):
            preparing(percent)
        _EXPORTED[target.name] = partial
        shutil.copytree(partial, target)

    monkeypatch.setattr(exporting, "_make", make)


_EXPORTED: dict[str, Path] = {}


def copy_model(source: Path, target: Path) -> Path:
    """The same files in another folder."""
    shutil.copytree(source, target)
    return target


def _save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    names = ("<pad>", "<eos>", "<unk>", *WORDS)
    tokenizer = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
