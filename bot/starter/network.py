"""The starter's two towers and its tokenizer, as the files of a `local-dir:` folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from bot import torchvision_nms
from bot.eager import quiet
from bot.modelfolder import CONFIG, WEIGHTS
from bot.starter.captions import caption
from bot.starter.concepts import concepts
from bot.starter.scenes import BACKDROPS, compose

if TYPE_CHECKING:
    import torch

SIDE = 96
"""Width and height of the images that the model takes, in pixels."""
CONTEXT = 20
"""Tokens of a query that are read."""
VOCABULARY = 2600
PAD, END, UNKNOWN = "<pad>", "<end>", "<unknown>"

COMMON = ("and", "with", "of", "in", "on", "the", "a", "an", "photo", "my", "two", "under", "near")
"""Words that people type and that must not fall to pieces."""


def config(vocabulary: int) -> dict[str, Any]:
    """What `open_clip_config.json` holds: about 2.9 million weights for images, 0.8 for text."""
    return {
        "model_cfg": {
            "embed_dim": 192,
            "custom_text": True,
            "vision_cfg": {
                "timm_model_name": "cs3darknet_focus_s",
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "image_size": SIDE,
            },
            "text_cfg": {
                "context_length": CONTEXT,
                "vocab_size": vocabulary,
                "hf_tokenizer_name": "shoebox-starter",
                "width": 128,
                "heads": 4,
                "layers": 2,
                "pad_id": 0,
                "eos_id": 1,
                "pool_type": "eos",
            },
        },
        "preprocess_cfg": {
            "size": SIDE,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }


def write_tokenizer(folder: Path, seed: int) -> int:
    """Train a byte-pair vocabulary on captions, save it there, and say how big it is.

    Chinese is cut into its characters: each is one token, where CLIP's own vocabulary takes
    three.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.BertNormalizer(strip_accents=True, lowercase=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[PAD, END, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(_texts(seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN
    ).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def _texts(seed: int) -> Iterable[str]:
    rng = Random(seed)  # noqa: S311
    alphabet = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789")
    yield " ".join(alphabet)
    for _ in range(20):
        yield " ".join(COMMON)
        for backdrop in BACKDROPS:
            yield f"{backdrop.en} {backdrop.zh}"
        for concept in concepts():
            yield " ".join((*concept.en, *(f"{name}s" for name in concept.en), *concept.zh))
    for _ in range(2000):
        scene = compose(rng, lambda emoji: True)
        yield caption(scene, "en", rng)
        yield caption(scene, "zh", rng)


def build(folder: Path) -> tuple[Any, Any]:
    """An untrained model after the folder's configuration, and its tokenizer."""
    torchvision_nms.make_importable()
    name = f"local-dir:{folder}"
    with quiet():
        import open_clip

        model = open_clip.create_model(name, load_weights=False, pretrained_text=False)
        words = open_clip.get_tokenizer(name, local_files_only=True, trust_remote_code=False)
    return model, words


def write_config(folder: Path, vocabulary: int) -> None:
    """The configuration's file."""
    (folder / CONFIG).write_text(json.dumps(config(vocabulary), indent=1) + "\n", "utf-8")


def write_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """Save in half precision, which halves the file and is exact enough for unit vectors."""
    from safetensors.torch import save_file

    halved = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in weights.items()
    }
    save_file(halved, folder / WEIGHTS[0])
    (folder / WEIGHTS[0]).chmod(0o644)
