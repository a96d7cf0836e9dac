"""`python -m tests.advisories`: do any of the packages that are installed have known holes?

Asks what pip-audit asks (https://github.com/pypa/pip-audit). Where no advisories can be had, as
behind a mirror of the package index, it says so and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SECONDS = 120


def main() -> int:
    """1 when a package has a hole that an update closes."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    try:
        done = subprocess.run(
            [*command, "--skip-editable"], capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return _unknown(f"no answer within {SECONDS} s")
    if not done.stdout.strip():
        return _unknown((done.stderr.strip().splitlines() or ["no answer"])[-1])
    found = json.loads(done.stdout)["dependencies"]
    return _judge(found)


def _judge(found: list[dict[str, Any]]) -> int:
    looked_at = [each for each in found if "skip_reason" not in each]
    if not looked_at:
        return _unknown("the package index here has none")
    holes = 0
    for each in looked_at:
        for hole in each["vulns"]:
            fixed = ", ".join(hole["fix_versions"]) or "nothing yet"
            print(f"{each['name']} {each['version']}: {hole['id']}, closed by {fixed}")
            holes += bool(hole["fix_versions"])
    print(f"advisories: {len(looked_at)} packages looked up, {holes} holes that an update closes")
    return 1 if holes else 0


def _unknown(why: str) -> int:
    print(f"advisories: NOT LOOKED UP, they can't be reached: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
