"""What is about to be shown in a terminal or a log: without secrets, as the last line of defence,
since libraries put addresses with tokens in them into their errors; and without control
characters, since names of groups, people and files may hold any."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from types import TracebackType
from urllib.parse import quote

HIDDEN = "[hidden]"
SHORTEST = 8
"""Characters; a shorter password is a word that may stand anywhere."""


def harmless(text: str, but: str = "") -> str:
    """Text that can't move the cursor, colour what follows, turn it around or look like another
    line; `but` these characters may stay."""
    return "".join(c if c.isprintable() or c in but else repr(c)[1:-1] for c in text)


class Redactor:
    """Knows the secrets once the settings are read."""

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None

    def hide(self, *secrets: str) -> None:
        """Never show these again, nor the part of a token that makes it one, nor either as it
        stands in an address."""
        parts = {part for secret in secrets for part in (secret, *re.split(r"[:.]", secret))}
        written = {form for part in parts for form in (part, quote(part, safe=""), quote(part))}
        found = sorted((each for each in written if len(each) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)


def guard_tracebacks(redact: Redactor) -> None:
    """What nobody caught is shown without the secrets too, in threads as well."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(harmless(redact(told), but="\n"))

    def show_of_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not SystemExit:
            show(failed.exc_type, failed.exc_value, failed.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_of_thread
