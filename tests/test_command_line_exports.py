"""Moving in as a person types it: an export, looked at first, imported twice, asked about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exports import NOT_INCLUDED, DiscordExport, TelegramExport, zipped
from tests.pictures import photo

ROOT = Path(__file__).parent.parent
Shoebox = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shoebox(tmp_path: Path) -> Shoebox:
    """Run `python -m bot …` in an empty folder, without a model."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    env = {**kept, "PYTHONPATH": str(ROOT), "MODEL": "local-dir:/nowhere"}
    (tmp_path / "here").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path / "here",
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_look_import_ask_and_import_again(shoebox: Shoebox, tmp_path: Path) -> None:
    chat = TelegramExport()
    cake = chat.photo("birthday", data=photo(1))
    chat.say("with strawberries", who=2, name="Bob", reply_to_message_id=cake)
    for _ in range(25):
        chat.say("", photo=NOT_INCLUDED)
    archive = str(zipped(chat.write(tmp_path / "export"), "ChatExport/"))
    report = tmp_path / "report.tsv"
    look = shoebox("import", archive, "--dry-run", "--report", str(report))
    assert look.returncode == 0, look.stderr
    assert "nothing was kept" in look.stdout
    assert "1 added, 0 already known, 25 refused" in look.stdout
    assert "… and 5 more: Telegram Desktop left its file out" in look.stdout
    assert len(report.read_text().splitlines()) == 25
    assert not list((tmp_path / "here").rglob("*.db")), "not even an empty database"
    done = shoebox("import", archive)
    assert done.returncode == 0, done.stderr
    assert "Family (telegram:-1001234567890): 1 photo" in done.stdout
    assert "1 added, 0 already known, 25 refused" in done.stdout
    assert "100%" in done.stderr, "a bar shows how far it is"
    again = shoebox("import", archive)
    assert "0 added, 1 already known, 25 refused" in again.stdout
    answer = json.loads(shoebox("find", "strawberries", "--group", "Family", "--json").stdout)
    assert [(hit["photo"], hit["author"]) for hit in answer] == [
        ("https://t.me/c/1234567890/1", "Ann")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "--author", "Ann"], "leave --author out"),
        (["chat", "--chat", "nobody"], "it has 'Family'"),
        (["photos"], "needs --group"),
        (["photos", "--group", "g", "--chat", "Family"], "no export in"),
        (["photos.zip", "--group", "g"], "unpack it"),
        (["broken.zip"], "neither a folder nor a whole zip"),
    ],
)
def test_wrong_use_is_one_line(
    shoebox: Shoebox, tmp_path: Path, arguments: list[str], words: str
) -> None:
    chat = TelegramExport()
    chat.photo()
    chat.write(tmp_path / "chat")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(photo(1))
    zipped(tmp_path / "photos")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4")
    path, *more = arguments
    done = shoebox("import", str(tmp_path / path), *more)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"shoebox: .*\n", done.stderr), done.stderr
    assert words in done.stderr


def test_photos_of_a_folder_stay_photos_of_a_folder(shoebox: Shoebox, tmp_path: Path) -> None:
    channel = DiscordExport()
    channel.photo("cake", data=photo(9))
    channel.write(tmp_path / "photos" / "an export in a folder of photos")
    (tmp_path / "photos" / "a.jpg").write_bytes(photo(1))
    look = shoebox("import", str(tmp_path / "photos"), "--group", "fam", "--dry-run")
    assert "2 added, 0 already known, 0 refused" in look.stdout
