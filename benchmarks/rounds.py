"""What is measured several times, in turns, and told with its spread."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity over all rounds. The machine may be busy with other work, so that rivals take
    turns and ratios are of medians."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.median:.3g} ({min(self.values):.3g}–{max(self.values):.3g})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def verdict(reached: bool, what: str) -> str:
    return f"- {'reached' if reached else '**missed**'}: {what}"


def machine(*packages: str) -> str:
    """The processor, its cores, and the versions of what was measured."""
    names = [f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)]
    load = f"load average {os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else ""
    parts = (_processor(), f"{os.cpu_count()} cores", platform.system(), load, *names)
    return ", ".join(filter(None, parts))


def patient() -> None:
    """Before torch or faiss is imported: their threads yield instead of spinning while they wait,
    which costs nothing on a quiet machine, and on a busy one spares the rivals what we spare
    ourselves."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def as_the_bot() -> Iterator[None]:
    """NumPy's products without threads of their own, as bot/__main__.py has them; rivals keep
    theirs."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def save(name: str, text: str, data: Any) -> None:
    """Write `docs/benchmarks/NAME.md` and the raw figures beside it."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / f"{name}.md").write_text(text, "utf-8")
    (DOCS / f"{name}.json").write_text(json.dumps(data, indent=1, default=_plain) + "\n", "utf-8")


def _plain(thing: Any) -> Any:
    if isinstance(thing, Figure):
        return thing.values
    raise TypeError(f"{type(thing)} has no JSON")
