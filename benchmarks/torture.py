"""Kills a process that remembers a stream of posts, again and again, and looks what is left.

    python -m benchmarks.torture --kills 200 --seed 1 [--starter 10] [--write]

Each time the process is killed (SIGKILL) at a random moment, some of them while it starts. The next
one is told the first post that was not acknowledged, as a platform would deliver it again. In the
end every acknowledged photo must be there exactly once, with its own vector and nothing waiting;
what was forgotten must be in no byte of the folder; and the database must be sound.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks import reliability
from benchmarks.torture_child import READ, caption, direction

ROOT = Path(__file__).parent.parent
LIFE = 2.5
"""Seconds within which a process is killed; with the starter model, twice that."""
WHILE_STARTING = 0.2
"""The share of processes whose life is counted from their start."""
PACE = 0.03
"""Seconds between two posts."""
FINISH_SECONDS = 900
CHECKED_EVERY = 10
"""Kills between two checks of the whole database."""


@dataclass
class Run:
    """What happened, and what is wrong with it."""

    kept: set[int] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    maybe: set[int] = field(default_factory=set)
    """Forgetting them was cut off: they may be there or not."""
    kills: int = 0
    before_ready: int = 0
    photos: int = 0
    vectors: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The post that is delivered next."""
        return max(self.kept, default=-1) + 1


def torture(
    folder: Path,
    kills: int,
    seed: int,
    starter: bool = False,
    pace: float = PACE,
    say: Callable[[str], None] = print,
) -> Run:
    """Kill so often, then let it finish, then look."""
    chance = random.Random(seed)
    run, path, began = Run(), folder / "box.db", time.monotonic()
    for number in range(1, kills + 1):
        life = chance.uniform(0.0, LIFE * (2 if starter else 1))
        while_starting = chance.random() < WHILE_STARTING
        _one_life(run, path, life, while_starting, pace, starter)
        if number % CHECKED_EVERY == 0:
            run.faults += [f"after kill {number}: {fault}" for fault in unsound(path)]
            say(f"{number} kills, {len(run.kept)} posts kept, {len(run.faults)} faults")
    _finish(run, path, starter)
    _look(run, path, starter)
    run.seconds = time.monotonic() - began
    return run


def _child(
    path: Path, first: int, pace: float, *options: str, stderr: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.torture_child",
            str(path),
            str(first),
            str(pace),
            *options,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def _one_life(
    run: Run, path: Path, life: float, while_starting: bool, pace: float, starter: bool
) -> None:
    """Let a process live so many seconds, from its start or from when it is ready."""
    with tempfile.TemporaryFile("w+") as trouble:
        options = ["starter"] if starter else []
        child = _child(path, run.first, pace, *options, stderr=trouble)
        timer = threading.Timer(life, child.send_signal, [signal.SIGKILL])
        if while_starting:
            timer.start()
        lines: list[str] = []
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                lines.append(line.strip())
                if lines == ["ready"] and not while_starting:
                    timer.start()
        child.wait()
        timer.cancel()
        trouble.seek(0)
        said = trouble.read()[-300:]
    run.kills += 1
    run.before_ready += "ready" not in lines
    for line in lines:
        word, _, number = line.partition(" ")
        if word == "kept":
            run.kept.add(int(number))
        elif word == "forgot":
            run.forgotten.add(int(number))
    last = lines[-1].split() if lines else []
    if last[:1] == ["kept"] and int(last[1]) % 5 == 4:
        run.maybe.add(int(last[1]) - 2)
    if child.returncode != -signal.SIGKILL:
        run.faults.append(f"it ended by itself ({child.returncode}): {said}")


def _finish(run: Run, path: Path, starter: bool) -> None:
    child = _child(path, 0, PACE, "finish", *(["starter"] if starter else []))
    try:
        said, trouble = child.communicate(timeout=FINISH_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        run.faults.append(f"something still waits after {FINISH_SECONDS} s")
        return
    if "idle" not in said.split():
        run.faults.append(f"it could not finish: {trouble[-300:]}")


def unsound(path: Path) -> list[str]:
    """What is wrong with the structure of a database that no process has open."""
    if not path.exists():
        return []
    faults: list[str] = []
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
        for (found,) in db.execute("PRAGMA integrity_check"):
            if found != "ok":
                faults.append(f"integrity_check: {found}")
        if db.execute("PRAGMA foreign_key_check").fetchone() is not None:
            faults.append("foreign_key_check")
        for index in {"texts_index", "replies_index"} & tables:
            try:
                db.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
            except sqlite3.DatabaseError as error:
                faults.append(f"{index}: {error}")
    return faults


def _look(run: Run, path: Path, starter: bool) -> None:
    """Everything that was acknowledged is there once, whole, and nothing else is."""
    run.faults += unsound(path)
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(
            "SELECT message, count(DISTINCT posts.id), count(DISTINCT photos.id),"
            " count(vectors.photo_id), max(vector), max(refused), max(texts.caption),"
            " max(texts.text), count(fingerprints.photo_id) FROM posts"
            " LEFT JOIN photos ON post_id = posts.id"
            " LEFT JOIN vectors ON vectors.photo_id = photos.id"
            " LEFT JOIN texts ON texts.photo_id = photos.id"
            " LEFT JOIN fingerprints ON fingerprints.photo_id = photos.id GROUP BY message"
        ).fetchall()
        (waiting,) = db.execute("SELECT count(*) FROM jobs").fetchone()
    if waiting:
        run.faults.append(f"{waiting} jobs wait")
    there: set[int] = set()
    for message, posts, photos, vectors, vector, refused, words, read, seen in found:
        number = int(message)
        there.add(number)
        if (posts, photos, vectors, seen) != (1, 1, 1, 1) or refused:
            run.faults.append(
                f"post {number}: {posts} posts, {photos} photos, {vectors} vectors, {seen} "
                f"fingerprints, {refused}"
            )
        elif (words, read) != (caption(number), READ):
            run.faults.append(f"post {number} has the words {words} and {read}")
        elif not starter and np.frombuffer(vector, "<f4") @ direction(number) < 0.999:
            run.faults.append(f"post {number} has another photo's vector")
    run.photos = run.vectors = len(found)
    lost = run.kept - run.forgotten - run.maybe - there
    if lost:
        run.faults.append(f"lost: {sorted(lost)[:20]}")
    if back := run.forgotten & there:
        run.faults.append(f"forgotten and there: {sorted(back)[:20]}")
    if unknown := there - run.kept - {run.first}:  # the acknowledgement may have been cut off
        run.faults.append(f"never acknowledged and there: {sorted(unknown)[:20]}")
    data = b"".join(file.read_bytes() for file in sorted(path.parent.glob("box.db*")))
    if traces := [n for n in run.forgotten if caption(n).encode() in data]:
        run.faults.append(f"forgotten and in the file's bytes: {traces[:20]}")


def told(run: Run, seed: int, starter: bool) -> str:
    """A row of the table."""
    encoder = "the starter model" if starter else "an encoder without a model"
    return (
        f"| {encoder} | {seed} | {run.kills} ({run.before_ready} while starting) | "
        f"{len(run.kept)} | {len(run.forgotten)} | {run.photos} | "
        f"{len(run.faults)} | {run.seconds:.0f} s |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--starter", type=int, default=0, metavar="KILLS", help="with a real model")
    parser.add_argument("--write", action="store_true", help=f"write {reliability.PAGE}")
    options = parser.parse_args()
    faults = 0
    for kills, starter in ((options.kills, False), (options.starter, True)):
        if not kills:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = torture(Path(folder), kills, options.seed, starter)
        faults += len(run.faults)
        print(told(run, options.seed, starter))
        for fault in run.faults:
            print(f"FAULT {fault}")
        if options.write:
            name = "torture with the starter model" if starter else "torture"
            reliability.write(name, document(run, kills, options.seed, starter))
    return 1 if faults else 0


def document(run: Run, kills: int, seed: int, starter: bool) -> str:
    """Its part of the page."""
    how = f"--kills 0 --starter {kills}" if starter else f"--kills {kills}"
    command = f"python -m benchmarks.torture {how} --seed {seed} --write"
    return "\n".join(
        [
            "## Killed at any moment" + (", with a real model" if starter else ""),
            "",
            f"`{command}` ({reliability.machine()}): a process that remembers a stream of posts, "
            "forgets every fifth of them and scrubs the file all the time is killed (SIGKILL) at "
            "random moments. Store, indexer and decoder are the real ones; only what is read in a "
            "photo is made up. A fault is an acknowledged photo that is not there exactly once "
            "with its own vector, a job that waits for ever, a forgotten post that is there or "
            "whose words are in the file's bytes, or anything that `integrity_check`, "
            "`foreign_key_check` or the full-text indexes' own check finds, every "
            f"{CHECKED_EVERY} kills and in the end.",
            "",
            "| with | seed | kills | posts acknowledged | forgotten | photos there | faults |"
            " took |",
            "|---|---|---|---|---|---|---|---|",
            told(run, seed, starter),
            *(f"\n- {fault}" for fault in run.faults),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
