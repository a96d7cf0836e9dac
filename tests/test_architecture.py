"""Imports point inward, SDKs stay where they belong, nothing heavy happens at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for room in ("bot", "adapters", "storage") for p in (ROOT / room).rglob("*.py"))

ONLY_IN = {
    "torch": {"bot/eager.py", "bot/towers.py", "bot/torchvision_nms.py"}
    | {"bot/starter/network.py", "bot/starter/train.py", "bot/starter/evaluate.py"}
    | {"bot/starter/losses.py"},
    "open_clip": {"bot/eager.py", "bot/towers.py", "bot/starter/network.py"},
    "aiosqlite": {"storage/connection.py", "storage/sqlite.py", "storage/rows.py"}
    | {"storage/chatlog.py", "storage/replies.py", "storage/fingerprints.py"}
    | {"storage/forgotten.py", "storage/jobs.py", "storage/models.py", "storage/stand_ins.py"}
    | {"storage/backlog.py", "storage/upgrade.py", "storage/writing.py"},
    "numkong": {"storage/kernel.py"},
    "discord": {p.relative_to(ROOT).as_posix() for p in (ROOT / "adapters/discord").glob("*.py")},
    "telegram": {p.relative_to(ROOT).as_posix() for p in (ROOT / "adapters/telegram").glob("*.py")},
    "nicegui": {"adapters/web_server.py", "adapters/web_page.py"}
    | {"adapters/web_window.py", "adapters/web_message.py", "adapters/web_owner.py"}
    | {"adapters/web_overview.py", "adapters/web_failures.py", "adapters/web_wall.py"},
    "rapidocr": {"bot/ocr.py"},
    "dateparser": {"bot/dates.py"},
    "tzlocal": {"bot/zones.py"},
    "prometheus_client": {"adapters/prometheus.py"},
    "structlog": {"bot/logs.py"},
    "h11": {"adapters/short_http.py"},
}
WIRING = {
    "bot/app.py",
    "bot/bytes_between.py",
    "bot/pages.py",
    "bot/moving.py",
    "bot/relocation.py",
    "bot/report.py",
    "bot/__main__.py",
    "bot/terminal.py",
}
FROM_THE_CORE = {
    "bot.language",
    "bot.language_choice",
    "bot.photos",
    "bot.answers",
    "bot.backlog",
    "bot.candidates",
    "bot.cores",
    "bot.elections",
    "bot.errors",
    "bot.ports",
    "bot.stores",
    "bot.memory",
    "bot.words",
    "bot.decoder",
    "bot.settings",
    "bot.sharing",
    "bot.starter",
    "bot.stats",
    "bot.zones",
    "bot.health",
    "bot.metrics",
    "bot.model_state",
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module in ("bot", "adapters", "storage"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    room = name.partition("/")[0]
    for module in imports(path):
        top = module.partition(".")[0]
        assert name in ONLY_IN.get(top, {name}), f"{name} imports {module}"
        if room == "bot" and name not in WIRING:
            assert top not in ("adapters", "storage"), f"{name} imports {module}"
        if room != "bot" and top == "bot" and module != "bot":
            assert ".".join(module.split(".")[:2]) in FROM_THE_CORE, f"{name} imports {module}"
        if room == "storage":
            assert top != "adapters", f"{name} imports {module}"


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from bot.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch','open_clip','nicegui','discord','telegram','structlog',"
        "'prometheus_client') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]"), done.stdout


def test_status_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from bot.__main__ import main\n"
        "main(['status'])\n"
        "print([m for m in ('torch','open_clip','nicegui','structlog') if m in sys.modules])"
    )
    model = tmp_path / "model"
    environment = {"PYTHONPATH": str(ROOT), "MODEL": f"local-dir:{model}", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
