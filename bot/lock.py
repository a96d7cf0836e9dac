"""Only one process indexes a memory at a time; the others see whose it is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from bot.errors import StoreError


class IndexerLock:
    """A lock beside the database. The system frees it when its process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._lock = FileLock(database.with_name(database.name + ".lock"))
        self._pid_file = database.with_name(database.name + ".pid")
        self.held = False

    def __enter__(self) -> Self:
        """Try to take it; `held` says whether that worked. Raises StoreError."""
        try:
            self._pid_file.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._pid_file.write_text(str(os.getpid()))
            self.held = True
        except Timeout:
            if not Path(self._lock.lock_file).exists():  # nobody has it: it can't be made
                raise self._unwritable("no file can be made there") from None
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        return self

    def _unwritable(self, why: str | None) -> StoreError:
        return StoreError(
            f"the data folder {self._pid_file.parent} can't be written: {why}; "
            "check its permissions or DATABASE_URL"
        )

    def owner(self) -> str:
        """The pid of the process that holds it, as text."""
        try:
            return self._pid_file.read_text().strip() or "?"
        except OSError:
            return "?"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.held:
            with contextlib.suppress(OSError):
                self._pid_file.unlink()
            self._lock.release()
            self.held = False
