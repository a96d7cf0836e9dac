"""What stands in the documents: commands, code, tables, links; and what the program can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
"""What people read to use the program."""
EVERYTHING = (*GUIDES, *sorted((ROOT / "docs").glob("*/*.md")), *sorted(ROOT.glob("[AS]*.md")))

_FENCE = re.compile(r"^ *```")
_DATA = re.compile(r"[\w-]+:( \||)$|-- |\w+ ?= ?")
"""How a block begins that shows a file (YAML, SQL, .env) or a formula, and no commands."""
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+?) *$", re.MULTILINE)
_MARKUP = re.compile(r"</?(?:b|i|code)>|[*`]")
_VALUE = re.compile(r"\{\w*\}|%[-.\d]*[sdrfg](?!\w)")


def blocks(text: str) -> Iterator[list[str]]:
    """Indented and fenced blocks, line by line."""
    block: list[str] = []
    fenced, before = False, ""
    for line in [*text.splitlines(), ""]:
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced or (line.startswith("    ") and (block or not before.strip())):
            block.append(line.strip())
        elif block:
            yield block
            block = []
        before = line
    assert not fenced, "a fenced block without an end"


def commands(text: str) -> list[str]:
    """What is to be typed, in order."""
    found: list[str] = []
    for block in blocks(text):
        if not _DATA.match(block[0]):
            found += [line for line in block if line and not line.startswith(("#", "("))]
    return found


def prose(text: str) -> str:
    """A document without its blocks."""
    inside = {line for block in blocks(text) for line in block}
    kept = [line for line in text.splitlines() if line.strip() not in inside]
    return "\n".join(line for line in kept if not _FENCE.match(line))


def code(text: str) -> list[str]:
    """Code in running text and tables, each on one line."""
    return [" ".join(found.split()) for found in _CODE.findall(prose(text))]


def first_cells(text: str, head: str) -> list[str]:
    """The code in the first cells of all tables whose first column is called so."""
    found: list[str] = []
    within = False
    for line in text.splitlines():
        first = line.split("|")[1].strip() if line.startswith("|") else ""
        within = first == head or (within and bool(first))
        if within:
            found += _CODE.findall(first)
    return found


def links(text: str) -> list[str]:
    """Where the document's links and pictures lead."""
    return _LINK.findall(_CODE.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """What can stand behind a # to lead to a heading
    (https://docs.github.com/get-started/writing-on-github, section links)."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(text)):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        number = 0
        while (own := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(own)
    return found


def spoken(text: str) -> str:
    """A text without markup, with `…` for each value in it."""
    return " ".join(_VALUE.sub("…", _MARKUP.sub("", text)).split())


@cache
def sayings() -> str:
    """All texts of the program and its Makefile, a line each, `…` for values; no docstrings."""
    found = {spoken((ROOT / "Makefile").read_text("utf-8"))}
    for folder in ("bot", "adapters", "storage"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(file.read_text("utf-8"))
            silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                    found.add(spoken("".join(map(str, parts))))
                elif isinstance(node, ast.Constant) and id(node) not in silent:
                    found.add(spoken(str(node.value)))
    return "\n".join(sorted(found))


def is_said(quoted: str) -> bool:
    """Whether the program can say what is quoted, in which `…` stands for anything."""
    parts = spoken(quoted).strip("…").split("…")
    return re.search("[^\\n]*?".join(map(re.escape, parts)), sayings()) is not None
