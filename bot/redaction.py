"""Secrets are taken out of whatever is about to be shown: the last line of defence, since libraries
put addresses with tokens in them into their errors."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from urllib.parse import quote

HIDDEN = "[hidden]"
SHORTEST = 8
"""Characters; a shorter password is a word that may stand anywhere."""


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


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, without the secrets."""

    def __init__(self, redact: Redactor, form: str) -> None:
        super().__init__(form)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


def guard_tracebacks(redact: Redactor) -> None:
    """What nobody caught is shown without the secrets too, in threads as well."""

    def show(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

    def show_of_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not SystemExit:
            show(failed.exc_type, failed.exc_value, failed.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_of_thread
