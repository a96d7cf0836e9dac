"""Models that run in ONNX Runtime: made from small real ones, and held against open_clip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import clip, export_child, exporting, modelfolder, proof
from bot.clip import ClipEncoder
from bot.eager import EagerNetwork
from bot.errors import ModelUnavailable
from bot.exported import ABOUT, IMAGE, ROWS, TEXT, ExportedNetwork, read
from bot.photos import Calibration, ImageSpec, Model, Pixels, Vector
from bot.starter import files, graphs
from bot.tokens import Tokens
from bot.towers import Towers
from tests.tinyclip import save_tiny_clip

ROOT = Path(__file__).parents[1]
KINDS = ("plain", "siglip", "starter")


def silent(percent: int) -> None:
    pass


@contextmanager
def timed(faster: bool) -> Iterator[None]:
    """Each export is found to be faster, or slower, than the one before."""
    seconds = count(100, -1 if faster else 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof.Proof, "seconds", lambda self, export: next(seconds))
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "plain": save_tiny_clip(folder / "plain", width=32),
        "siglip": save_tiny_clip(
            folder / "siglip", width=24, image_size=64, hf_tokenizer_name="someone/tiny"
        ),
        "starter": files.FOLDER,
    }


@pytest.fixture(scope="module")
def exact(models: dict[str, Path]) -> dict[str, EagerNetwork]:
    return {
        kind: EagerNetwork(modelfolder.read(folder), precision=lambda device: None)
        for kind, folder in models.items()
    }


@pytest.fixture(scope="module")
def exports(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    for kind, model in models.items():
        (folder / kind).mkdir()
        with timed(faster=True):
            percents = list(export_child.export(model, folder / kind))
        assert percents == sorted(percents)
        assert (percents[0], percents[-1]) == (0, 100)
    return {kind: folder / kind for kind in models}


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_pytorch(
    kind: str, exact: dict[str, EagerNetwork], exports: dict[str, Path]
) -> None:
    ours, theirs = ExportedNetwork(exports[kind]), exact[kind]
    about = read(exports[kind] / ABOUT)
    assert ours.image_spec == theirs.image_spec
    assert ours.calibration == theirs.calibration
    assert ours.dimension == theirs.dimension
    pixels = np.random.default_rng(1).integers(
        0, 256, (3, *theirs.image_spec.size, 3), dtype=np.uint8
    )
    images = ours.images(pixels)
    assert images.dtype == np.float32
    assert np.allclose(np.linalg.norm(images, axis=1), 1, atol=1e-4)
    assert np.all((images * theirs.images(pixels)).sum(axis=1) >= export_child.CLOSE[IMAGE])
    for text in ("", "tea", "a red photo of tea", "cake " * 60, "生日蛋糕", "\ud800"):
        assert ours.text(text) @ theirs.text(text) >= 0.9995, text
    assert about.pooling is not None or kind == "siglip"
    assert min(about.cosine.values()) >= 0.995
    assert sorted(p.name for p in exports[kind].iterdir()) == sorted(
        [ABOUT, IMAGE, TEXT, ROWS, "tokenizer.json"]
    )


def test_the_starter_comes_with_graphs_that_are_the_same_model(
    exact: dict[str, EagerNetwork], tmp_path: Path
) -> None:
    for name in files.sums():
        shutil.copy(files.FOLDER / name, tmp_path)
    graphs.write(tmp_path)
    theirs = exact["starter"]
    for folder in (files.FOLDER, tmp_path):
        ours = ExportedNetwork(folder)
        assert (ours.image_spec, ours.calibration) == (theirs.image_spec, theirs.calibration)
        pixels = proof.pictures(theirs.image_spec.size)
        assert np.allclose(ours.images(pixels), theirs.images(pixels), atol=1e-4)
        for text in ("birthday cake", "生日蛋糕", "a dog and a cat on a beach, " * 9, ""):
            assert np.allclose(ours.text(text), theirs.text(text), atol=1e-5)
        weights = b"".join((folder / name).read_bytes() for name in (IMAGE, TEXT))
        assert len(weights) < 200_000, "the weights are not here twice"


def test_int8_is_taken_only_where_it_stays_close(exports: dict[str, Path]) -> None:
    for folder in exports.values():
        about = read(folder / ABOUT)
        for tower in (IMAGE, TEXT):
            graph = (folder / tower).read_bytes()
            is_int8 = b"MatMulInteger" in graph or b"MatMulNBits" in graph
            assert is_int8 == (about.precision[tower] == "int8")
            assert about.cosine[tower] >= export_child.CLOSE[tower]
    for tower in (IMAGE, TEXT):
        assert "int8" in {read(folder / ABOUT).precision[tower] for folder in exports.values()}


def test_texts_stay_as_they_are_where_int8_is_no_faster(
    models: dict[str, Path], tmp_path: Path
) -> None:
    with timed(faster=False):
        list(export_child.export(models["starter"], tmp_path))
    about = read(tmp_path / ABOUT)
    assert (about.precision[TEXT], b"MatMulNBits" in (tmp_path / TEXT).read_bytes()) == (
        "float32",
        False,
    )
    assert not (tmp_path / "exact.onnx").exists()
    assert ExportedNetwork(tmp_path).text("cake").shape == (about.dimension,)


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="aàé'’&;#x20<>_-stenddofstart 🎂蛋ſıİßΩ\n\t", max_size=40),
    st.lists(st.sampled_from(["cake", "it's", "<end_of_text>", "&amp;", "12", "生日", "ﬁ"])).map(
        " ".join
    ),
)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_open_clip(
    kind: str, exact: dict[str, EagerNetwork], exports: dict[str, Path]
) -> None:
    theirs = exact[kind]
    ours = Tokens(exports[kind], read(exports[kind] / ABOUT).reading)

    @settings(max_examples=300, deadline=None)
    @given(TEXTS)
    def same(text: str) -> None:
        assert ours(text) == theirs.tokens(text)[0].tolist()

    same()
    assert ours("\ud800\x00") == theirs.tokens("\ud800\x00")[0].tolist()


@pytest.mark.parametrize("name", ["whitespace", "canonicalize"])
def test_each_way_of_cleaning_is_open_clips(name: str, tmp_path: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    theirs = SimpleTokenizer(clean=name, context_length=9)

    class Holder:
        clip: Any = type("Tower", (), {"attn_mask": None})
        tokenizer = theirs

    towers = Towers(Holder())  # type: ignore[arg-type]
    towers.write_vocabulary(tmp_path)
    ours = Tokens(tmp_path, towers.reading)
    for text in ("A_B  c!", "It's <START_OF_TEXT> &amp; more", "Ünï CODE" * 9, ""):
        assert ours(text) == theirs([text])[0].tolist()


def test_a_child_exports_once_and_serving_needs_no_torch(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = modelfolder.read(models["siglip"])
    told: list[int] = []
    fingerprint = modelfolder.fingerprint(folder, modelfolder.Hashes(tmp_path / "h"))
    (tmp_path / "exports" / f"{fingerprint}-1").mkdir(parents=True)  # an earlier version's
    target = exporting.obtain(folder, fingerprint, tmp_path, told.append)
    assert told[-1] == 100
    assert [p.name for p in target.parent.iterdir() if p.is_dir()] == [target.name]
    code = f"""
import sys
from pathlib import Path
from bot import clip
encoder = clip.load("local-dir:{models["siglip"]}", Path({str(tmp_path)!r}), "", print)
print(type(encoder._network).__name__, {{"torch", "open_clip", "transformers"}} & set(sys.modules))
encoder.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("ExportedNetwork set()\n", "")


def load(model: Path, models_folder: Path) -> ClipEncoder:
    return clip.load(f"local-dir:{model}", models_folder, "", lambda done, total: None)


def test_what_can_not_be_exported_runs_in_pytorch(
    models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "executable", child(tmp_path, "echo 0; exit 3"))
    load(models["plain"], tmp_path).close()
    assert "ended with code 3" in caplog.text
    assert not [p for p in (tmp_path / "exports").iterdir() if p.is_dir()], "it is tried again"
    caplog.clear()
    unfit = f"echo 50; echo '\"no such layer\"' > $4/{exporting.UNFIT}"
    monkeypatch.setattr(sys, "executable", child(tmp_path, unfit))
    load(models["plain"], tmp_path).close()
    monkeypatch.setattr(sys, "executable", "/not/there")  # nothing is started any more
    load(models["plain"], tmp_path).close()
    assert caplog.text.count("in PyTorch, slower and with more memory: no such layer") == 2


def child(folder: Path, script: str) -> str:
    """An interpreter that does something else."""
    file = folder / "child.sh"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_a_stop_ends_the_export(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"echo $$ > {tmp_path}/pid; echo 0; exec sleep 60"
    monkeypatch.setattr(sys, "executable", child(tmp_path, script))

    def stop(percent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporting.obtain(modelfolder.read(models["plain"]), "f" * 16, tmp_path, stop)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not [p for p in (tmp_path / "exports").iterdir() if p.is_dir()]


def test_a_tokenizer_of_another_kind_is_unfit(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Tokens.__call__
    monkeypatch.setattr(Tokens, "__call__", lambda self, text: whole(self, text)[::-1])
    with pytest.raises(proof.Unfit, match="reads '' in another way"):
        list(export_child.export(models["plain"], tmp_path))


@pytest.mark.parametrize("name", [ABOUT, IMAGE, TEXT, ROWS])
def test_damaged_files_are_told(name: str, exports: dict[str, Path], tmp_path: Path) -> None:
    for file in exports["plain"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(ModelUnavailable, match="can't be read"):
        ExportedNetwork(tmp_path)


class Counting:
    """A network that counts what it is asked."""

    image_spec, calibration, dimension, batch = ImageSpec((8, 8)), Calibration(1.0), 2, 1
    side_by_side, lanes = True, 2

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.batches: list[int] = []

    def text(self, text: str) -> Vector:
        self.texts.append(text)
        return np.ones(2, np.float32)

    def images(self, images: Pixels) -> Vector:
        self.batches.append(len(images))
        return np.ones((len(images), 2), np.float32)


async def test_texts_are_remembered_and_pictures_go_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clip, "REMEMBERED", 2)
    network = Counting()
    async with ClipEncoder(Model("m", "0" * 16, 2), network) as encoder:
        for text in ("a", "b", "a", "c", "a", "b"):
            vector = await encoder.encode_text(text)
        assert network.texts == ["a", "b", "c", "b"]
        with pytest.raises(ValueError, match="read-only"):
            vector += 1
        await encoder.encode_images(np.zeros((3, 8, 8, 3), np.uint8))
        assert network.batches == [1, 1, 1]


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert clip._gpu() is False
