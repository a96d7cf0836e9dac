"""The hub's client over a real socket: progress, cuts, damage, and every way of no answer."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import ModelUnavailable
from bot.hub import Hub, Patience
from tests.standins.hub import HubStandin

REPO = "someone/thing"
BIG = "weights.bin"
QUICK = Patience(first_answer=1, silence=0.5, pauses=(0, 0, 0))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from huggingface_hub import close_session

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield
    close_session()


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[HubStandin]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / BIG).write_bytes(os.urandom(3_000_000))
    (folder / "small.json").write_text('{"a": 1}')
    with HubStandin({REPO: folder}) as standin:
        yield standin


def fetch(
    standin: HubStandin, folder: Path, names: tuple[str, ...] = ("small.json", BIG)
) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    hub = Hub(standin.url, QUICK)
    files = hub.files(REPO)
    hub.download([files[name] for name in names], folder, lambda *now: told.append(now))
    return told


def refusal(standin: HubStandin, folder: Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        fetch(standin, folder)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_says_what_a_repository_holds(standin: HubStandin) -> None:
    files = Hub(standin.url, QUICK).files(REPO)
    assert set(files) == {"small.json", BIG}
    assert files[BIG].size == 3_000_000
    assert files[BIG].sha256
    assert files["small.json"].sha256 is None
    assert files["small.json"].git_blob


def test_downloads_with_growing_progress_and_never_twice(
    standin: HubStandin, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    told = fetch(standin, folder)
    assert (folder / BIG).read_bytes() == (standin.repositories[REPO] / BIG).read_bytes()
    assert told == sorted(told)
    assert len(told) > 5
    assert told[-1] == (3_000_008, 3_000_008)
    assert sorted(path.name for path in folder.iterdir()) == ["small.json", BIG]
    before = dict(standin.bytes_sent)
    fetch(standin, folder)
    assert standin.bytes_sent == before


def test_resumes_after_cuts_without_fetching_bytes_twice(
    standin: HubStandin, tmp_path: Path
) -> None:
    standin.cut_after, standin.cuts_left = 700_000, 4
    told = fetch(standin, tmp_path / "here")
    served = (standin.repositories[REPO] / BIG).read_bytes()
    assert (tmp_path / "here" / BIG).read_bytes() == served
    ranges = [request.range for request in standin.requests if request.range]
    assert ranges == [f"bytes={i * 700_000}-" for i in (1, 2, 3, 4)]
    assert standin.bytes_sent[BIG] == 3_000_000
    assert told == sorted(told)


def test_resumes_what_an_earlier_run_left(standin: HubStandin, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    hub = Hub(standin.url, QUICK)
    files = [hub.files(REPO)[BIG]]
    with pytest.raises(KeyboardInterrupt):
        hub.download(files, tmp_path / "here", stop)
    assert [path.suffix for path in (tmp_path / "here").iterdir()] == [".incomplete"]
    fetch(standin, tmp_path / "here", (BIG,))
    assert (request := standin.requests[-1]).range is not None
    assert int(request.range.removeprefix("bytes=").rstrip("-")) > 1_000_000


def test_begins_again_when_the_hub_can_not_resume(standin: HubStandin, tmp_path: Path) -> None:
    standin.cut_after, standin.cuts_left, standin.ignore_range = 700_000, 1, True
    fetch(standin, tmp_path / "here")
    served = (standin.repositories[REPO] / BIG).read_bytes()
    assert (tmp_path / "here" / BIG).read_bytes() == served


def test_gives_up_when_no_byte_ever_comes(standin: HubStandin, tmp_path: Path) -> None:
    standin.cut_after, standin.cuts_left = 0, 1000
    assert "check the network and try again" in refusal(standin, tmp_path / "here")
    assert 1000 - standin.cuts_left == 1 + len(QUICK.pauses)


def test_a_damaged_file_is_fetched_once_more(standin: HubStandin, tmp_path: Path) -> None:
    standin.damage = 1
    fetch(standin, tmp_path / "here")
    served = (standin.repositories[REPO] / BIG).read_bytes()
    assert (tmp_path / "here" / BIG).read_bytes() == served
    assert standin.bytes_sent[BIG] == 6_000_000


def test_a_file_that_stays_damaged_is_refused_and_removed(
    standin: HubStandin, tmp_path: Path
) -> None:
    standin.damage = 1000
    assert "came damaged" in refusal(standin, tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["small.json"]


def test_a_damaged_file_from_before_is_replaced(standin: HubStandin, tmp_path: Path) -> None:
    fetch(standin, tmp_path / "here")
    (tmp_path / "here" / BIG).write_bytes(b"x" * 3_000_000)
    (tmp_path / "here" / "small.json").write_text('{"b": 1}')
    fetch(standin, tmp_path / "here")
    for name in (BIG, "small.json"):
        served = (standin.repositories[REPO] / name).read_bytes()
        assert (tmp_path / "here" / name).read_bytes() == served


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "no such repository"),
        (401, "RepoNotFound", "no such repository"),
        (401, "GatedRepo", "HF_TOKEN"),
        (403, "", "HF_TOKEN"),
        (500, "", "the hub answers 500; try again later"),
        (429, "", "the hub answers 429; try again later"),
    ],
)
def test_refusals_of_the_hub(
    standin: HubStandin, tmp_path: Path, status: int, code: str, said: str
) -> None:
    standin.status, standin.error_code = status, code
    line = refusal(standin, tmp_path)
    assert said in line
    assert f"{REPO} could not be fetched from {standin.url}" in line


def test_a_closed_port_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ModelUnavailable, match="check the network"):
        Hub(f"http://user:secret@127.0.0.1:{port}").files(REPO)
    assert time.monotonic() - start < 5


def test_a_name_or_password_in_the_address_is_not_shown() -> None:
    with pytest.raises(ModelUnavailable) as caught:
        Hub("http://user:secret@127.0.0.1:1", QUICK).files(REPO)
    assert "secret" not in str(caught.value)


def test_a_hub_that_never_answers_is_given_up(standin: HubStandin) -> None:
    standin.silent = True
    start = time.monotonic()
    with pytest.raises(ModelUnavailable, match="no answer"):
        Hub(standin.url, Patience(first_answer=0.7, silence=5)).files(REPO)
    assert time.monotonic() - start < 3


def test_a_hub_that_falls_silent_midway_is_given_up(standin: HubStandin, tmp_path: Path) -> None:
    hub = Hub(standin.url, Patience(silence=0.2, pauses=(0,)))
    files = hub.files(REPO)
    standin.silent = True
    with pytest.raises(ModelUnavailable, match="no answer in time"):
        hub.download([files[BIG]], tmp_path, lambda *now: None)


def test_a_full_disk_is_said(
    standin: HubStandin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    assert "the disk is full (3 MB needed, 1 MB free)" in refusal(standin, tmp_path / "here")
    monkeypatch.undo()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "the disk is full; free some space" in refusal(standin, tmp_path / "here")


def test_a_folder_that_can_not_be_written_is_said(standin: HubStandin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refusal(standin, tmp_path / "file")


def test_a_name_that_is_none_is_said(standin: HubStandin) -> None:
    with pytest.raises(ModelUnavailable, match="not the name of a repository"):
        Hub(standin.url, QUICK).files("a/b/c")
    assert not standin.requests


def test_the_beginning_of_another_version_is_not_resumed(
    tmp_path: Path, standin: HubStandin
) -> None:
    (tmp_path / f"{BIG}.{'0' * 16}.incomplete").write_bytes(b"other commit")
    fetch(standin, tmp_path, (BIG,))
    served = (standin.repositories[REPO] / BIG).read_bytes()
    assert (tmp_path / BIG).read_bytes() == served


def test_leaves_no_thread_behind(standin: HubStandin, tmp_path: Path) -> None:
    fetch(standin, tmp_path / "here")
    assert not [thread for thread in threading.enumerate() if thread.name == "hub"]
