"""Decoding and reading in other processes: what crashes or hangs costs one photo."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.decoder import Decoder
from bot.errors import NotAPhoto
from bot.photos import ImageSpec
from bot.sandbox import Sandbox, SandboxBroken
from bot.sandboxes import Sandboxes
from tests.pictures import encoded, photo, png_claiming, scene, sign

SPEC = ImageSpec((64, 64))
GIB = 2**30


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with Decoder() as decoder:
        yield decoder


async def test_pixels_preview_and_camera_time(decoder: Decoder) -> None:
    pixels = await decoder.pixels(photo(4), SPEC)
    assert pixels.shape == (64, 64, 3)
    assert (await decoder.preview(photo(4), 100)).startswith(b"\xff\xd8\xff")
    assert await decoder.taken_at(photo(4)) is None


async def test_reads_latin_and_chinese_signs(decoder: Decoder) -> None:
    assert "AKAI" in await decoder.read(sign("AKAI"))
    chinese = (Path(__file__).parent / "data/bus-sign-zh.png").read_bytes()
    assert "开往汽车总站" in await decoder.read(chinese)
    assert await decoder.read(encoded(scene(1).resize((64, 64)))) == ""


async def test_refusals_come_through_and_the_child_lives_on(decoder: Decoder) -> None:
    for bad in (b"", b"text", png_claiming(50_000, 50_000)):
        with pytest.raises(NotAPhoto):
            await decoder.pixels(bad, SPEC)
        with pytest.raises(NotAPhoto):
            await decoder.read(bad)
    assert decoder.started == 2
    await decoder.pixels(photo(), SPEC)
    assert (decoder.started, decoder.lost) == (2, 0), "a refusal is no crash"


async def test_many_at_once_get_their_own_answers(decoder: Decoder) -> None:
    alone = [await decoder.pixels(photo(n), SPEC) for n in range(6)]
    together = await asyncio.gather(*(decoder.pixels(photo(n), SPEC) for n in range(6)))
    assert all((a == b).all() for a, b in zip(alone, together, strict=True))


async def test_several_work_at_a_time_and_no_more_than_are_needed() -> None:
    boxes = Sandboxes(3, timeout=20, memory=3 * GIB)
    for _ in range(4):
        await boxes.call("preview", {"longest": 50}, photo())
    assert boxes.started == 1
    (busy,) = [each._child for each in boxes._all if each._child is not None]
    os.kill(busy.pid, signal.SIGSTOP)
    held = asyncio.create_task(boxes.call("preview", {"longest": 50}, photo()))
    await asyncio.sleep(0)
    bodies = await asyncio.gather(
        *(boxes.call("preview", {"longest": 50}, photo(n)) for n in range(5))
    )
    assert all(body.startswith(b"\xff\xd8\xff") for _, body in bodies)
    assert boxes.started == 3
    assert not held.done(), "the others went on without it"
    os.kill(busy.pid, signal.SIGCONT)
    assert (await held)[1]
    assert boxes.lost == 0
    await boxes.close()


async def test_a_killed_child_is_replaced() -> None:
    box = Sandbox(timeout=20, memory=3 * GIB)
    await box.call("preview", {"longest": 50}, photo())
    assert box._child is not None
    os.kill(box._child.pid, signal.SIGKILL)
    _, body = await box.call("preview", {"longest": 50}, photo())
    assert body
    await box.close()


async def test_what_hangs_is_ended() -> None:
    box = Sandbox(timeout=20, memory=3 * GIB)
    await box.call("preview", {"longest": 50}, photo())
    assert box._child is not None
    os.kill(box._child.pid, signal.SIGSTOP)
    box._timeout = 0.5
    started = time.monotonic()
    with pytest.raises(SandboxBroken, match="too long"):
        await box.call("preview", {"longest": 50}, photo())
    assert time.monotonic() - started < 10
    box._timeout = 20
    assert (await box.call("preview", {"longest": 50}, photo()))[1], "the next photo has a new one"
    await box.close()


async def test_memory_is_bounded_in_the_child() -> None:
    box = Sandbox(timeout=60, memory=400 * 2**20)
    with pytest.raises(NotAPhoto, match="memory"):
        await box.call("preview", {"longest": 50}, png_claiming(12_000, 6_000))
    assert (await box.call("preview", {"longest": 50}, photo()))[1]
    await box.close()


async def test_a_cancelled_call_leaves_no_half_frame() -> None:
    box = Sandbox(timeout=60, memory=3 * GIB)
    await box.call("preview", {"longest": 50}, photo())
    assert box._child is not None
    os.kill(box._child.pid, signal.SIGSTOP)
    task = asyncio.create_task(box.call("preview", {"longest": 300}, photo()))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await box.call("preview", {"longest": 50}, photo()))[1].startswith(b"\xff\xd8\xff")
    await box.close()


async def test_an_idle_child_is_sent_home_and_called_back() -> None:
    box = Sandbox(timeout=20, memory=3 * GIB, idle=0.05)
    await box.call("preview", {"longest": 50}, photo())
    await asyncio.sleep(0.5)
    assert box._child is None
    assert (await box.call("preview", {"longest": 50}, photo()))[1]
    await box.close()


async def test_the_child_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "123:canary")
    monkeypatch.setenv("WEB_PASSWORD", "canary")
    box = Sandbox(timeout=20, memory=3 * GIB)
    await box.call("preview", {"longest": 50}, photo())
    assert box._child is not None
    assert b"canary" not in Path(f"/proc/{box._child.pid}/environ").read_bytes()
    await box.close()
