"""Tokens and passwords are never shown: everything that real runs print is searched for them."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.logs import HUMAN, JSON, Lines
from bot.redaction import HIDDEN, Redactor
from bot.settings import Settings
from tests.test_architecture import ROOT, SOURCES
from tests.test_backup import free_port

TELEGRAM = "987654321:AAtelegramSecretPartOfTheToken0123456"
DISCORD = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GdiscX.discordSecretPartOfTheToken012345678"
PASSWORD = "correct-horse-battery-staple"
PARTS = ("AAtelegramSecretPart", "discordSecretPart", "MTIzNDU2Nzg5MDEyMzQ1Njc4", PASSWORD)


class Rude(BaseHTTPRequestHandler):
    """Answers with errors that hold whatever was sent, tokens included."""

    status = 500

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = f"{self.path} {dict(self.headers)} {self.rfile.read(length)!r}"
        told = {"ok": False, "error_code": self.status, "description": sent, "message": sent}
        body = json.dumps(told | {"code": 0}).encode()
        self.send_response(self.status, "Rude")
        if 300 <= self.status < 400:
            self.send_header("Location", f"http://127.0.0.1:9{self.path}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextlib.contextmanager
def rude(status: int) -> Iterator[str]:
    handler = type("Handler", (Rude,), {"status": status})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def said(folder: Path, command: str, url: str, until: tuple[str, ...] = ()) -> str:
    """All that a command prints; one that goes on is stopped once it has said all of `until`."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", command],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "METRICS_PORT": "0",
            "PYTHONASYNCIODEBUG": "1",
            "MODEL": "starter",
            "LOG_LEVEL": "DEBUG",
            "WEB_PORT": free_port(),
            "TELEGRAM_API_URL": url,
            "DISCORD_API_URL": f"{url}/api/v10",
            "HF_ENDPOINT": url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    killing = threading.Timer(40, process.kill)
    killing.start()
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            if until and all(any(words in each for each in lines) for words in until):
                process.send_signal(signal.SIGTERM)
                until = ()
    process.wait()
    killing.cancel()
    return "".join(lines)


@pytest.mark.parametrize("status", [401, 500, 0])
def test_no_run_shows_a_secret(tmp_path: Path, status: int) -> None:
    """0: there is nobody to answer."""
    env = f"TELEGRAM_TOKEN={TELEGRAM}\nDISCORD_TOKEN={DISCORD}\nWEB_PASSWORD={PASSWORD}\n"
    (tmp_path / ".env").write_text(env)
    (tmp_path / ".env").chmod(0o644)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(rude(status)) if status else "http://127.0.0.1:9"
        # discord.py asks a server in trouble again for a quarter of a minute before it says so
        until = ("Telegram",) if status == 500 else ("Telegram", "Discord")
        printed = {"run": said(tmp_path, "run", url, until)}
        if status != 500:
            printed |= {name: said(tmp_path, name, url) for name in ("check", "status")}
    for name, text in printed.items():
        for part in PARTS:
            for form in (part, quote(part, safe=""), part[::-1]):
                assert form not in text, (name, text)
    assert "Telegram" in printed["run"], "there was something to be said"
    for name in {"run", "check"} & printed.keys():
        assert "others on this machine can read .env: chmod 600 .env" in printed[name]


def test_a_secret_in_an_error_of_whatever_kind_is_hidden() -> None:
    redact = Redactor()
    assert redact(f"at /bot{TELEGRAM}/getMe") == f"at /bot{TELEGRAM}/getMe", "not known yet"
    redact.hide(TELEGRAM, DISCORD, "short", "")
    assert redact(f"at /bot{TELEGRAM}/getMe") == f"at /bot{HIDDEN}/getMe"
    assert redact(quote(TELEGRAM, safe="")) == HIDDEN
    assert redact(f"Bot {DISCORD}") == f"Bot {HIDDEN}"
    assert PARTS[1] not in redact(f"…{DISCORD.rpartition('.')[2]}")
    assert redact("a short word") == "a short word"
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed: %s", (TELEGRAM,), None)
    try:
        raise ValueError(f"url /bot{TELEGRAM}/x")
    except ValueError:
        record.exc_info = sys.exc_info()
    for form in (HUMAN, JSON):
        shown = Lines(redact, form).format(record)
        assert "Traceback" in shown
        assert PARTS[0] not in shown


def test_what_nobody_caught_is_shown_without_secrets(tmp_path: Path) -> None:
    code = (
        "import threading\nfrom bot.redaction import Redactor, guard_tracebacks\n"
        f"r = Redactor(); r.hide({TELEGRAM!r}); guard_tracebacks(r)\n"
        f"def fail(): raise ValueError('in a thread ' + {TELEGRAM!r})\n"
        "t = threading.Thread(target=fail); t.start(); t.join()\n"
        f"raise RuntimeError('at the end ' + {TELEGRAM!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-"], input=code, capture_output=True, text=True, cwd=ROOT
    )
    assert "in a thread" in done.stderr
    assert "at the end" in done.stderr
    assert PARTS[0] not in done.stderr.replace(code, "")


def test_settings_show_no_secret() -> None:
    chosen = Settings(
        discord_token=DISCORD,
        telegram_token=TELEGRAM,
        web_password=PASSWORD,
        owner_password=PASSWORD[::-1],
    )
    assert not any(part in repr(chosen) for part in PARTS)
    assert PASSWORD[::-1] not in repr(chosen)
    assert set(chosen.secrets) == {DISCORD, TELEGRAM, PASSWORD, PASSWORD[::-1]}


def test_a_new_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "status"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL": "starter"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/shoebox.db").stat().st_mode & 0o077 == 0


FORBIDDEN = {
    "os.system", "os.popen", "os.execv", "os.spawnv", "eval", "exec", "compile",
    "pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "dill.load", "joblib.load",
    "yaml.load", "yaml.unsafe_load", "subprocess.getoutput", "asyncio.create_subprocess_shell",
    "numpy.load", "np.load",
}  # fmt: skip
UNPICKLING = re.compile(r"\b(pickle|cPickle|dill|shelve|marshal|joblib)\b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_runs_a_shell_or_reads_a_pickle(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = [module, *(alias.name for alias in node.names)]
            assert not any(UNPICKLING.fullmatch(name) for name in names), names
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in FORBIDDEN, called
        options = {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert options.get("shell", "False") == "False", ast.unparse(node)
        assert options.get("allow_pickle", "False") == "False", ast.unparse(node)
        if called.rpartition(".")[2] in ("load_checkpoint", "load_state_dict_from_file") or (
            called == "torch.load"
        ):
            assert options.get("weights_only") == "True", ast.unparse(node)
