"""The true loading code on small real models: from folders, from a loopback hub, broken ones."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot import clip, modelfolder, models, threads
from bot.clip import ClipEncoder
from bot.eager import EagerNetwork
from bot.errors import ModelUnavailable
from bot.modelfolder import Hashes, read
from bot.models import Presence
from bot.photos import Calibration, ImageSpec, Model, Pixels, Vector
from tests.standins.hub import HubStandin
from tests.tinyclip import copy_model, export_here, save_tiny_clip, tiny_config

REPO = "someone/tiny"
NOWHERE = "http://127.0.0.1:1"
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from huggingface_hub import close_session

    export_here(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield
    close_session()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("models") / "plain")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "siglip"
    return save_tiny_clip(folder, width=24, image_size=64, hf_tokenizer_name=REPO)


@pytest.fixture
async def encoder(plain: Path, tmp_path: Path) -> AsyncIterator[ClipEncoder]:
    async with clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent) as encoder:
        yield encoder


def silent(done: int, total: int) -> None:
    pass


def noise(count: int, side: int = 32) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def line_of(model: str, folder: Path, hub_url: str = NOWHERE) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        clip.load(model, folder, hub_url, silent)
    line = str(caught.value)
    assert line.startswith(f"MODEL={model}: ")
    assert "\n" not in line
    return line


def test_says_what_picture_and_which_model(plain: Path, siglip: Path, tmp_path: Path) -> None:
    with_closing = clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent)
    assert with_closing.image_spec == ImageSpec((32, 32), "shortest", "bicubic", 0)
    assert with_closing.model.name == f"local-dir:{plain}"
    assert with_closing.model.dimension == 16
    assert len(with_closing.model.fingerprint) == 16
    with_closing.close()
    other = clip.load(f"local-dir:{siglip}", tmp_path, NOWHERE, silent)
    assert other.image_spec == ImageSpec((64, 64), "squash", "bicubic", 0)
    assert other.model.dimension == 24
    other.close()


async def test_vectors_are_of_unit_length(encoder: ClipEncoder) -> None:
    images = await encoder.encode_images(noise(35))
    text = await encoder.encode_text("a red photo")
    assert images.dtype == text.dtype == np.float32
    assert images.shape == (35, 16)
    assert text.shape == (16,)
    assert np.allclose(np.linalg.norm(images, axis=1), 1, atol=1e-3)
    assert np.linalg.norm(text) == pytest.approx(1, abs=1e-3)
    assert (await encoder.encode_images(noise(0))).shape == (0, 16)


@pytest.mark.parametrize("kind", ["plain", "siglip"])
def test_vectors_are_those_of_open_clip(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    network = EagerNetwork(read(folder), precision=lambda device: None)
    import open_clip
    import torch
    from PIL import Image

    name = f"local-dir:{folder}"
    theirs, preprocess = open_clip.create_model_from_pretrained(name)
    side = network.image_spec.size[0]
    pixels = noise(3, side)
    with torch.inference_mode():
        batch = torch.stack([preprocess(Image.fromarray(one)) for one in pixels])
        images = theirs.encode_image(batch, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(name)(["A red photo!"])
        text = theirs.encode_text(tokens, normalize=True)[0].numpy()
    assert np.allclose(network.images(pixels), images, atol=1e-5)
    assert np.allclose(network.text("A red photo!"), text, atol=1e-5)


def test_the_measured_precision_changes_little(plain: Path) -> None:
    import torch

    full = EagerNetwork(read(plain), precision=lambda device: None).images(noise(4))
    lower = EagerNetwork(read(plain), precision=lambda device: torch.bfloat16).images(noise(4))
    assert np.all((full * lower).sum(axis=1) > 0.999)


@pytest.mark.parametrize("text", ["", "\ud800", "\x00", "开往汽车总站 " * 500, "🎮\n'\""])
async def test_any_text_can_be_asked(encoder: ClipEncoder, siglip: Path, text: str) -> None:
    assert np.isfinite(await encoder.encode_text(text)).all()
    assert np.isfinite(EagerNetwork(read(siglip)).text(text)).all()


async def test_images_of_another_size_are_refused(encoder: ClipEncoder) -> None:
    with pytest.raises(ValueError, match="images of"):
        await encoder.encode_images(noise(1, 16))


def test_the_fingerprint_is_of_the_files(plain: Path, tmp_path: Path) -> None:
    def fingerprint(folder: Path) -> str:
        return modelfolder.fingerprint(read(folder), Hashes(tmp_path / "hashes.json"))

    copy = copy_model(plain, tmp_path / "copy")
    encoder = clip.load(f"local-dir:{copy}", tmp_path / "models", NOWHERE, silent)
    encoder.close()
    assert encoder.model.fingerprint == fingerprint(copy)
    assert fingerprint(copy) == fingerprint(plain)
    other = save_tiny_clip(tmp_path / "other", seed=1)
    assert fingerprint(other) != fingerprint(plain)
    config = tiny_config()
    config["preprocess_cfg"]["resize_mode"] = "squash"
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    assert fingerprint(copy) != fingerprint(plain)
    before = {path.name for path in copy.iterdir()}
    assert before == {"open_clip_config.json", "open_clip_model.safetensors"}


def test_big_files_are_hashed_once(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent).close()
    monkeypatch.setattr("hashlib.file_digest", None)
    clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent).close()
    (tmp_path / "hashes.json").write_text("[broken")
    monkeypatch.undo()
    clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent).close()


class SlowNetwork:
    """A network whose work is only waiting, to see the order of things."""

    def __init__(self) -> None:
        self.image_spec = ImageSpec((32, 32))
        self.calibration = Calibration(1.0)
        self.dimension, self.batch, self.side_by_side, self.lanes = 2, 8, False, 1
        self.order: list[str] = []
        self.begun = threading.Event()
        self.go_on = threading.Semaphore(0)

    def images(self, images: Pixels) -> Vector:
        self.begun.set()
        self.go_on.acquire()
        self.order.append(f"images {len(images)}")
        return np.ones((len(images), 2), np.float32)

    def text(self, text: str) -> Vector:
        self.order.append(text)
        if text == "fail":
            raise RuntimeError("out of memory\nwith a long story")
        return np.ones(2, np.float32)


async def test_words_need_not_wait_where_both_towers_may_run_at_once() -> None:
    network = SlowNetwork()
    network.side_by_side = True
    async with ClipEncoder(Model("slow", "0" * 16, 2), network) as encoder:
        looking = asyncio.create_task(encoder.encode_images(np.zeros((1, 32, 32, 3), np.uint8)))
        await asyncio.to_thread(network.begun.wait)
        await encoder.encode_text("at once")
        assert network.order == ["at once"]
        network.go_on.release()
        await looking
        network.go_on.release(100)


async def test_images_are_looked_at_by_as_many_threads_as_there_are_lanes() -> None:
    class Lanes(SlowNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.batch, self.lanes, self.side_by_side = 1, 3, True
            self.together = threading.Barrier(3, timeout=5)
            self.niceness: set[int] = set()

        def images(self, images: Pixels) -> Vector:
            self.together.wait()
            if sys.platform == "linux":
                thread = threading.get_native_id()
                self.niceness.add(os.getpriority(os.PRIO_PROCESS, thread))
            return np.full((1, 2), images[0, 0, 0, 0], np.float32)

    network = Lanes()
    async with ClipEncoder(Model("lanes", "0" * 16, 2), network) as encoder:
        images = np.zeros((9, 32, 32, 3), np.uint8)
        images[:, 0, 0, 0] = np.arange(9)
        found = await encoder.encode_images(images)
    assert found[:, 0].tolist() == list(range(9)), "in the order in which they were given"
    if sys.platform == "linux":
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert network.niceness == {min(own + clip.LOOKING_NICENESS, threads.NICEST)}


@pytest.fixture
async def slow() -> AsyncIterator[tuple[SlowNetwork, ClipEncoder]]:
    network = SlowNetwork()
    async with ClipEncoder(Model("slow", "0" * 16, 2), network) as encoder:
        yield network, encoder
        network.go_on.release(100)


async def until_begun(network: SlowNetwork) -> None:
    assert await asyncio.to_thread(network.begun.wait, 5)


async def test_a_text_goes_ahead_of_waiting_images(slow: tuple[SlowNetwork, ClipEncoder]) -> None:
    network, encoder = slow
    images = [asyncio.create_task(encoder.encode_images(noise(n))) for n in (18, 3)]
    await until_begun(network)
    text = asyncio.create_task(encoder.encode_text("query"))
    await asyncio.sleep(0)
    network.go_on.release(100)
    await asyncio.gather(text, *images)
    assert network.order == ["images 8", "query", "images 3", "images 8", "images 2"]


async def test_a_cancelled_caller_disturbs_nobody(slow: tuple[SlowNetwork, ClipEncoder]) -> None:
    network, encoder = slow
    running = asyncio.create_task(encoder.encode_images(noise(1)))
    await until_begun(network)
    waiting = asyncio.create_task(encoder.encode_images(noise(2)))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    network.go_on.release(100)
    assert (await encoder.encode_text("still here")).shape == (2,)
    assert (await encoder.encode_images(noise(4))).shape == (4, 2)
    assert network.order == ["images 1", "still here", "images 4"]


async def test_errors_reach_the_caller_as_one_line(slow: tuple[SlowNetwork, ClipEncoder]) -> None:
    _, encoder = slow
    with pytest.raises(ModelUnavailable, match="slow failed: out of memory with a long story"):
        await encoder.encode_text("fail")
    assert (await encoder.encode_text("next")).shape == (2,)


async def test_close_fails_what_waits_and_ends_the_thread() -> None:
    network = SlowNetwork()
    encoder = ClipEncoder(Model("slow", "0" * 16, 2), network)
    running = asyncio.create_task(encoder.encode_images(noise(1)))
    await until_begun(network)
    waiting = asyncio.create_task(encoder.encode_text("late"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(encoder.close))
    await asyncio.sleep(0.05)
    network.go_on.release()
    await closing
    assert (await running).shape == (1, 2)
    results = await asyncio.gather(waiting, encoder.encode_text("x"), return_exceptions=True)
    assert [type(result) for result in results][-1] is ModelUnavailable
    assert not [thread for thread in threading.enumerate() if thread.name == "clip"]
    encoder.close()


def break_config(folder: Path) -> None:
    (folder / "open_clip_config.json").unlink()


def break_json(folder: Path) -> None:
    (folder / "open_clip_config.json").write_text("{")


def break_model_cfg(folder: Path) -> None:
    (folder / "open_clip_config.json").write_text("{}")


def break_text_cfg(folder: Path) -> None:
    (folder / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 1}}')


def break_weights(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()


def break_length(folder: Path) -> None:
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def break_header(folder: Path) -> None:
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:20])


def break_empty(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").write_bytes(b"")


def break_garbage(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").write_bytes(b"\x05" + b"\0" * 7 + b"hello world")


def break_pointer(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    (folder / "open_clip_model.safetensors").write_text(pointer)


def break_pickle(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 but cut off")


def break_shape(folder: Path) -> None:
    (folder / "open_clip_config.json").write_text(json.dumps(tiny_config(width=32)))


def break_preprocess(folder: Path) -> None:
    config = tiny_config()
    config["model_cfg"]["vision_cfg"]["image_size"] = "huge"
    (folder / "open_clip_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (break_config, "holds no open_clip_config.json"),
        (break_json, "open_clip_config.json is not JSON"),
        (break_model_cfg, "has no model_cfg"),
        (break_text_cfg, "has no vision_cfg in its model_cfg"),
        (break_weights, "holds no weights"),
        (break_length, "is cut off (3207996 of 3208996 bytes)"),
        (break_header, "is cut off"),
        (break_empty, "is cut off"),
        (break_garbage, "is not a safetensors file"),
        (break_pointer, "git lfs pull"),
        (break_pickle, "pytorch_model.bin is cut off"),
        (break_shape, "does not fit the model that open_clip_config.json describes"),
        (break_preprocess, "does not fit the model"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(
    plain: Path, tmp_path: Path, spoil: Any, said: str
) -> None:
    folder = copy_model(plain, tmp_path / "broken")
    spoil(folder)
    line = line_of(f"local-dir:{folder}", tmp_path)
    assert said in line
    assert line.endswith("Complete that folder, or choose another MODEL.")


@pytest.mark.parametrize("content", [None, "{"])
def test_a_tokenizer_that_is_missing_or_broken(tmp_path: Path, content: str | None) -> None:
    folder = save_tiny_clip(tmp_path / "broken", seed=2, hf_tokenizer_name=REPO)
    (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / "tokenizer.json").write_text(content)
    assert "tokenizer" in line_of(f"local-dir:{folder}", tmp_path)


def test_pickled_code_in_weights_is_never_run(plain: Path, tmp_path: Path) -> None:
    import torch

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    folder = copy_model(plain, tmp_path / "harmful")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Harm()}, folder / "open_clip_pytorch_model.bin")
    assert "does not fit" in line_of(f"local-dir:{folder}", tmp_path)
    assert not (tmp_path / "harm").exists()


def test_weights_as_a_torch_file_are_loaded(plain: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = copy_model(plain, tmp_path / "torch")
    torch.save(load_file(folder / "open_clip_model.safetensors"), folder / "pytorch_model.bin")
    (folder / "open_clip_model.safetensors").unlink()
    ours, same = EagerNetwork(read(folder)), EagerNetwork(read(plain))
    assert np.allclose(ours.text("tea"), same.text("tea"))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("", "no model is named"),
        ("ViT-B-32", "needs a tag; near to it: ViT-B-32/"),
        ("ViT-B-32/opnai", "no tag opnai; near to it: ViT-B-32/openai"),
        ("ViT-B-32-SigLIP-256/webli", "near to it: ViT-B-32-SigLIP2-256/webli"),
        ("timm/ViT-B-32-SigLIP2-256", "hf-hub:ORG/REPO"),
        ("/some/folder", "local-dir:/some/folder"),
        ("local-dir:", "there is no folder"),
        ("local-dir:/not/there", "there is no folder /not/there"),
        ("hf-hub:", "not the name of a repository"),
        ("xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", "take a SigLIP2 model"),
        ("ViT-B-32-SigLIP2-256/webli", f"from {NOWHERE}: "),
        ("hf-hub:a/b", "check the network and try again. Or put the model's files into a folder"),
    ],
)
def test_a_model_that_can_not_be_had(model: str, said: str, tmp_path: Path) -> None:
    line = line_of(model, tmp_path / "models")
    assert said in line
    presence = clip.inspect(model, tmp_path / "models", NOWHERE)
    assert presence.presence is Presence.MISSING
    assert presence.line == line


@pytest.mark.parametrize("kind", ["plain", "siglip"])
def test_a_repository_is_downloaded_once(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(kind)
    model = f"hf-hub:{REPO}"
    told: list[tuple[int, int]] = []
    with HubStandin({REPO: copy_model(source, tmp_path / "served")}) as hub:
        (tmp_path / "served" / "README.md").write_text("not needed")
        presence = clip.inspect(model, tmp_path, hub.url)
        assert presence.presence is Presence.ON_HUB
        first = clip.load(model, tmp_path, hub.url, lambda *now: told.append(now))
        asked = len(hub.requests)
        clip.load(model, tmp_path, hub.url, silent).close()
        assert clip.inspect(model, tmp_path, hub.url).presence is Presence.HERE
        assert len(hub.requests) == asked
    first.close()
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == presence.download
    folder = models.folder_of(model, tmp_path)
    assert {path.name for path in folder.iterdir()} == {path.name for path in source.iterdir()}
    again = clip.load(model, tmp_path, NOWHERE, silent)
    local = clip.load(f"local-dir:{source}", tmp_path, NOWHERE, silent)
    assert again.model.fingerprint == first.model.fingerprint == local.model.fingerprint
    again.close()
    local.close()


@pytest.fixture
def tag(monkeypatch: pytest.MonkeyPatch) -> str:
    """A NAME/TAG of open_clip's list whose weights and tokenizer lie in two repositories."""
    import open_clip.factory
    import open_clip.pretrained

    config = tiny_config(width=24, image_size=64, hf_tokenizer_name="someone/words")
    entry = {
        "hf_hub": f"{REPO}/",
        "quick_gelu": True,
        **config["preprocess_cfg"],
    }
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny", config["model_cfg"])
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny", {"some_tag": entry})
    return "Tiny/some_tag"


def test_a_tag_is_downloaded_with_a_configuration_of_our_own(
    tag: str, siglip: Path, tmp_path: Path
) -> None:
    weights, words = tmp_path / "weights", tmp_path / "words"
    copy_model(siglip, weights)
    copy_model(siglip, words)
    for name in ("open_clip_config.json", "tokenizer.json", "tokenizer_config.json"):
        (weights / name).unlink()
    with HubStandin({REPO: weights, "someone/words": words}) as hub:
        size = clip.inspect(tag, tmp_path / "models", hub.url).download
        told: list[tuple[int, int]] = []
        encoder = clip.load(tag, tmp_path / "models", hub.url, lambda *now: told.append(now))
        encoder.close()
    assert told[-1] == (size, size)
    assert encoder.image_spec == ImageSpec((64, 64), "squash", "bicubic", 0)
    config = json.loads((tmp_path / "models/Tiny--some_tag/open_clip_config.json").read_text())
    assert config["model_cfg"]["quick_gelu"] is True
    assert config["preprocess_cfg"]["mean"] == [0.5, 0.5, 0.5]
    clip.load(tag, tmp_path / "models", NOWHERE, silent).close()


def test_what_was_cut_is_resumed_by_a_later_start(plain: Path, tmp_path: Path) -> None:
    served = copy_model(plain, tmp_path / "served")
    with HubStandin({REPO: served}) as hub:
        hub.cut_after, hub.cuts_left = 1_000_000, 1

        def leave(done: int, total: int) -> None:
            if done > 500_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            clip.load(f"hf-hub:{REPO}", tmp_path / "models", hub.url, leave)
        presence = clip.inspect(f"hf-hub:{REPO}", tmp_path / "models", hub.url)
        assert presence.presence is Presence.ON_HUB
        clip.load(f"hf-hub:{REPO}", tmp_path / "models", hub.url, silent).close()
        assert any(request.range for request in hub.requests)


def test_a_damaged_download_is_healed(plain: Path, tmp_path: Path) -> None:
    model = f"hf-hub:{REPO}"
    with HubStandin({REPO: copy_model(plain, tmp_path / "served")}) as hub:
        clip.load(model, tmp_path, hub.url, silent).close()
        break_length(models.folder_of(model, tmp_path))
        presence = clip.inspect(model, tmp_path, hub.url)
        assert presence.presence is Presence.ON_HUB
        assert "is cut off" in presence.line
        clip.load(model, tmp_path, hub.url, silent).close()


def test_repositories_that_hold_no_model(plain: Path, siglip: Path, tmp_path: Path) -> None:
    served = copy_model(plain, tmp_path / "served")
    with HubStandin({REPO: served}) as hub:
        (served / "open_clip_model.safetensors").rename(served / "model.onnx")
        assert "holds no weights" in line_of(f"hf-hub:{REPO}", tmp_path, hub.url)
        (served / "open_clip_config.json").unlink()
        assert "is no open_clip model" in line_of(f"hf-hub:{REPO}", tmp_path, hub.url)
        shutil.rmtree(served)
        copy_model(siglip, served)
        (served / "tokenizer.json").unlink()
        assert "tokenizer" in line_of(f"hf-hub:{REPO}", tmp_path, hub.url)
    assert not models.folder_of(f"hf-hub:{REPO}", tmp_path).exists()


def test_two_starts_at_once_download_once(plain: Path, tmp_path: Path) -> None:
    encoders: list[ClipEncoder] = []

    def start() -> None:
        encoders.append(clip.load(f"hf-hub:{REPO}", tmp_path / "models", hub.url, silent))

    served = copy_model(plain, tmp_path / "served")
    with HubStandin({REPO: served}) as hub:
        threads = [threading.Thread(target=start) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        size = (served / "open_clip_model.safetensors").stat().st_size
        assert hub.bytes_sent["open_clip_model.safetensors"] == size
    assert len({encoder.model.fingerprint for encoder in encoders}) == 1
    assert len(encoders) == 3
    for encoder in encoders:
        encoder.close()


def test_a_models_folder_that_can_not_be_made(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in line_of(f"hf-hub:{REPO}", tmp_path / "file")
    clip.load(f"local-dir:{plain}", tmp_path / "file", NOWHERE, silent).close()


def test_says_nothing_on_the_terminal_and_knows_a_model_without_torch(
    siglip: Path, tmp_path: Path
) -> None:
    code = f"""
import logging, sys
from pathlib import Path
from bot import clip
folder = Path({str(tmp_path)!r})
assert clip.inspect("local-dir:{siglip}", folder, "{NOWHERE}").presence == "here"
assert not {{"torch", "open_clip", "transformers", "huggingface_hub"}} & set(sys.modules)
clip.load("local-dir:{siglip}", folder, "{NOWHERE}", print).close()
assert not logging.getLogger().handlers
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_loading_adds_nothing_to_the_log(
    plain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        clip.load(f"local-dir:{plain}", tmp_path, NOWHERE, silent).close()
    assert [record for record in caplog.records if record.name == "root"] == []


async def test_urgent_work_is_done_in_the_order_it_came() -> None:
    thread = threads.Threads("test")
    done: list[int] = []
    await asyncio.gather(
        *(thread.run(threads.Urgency.NOW, lambda i=i: done.append(i)) for i in range(20))  # type: ignore[misc]
    )
    assert done == list(range(20))
    thread.close()
    with pytest.raises(threads.Closed):
        await thread.run(threads.Urgency.NOW, lambda: None)
