"""The page that tells how much harm was withstood: each command writes its own part."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import rounds

PAGE = Path("docs/reliability.md")
HEAD = """# Reliability

What was done to Shoebox, and what was left of it. Each part is written by the command that it
names.
"""


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put a part in its place on the page; the others stay as they are."""
    before = page.read_text("utf-8") if page.exists() else HEAD
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    after = old.sub(lambda _: part, before) if old.search(before) else f"{before}\n{part}\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(after, "utf-8")


def machine() -> str:
    """Where and when a figure was measured."""
    when, where = f"{datetime.now(UTC):%Y-%m-%d}", rounds.machine()
    return f"{when}, {where}, SQLite {sqlite3.sqlite_version}"
