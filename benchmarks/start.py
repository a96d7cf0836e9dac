"""`python -m benchmarks.start`: how soon the bot is there, and what it takes to idle.

Each start is a process of its own: `--help` and `status` as typed; then the bot without its chat
platform (benchmarks.idle), which says when it takes messages, when it has its model, when the first
question was answered, and how much memory it holds while it waits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import models
from benchmarks.rounds import Figure, machine, save, table, verdict

ROOT = Path(__file__).parent.parent
COMMANDS = ("--help", "status")
BARS = {models.SMALL: 700, models.DEFAULT: 1200}
"""Megabytes."""
SOON, FIRST = 0.4, 6.0
STEPS = ("takes messages", "has its model", "first answer", "MB")


@dataclass(frozen=True, slots=True)
class Report:
    """Seconds of the commands; seconds and megabytes of the bot, by model."""

    commands: dict[str, Figure]
    bot: dict[str, dict[str, Figure]]
    machine: str


def measure(work: Path, architectures: tuple[str, ...], rounds: int) -> Report:
    """The model's files are on the disk, exported: what is measured is any start but the first."""
    took: dict[str, list[float]] = {command: [] for command in COMMANDS}
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(rounds):
            for command in COMMANDS:
                began = time.perf_counter()
                _run(["-m", "bot", command], Path(empty), "starter")
                took[command].append(time.perf_counter() - began)
    bot: dict[str, dict[str, Figure]] = {}
    for architecture in architectures:
        folder = models.make(architecture, work.absolute())
        models.load(folder, work).close()
        steps: dict[str, list[float]] = {step: [] for step in STEPS}
        for _ in range(rounds):
            began = time.time()
            model = f"local-dir:{folder}"
            found = json.loads(_run(["-m", "benchmarks.idle", str(began)], work.absolute(), model))
            for step, value in zip(STEPS, found, strict=True):
                steps[step].append(value)
        bot[architecture] = {step: Figure(tuple(values)) for step, values in steps.items()}
    commands = {command: Figure(tuple(values)) for command, values in took.items()}
    return Report(commands, bot, machine("onnxruntime", "numpy", "tokenizers"))


def _run(arguments: list[str], folder: Path, model: str) -> str:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "MODEL": model}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode()


def document(report: Report) -> str:
    """docs/benchmarks/start.md"""
    commands = [(f"`python -m bot {name}`", figure) for name, figure in report.commands.items()]
    bot = [(name, *(steps[step] for step in STEPS)) for name, steps in report.bot.items()]
    lines = [
        verdict(figure.median < SOON, f"`{name}` in {figure.median:.2f} s (less than {SOON})")
        for name, figure in report.commands.items()
    ]
    for name, steps in report.bot.items():
        first, memory = steps["first answer"].median, steps["MB"].median
        lines.append(verdict(first <= FIRST, f"{name}: first answer {first:.1f} s ({FIRST})"))
        bar = BARS.get(name)
        if bar is not None:
            lines.append(verdict(memory <= bar, f"{name}: {memory:.0f} MB idle (at most {bar})"))
    return f"""# Start and idle

`python -m benchmarks.start` wrote this; median (lowest–highest), each start a process of its own,
the model's files on the disk. Weights are random, SigLIP2's tokenizer is a stand-in of the size of
Gemma's.

{table(("command", "seconds"), commands)}

{table(("model", "takes messages, s", "has its model, s", "first answer, s", "idle, MB"), bot)}

{chr(10).join(lines)}

Memory is what the process holds (resident) after the first answer, without its two children, which
decode photos and end after five idle minutes. The first start with a model exports it once, in a
child; see ARCHITECTURE.md.

{report.machine}
"""


def main() -> int:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round of the small model")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks as it is")
    parser.add_argument("--work", type=Path, default=Path("data/benchmarks"), help="kept models")
    options = parser.parse_args()
    architectures = (models.SMALL,) if options.quick else (models.SMALL, models.DEFAULT)
    report = measure(options.work, architectures, 1 if options.quick else options.rounds)
    print(document(report))
    if not options.dry:
        save("start", document(report), asdict(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
