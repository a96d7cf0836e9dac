"""The model in the box: what it finds, what its files are checked for, how it is trained."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import clip, exported
from bot.errors import ModelUnavailable
from bot.photos import Vector
from bot.starter import evaluate, files, fonts, train
from bot.starter.captions import caption
from bot.starter.concepts import concepts
from bot.starter.evaluate import Row, recall
from bot.starter.scenes import Painter, Scene, compose
from tests import kept
from tests.tinyclip import export_here

ROOT = Path(__file__).parent.parent
GALLERY = 150


async def order(
    encoder: clip.ClipEncoder, texts: list[str], jpegs: list[bytes]
) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    photos = await encoder.encode_images(evaluate.decoded(jpegs, encoder.image_spec))
    queries: list[Vector] = [await encoder.encode_text(text) for text in texts]
    return evaluate.ranks(np.stack(queries), photos)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_words_find_the_scene_they_describe(
    encoder: clip.ClipEncoder, painter: Painter, language: str
) -> None:
    row = Row("suite", language, ("noto",))
    scenes, jpegs = evaluate.gallery(row, {"noto": painter}, seed=5, count=GALLERY)
    rng = Random(6)
    texts = [caption(scene, language, rng, whole=True) for scene in scenes]
    found = await order(encoder, texts, jpegs)
    assert recall(found, 3) >= 0.8, "chance is 0.02"
    assert recall(found, 1) >= 0.6


async def test_both_languages_mean_the_same(encoder: clip.ClipEncoder) -> None:
    cake, kuchen, dog = [
        await encoder.encode_text(t) for t in ("birthday cake", "生日蛋糕", "a dog")
    ]
    assert cake @ kuchen > 0.6
    assert cake @ kuchen > cake @ dog + 0.3


async def test_the_starter_is_loaded_like_any_local_folder(
    encoder: clip.ClipEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_here(monkeypatch)
    for name in files.sums():
        shutil.copy(files.FOLDER / name, tmp_path / name)
    same = clip.load(f"local-dir:{tmp_path}", tmp_path, "", lambda done, total: None)
    try:
        assert same.model.fingerprint == encoder.model.fingerprint
        ours, theirs = await asyncio.gather(
            encoder.encode_text("a red car"), same.encode_text("a red car")
        )
        assert ours @ theirs > 0.999
    finally:
        same.close()


def test_it_needs_no_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from bot import clip
clip.load("starter", Path({str(tmp_path)!r}), "", print).close()
print({{"torch", "open_clip", "transformers", "onnx"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_its_files_are_small_and_whole() -> None:
    names = files.sums()
    assert set(names) >= {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"}
    assert sum((files.FOLDER / name).stat().st_size for name in names) <= 12_000_000
    assert files.read().weights == files.FOLDER / "open_clip_model.safetensors"


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("flip", "open_clip_model.safetensors"),
        ("cut", "open_clip_model.safetensors"),
        ("remove", "open_clip_model.safetensors"),
        ("flip", "image.onnx"),
    ],
)
def test_harmed_files_are_named_with_the_way_back(tmp_path: Path, harm: str, name: str) -> None:
    shutil.copytree(ROOT / "bot", tmp_path / "bot")
    for room in ("adapters", "storage"):
        shutil.copytree(ROOT / room, tmp_path / room)
    file = tmp_path / "bot" / "starter" / name
    whole = file.read_bytes()
    if harm == "remove":
        file.unlink()
    else:
        changed = bytes([whole[5000] ^ 1])
        file.write_bytes(whole[:5000] + changed + whole[5001:] if harm == "flip" else whole[:-9])
    done = subprocess.run(
        [sys.executable, "-m", "bot", "check"],
        cwd=tmp_path,
        env={"PATH": "", "MODEL": "starter"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if name in line]
    assert str(file) in line
    assert files.sums()[name] in line
    assert "git checkout -- " in line


def test_a_missing_or_damaged_list_of_hashes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"SHA256SUMS can't be read; restore"):
        files.read(tmp_path)
    (tmp_path / files.SUMS).write_text("nonsense\n")
    with pytest.raises(ModelUnavailable, match=r"SHA256SUMS is damaged; restore"):
        files.read(tmp_path)


def test_the_table_of_concepts_is_clear() -> None:
    for language in ("en", "zh"):
        first = [concept.names(language)[0] for concept in concepts()]
        assert len(first) == len(set(first))
        assert all(n == n.strip() != "" for c in concepts() for n in c.names(language))
    every = [emoji for concept in concepts() for emoji in concept.emoji]
    assert len(every) == len(set(every))


def test_a_machine_without_an_emoji_font_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(fonts.NoEmojiFont, match="can't be used as an emoji font"):
        fonts.EmojiFont(tmp_path / "broken.ttf")
    monkeypatch.setattr(fonts, "folders", list)
    with pytest.raises(fonts.NoEmojiFont, match="apt install fonts-noto-color-emoji"):
        fonts.find()


def scene(seed: int, things: int = 0) -> Scene:
    return compose(Random(seed), lambda emoji: True, things)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_scene_shows_different_things_inside_the_picture(seed: int, things: int) -> None:
    made = scene(seed, things)
    assert made == scene(seed, things)
    assert len({thing.concept.name for thing in made.things}) == things
    for thing in made.things:
        assert thing.emoji in thing.concept.emoji
        assert 0 < thing.x < 1
        assert 0 < thing.y < 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["en", "zh"]))
def test_a_whole_caption_names_every_thing(seed: int, language: str) -> None:
    made = scene(seed)
    said = caption(made, language, Random(seed), whole=True)
    for thing in made.things:
        stems = [name.rstrip("y") for name in thing.concept.names(language)]
        assert any(stem in said for stem in stems), said


def test_a_drawing_is_always_the_same(painter: Painter) -> None:
    made = compose(Random(3), painter.has, 2)
    first, again = painter.draw(made, 96), painter.draw(made, 96)
    assert first.size == (96, 96)
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != painter.draw(compose(Random(4), painter.has, 2), 96).tobytes()


SMALL = [
    "--steps",
    "2",
    "--finish",
    "2",
    "--batch",
    "6",
    "--every",
    "2",
    "--measured",
    "30",
    "--families",
    "noto",
]
ALONE = ["--workers", "0"]


def test_training_goes_on_exactly_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    def trained(work: str, into: str) -> int:
        folders = ["--work", str(tmp_path / work), "--into", str(tmp_path / into)]
        return train.main([*SMALL, *ALONE, *folders])

    for work in ("one", "two"):
        shutil.copytree(kept.pictures() / "sprites", tmp_path / work / "sprites")
    assert trained("one", "straight") == 0
    said = capsys.readouterr()
    assert "4/4" in said.err, "a bar was shown"
    assert said.out.count("recall@3 en") == 2, "a point of the curve every two batches"
    assert "WARNING" not in said.err
    checkpoint = tmp_path / "one" / "checkpoint.pt"
    assert torch.load(checkpoint, weights_only=True)["step"] == 4

    stopped = subprocess.run(
        [sys.executable, "-c", STOPS_AT_TWO, *SMALL, *ALONE, "--work", str(tmp_path / "two")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert stopped.returncode == 130, stopped.stderr
    assert torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)["step"] == 2
    assert trained("two", "resumed") == 0
    assert files.sums(tmp_path / "resumed") == files.sums(tmp_path / "straight")
    assert (tmp_path / "resumed" / "training.png").read_bytes().startswith(b"\x89PNG")
    files.read(tmp_path / "resumed")
    about = exported.read(tmp_path / "resumed" / exported.ABOUT)
    assert exported.ExportedNetwork(tmp_path / "resumed").dimension == about.dimension == 192


STOPS_AT_TWO = """
import sys
from bot.starter import train
save = train.Trainer._save
def save_and_stop(self):
    save(self)
    raise KeyboardInterrupt
train.Trainer._save = save_and_stop
sys.exit(train.main())
"""


def test_a_checkpoint_of_another_plan_is_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    torch.save({"plan": {"seed": 99}}, tmp_path / "checkpoint.pt")
    folders = ["--work", str(tmp_path), "--into", str(tmp_path / "out")]
    assert train.main([*SMALL, *ALONE, *folders]) == 2
    assert "checkpoint.pt is of another plan" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
