"""SIGTERM ends every command soon, with nothing half-done and no child left, whatever it does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cores import cores
from bot.decoder import MOST_EYES
from bot.starter import files
from tests.pictures import photo, sign
from tests.test_backup import free_port
from tests.test_command_line import ROOT

SECONDS = 10
"""Within which a stop is over."""


class Dripping:
    """A server that takes every request and answers it for ever, a byte now and then."""

    def __enter__(self) -> Dripping:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(65536)
            self.asked.set()
            head = (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n"
            )
            connection.sendall(head.encode())
            while True:
                connection.sendall(b" ")
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            each.close()


@contextlib.contextmanager
def started(folder: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is stopped in the block, or killed at its end."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "WEB_PORT": free_port(),
            **settings,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, where the system tells."""
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def stopped(process: subprocess.Popen[str]) -> tuple[int, str]:
    """End it by SIGTERM, in time; its exit code and what it said."""
    children = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=SECONDS)
    assert "Traceback" not in said, said
    deadline = time.monotonic() + 5
    while left := [pid for pid in children if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"{left} are left"
        time.sleep(0.05)
    return process.returncode, said


def waits_for(file: Path, query: str, wanted: int, seconds: float = 60) -> None:
    """Until a query on the database counts so many."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error):
            uri = f"file:{file}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
                if db.execute(query).fetchone()[0] >= wanted:
                    return
        time.sleep(0.02)
    raise AssertionError(query)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0])
def test_while_a_model_is_loaded(tmp_path: Path, seconds: float) -> None:
    model = tmp_path / "model"  # of its owner's, so that a child has to prepare it
    model.mkdir()
    for name in files.sums():
        shutil.copy(files.FOLDER / name, model)
    with started(tmp_path, "run", MODEL=f"local-dir:{model}") as process:
        waits_for(tmp_path / "data/web/chat.db", "PRAGMA user_version", 1)
        time.sleep(seconds)
        code, said = stopped(process)
        assert code == 0, said
    assert not (tmp_path / "data/shoebox.db.pid").exists()
    assert not (tmp_path / "data/shoebox.db-wal").exists(), "all is in its place"


def test_while_a_model_drips_in(tmp_path: Path) -> None:
    with (
        Dripping() as hub,
        started(tmp_path, "run", MODEL="hf-hub:org/tiny", HF_ENDPOINT=hub.url) as process,
    ):
        assert hub.asked.wait(30)
        time.sleep(0.5)
        assert stopped(process)[0] == 0


def test_while_the_platforms_drip(tmp_path: Path) -> None:
    with (
        Dripping() as platform,
        started(
            tmp_path,
            "run",
            MODEL="starter",
            TELEGRAM_TOKEN="123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            TELEGRAM_API_URL=platform.url,
            DISCORD_TOKEN="MTIz.R2FtbWE.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            DISCORD_API_URL=f"{platform.url}/api/v10",
        ) as process,
    ):
        assert platform.asked.wait(30)
        time.sleep(0.5)
        assert stopped(process)[0] == 0


def test_while_a_large_import_runs_and_texts_are_read(tmp_path: Path) -> None:
    (album := tmp_path / "album").mkdir()
    for n in range(16):
        (album / f"{n}.jpg").write_bytes(sign(f"AKAI {n}") if n % 2 else photo(n))
    database = tmp_path / "data/shoebox.db"
    with started(tmp_path, "import", str(album), "--group", "fam", MODEL="starter") as process:
        waits_for(database, "SELECT count(*) FROM texts WHERE text <> ''", 1)
        children = len(children_of(process.pid))
        assert 2 <= children <= 1 + min(cores(), MOST_EYES), "some decode, one reads"
        code, said = stopped(process)
        assert code == 130
        assert "nothing is lost" in said
    with contextlib.closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        whole = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM photos),"
        posts, photos, texts = db.execute(f"{whole} (SELECT count(*) FROM texts)").fetchone()
        assert posts == photos == texts
        assert db.execute("SELECT count(*) FROM jobs").fetchone()[0] > 0, "the rest waits"


def test_a_second_one_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with started(tmp_path, "run", MODEL="starter") as first:
        waits_for(tmp_path / "data/web/chat.db", "PRAGMA user_version", 1)
        with started(tmp_path, "run", MODEL="starter") as second:
            _, said = second.communicate(timeout=30)
            assert second.returncode == 2
            assert f"(process {first.pid}) already runs" in said
            assert len(said.splitlines()) == 1
        assert stopped(first)[0] == 0
        with started(tmp_path, "run", MODEL="starter") as third:
            waits_for(tmp_path / "data/shoebox.db", "PRAGMA user_version", 1)
            time.sleep(0.5)
            assert third.poll() is None
            third.kill()
            third.wait()
        # As a power cut leaves it: its pid file is there, its lock is free.
        with started(tmp_path, "run", MODEL="starter") as fourth:
            time.sleep(2)
            assert fourth.poll() is None
            assert stopped(fourth)[0] == 0
