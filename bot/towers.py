"""The two towers of an open_clip model, taken apart so that ONNX Runtime can run them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.eager import EagerNetwork
from bot.exported import FLOAT32, IMAGE, ROWS, TEXT, About, Pooling
from bot.tokens import END, START, VOCABULARY, Reading

if TYPE_CHECKING:
    import torch

OPSET = 17
"""Of ONNX: the first that has layer normalisation."""


class Towers:
    """What is written of a model. It is taken apart on the way: the network is used up."""

    def __init__(self, network: EagerNetwork, folded: bool = True) -> None:
        """`folded`: what depends on weights alone is computed now; else a graph's weights are the
        model's own. Raises TypeError where open_clip reads words in a way that can't be rebuilt."""
        self._network = network
        self._folded = folded
        self._clip = network.clip
        self._text = getattr(self._clip, "text", self._clip)
        self._vocabulary, self.reading = _vocabulary(network.tokenizer)
        self.pooling = _pooling(self._text)

    @property
    def about(self) -> About:
        """Of what is written here."""
        network = self._network
        return About(
            network.image_spec,
            network.calibration,
            network.dimension,
            self.reading,
            self.pooling,
            {IMAGE: FLOAT32, TEXT: FLOAT32},
            {},
        )

    def write_vocabulary(self, folder: Path) -> None:
        self._vocabulary.save(str(folder / VOCABULARY), pretty=False)

    def write_rows(self, folder: Path) -> None:
        """The table of tokens in half precision: its rounding turns no vector by more than 1e-6,
        and it is half of what a model with a large vocabulary takes on disk."""
        import torch

        rows = self._text.token_embedding.weight
        np.save(folder / ROWS, rows.half().numpy())
        self._text.token_embedding = torch.nn.Identity()
        self._width = rows.shape[1]

    def write_image(self, file: Path) -> None:
        import torch

        class Image(torch.nn.Module):
            def forward(self, pixels: torch.Tensor) -> torch.Tensor:
                return network.image_features(pixels)

        network, clip = self._network, self._clip
        picture = torch.zeros((1, *network.image_spec.size, 3), dtype=torch.uint8)
        self._write(Image(), {"pixels": picture}, {"pixels": {0: "n"}}, file)
        clip.visual = None

    def write_text(self, file: Path) -> None:
        """After write_rows, which takes the table away."""
        import torch

        clip, tower = self._clip, self._text
        _take_apart_attention(tower)

        class Causal(torch.nn.Module):
            """What open_clip's towers do, up to the token that counts and no further."""

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                count = rows.shape[1]
                rows = rows + tower.positional_embedding[:count]
                mask = tower.attn_mask[:count, :count]
                last = tower.ln_final(tower.transformer(rows, attn_mask=mask))[:, -1]
                if isinstance(tower.text_projection, torch.nn.Linear):
                    last = tower.text_projection(last)
                elif tower.text_projection is not None:
                    last = last @ tower.text_projection
                return torch.nn.functional.normalize(last, dim=-1)

        class Whole(torch.nn.Module):
            def forward(self, rows: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
                tower.token_embedding = lambda _: rows
                features: torch.Tensor = clip.encode_text(ids)
                return torch.nn.functional.normalize(features, dim=-1)

        length = self.reading.length
        rows = torch.zeros((1, length, self._width))
        if self.pooling is not None:
            self._write(Causal(), {"rows": rows}, {"rows": {1: "t"}}, file)
        else:
            del tower.token_embedding
            ids = torch.ones((1, length), dtype=torch.long)
            self._write(Whole(), {"rows": rows, "ids": ids}, {}, file)

    def _write(
        self, module: Any, inputs: dict[str, torch.Tensor], axes: dict[str, Any], file: Path
    ) -> None:
        import torch

        module.clip = self._clip  # what a module holds becomes weights, and all else constants
        mode = torch.onnx.TrainingMode
        torch.backends.mha.set_fastpath_enabled(False)  # it has no ONNX
        # The exporter that records (dynamo=False) needs no further package, and is three times
        # faster.
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it records, and is not the newest
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                str(file),
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_axes=axes,
                opset_version=OPSET,
                do_constant_folding=self._folded,
                training=mode.EVAL if self._folded else mode.PRESERVE,
                dynamo=False,
            )


def _take_apart_attention(tower: Any) -> None:
    """Write torch's attention as the steps that it takes: the exporter fixes its length."""
    import torch

    class Attention(torch.nn.Module):
        def __init__(self, whole: torch.nn.MultiheadAttention) -> None:
            super().__init__()
            self.whole = whole

        def forward(
            self, rows: torch.Tensor, *_: Any, attn_mask: torch.Tensor | None = None, **__: Any
        ) -> tuple[torch.Tensor, None]:
            """(1, t, width) -> (1, t, width)."""
            whole = self.whole
            packed = rows[0] @ whole.in_proj_weight.T + whole.in_proj_bias
            heads = packed.view(-1, 3, whole.num_heads, whole.head_dim)
            query, key, value = heads.permute(1, 2, 0, 3).unbind(0)
            scores = query @ key.transpose(1, 2) * whole.head_dim**-0.5
            if attn_mask is not None:
                scores = scores + attn_mask
            found = (scores.softmax(dim=-1) @ value).transpose(0, 1).reshape(1, -1, whole.embed_dim)
            return whole.out_proj(found), None

    for module in list(tower.modules()):
        for name, child in module.named_children():
            if type(child) is torch.nn.MultiheadAttention and child.batch_first:
                setattr(module, name, Attention(child))


def _pooling(tower: Any) -> Pooling | None:
    """Which token counts, where those behind it can't change it."""
    how = getattr(tower, "pool_type", getattr(tower, "text_pool_type", ""))
    whole = tower.attn_mask is None or getattr(tower, "use_pad_mask", False)
    if whole or getattr(tower, "cls_emb", None) is not None or how not in ("argmax", "eos"):
        return None
    end = getattr(tower, "eos_id", getattr(tower, "text_eos_id", None))
    return Pooling(how, int(end) if how == "eos" and end is not None else None)


def _vocabulary(tokenizer: Any) -> tuple[Any, Reading]:
    """What `tokenizers` can save, and how it is used. Raises TypeError for other kinds."""
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    length = int(tokenizer.context_length)
    how = _CLEANINGS.get(tokenizer.clean_fn.__name__, "")
    if type(tokenizer) is SimpleTokenizer and tokenizer.reduction_fn is None and how:
        merges = list(tokenizer.bpe_ranks)
        pairs = Tokenizer(BPE(tokenizer.encoder, merges, end_of_word_suffix="</w>"))
        if [pairs.token_to_id(each) for each in (START, END)] == tokenizer.all_special_ids:
            return pairs, Reading(True, how, length)
    if type(tokenizer) is HFTokenizer and not tokenizer.tokenizer_mode and how:
        theirs = tokenizer.tokenizer
        fast = Tokenizer.from_str(theirs.backend_tokenizer.to_str())
        fast.enable_truncation(length, direction=theirs.truncation_side)
        fast.enable_padding(
            direction=theirs.padding_side,
            pad_id=theirs.pad_token_id,
            pad_token=theirs.pad_token,
            length=length,
        )
        emptied = theirs.sep_token_id if tokenizer.strip_sep_token else None
        return fast, Reading(False, how, length, emptied)
    raise TypeError("its tokenizer is of an unknown kind")


_CLEANINGS = {
    "_clean_lower": "lower",
    "_clean_whitespace": "whitespace",
    "_clean_canonicalize": "canonicalize",
}
"""open_clip's names -> bot.tokens' names."""
