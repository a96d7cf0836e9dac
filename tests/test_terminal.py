"""Whatever people call themselves, their groups and their files: it is only text in a terminal, in
a log, and for a program that reads JSON."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.files import Files
from bot import terminal
from bot.answers import Answer, Hit, Share, Signal, Verdict
from bot.app import Check
from bot.catalog import Entry, Line
from bot.logs import HUMAN, JSON, Lines
from bot.models import ModelPresence, Presence
from bot.photos import GroupStatus, Model, Name, PhotoRef, Post, Refusal, StoredPhoto
from bot.redaction import Redactor
from bot.report import Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTROLS = "\x1b[2J\x1b]0;title\x07\r\n\x00\x7f\x9b31m\u202e\u2066\u2028\u200b\x85"
hostile = st.text(st.sampled_from([*CONTROLS, *"ab 世界é", "🎂"]), min_size=1, max_size=30)


def an_answer(words: str) -> Answer:
    post = Post(
        words, words, words, words, words, NOW, (PhotoRef("x", words, words, words),), words
    )
    photo = StoredPhoto(1, post)
    why = (Signal.NAME, Signal.CAPTION)
    hit = Hit(1, photo, 0.5, why, words, (Hit(1, StoredPhoto(2, post), 0.4, why, words),))
    return Answer((hit,), f"One photo for “{words}”:", words, 1, (), (hit,), words)


def only_text(shown: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in shown), repr(shown)


@settings(max_examples=60, deadline=None)
@given(hostile)
def test_nothing_that_is_printed_moves_the_cursor(words: str) -> None:
    files, out = Files(Path("/nowhere"), 1), io.StringIO()
    answer = an_answer(words)
    group = GroupStatus(words, words, 1, 1, 0, (Refusal(1, words, words),), 1, 1)
    presence = ModelPresence(Presence.HERE, words)
    status = Status([group], presence, Model(words, "1", 2), Model(words, "2", 2))
    verdict = Verdict(words, (Share(words, 1.0),), words)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        terminal.print_answer(answer, files)
        terminal.print_notes(answer)
        terminal.print_verdict(verdict)
        terminal.print_names([Name(words, 1)])
        terminal.print_status(status, words)
        terminal.print_models([Line(Entry(words, 1, "x", "x", "x"), True, None, words)], words)
        terminal.print_checks([Check(False, "database", words)])
    written = (terminal.answer_json(answer, files), terminal.verdict_json(verdict))
    for shown in (out.getvalue(), *written, terminal.status_json(status, words)):
        only_text(shown)
    (told,) = json.loads(terminal.answer_json(answer, files))
    assert (told["author"], told["caption"], told["photo"]) == (words, words, words)


@settings(max_examples=60, deadline=None)
@given(hostile)
def test_a_line_of_the_log_is_one_line(words: str) -> None:
    formatter = Lines(Redactor(), HUMAN)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "met %s", (words,), None)
    line = formatter.format(record)
    only_text(line)
    assert " INFO    met " in line
    assert "\n" not in line
    try:
        raise ValueError(words)
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    record.exc_text = None
    told = formatter.format(record)
    only_text(told)
    assert "Traceback" in told
    program = Lines(Redactor(), JSON).format(record)
    assert program.isascii()
    only_text(program)
    assert "\n" not in program
    said = json.loads(program)
    only_text(said["event"] + said["exception"])
    assert said["level"] == "info"
