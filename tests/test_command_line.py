"""The whole path as a person types it: import, find, status, check; stops and wrong use."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.starter import files
from tests.pictures import encoded, photo, png_claiming, scene, sign
from tests.standins.hub import HubStandin
from tests.tinyclip import save_tiny_clip

ROOT = Path(__file__).parent.parent
Shoebox = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def model() -> Path:
    return files.FOLDER


def environment(model: Path | None) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    chosen = f"local-dir:{model}" if model else "local-dir:/nowhere"
    return {**kept, "PYTHONPATH": str(ROOT), "MODEL": chosen}


@pytest.fixture
def shoebox(tmp_path: Path, model: Path) -> Shoebox:
    """Run `python -m bot …` in an empty folder."""

    def run(
        *arguments: str, with_model: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env=environment(model if with_model else None) | env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    (folder / "keys.jpg").write_bytes(sign("AKAI"))
    (folder / "sub" / "a.jpg").write_bytes(photo(1))
    (folder / "sub" / "again.jpg").write_bytes(photo(1))
    (folder / "b.png").write_bytes(encoded(scene(2), "PNG"))
    return folder


def test_import_find_status(shoebox: Shoebox, album: Path) -> None:
    done = shoebox("import", str(album), "--group", "fam", "--author", "Ann")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 added, 1 already known, 0 refused")
    assert "photo/s" in done.stderr, "a bar was shown"

    hits = json.loads(shoebox("find", "AKAI", "--group", "fam", "--json").stdout)
    assert hits[0]["photo"] == str(album / "keys.jpg")
    told = {"rank", "photo", "score", "why", "author", "posted_at", "caption", "copies", "also_by"}
    assert set(hits[0]) == told
    assert "text in the photo" in hits[0]["why"]
    assert hits[0]["author"] == "Ann"
    assert [hit["rank"] for hit in hits] == [1], "nothing else fits"
    nearest = shoebox("find", "x", "--group", "fam", "--top", "1", "--nearest", "--json")
    assert [hit["why"] for hit in json.loads(nearest.stdout)] == [["meaning"]]

    again = shoebox("import", str(album), "--group", "fam")
    assert again.stdout.startswith("0 added, 4 already known, 0 refused")
    status = json.loads(shoebox("status", "--json").stdout)
    assert status["groups"] == [
        {
            "group": "local:fam",
            "name": "fam",
            "photos": 3,
            "waiting": 0,
            "waiting_embedding": 0,
            "waiting_text": 0,
            "waiting_renewal": 0,
            "unseen": 0,
            "refused": [],
        }
    ]
    assert status["model"]["here"] is True
    people = shoebox("find", "akai", "--group", "fam").stdout
    assert "1. " in people
    assert "by Ann" in people


def test_what_must_not_be_remembered_is_left_out_and_counted(shoebox: Shoebox, album: Path) -> None:
    os.utime(album / "b.png", (0, 0))
    done = shoebox("import", str(album), "--group", "fam", with_model=False, RETENTION_DAYS="3650")
    assert done.stdout.startswith("2 added, 1 already known, 0 refused\n1 left out: "), done.stdout


def test_typed_filters_narrow_an_answer(shoebox: Shoebox, album: Path) -> None:
    shoebox("import", str(album / "sub"), "--group", "fam", "--author", "Ann Lee")
    shoebox("import", str(album), "--group", "fam", "--author", "Bob")

    def found(*words: str) -> list[str]:
        done = shoebox("find", *words, "--group", "fam", "--json", with_model=False)
        assert done.returncode == 0, done.stderr
        return [Path(hit["photo"]).name for hit in json.loads(done.stdout)]

    assert found("from:ann") == ["again.jpg"], "the copy that was looked at last"
    assert found('from:"Ann Lee" before:2020') == []
    assert sorted(found("from:bob")) == ["b.png", "keys.jpg"]
    assert found('"akai"') == ["keys.jpg"]
    assert found("from:bob", "-akai") == ["b.png"]
    assert found("-akai", "from:bob") == ["b.png"]
    hinted = shoebox("find", "akai", "from:carl", "--group", "fam", "--json", "--nearest")
    assert "anybody called “carl”" in hinted.stderr
    assert json.loads(hinted.stdout)[0]["author"] == "Bob"
    assert "WORDS" in shoebox("find", "-h").stdout


def test_without_a_model_words_still_find_and_meaning_waits(shoebox: Shoebox, album: Path) -> None:
    done = shoebox("import", str(album), "--group", "fam", with_model=False)
    assert done.returncode == 0, done.stderr
    assert "waits for a model" in done.stderr
    found = shoebox("find", "AKAI", "--group", "fam", "--json", with_model=False)
    assert [hit["photo"] for hit in json.loads(found.stdout)] == [str(album / "keys.jpg")]
    assert "waits for a model" in found.stderr
    waiting = json.loads(shoebox("status", "--json", with_model=False).stdout)
    assert waiting["groups"][0]["waiting_embedding"] == 3
    assert waiting["groups"][0]["waiting_text"] == 0
    shoebox("import", str(album), "--group", "fam")
    after = json.loads(shoebox("status", "--json").stdout)
    assert after["groups"][0]["waiting"] == 0, "embedded as soon as there is a model"


def test_bad_files_are_refused_with_reasons_and_disturb_nothing(
    shoebox: Shoebox, tmp_path: Path
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "letter.jpg").write_text("Dear Ann")
    (folder / "cut.jpg").write_bytes(photo(3)[:3000])
    (folder / "bomb.png").write_bytes(png_claiming(50_000, 50_000))
    (folder / "drawing.svg").write_text("<svg/>")
    (folder / "line\nbreak \"quoted' \x1b[2J.jpg").write_bytes(photo(4))
    os.mkfifo(folder / "pipe.jpg")
    done = shoebox("import", str(folder), "--group", "fam")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 added, 0 already known, 5 refused")
    for reason in ("empty", "not a picture", "damaged", "too large", "SVG"):
        assert reason in done.stdout
    assert "\x1b" not in shoebox("find", "x", "--group", "fam").stdout
    status = shoebox("status").stdout
    assert "letter.jpg: the file is not a picture" in status
    again = shoebox("import", str(folder), "--group", "fam")
    assert again.stdout.startswith("0 added, 1 already known, 5 refused")


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_and_run_again(
    shoebox: Shoebox, tmp_path: Path, model: Path, ending: signal.Signals
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(14):
        (folder / f"{n:02}.jpg").write_bytes(photo(n))
    for stop_at in (3, 8):
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "import", str(folder), "--group", "fam"],
            cwd=tmp_path,
            env=environment(model),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while _remembered(tmp_path) < stop_at and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(ending)
        _, said = process.communicate(timeout=60)
        if ending == signal.SIGINT and process.returncode != 0:
            assert process.returncode == 130
            assert "nothing is lost" in said
            assert "Traceback" not in said
    done = shoebox("import", str(folder), "--group", "fam")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "data/shoebox.db") as db:
        counts = "SELECT (SELECT count(*) FROM photos), (SELECT count(DISTINCT key) FROM photos),"
        counts += " (SELECT count(*) FROM vectors), (SELECT count(*) FROM jobs)"
        assert db.execute(counts).fetchone() == (14, 14, 14, 0)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.execute("INSERT INTO texts_index (texts_index) VALUES ('integrity-check')")
    db.close()
    assert shoebox("import", str(folder), "--group", "fam").stdout.startswith("0 added, 14 already")


def _remembered(folder: Path) -> int:
    try:
        db = sqlite3.connect(f"file:{folder}/data/shoebox.db?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return int(db.execute("SELECT count(*) FROM photos").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        db.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "invalid choice"),
        (["find", "x"], "--group"),
        (["find", "x", "--group", "nobody"], "there is no group called 'nobody'"),
        (["find", "x", "--group", "g", "--top", "0"], "1 to 1000"),
        (["import", "/no/such/folder", "--group", "g"], "there is no folder"),
        (["import", ".", "--group", " "], "a group's name"),
        (["import", "--group", "g"], "PATH"),
    ],
)
def test_wrong_use_is_one_line(shoebox: Shoebox, arguments: list[str], words: str) -> None:
    done = shoebox(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("command", [["status"], ["import", ".", "--group", "g"], ["run"]])
def test_a_database_that_cannot_be_is_one_line(
    shoebox: Shoebox, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "file").write_text("x")
    done = shoebox(*command, DATABASE_URL=f"sqlite:///{tmp_path}/file/box.db")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "DATABASE_URL" in done.stderr


def test_check_says_what_is_wrong(shoebox: Shoebox, tmp_path: Path) -> None:
    fine = shoebox("check")
    assert fine.returncode == 0, fine.stdout
    assert [line[:3] for line in fine.stdout.splitlines()] == ["ok ", "ok ", "ok "]
    bad = shoebox("check", with_model=False)
    assert bad.returncode == 1
    assert "BAD  model" in bad.stdout
    (tmp_path / ".env").write_text("MODELL=x\n")
    assert "keys nobody reads: MODELL" in shoebox("check").stdout
    (tmp_path / ".env").write_text("WEB_PORT=x\n")
    wrong = shoebox("check")
    assert wrong.returncode == 1
    assert "WEB_PORT" in wrong.stdout


def test_the_model_is_downloaded_once_with_a_bar_and_then_needs_no_network(
    shoebox: Shoebox, album: Path, tmp_path: Path
) -> None:
    env = {"MODEL": "hf-hub:org/tiny"}
    with HubStandin({"org/tiny": save_tiny_clip(tmp_path / "tiny")}) as hub:
        env["HF_ENDPOINT"] = hub.url
        assert "will be downloaded" in shoebox("check", **env).stdout
        done = shoebox("import", str(album), "--group", "fam", **env)
        assert done.returncode == 0, done.stderr
        assert "model: 100%" in done.stderr
    found = shoebox("find", "red", "--group", "fam", "--nearest", "--json", **env)
    assert json.loads(found.stdout)[0]["why"] == ["meaning"]
    assert found.stderr == "", "no bar, no notice, no network"
    status = json.loads(shoebox("status", "--json", **env).stdout)
    assert status["model"]["name"] == "hf-hub:org/tiny"
    assert status["groups"][0]["waiting"] == 0
