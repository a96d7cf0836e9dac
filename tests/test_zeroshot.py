"""Which of some options a photo shows."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import clip, zeroshot
from bot.answers import Share
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.photos import Calibration, PhotoRef, Vector
from bot.starter import evaluate
from bot.starter.concepts import concepts
from bot.starter.scenes import Painter, compose
from bot.zeroshot import judge, options_in, prompts, separate, softmax
from storage.sqlite import SqliteStore
from tests.test_indexing import ColourEncoder


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("cat, dog or cake", ["cat", "dog", "cake"]),
        ("cat, dog, or the birthday cake?", ["cat", "dog", "the birthday cake"]),
        ("oregano OR forest", ["oregano", "forest"]),
        ("猫、狗还是蛋糕？", ["猫", "狗", "蛋糕"]),
        ("猫或狗，蛋糕", ["猫", "狗", "蛋糕"]),
        ("cat, Cat or CAT", ["cat"]),
        (" , or ,", []),
        ("", []),
    ],
)
def test_options_are_told_apart(words: str, options: list[str]) -> None:
    assert options_in(words) == options


def test_prompts_speak_the_option_s_language() -> None:
    assert "a photo of an owl." in prompts("the owl")
    assert "a photo of a dog." in prompts("dog")
    assert "一张猫的照片。" in prompts("猫")
    assert prompts("{}")[0] == "a photo of a {}.", "braces are words too"


@given(st.floats(0, 1), st.integers(1, 40))
def test_bars_have_one_width(share: float, width: int) -> None:
    assert len(Share("x", share).bar(width)) == width


def test_bars_are_exact_to_an_eighth() -> None:
    assert Share("x", 1).bar(4) == "████"
    assert Share("x", 0).bar(4) == "░░░░"
    assert Share("x", 0.375).bar(2) == "▊░"
    assert Share("x", 0.001).percent == "under 1 %"
    assert Share("x", 0.425).percent == "42 %"


@given(st.lists(st.floats(-500, 500), min_size=2, max_size=10))
def test_shares_are_one_together(logits: list[float]) -> None:
    for shares in (softmax(np.array(logits)), separate(np.array(logits))):
        assert abs(shares.sum() - 1) < 1e-4
        assert int(shares.argmax()) in np.flatnonzero(shares == shares.max())
        assert np.isfinite(shares).all()


class Sigmoid(ColourEncoder):
    """Learned a bias, as SigLIP does."""

    calibration = Calibration(10.0, -10.0)

    async def encode_text(self, text: str) -> Vector:
        return await super().encode_text(next(c for c in ("red", "green", "blue") if c in text))


async def test_a_model_with_a_bias_says_what_its_bars_are() -> None:
    verdict = await judge(Sigmoid(), np.array([1, 0, 0], np.float32), ["green", "red"])
    red, green = verdict.shares
    assert red.option == "red"
    assert verdict.notice is not None
    assert "50 %" in verdict.notice, "sigmoid(10 * 1 - 10)"
    assert red.share == pytest.approx(0.5 / (0.5 + 1 / (1 + np.exp(10))), abs=1e-5)
    assert green.share == pytest.approx(1 - red.share, abs=1e-5)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_starter_picks_the_right_one_of_its_drawings(
    encoder: clip.ClipEncoder, painter: Painter, tmp_path: Path, language: str
) -> None:
    rng = Random(4)
    known = [c for c in concepts() if any(map(painter.has, c.emoji))]
    assert encoder.calibration.bias is None
    right = 0
    for _ in range(20):
        chosen = rng.sample(known, 4)
        file = io.BytesIO()
        painter.draw(compose(rng, painter.has, 1, chosen[0]), 224).save(file, "JPEG")
        (vector,) = await encoder.encode_images(
            evaluate.decoded([file.getvalue()], encoder.image_spec)
        )
        names = [each.names(language)[0] for each in chosen]
        verdict = await judge(encoder, vector, sorted(names))
        right += verdict.shares[0].option == names[0]
    assert right >= 18


async def test_what_can_not_be_told_is_said_in_a_line(tmp_path: Path) -> None:
    ref = PhotoRef("file", "k", "/nowhere")
    async with SqliteStore(tmp_path / "box.db") as store, Decoder() as decoder:
        blind = PhotoMemory(store, ModelState("none", problem="There is none."), {}, decoder)
        said = await blind.which("cat or dog", ref)
        assert said.shares == ()
        assert "model" in said.sentence
        assert said.notice is not None
        memory = PhotoMemory(store, ModelState("c", ColourEncoder()), {}, decoder)
        for options in ("cat", "", ",".join(map(str, range(11)))):
            assert (await memory.which(options, ref)).sentence == zeroshot.HOW
        assert "can't look" in (await memory.which("red or blue", ref)).sentence
