"""PostgreSQL's own programs copy a memory and bring it back, as docs/backup.md has it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bot.photos import EVERYONE, PhotoRef, Post
from storage.postgres import PostgresStore
from tests.documents import ROOT, commands
from tests.postgres import Server, client
from tests.test_both_stores import MODEL, unit

GROUP, OTHER = "telegram:-1", "telegram:-2"
SAID = commands((ROOT / "docs/backup.md").read_text("utf-8"))
VECTOR = unit(np.random.default_rng(3))


def of_the_page(program: str) -> str:
    """A command as it stands there."""
    (found,) = [each for each in SAID if each.startswith(f"{program} ")]
    return found


async def ran(command: str, url: str) -> None:
    """The real program, on that server."""
    place = urlsplit(url)
    told, _, source = command.partition(" < ")
    told, _, target = told.partition(" > ")
    program, *arguments = shlex.split(told)
    environment = {
        **os.environ,
        **{"PGPASSWORD": str(place.password), "PGUSER": str(place.username)},
        **{"PGHOST": str(place.hostname), "PGPORT": str(place.port)},
    }
    given = Path(source).read_bytes() if source else b""

    def run() -> subprocess.CompletedProcess[bytes]:
        words: list[str | Path] = [client(program), *arguments]
        return subprocess.run(words, env=environment, input=given, capture_output=True)

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    if target:
        Path(target).write_bytes(done.stdout)


async def fill(store: PostgresStore) -> None:
    now = datetime.now(UTC)
    await store.models.answer(MODEL)
    for group in (GROUP, OTHER):
        post = Post(group, "c", "1", "ann", "Ann", now, (PhotoRef("file", "k", "/p"),), "a cake")
        added = (await store.remember(post)).added
        await store.save_vectors(MODEL, added, VECTOR[None])
        await store.names.give(added[0], "goose", "Goose", "ann")


async def is_whole(store: PostgresStore, group: str = GROUP) -> bool:
    found = await store.search([group], EVERYONE, ["cake"], [VECTOR], MODEL, 3)
    return found.total == 1 and "goose" in await store.names.of([group], EVERYONE)


async def test_a_dump_is_a_memory_in_a_new_database(
    postgres_server: Server, postgres_url: str, tmp_path: Path
) -> None:
    name = postgres_url.rpartition("/")[2]
    again = f"t{uuid.uuid4().hex[:12]}"
    where = urlsplit(postgres_url)

    def here(command: str) -> str:
        server = f"{where.hostname}:{where.port}"
        for said, meant in (
            ("/somewhere/else", str(tmp_path)),
            ("localhost/shoebox", f"{server}/{name}"),
            ("localhost/again", f"{server}/{again}"),
            (" again", f" {again}"),
        ):
            command = command.replace(said, meant)
        return command

    async with PostgresStore(postgres_url) as store:
        await fill(store)
        await ran(here(of_the_page("pg_dump")), postgres_url)  # while it is used
        await store.groups.erase(GROUP)
    await ran(here(of_the_page("createdb")), postgres_url)
    await ran(here(of_the_page("pg_restore")), postgres_url)
    async with PostgresStore(postgres_server.url(again)) as back:
        assert await is_whole(back), "what was forgotten since, too: the page says so"
        assert await back.remember(
            Post(GROUP, "c", "2", "bob", "Bob", datetime.now(UTC), (PhotoRef("file", "l", "/l"),))
        ), "numbers go on behind those that are given"
    await ran(f"dropdb {again}", postgres_url)


async def test_a_dump_takes_the_place_of_what_is_there_in_containers(
    postgres_server: Server, tmp_path: Path
) -> None:
    inside = "docker compose exec -T database "
    mine, again, before = (f"t{uuid.uuid4().hex[:12]}" for _ in range(3))
    names = {"shoebox": mine, "again": again, "before": before}

    def here(command: str) -> str:
        kept = command.replace("--username=shoebox ", "").replace("monday.dump", f"{tmp_path}/m")
        return re.sub(r"\b(?:shoebox|again|before)\b", lambda found: names[found[0]], kept)

    url = postgres_server.url(mine)
    await ran(f"createdb {mine}", url)
    async with PostgresStore(url) as store:
        await fill(store)
    dump, *rest = [each.removeprefix(inside) for each in SAID if each.startswith(inside)]
    await ran(here(dump), url)
    async with PostgresStore(url) as store:
        await store.groups.erase(GROUP)
    assert [each.split()[0] for each in rest] == ["createdb", "pg_restore", "psql", "psql"]
    for command in rest:
        await ran(here(command), url)
    async with PostgresStore(url) as store:
        assert await is_whole(store)
        assert await is_whole(store, OTHER)
    async with PostgresStore(postgres_server.url(before)) as store:
        assert not await is_whole(store)
    for name in (mine, before):
        await ran(f"dropdb {name}", url)
