"""Bytes that are handed to a decoder through a file in memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bot import sharedfile
from bot.sandbox import Sandbox
from bot.sharedfile import SharedFile
from tests.pictures import encoded, scene

GIB = 2**30
LARGE = encoded(scene(3).resize((1600, 1200)), "PNG")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def made() -> SharedFile:
    shared = SharedFile.make()
    assert shared is not None
    return shared


def test_what_was_written_last_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharedfile, "KEPT", 100)
    shared = made()
    other = SharedFile(os.dup(shared.descriptor))
    for content in (b"", b"a" * 50, b"b" * 1000, b"c" * 20, b"d" * 150):
        shared.write(content)
        assert other.read(len(content)) == content
        assert os.fstat(shared.descriptor).st_size <= max(1000, len(content))
    assert os.fstat(shared.descriptor).st_size == 150, "a large one's memory is given back"
    with pytest.raises(EOFError):
        other.read(151)
    shared.close()
    other.close()


async def test_large_pictures_go_there_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(LARGE) > sharedfile.WORTH
    spec = {"height": 224, "width": 224, "resize_mode": "shortest", "interpolation": "bicubic"}
    header = {**spec, "fill": 0}
    before = open_files()
    through = Sandbox(timeout=20, memory=3 * GIB)
    found = await through.call("pixels", header, LARGE)
    assert through._shared is not None
    assert os.fstat(through._shared.descriptor).st_size >= len(LARGE)
    assert found[0] == {"shared": True}
    monkeypatch.setattr(SharedFile, "make", lambda: None)
    piped = Sandbox(timeout=20, memory=3 * GIB)
    assert (await piped.call("pixels", header, LARGE)) == ({}, found[1])
    assert len(found[1]) == 224 * 224 * 3
    await through.close()
    await piped.close()
    assert open_files() == before


async def test_a_new_child_has_a_file_of_its_own() -> None:
    before = open_files()
    box = Sandbox(timeout=20, memory=3 * GIB)
    await box.call("preview", {"longest": 50}, LARGE)
    assert box._child is not None
    os.kill(box._child.pid, signal.SIGKILL)
    _, body = await box.call("preview", {"longest": 50}, LARGE)
    assert body.startswith(b"\xff\xd8\xff")
    assert box.lost == 1
    await box.close()
    assert open_files() == before
