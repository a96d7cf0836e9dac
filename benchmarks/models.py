"""Models of the true size without a network: an architecture of open_clip with random weights.

What a model costs depends on its architecture alone. Where it needs a tokenizer of the hub's, it
gets a stand-in with as many tokens, as many merges and as large a file as Gemma's.
"""

from __future__ import annotations

import itertools
import json
import string
import sys
from pathlib import Path

from bot import clip
from bot.clip import ClipEncoder

SMALL, DEFAULT = "ViT-B-32", "ViT-B-32-SigLIP2-256"
SEED = 0


def load(folder: Path, work: Path) -> ClipEncoder:
    """The bot's encoder of a model that was made. Its export is where a bot that runs in `work`
    looks for it, so that it is made once for all benchmarks: a minute or two."""

    def preparing(percent: int) -> None:
        print(f"exporting {folder.name}: {percent} %", file=sys.stderr)

    model = f"local-dir:{folder.absolute()}"
    return clip.load(model, work.absolute() / "data" / "models", "", lambda *done: None, preparing)


def make(architecture: str, folder: Path) -> Path:
    """A `local-dir:` folder of it, kept for the next run; the folder."""
    target = folder / architecture
    if target.exists():
        return target
    from bot import torchvision_nms

    torchvision_nms.make_importable()
    import open_clip
    import torch
    from safetensors.torch import save_file

    partial = folder / f".{architecture}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    config = open_clip.get_model_config(architecture)
    torch.manual_seed(SEED)
    model = open_clip.create_model(architecture, pretrained=None)
    preprocess = dict(model.visual.preprocess_cfg)
    if "siglip" in architecture.lower():
        preprocess |= {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    (partial / "open_clip_config.json").write_text(json.dumps(described), "utf-8")
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, partial / "open_clip_model.safetensors")
    if config["text_cfg"].get("hf_tokenizer_name"):
        _save_tokenizer(partial, int(config["text_cfg"]["vocab_size"]))
    return partial.rename(target)


def _save_tokenizer(folder: Path, size: int) -> None:
    """Every one to three letters and as many of four as there is room for, each with all the
    merges that lead to it."""
    from tokenizers import Tokenizer, decoders, normalizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = [*string.ascii_lowercase, "▁", *string.digits]
    longer = (
        "".join(each) for count in (2, 3, 4) for each in itertools.product(letters, repeat=count)
    )
    words = list(itertools.islice(longer, size - len(special) - len(bytes_) - len(letters)))
    vocabulary = {each: n for n, each in enumerate([*special, *bytes_, *letters, *words])}
    merges = [
        (word[:cut], word[cut:])
        for word in words
        for cut in range(1, len(word))
        if word[:cut] in vocabulary and word[cut:] in vocabulary
    ]
    pairs = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    pairs.normalizer = normalizers.Replace(" ", "▁")
    pairs.decoder = decoders.Replace("▁", " ")
    pairs.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=pairs,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
    ).save_pretrained(folder)
