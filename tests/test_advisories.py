"""What is said of packages with known holes."""

from __future__ import annotations

from typing import Any

import pytest

from tests import advisories

HOLE = {"id": "PYSEC-1", "fix_versions": ["1.1"]}


def test_a_hole_that_an_update_closes_fails(capsys: pytest.CaptureFixture[str]) -> None:
    packages: list[dict[str, Any]] = [
        {"name": "sound", "version": "2", "vulns": []},
        {"name": "torn", "version": "1.0", "vulns": [HOLE]},
        {"name": "local", "skip_reason": "not found"},
    ]
    assert advisories._judge(packages) == 1
    said = capsys.readouterr().out
    assert "torn 1.0: PYSEC-1, closed by 1.1" in said
    assert "2 packages looked up, 1 holes" in said


def test_a_hole_that_nothing_closes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    hole: dict[str, Any] = {"id": "PYSEC-2", "fix_versions": []}
    assert advisories._judge([{"name": "torn", "version": "1", "vulns": [hole]}]) == 0
    assert "closed by nothing yet" in capsys.readouterr().out


def test_without_advisories_it_is_said_that_nothing_was_looked_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert advisories._judge([{"name": "local", "skip_reason": "not found"}]) == 0
    assert "NOT LOOKED UP" in capsys.readouterr().out
