"""Finds a model's export, or has it made by a process of its own (bot.export_child).

Exports lie in the models folder under the fingerprint of what they were made from, so that they are
made once, for a model in a folder of its owner's too, which is never written to.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bot.errors import ShoeboxError
from bot.exported import ABOUT
from bot.loader import Preparing
from bot.modelfolder import ModelFolder
from bot.sandbox import environment

VERSION = 2
"""Goes up when exports are made in another way, so that old ones aren't used."""

UNFIT = "unfit.json"
"""Stands in place of an export that can't be made, with the reason."""


class CanNotExport(ShoeboxError):
    """The model has to run as it is; the message says why."""


def obtain(
    folder: ModelFolder, fingerprint: str, models_folder: Path, preparing: Preparing
) -> Path:
    """The folder that bot.exported reads. Blocks, the first time for a minute or two.

    `preparing` is told percents; what it raises stops the export, to begin anew another time.
    Raises CanNotExport. What the model itself is to blame for is remembered; a full disk or too
    little memory is not, so that the next start tries again.
    """
    from filelock import FileLock, Timeout

    target = models_folder / "exports" / f"{fingerprint}-{VERSION}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        while not _made(target) and not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                preparing(0)
        try:
            if not _made(target):
                _make(folder, target, preparing)
        finally:
            lock.release()
        if (target / UNFIT).exists():
            raise CanNotExport(json.loads((target / UNFIT).read_text("utf-8")))
    except OSError as error:
        raise CanNotExport(f"{error.filename or target}: {error.strerror}") from error
    return target


def _made(target: Path) -> bool:
    return (target / ABOUT).exists() or (target / UNFIT).exists()


def _make(folder: ModelFolder, target: Path, preparing: Preparing) -> None:
    """Fill a folder of another name; only a complete one gets the real name."""
    partial = target.with_name(f".{target.name}.partial")
    for leftover in (partial, target):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    child = subprocess.Popen(  # noqa: S603 - no shell, and paths of our own
        [sys.executable, "-m", "bot.export_child", str(folder.path.resolve()), str(partial)],
        stdin=subprocess.PIPE,  # closes when this process dies, which ends the child
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # Its threads yield while they wait for each other: the bot is in use meanwhile.
        env={**environment(), "OMP_WAIT_POLICY": "PASSIVE"},
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            preparing(int(line))
        if child.wait() != 0:
            raise CanNotExport(f"exporting it ended with code {child.returncode}")
        partial.rename(target)
        _tidy(target)
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()
        shutil.rmtree(partial, ignore_errors=True)


def _tidy(target: Path) -> None:
    """Away with what earlier versions made of the same model: some hundred megabytes."""
    fingerprint, _, _ = target.name.rpartition("-")
    for other in target.parent.glob(f"{fingerprint}-*"):
        if other.name.removeprefix(f"{fingerprint}-").isdigit() and other != target:
            shutil.rmtree(other, ignore_errors=True)
