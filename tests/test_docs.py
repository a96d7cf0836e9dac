"""The documents tell the truth: commands run, settings and links exist, messages are said."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from argparse import _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import catalog, settings
from bot.__main__ import _parser, _spare_minus, main
from bot.decoder import Decoder
from bot.starter import files
from tests.documents import (
    EVERYTHING,
    GUIDES,
    ROOT,
    anchors,
    code,
    commands,
    first_cells,
    is_said,
    links,
)
from tests.exports import TelegramExport
from tests.pictures import photo

BOT = re.compile(r"(?:(?:\S*/)?python -m bot(?![.\w])|docker compose run --rm shoebox) ?(.*)")
"""The image's entry point is the bot."""
NOT_RUN = {
    "make": "installs, serves for ever, or is this very test suite",
    "git pull": "changes the checkout",
    "python3 -m venv": "installs",
    ".venv/bin/pip": "installs",
    "/opt/shoebox/bin/pip": "installs",
    ".venv/bin/python -m bot run": "serves for ever",
    "python -m bot health": "asks a bot that runs; tests/test_monitoring.py has one",
    "curl": "the same",
    ".venv/bin/python -m bot move": "wants a PostgreSQL; tests/test_move.py has one",
    "createdb": "the same",
    "psql": "the same",
    "pg_dump": "the same; tests/test_pg_backup.py has one",
    "pg_restore": "the same",
    "docker": "wants a daemon; tests/test_deployment.py reads what it would",
    "useradd": "wants root",
    "systemctl": "wants systemd",
}
"""Commands in blocks that can't be run here, by how they begin, and why. All others are run."""
SHELL = ("chmod", "cp", "install", "mkdir", "tar")
"""Programs that are run as they stand, in the temporary folder."""
TODAY = "$(date +%A)", "Monday"
NO_SETTINGS = {"HF_TOKEN", "HF_HUB_OFFLINE"}
"""Read by the hub's library, from the environment."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def bot_commands(text: str) -> Iterator[str]:
    """What stands behind `python -m bot`, in blocks and in running text; of a synopsis, once
    without all that is in brackets, once with it."""
    messages = first_cells(text, "you read")
    spoken = [each for each in code(text) if each not in messages]
    for written in (*commands(text), *spoken, *synopses(text)):
        if found := BOT.search(written):
            yield from variants(found[1])


def synopses(text: str) -> list[str]:
    """Of a table of commands."""
    return [f"python -m bot {each}" for each in first_cells(text, "command")]


def variants(written: str) -> set[str]:
    without = written
    while (shorter := re.sub(r" ?\[[^][]*\]", "", without)) != without:
        without = shorter
    return {without, re.sub(r"[][]", "", written)}


def parse(arguments: str) -> str | None:
    """The command that is meant; exits where they are wrong."""
    typed = shlex.split(arguments.replace("…", "").replace(*TODAY), comments=True)
    chosen: str | None = _parser().parse_args(_spare_minus(typed)).command
    return chosen


@pytest.mark.parametrize("path", GUIDES, ids=name)
def test_the_command_line_understands_what_is_written(path: Path) -> None:
    for arguments in bot_commands(path.read_text("utf-8")):
        try:
            parse(arguments)
        except SystemExit as wrong:
            pytest.fail(f"{path.name}: python -m bot {arguments}: {wrong}")


def test_every_command_is_in_the_readmes_table() -> None:
    (every,) = (a for a in _parser()._actions if isinstance(a, _SubParsersAction))
    listed = {parse(each) for row in synopses(read("README.md")) for each in variants(row[14:])}
    assert listed == set(every.choices)


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


# --- what is to be typed


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as somebody has it who uses the program, with all that the documents speak of."""
    here = tmp_path_factory.mktemp("shoebox")
    shutil.copy(ROOT / ".env.example", here)
    (here / ".env").write_text("LOG_LEVEL=INFO\n")
    (here / ".env").chmod(0o600)
    uploads = here / "data" / "web" / "photos"
    uploads.mkdir(parents=True)
    (uploads / "a.jpg").write_bytes(photo(1))
    chat = TelegramExport()
    chat.photo("cake", name="Ann Lee")
    for path in ("PATH", "ChatExport_2021-05-03"):
        chat.write(here / path)
    pictures = here / "root" / "home" / "Pictures" / "2019"
    pictures.mkdir(parents=True)
    (pictures / "cake.jpg").write_bytes(photo(2))
    for folder in ("somewhere/else", "etc/systemd/system"):
        (here / "root" / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "deploy", here / "deploy")
    with pytest.MonkeyPatch.context() as patch:
        at_home(here, patch)
        assert main(["import", str(pictures), "--group", "fam"]) == 0
    return here


def at_home(here: Path, patch: pytest.MonkeyPatch) -> None:
    """In that folder, with the starter model; photos are not read for text."""

    async def reads_nothing(decoder: Decoder, data: bytes) -> str:
        return ""

    patch.chdir(here)
    for key in settings.KEYS:
        patch.delenv(key, raising=False)
    patch.setenv("MODEL", files.NAME)
    patch.setenv("HOME", str(here / "root" / "home"))
    patch.setattr(Decoder, "read", reads_nothing)
    patch.setattr(catalog, "SECONDS", 0.05)


@pytest.fixture
def here(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it for one document."""
    here = tmp_path / "here"
    shutil.copytree(memory, here)
    at_home(here, monkeypatch)
    before = signal.getsignal(signal.SIGTERM)
    yield here
    signal.signal(signal.SIGTERM, before)


def words(command: str, here: Path) -> list[str]:
    """What a shell makes of it; whole paths lie in a folder of the test's."""
    placed = []
    for word in shlex.split(command.replace(*TODAY), comments=True):
        if word.startswith("~/"):
            word = os.path.expanduser(word)  # noqa: PTH111
        elif word.startswith("/"):
            word = f"{here}/root{word}"
        placed.append(word)
    return placed


def run(command: str, here: Path) -> str | None:
    """Why it could not be run, or what it is that nobody knows how to; None if all is well."""
    if any(command.startswith(start) for start in NOT_RUN):
        return None
    found = BOT.fullmatch(command)
    if found is not None:
        exit_code = main(words(found[1], here))
    elif command.split()[0] in SHELL:
        exit_code = subprocess.run(words(command, here), cwd=here).returncode
    else:
        return "no test runs it: teach one to, or say in NOT_RUN why it can't be run"
    return f"it ended with {exit_code}" if exit_code else None


TYPED = [path for path in GUIDES if commands(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", TYPED, ids=name)
def test_what_is_to_be_typed_works_in_its_order(
    path: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in commands(path.read_text("utf-8")):
        problem = run(command, here)
        assert problem is None, f"{command}: {problem}\n{capfd.readouterr().err[-500:]}"


def test_a_moved_memory_answers(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What docs/backup.md brings to another server is what was there."""
    assert main(["import", "PATH"]) == 0
    moving = [c for c in commands(read("docs/backup.md")) if "moving" in c]
    leave = next(n for n, c in enumerate(moving) if c.startswith("tar xzf"))
    for command in moving[:leave]:
        assert run(command, here) is None
    shutil.rmtree(here / "moving")
    shutil.rmtree(here / "data")
    (here / ".env").unlink()
    for command in (*moving[leave:], "mkdir -p data/web"):
        if command.startswith("cp -a moving/photos"):
            assert run("mkdir -p data/web", here) is None
        assert run(command, here) is None, command
    assert (here / ".env").stat().st_mode & 0o077 == 0
    assert (here / "data/web/photos/a.jpg").read_bytes() == photo(1)
    capfd.readouterr()
    assert main(["find", "cake from:ann", "--group", "Family", "--json"]) == 0
    assert '"caption": "cake"' in capfd.readouterr().out


def test_a_new_command_fails(here: Path) -> None:
    assert "no test runs it" in str(run("frobnicate all", here))
    assert run("python -m bot restore nothing.db", here) == "it ended with 2"
    with pytest.raises(SystemExit):
        parse("status --frobnicate")


# --- settings, links, messages


@pytest.mark.parametrize("path", GUIDES, ids=name)
def test_settings_that_are_named_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    named = {key for each in code(text) for key in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", each)}
    named |= {key for each in code(text) for key in re.findall(r"^([A-Z_]+)=", each)}
    assert named - NO_SETTINGS <= set(settings.KEYS)


def test_every_setting_is_told_of() -> None:
    told = {
        key
        for path in GUIDES
        for each in code(path.read_text("utf-8"))
        for key in re.findall(r"[A-Z_]+", each)
    }
    assert set(settings.KEYS) <= told


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_every_page_is_in_the_index() -> None:
    listed = set(links(read("docs/README.md")))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - listed == {"README.md"}


def test_messages_that_are_quoted_are_said() -> None:
    quoted = first_cells(read("docs/troubleshooting.md"), "you read")
    assert len(quoted) > 100
    for message in quoted:
        assert len(re.sub(r"[\W…]", "", message)) >= 7, f"{message}: too short to tell"
        assert is_said(message), message


def test_a_message_that_nobody_says_is_noticed() -> None:
    assert is_said("another Shoebox (process …) already runs on …: stop it first")
    assert not is_said("another Shoebox (process …) already sleeps on …")
    assert not is_said("the shoebox is full of …")
