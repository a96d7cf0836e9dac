"""Models to choose from, as a person looks at them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import catalog
from bot.__main__ import main
from bot.settings import DEFAULT_MODEL
from bot.starter import files


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no time to lose."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "SECONDS", 0.05)
    monkeypatch.delenv("MODEL", raising=False)


def test_the_list_says_what_is_chosen_and_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2].strip() for line in lines[1:]] == ["*", "", "", "", ""]
    assert DEFAULT_MODEL in lines[1]
    assert "photos/s" not in lines[0]
    assert [line.split()[0] for line in lines if " yes " in line] == [files.NAME]


def test_what_is_here_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--measure", "--json"]) == 0
    told = {each["model"]: each for each in json.loads(capsys.readouterr().out)}
    starter = told.pop(files.NAME)
    assert starter["photos_per_second"] > 5
    assert 0 < starter["question_ms"] < 1000
    assert {each["photos_per_second"] for each in told.values()} == {None}
    assert not starter["chosen"]


def test_a_model_of_ones_own_is_listed_and_its_trouble_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "local-dir:/nowhere")
    assert main(["models", "--measure", "local-dir:/nowhere"]) == 0
    out = capsys.readouterr().out
    assert "* local-dir:/nowhere" in out
    assert "not measured: MODEL=local-dir:/nowhere: there is no folder" in out


def test_what_is_not_in_the_list_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--measure", "ViT-Q"]) == 2
    assert "'ViT-Q' is not in the list; set MODEL" in capsys.readouterr().err
