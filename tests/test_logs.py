"""Whoever logs, we or a library: one pipeline, one form, no secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from bot.logs import HUMAN, JSON, Lines
from bot.redaction import HIDDEN, Redactor
from tests.test_architecture import ROOT

SECRET = 'pä"ss\\wörd-of\tall'
"""Which looks otherwise in JSON, in a repr and in an address."""

RUN = f"""
import asyncio, logging, sys, threading, warnings
from bot.logs import complain, log_to_stderr
from bot.redaction import Redactor, guard_tracebacks
secret = {SECRET!r}
redact = Redactor()
guard_tracebacks(redact)
redact.hide(secret)
log_to_stderr("DEBUG", sys.argv[1], redact)
def fail(where): raise ValueError(where + secret)
logging.getLogger("bot.x").info("ours %s", secret)
import huggingface_hub
logging.getLogger("huggingface_hub.x").warning("the hub's %s\\nin two lines", secret)
stubborn = logging.getLogger("stubborn")
stubborn.propagate = False
stubborn.addHandler(logging.StreamHandler())
stubborn.warning("stubborn %s", secret)
warnings.warn("a warning " + secret)
async def forgotten():
    asyncio.get_running_loop().call_soon(fail, "in a loop ")
    await asyncio.sleep(0.01)
asyncio.run(forgotten())
thread = threading.Thread(target=fail, args=["in a thread "])
thread.start()
thread.join()
complain("last words")
fail("at the end ")
"""
SAID = ("ours", "the hub's", "stubborn", "a warning", "in a loop", "in a thread", "at the end")


def said(form: str) -> str:
    command = [sys.executable, "-X", "dev", "-c", RUN, form]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr


def test_all_that_is_said_is_json() -> None:
    text = said(JSON)
    lines = [json.loads(line) for line in text.splitlines()]
    told = [f"{line['event']} {line.get('exception', '')}" for line in lines]
    for words in (*SAID, "last words"):
        assert sum(words in each for each in told) == 1, (words, text)
    assert all("\n" not in line["event"] for line in lines)
    assert sum("Traceback" in each for each in told) == 3
    assert text.count(HIDDEN) >= len(SAID)
    for each in (*told, text):
        assert "rd-of" not in each


def test_all_that_is_said_to_people_is_without_secrets() -> None:
    text = said(HUMAN)
    for words in SAID[:4]:
        assert sum(words in line for line in text.splitlines()) == 1, (words, text)
    assert "\nshoebox: last words\n" in text
    assert " WARNING the hub's [hidden]\\nin two lines\n" in text
    assert text.count("Traceback") == 3
    assert "rd-of" not in text


def test_only_ids_are_taken_over_and_they_hide_nothing() -> None:
    redact = Redactor()
    redact.hide(SECRET)
    record = logging.LogRecord("bot.x", logging.INFO, "x", 1, "photo %d waits", (7,), None)
    record.__dict__.update(photo=7, chat=SECRET, color_message="\x1b[2J", caption="Dear Ann")
    told = json.loads(Lines(redact, JSON).format(record))
    told.pop("timestamp")
    assert told == {
        "event": "photo 7 waits",
        "level": "info",
        "logger": "bot.x",
        "photo": 7,
        "chat": HIDDEN,
    }
    assert Lines(redact, HUMAN).format(record).endswith(" INFO    photo 7 waits")
