"""Names and options on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import photo

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    album = tmp_path / "album"
    album.mkdir()
    for n in range(4):
        (album / f"{n}.jpg").write_bytes(photo(n))
    return tmp_path


def shoebox(
    folder: Path, *arguments: str, model: str = "starter"
) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "MODEL": model},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_name_is_given_found_listed_and_taken_away(folder: Path) -> None:
    group = ("--group", "fam")
    assert shoebox(folder, "import", "album", *group).returncode == 0
    assert "one example" in shoebox(folder, "name", "album/2.jpg", "the", "goose", *group).stdout
    assert shoebox(folder, "names", *group).stdout == "the goose  (1)\n"
    (first, *_) = json.loads(shoebox(folder, "find", "goose", "--json", *group).stdout)
    assert first["photo"].endswith("2.jpg")
    assert first["why"] == ["name: the goose"]
    wrong = shoebox(folder, "name", "album/2.jpg", "the", *group)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    (folder / "new.jpg").write_bytes(photo(9))
    assert "import it first" in shoebox(folder, "name", "new.jpg", "duck", *group).stderr
    assert "can't be read" in shoebox(folder, "name", "nowhere.jpg", "duck", *group).stderr
    assert "no longer" in shoebox(folder, "unname", "goose", *group).stdout
    assert shoebox(folder, "names", *group).stdout == "No names yet.\n"
    assert "no group" in shoebox(folder, "names", "--group", "x").stderr


def test_which_says_what_a_file_shows(folder: Path) -> None:
    told = shoebox(folder, "which", "album/1.jpg", "cat", "birthday cake").stdout
    assert told.count(" %") == 2
    assert "birthday cake" in told
    shares = json.loads(shoebox(folder, "which", "album/1.jpg", "cat, dog or x", "--json").stdout)
    assert sum(each["share"] for each in shares) == pytest.approx(1, abs=0.001)
    assert {each["option"] for each in shares} == {"cat", "dog", "x"}
    for arguments, why in (
        (("album/1.jpg", "cat"), "2 to 10 options"),
        (("nowhere.jpg", "cat", "dog"), "no longer where it was"),
    ):
        done = shoebox(folder, "which", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert why in done.stderr
    blind = shoebox(folder, "which", "album/1.jpg", "cat", "dog", model="local-dir:/nowhere")
    assert (blind.returncode, blind.stderr.count("\n")) == (2, 1)
    assert "Without a model" in blind.stderr
