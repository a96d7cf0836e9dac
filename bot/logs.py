"""The log: what we and our libraries have to say, through one pipeline (structlog) and in one form,
without secrets and control characters (bot.redaction)."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

from bot.redaction import Redactor, harmless

HUMAN, JSON = "human", "json"
IDS = ("photo", "task", "guild", "chat")
"""What a call may add to its line as `extra`: JSON has it under a key of its own. Nothing else is
taken over, since libraries add whatever they like."""
NOISY = ("httpx", "httpcore", "aiosqlite", "asyncio", "discord", "telegram", "urllib3", "PIL")
Event = MutableMapping[str, Any]


def log_to_stderr(level: str, form: str, redact: Redactor) -> None:
    """Set the log up. `form` is HUMAN or JSON."""
    logging.setLoggerClass(_Plain)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(redact, form))
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    for name in NOISY:  # some of them would log addresses that hold a token
        logging.getLogger(name).setLevel(max(logging.WARNING, getattr(logging, level)))
    if form == JSON:
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread


def complain(line: str) -> None:
    """The last words of a command, harmless already: a line for people, unless a program reads."""
    handlers = logging.getLogger().handlers
    if any(isinstance(each.formatter, Lines) and each.formatter.form == JSON for each in handlers):
        logging.getLogger(__name__).error("%s", line)
    else:
        sys.stderr.write(f"shoebox: {line}\n")


class Lines(logging.Formatter):
    """A record as one line; a traceback is below it, or within it as JSON. structlog is imported
    with the first record: most commands have nothing to log."""

    def __init__(self, redact: Redactor, form: str) -> None:
        super().__init__()
        self.form = form
        self._redact = redact
        self._made: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._made is None:
            self._made = self._make()
        return self._made.format(record)

    def _make(self) -> logging.Formatter:
        from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
        from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

        form = "iso" if self.form == JSON else "%Y-%m-%d %H:%M:%S,%f"
        return ProcessorFormatter(
            foreign_pre_chain=[
                TimeStamper(form, utc=self.form == JSON),
                add_log_level,
                add_logger_name,
                ExtraAdder(IDS),
            ],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                format_exc_info,
                self._clean,
                JSONRenderer() if self.form == JSON else _human,
            ],
        )

    def _clean(self, _: object, __: str, event: Event) -> Event:
        """Before it is written as anything: how it is escaped there could hide a secret."""
        return {
            key: harmless(self._redact(str(value)), but="\n" if key == "exception" else "")
            if not isinstance(value, int)
            else value
            for key, value in event.items()
        }


def _human(_: object, __: str, event: Event) -> str:
    line = f"{event['timestamp'][:-3]} {event['level'].upper():7} {event['event']}"
    return f"{line}\n{event['exception']}" if "exception" in event else line


class _Plain(logging.Logger):
    """Of a library: without a handler of its own, which would be a way past ours."""

    def addHandler(self, hdlr: logging.Handler) -> None:
        return None

    @property
    def propagate(self) -> bool:
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        return None


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    told = None if error is None else (kind, error, trace)
    logging.getLogger(__name__).critical("nobody expected this", exc_info=told)


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
