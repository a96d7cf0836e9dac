"""`python -m bot …`: reads the command line, calls one function, prints what it returns."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from bot import __version__, settings
from bot.errors import SettingsError, ShoeboxError
from bot.logs import HUMAN, complain, log_to_stderr
from bot.redaction import Redactor, guard_tracebacks, harmless
from bot.roles import Role
from bot.settings import Settings

T = TypeVar("T")

WRONG_USE = 2
_MINUS_WORD = re.compile(r"-(?!h$)[^-\d]")
STOPPED = 130
ENV_FILE = Path(".env")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; argparse would print the usage first."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"shoebox: {message} (see: python -m bot --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    # NumPy's products are small here: threads of its own would wait for each other, and in the
    # way of what else runs. Comparing 200 hits with each other takes 0.1 s of a core, else 0.5 s.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    options = _parser().parse_args(_spare_minus(sys.argv[1:] if arguments is None else arguments))
    redact = Redactor()
    guard_tracebacks(redact)
    try:
        return _run(options, redact)
    except ShoeboxError as error:
        complain(harmless(redact(_one_line(error))))
        return WRONG_USE
    except KeyboardInterrupt:
        print("shoebox: stopped; nothing is lost, run it again to go on", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="shoebox",
        description="Shoebox: a group's shared photo memory. Without a command it runs the bot.",
    )
    parser.add_argument("--version", action="version", version=f"shoebox {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    running = commands.add_parser(
        "run", help="the bot: every chat that .env switches on, else a web chat"
    )
    running.add_argument(
        "--role",
        choices=[role.value for role in Role],
        default=Role.BOTH.value,
        help="of several processes that share a memory in PostgreSQL: gateways take part in chats, "
        "encoders look at photos (default: both)",
    )

    commands.add_parser("demo", help="a web chat with a group full of drawings, to try /find in")

    importing = commands.add_parser(
        "import",
        help="remember the photos in a folder, or in an export of Telegram or Discord",
        description="Telegram Desktop's result.json and DiscordChatExporter's JSON are understood, "
        "in their folder or in a zip, and folders of photos.",
    )
    importing.add_argument("path", type=Path, metavar="PATH", help="a folder or a zip")
    importing.add_argument(
        "--group",
        default=None,
        metavar="NAME",
        help="the group of this machine that gets them; without it each chat of an export goes "
        "into its own group",
    )
    importing.add_argument(
        "--author", default="", metavar="NAME", help="who is said to post a folder's photos"
    )
    importing.add_argument(
        "--chat",
        action="append",
        default=[],
        metavar="NAME",
        help="only this chat of an export, by name or id; can be said several times",
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="only say what would be imported, keep nothing"
    )
    importing.add_argument(
        "--report", type=Path, metavar="FILE", help="write down all that was refused, and why"
    )

    finding = commands.add_parser("find", help="the same answer as in the chat")
    finding.add_argument(
        "words",
        nargs="+",
        metavar="WORDS",
        help="also with filters: 'cake -people from:ann after:2024-05 \"exact text\"'",
    )
    finding.add_argument("--group", required=True, metavar="NAME", help="a group's name or id")
    finding.add_argument("--top", type=_count, default=3, metavar="N", help="photos (default 3)")
    finding.add_argument(
        "--nearest", action="store_true", help="if nothing fits, show what is nearest to it"
    )
    finding.add_argument("--json", action="store_true", help="for programs")

    which = commands.add_parser("which", help="what a photo shows, of some options")
    which.add_argument("photo", type=Path, metavar="PHOTO")
    which.add_argument("options", nargs="+", metavar="OPTIONS", help="cat dog 'birthday cake'")
    which.add_argument("--json", action="store_true", help="for programs")

    naming = commands.add_parser("name", help="call what is in an imported photo so, for find")
    naming.add_argument("photo", type=Path, metavar="PHOTO")
    naming.add_argument("words", nargs="+", metavar="NAME")
    names = commands.add_parser("names", help="what a group calls things")
    unname = commands.add_parser("unname", help="take a name away")
    unname.add_argument("words", nargs="+", metavar="NAME")
    for each in (naming, names, unname):
        each.add_argument("--group", required=True, metavar="NAME", help="a group's name or id")

    backing = commands.add_parser("backup", help="copy the memory to a file, while the bot runs")
    backing.add_argument("file", type=Path, metavar="FILE")
    backing.add_argument("--overwrite", action="store_true", help="even if there is such a file")
    restoring = commands.add_parser("restore", help="bring a backup back; the bot must not run")
    restoring.add_argument("file", type=Path, metavar="FILE")

    moving = commands.add_parser(
        "move", help="copy the memory to PostgreSQL, or back to SQLite; the bot must not run"
    )
    moving.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="postgresql://user:password@host/database or sqlite:///path/to/file.db",
    )

    status = commands.add_parser("status", help="photos, waiting and refused, group by group")
    status.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("health", help="is the bot that runs here well? exit code 0 or 1")
    listing = commands.add_parser("models", help="models that were tried, to choose MODEL from")
    listing.add_argument(
        "--measure",
        nargs="*",
        metavar="MODEL",
        help="how fast they are on this machine: those that are here, or those that are named, "
        "which are downloaded if need be",
    )
    listing.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("check", help="are settings, database, model and tokens in order?")
    return parser


def _spare_minus(arguments: Sequence[str]) -> list[str]:
    """`find cake -cat`: words with a minus are no options. With a space before it they are none."""
    if "find" not in arguments[:1]:
        return list(arguments)
    return [f" {each}" if _MINUS_WORD.match(each) else each for each in arguments]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


def _run(options: argparse.Namespace, redact: Redactor) -> int:
    if options.command == "check":
        return _check(redact)
    chosen = settings.load(ENV_FILE)
    redact.hide(*chosen.secrets)
    if options.command == "health":
        return _health(chosen)
    running = options.command in (None, "run", "demo")
    if not running:
        log_to_stderr("ERROR", HUMAN, redact)
    else:
        log_to_stderr(chosen.log_level, chosen.log_format, redact)
        if settings.others_can_read(ENV_FILE):
            logging.getLogger(__name__).warning("%s", settings.readable(ENV_FILE))
        role = Role(getattr(options, "role", Role.BOTH))
        return _serve(chosen, role, demo=options.command == "demo")
    if options.command == "import":
        return _import(chosen, options)
    if options.command == "find":
        return _find(chosen, options)
    if options.command == "which":
        return _which(chosen, options)
    if options.command in ("name", "names", "unname"):
        return _names(chosen, options)
    if options.command in ("backup", "restore"):
        return _copies(chosen, options)
    if options.command == "move":
        return _move(chosen, options, redact)
    if options.command == "models":
        return _models(chosen, options)
    return _status(chosen, options)


def _serve(chosen: Settings, role: Role, demo: bool) -> int:
    from bot import app, terminal

    async def until_stopped() -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            if not task.cancelling():  # a second signal must not cut the clean stop short
                task.cancel()

        if sys.platform != "win32":  # its event loop takes no signals
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
        with contextlib.suppress(asyncio.CancelledError):
            if demo:
                await app.demo(chosen, terminal.demo_bar())
            else:
                await app.serve(chosen, role)

    asyncio.run(until_stopped())
    return 0


def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end; SIGTERM stops it as Ctrl-C does."""
    stopped = False

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal stopped
            if not stopped:
                stopped = task.cancel()

        if sys.platform != "win32":  # its event loop takes no signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        return await work

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _import(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import moving, terminal

    if options.group is not None and not options.group.strip():
        raise SettingsError("a group's name needs at least one character")
    order = moving.ImportOrder(
        options.path,
        options.group or "",
        options.author.strip(),
        tuple(options.chat),
        options.dry_run,
    )
    summary, notice = _finish(
        moving.import_from(chosen, order, terminal.import_bar(), terminal.download_bar())
    )
    terminal.print_summary(summary, notice)
    if options.report is not None:
        try:
            terminal.write_report(summary, options.report)
        except OSError as error:
            raise ShoeboxError(f"{options.report} can't be written: {error.strerror}") from None
    return 0


def _find(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import app, terminal

    words = " ".join(options.words)
    answer, files = _finish(
        app.find(chosen, words, options.group, options.top, terminal.download_bar())
    )
    if options.nearest:
        answer = terminal.with_nearest(answer)
    if options.json:
        terminal.print_notes(answer)
        print(terminal.answer_json(answer, files))
    else:
        terminal.print_answer(answer, files)
    return 0


def _which(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import app, terminal

    verdict = _finish(app.which(chosen, options.photo, options.options, terminal.download_bar()))
    if options.json:
        print(terminal.verdict_json(verdict))
    else:
        terminal.print_verdict(verdict)
    return 0


def _names(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import app, terminal

    if options.command == "names":
        terminal.print_names(_finish(app.names(chosen, options.group)))
        return 0
    words = " ".join(options.words)
    if options.command == "name":
        said = _finish(app.name(chosen, options.photo, words, options.group))
    else:
        said = _finish(app.unname(chosen, words, options.group))
    print(terminal.plain(said))
    return 0


def _copies(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import app, terminal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.command == "backup":
        terminal.print_backups(app.backup(chosen, options.file, options.overwrite))
        terminal.print_not_backed_up(app.not_backed_up(chosen))
    else:
        terminal.print_restored(app.restore(chosen, options.file))
    return 0


def _move(chosen: Settings, options: argparse.Namespace, redact: Redactor) -> int:
    from bot import database_url, relocation, terminal

    to = relocation.target_of(options.to)
    redact.hide(*chosen.secrets, *database_url.passwords(to))
    moved = _finish(relocation.move(chosen, to, terminal.moving_bar(), terminal.comparing_bar()))
    terminal.print_moved(moved)
    return 0 if moved.same else 1


def _status(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import report, terminal

    status = _finish(report.status(chosen))
    if options.json:
        print(terminal.status_json(status, chosen.model))
    else:
        terminal.print_status(status, chosen.model)
    return 0


def _models(chosen: Settings, options: argparse.Namespace) -> int:
    from bot import catalog, terminal

    lines = catalog.look(chosen)
    if options.measure is not None:
        known = {line.entry.name: line for line in lines}
        if unknown := [name for name in options.measure if name not in known]:
            raise SettingsError(f"{unknown[0]!r} is not in the list; set MODEL to measure another")
        wanted = options.measure or [line.entry.name for line in lines if line.here]
        bar = terminal.measuring_bar()
        for done, name in enumerate(wanted):
            bar(done, len(wanted))
            measuring = catalog.measured(chosen, known[name], terminal.download_bar())
            known[name] = _finish(measuring)
        bar(len(wanted), len(wanted))
        lines = list(known.values())
    if options.json:
        print(terminal.models_json(lines, chosen.model))
    else:
        terminal.print_models(lines, chosen.model)
    return 0


def _health(chosen: Settings) -> int:
    from bot.checkup import checkup

    well, line = checkup(chosen)
    print(harmless(line))
    return 0 if well else 1


def _check(redact: Redactor) -> int:
    from bot import app, terminal

    with contextlib.suppress(ShoeboxError):  # the first of the checks says so
        redact.hide(*settings.load(ENV_FILE).secrets)
    log_to_stderr("ERROR", HUMAN, redact)
    checks = _finish(app.check(ENV_FILE))
    terminal.print_checks([replace(check, line=redact(check.line)) for check in checks])
    return 0 if all(check.fine for check in checks) else 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _end(code: int) -> NoReturn:
    """A load or a download may still be in native code, in a daemon thread. An interpreter that
    is taken down under it aborts, so then the process ends without that.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # whoever read us has gone
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    _end(main())
