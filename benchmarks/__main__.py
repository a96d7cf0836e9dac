"""`python -m benchmarks`: measures all that is about speed, and writes docs/benchmarks/README.md.

Each part runs in a process of its own, one after another, and writes its own page, its raw figures
and its plots there; this gathers what was reached and what was missed. Leave the machine alone
meanwhile: some 25 minutes on two cores.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.rounds import DOCS, machine

PARTS = {
    "start": "How soon is it there, and what does it take to idle?",
    "query": "How long does a question's words take?",
    "indexing": "How many photos a second?",
    "together": "Does searching wait for indexing?",
    "search": "How long does a search take, in large groups?",
    "growth": "How does the cost of a search grow?",
}
OTHERS = {
    "relevance": "Are the answers right? (`python -m benchmarks.relevance`)",
    "duplicates": "Are copies known as such? (`python -m benchmarks.duplicates`)",
    "scale": "What do PostgreSQL and several processes bring? (`python -m benchmarks.scale`)",
}
"""Measured by commands of their own."""
LARGE = ("search", "growth")
"""They fill stores of some gigabytes, which are not kept."""
_VERDICT = re.compile(r"^- (?:reached|\*\*missed\*\*): .*(?:\n  .*)*", re.MULTILINE)


def verdicts(page: str) -> list[str]:
    """The lines of a page that say whether a target was reached."""
    return _VERDICT.findall(page)


def readme(pages: Mapping[str, str], minutes: float | None, failed: Sequence[str]) -> str:
    """docs/benchmarks/README.md, from the pages by name. `minutes` of a run of all of them."""
    sections = []
    for name, question in PARTS.items():
        found = verdicts(pages.get(name, ""))
        lines = found or ["- **missed**: it was not measured"]
        note = ["", "*It ended with an error this time; these are earlier figures.*"]
        sections += [
            f"## [{question}]({name}.md)",
            "",
            *lines,
            *(note if name in failed else []),
            "",
            f"Raw: [{name}.json]({name}.json)",
            "",
        ]
    every = [line for page in pages.values() for line in verdicts(page)]
    missed = sum(line.startswith("- **missed**") for line in every)
    took = "" if minutes is None else f" in {minutes:.0f} minutes"
    head = f"{len(every) - missed} of {len(every)} targets reached{took}"
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"`python -m benchmarks` wrote this: {head}. Ratios compare things that took turns in "
            "one run with the same weights; figures are of this machine:",
            "",
            machine("torch", "open_clip_torch", "onnxruntime", "numpy"),
            "",
            *sections,
            "## Measured by commands of their own",
            "",
            *(f"- [{question}]({name}.md)" for name, question in OTHERS.items()),
            "",
        ]
    )


def main() -> int:
    """Read the command line, run the parts, gather."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--work", type=Path, default=Path("data/benchmarks"), help="kept models")
    options = parser.parse_args()
    if wrong := set(options.parts) - PARTS.keys():
        parser.error(f"there is no {', '.join(wrong)}; there are {', '.join(PARTS)}")
    began, failed = time.monotonic(), []
    options.work.mkdir(parents=True, exist_ok=True)
    for name in options.parts or PARTS:
        print(f"--- {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if name not in LARGE:
            command += ["--work", str(options.work)]
        if subprocess.run(command).returncode:
            failed.append(name)
    pages = {
        name: (DOCS / f"{name}.md").read_text("utf-8")
        for name in PARTS
        if (DOCS / f"{name}.md").exists()
    }
    minutes = (time.monotonic() - began) / 60
    (DOCS / "README.md").write_text(
        readme(pages, None if options.parts else minutes, failed), "utf-8"
    )
    for name in PARTS:
        print("\n".join(verdicts(pages.get(name, ""))))
    print(f"{minutes:.1f} minutes; {DOCS / 'README.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
