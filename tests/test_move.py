"""A memory that goes from SQLite to PostgreSQL and back stays what it was."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot import relocation
from bot.__main__ import main
from bot.errors import SettingsError, StoreError
from bot.lock import IndexerLock
from bot.photos import EVERYONE, PhotoRef
from bot.relocation import Moved, move
from bot.settings import Settings
from storage import backup, writing
from storage import relocation as pieces
from storage.backup import MEMORY
from storage.chatlog import ChatLog, Find, Reply
from storage.comparison import Comparison, compare
from storage.connection import Database
from storage.pg.pool import Pool
from storage.pg.reading import PgReader
from storage.pg.writing import PgWriter
from storage.postgres import PostgresStore
from storage.reading import SqliteReader
from storage.records import (
    GroupIds,
    GroupRecord,
    Highest,
    JobRecord,
    MemoryRecord,
    ModelRecord,
    NameRecord,
    PhotoRecord,
    PostRecord,
    ReplyRecord,
)
from storage.relocation import relocate
from storage.sides import Place, Reader, Writer
from storage.sqlite import SqliteStore
from storage.writing import SqliteWriter
from tests.memories import ANSWERING, FAMILY, LEFT, SERVER, fill, post_of, vectors
from tests.postgres import Server
from tests.stores import AnyStore
from tests.test_command_line import environment
from tests.test_pg_statements import EVERY, OF_GROUPS, missing

QUIET: Callable[[int, int], None] = lambda done, total: None  # noqa: E731


def at(database: Path | str) -> Settings:
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    return Settings(database_url=url)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


async def moved(source: Path | str, to: Path | str) -> Moved:
    target = to if isinstance(to, str) else url_of(to)
    return await move(at(source), target, QUIET, QUIET)


@asynccontextmanager
async def pool_of(url: str, unfinished: bool = False) -> AsyncIterator[Pool]:
    pool = Pool(url, connections=3, unfinished=unfinished)
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def file_of(path: Path) -> AsyncIterator[Database]:
    db = Database(path, MEMORY)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


async def records(reader: Reader) -> dict[str, Any]:
    """All that a memory holds."""
    found: dict[str, Any] = {"memory": await reader.memory()}
    for key in await reader.groups():
        ids = await reader.ids(key)
        found[key] = await reader.group(key), await reader.posts(key, ids.posts.tolist())
    found["answers"] = await reader.answers(0, 10_000)
    return found


async def in_file(path: Path) -> dict[str, Any]:
    async with file_of(path) as db:
        return await records(SqliteReader(db))


async def in_server(url: str) -> dict[str, Any]:
    async with pool_of(url) as pool:
        return await records(PgReader(pool))


def run_sql(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(sql).fetchall()


async def ask(url: str, sql: str) -> list[Any]:
    db = await asyncpg.connect(url)
    try:
        return list(await db.fetch(sql))
    finally:
        await db.close()


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """A memory with everything in it."""
    path = tmp_path / "data" / "shoebox.db"
    async with SqliteStore(path) as store:
        await fill(store)
    return path


def test_the_memory_has_everything(source: Path) -> None:
    """What the tests below move is all that there can be."""
    tables = {name for (name,) in run_sql(source, "SELECT name FROM pragma_table_list")}
    ours = {t for t in tables if not t.startswith(("sqlite_", "texts_index", "replies_index"))}
    empty = {t for t in ours if not run_sql(source, f"SELECT 1 FROM {t} LIMIT 1")}
    assert empty == {"packs"}


async def test_over_and_back(source: Path, postgres_url: str, tmp_path: Path) -> None:
    before = await in_file(source)
    content = source.read_bytes()
    over = await moved(source, postgres_url)
    assert over.same
    assert over.comparison.photos == sum(len(p.photos) for p in posts_in(before))
    assert source.read_bytes() == content, "the source stays as it is"
    there = await in_server(postgres_url)
    assert there == before

    back = await moved(postgres_url, tmp_path / "new" / "shoebox.db")
    assert back.same
    again = await in_file(tmp_path / "new" / "shoebox.db")
    assert again == before
    assert (tmp_path / "new" / "shoebox.db").stat().st_mode & 0o077 == 0
    left = sorted(file.name for file in (tmp_path / "new").iterdir())
    assert [name for name in left if "part" in name] == [], "nothing is left of the way"


def posts_in(found: dict[str, Any]) -> list[PostRecord]:
    return [post for key in (FAMILY, SERVER, LEFT) for post in found[key][1]]


async def test_a_memory_that_came_back_works(
    source: Path, postgres_url: str, tmp_path: Path
) -> None:
    """Not by our own reader, but by what people do with it."""
    path = tmp_path / "back.db"
    await moved(source, postgres_url)
    await moved(postgres_url, path)
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"
    assert run_sql(path, schema) == run_sql(source, schema), "tables, indexes and triggers"
    for index in ("texts_index", "replies_index"):
        run_sql(path, f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
    assert run_sql(path, "PRAGMA integrity_check") == [("ok",)]
    assert run_sql(path, "PRAGMA foreign_key_check") == []
    known = run_sql(path, "SELECT max(id) FROM photos")[0][0]
    async with SqliteStore(path) as store:
        found = await store.search([FAMILY], EVERYONE, ["cake"], [], None, 10)
        assert len(found.items) == 6
        told = await store.remember(post_of(FAMILY, "secret"))
        assert told.added == (), "what was forgotten stays forgotten"
        assert await store.people.refuses("eve")
        (new,) = (await store.remember(post_of(FAMILY, "new"))).added
        assert new > known
        assert (await store.posted(FAMILY, "main", "new"))[0].id == new
        assert await store.scrub()


async def test_back_and_over(postgres_server: Server, tmp_path: Path, small_steps: None) -> None:
    """A memory that PostgreSQL's own store has written, and that goes on in another database."""
    path = tmp_path / "data" / "shoebox.db"
    async with postgres_server.database() as one, postgres_server.database() as two:
        async with PostgresStore(one) as store:
            token, _ = await fill(store)
            wanted = [(await photos_with(store, words), words) for words in ("cake", "汽车")]
        before = await in_server(one)
        assert (await moved(one, path)).same
        assert await in_file(path) == before
        assert (await moved(path, two)).same
        assert await in_server(two) == before
        async with PostgresStore(two) as store:
            assert [(await photos_with(store, words), words) for _, words in wanted] == wanted
            _, hits = await store.answers.page(token, FAMILY, "bob", [FAMILY], EVERYONE, 0)
            assert [hit.photo.post.message for hit in hits] == ["0", "1"]
            told = await store.remember(post_of(FAMILY, "secret"))
            assert told.added == (), "what was forgotten stays forgotten"
            assert await store.people.refuses("eve")
            assert len((await store.remember(post_of(FAMILY, "new", "abc"))).added) == 3
            await store.save_vectors(ANSWERING, [hits[0].photo.id], vectors(1, 8))
            assert await store.answers.keep(None, "ann", "newest", []) > token


async def photos_with(store: AnyStore, words: str) -> list[tuple[str, str]]:
    found = await store.search([FAMILY], EVERYONE, [words], [], None, 10)
    photos = await store.photos([item.photo for item in found.items])
    return sorted((photo.post.message, photo.ref.key) for photo in photos)


async def test_tokens_lead_to_the_same_answers_and_no_id_to_another_photo(
    tmp_path: Path, postgres_url: str
) -> None:
    path, back = tmp_path / "one.db", tmp_path / "two.db"
    async with SqliteStore(path) as store:
        token, alone = await fill(store)
    (highest,) = run_sql(path, "SELECT seq FROM sqlite_sequence WHERE name = 'photos'")[0]
    await moved(path, postgres_url)
    over = [photo for (photo,) in await ask(postgres_url, "SELECT id FROM photos ORDER BY id")]
    assert min(over) > highest, "an old button leads nowhere, and not to another photo"
    tokens = [each for (each,) in await ask(postgres_url, "SELECT id FROM answers ORDER BY id")]
    assert tokens == [each for (each,) in run_sql(path, "SELECT id FROM answers ORDER BY id")]
    given = run_sql(path, "SELECT seq FROM sqlite_sequence WHERE name = 'answers'")[0][0]
    assert given > tokens[-1]
    await ask(
        postgres_url, "INSERT INTO answers (asker, words, given_at) VALUES ('x', 'new', 1e12)"
    )
    last = await ask(postgres_url, "SELECT max(id) FROM answers")
    assert last[0][0] == given + 1, "nor one that went"

    await moved(postgres_url, back)
    kept = [photo for (photo,) in run_sql(back, "SELECT id FROM photos ORDER BY id")]
    assert kept == over, "what PostgreSQL gave stays"
    async with SqliteStore(back) as store:
        words, hits = await store.answers.page(token, FAMILY, "bob", [FAMILY], EVERYONE, 0)
        assert words == "the goose"
        assert [hit.photo.post.message for hit in hits] == ["0", "1"]
        assert [copy.photo.post.message for copy in hits[1].copies] == ["2"]
        words, hits = await store.answers.page(alone, None, "ann", [SERVER], EVERYONE, 0)
        assert [hit.photo.post.message for hit in hits] == ["s1"]
        (new,) = (await store.remember(post_of(FAMILY, "new"))).added
        groups = await ask(postgres_url, "SELECT max(id) FROM groups")
        assert new >> 29 > groups[0][0], "above all that PostgreSQL could have given"
        assert await store.answers.keep(None, "ann", "newest", []) == given + 2


async def test_photos_keep_their_order_through_several_moves(
    source: Path, postgres_server: Server, tmp_path: Path
) -> None:
    def order(path: Path) -> list[tuple[str, str, str]]:
        return run_sql(
            path,
            "SELECT groups.key, message, photos.key FROM photos JOIN posts ON posts.id = post_id"
            " JOIN groups ON groups.id = photos.group_id ORDER BY groups.key, photos.id",
        )

    wanted = order(source)
    by_post = sorted(wanted, key=lambda each: (each[0], each[1]))
    assert wanted != by_post, "a post got a photo later than others"
    back = tmp_path / "back.db"
    async with postgres_server.database() as one, postgres_server.database() as two:
        await moved(source, one)
        await moved(one, back)
        assert order(back) == wanted
        await moved(back, two)
        given = [await ask(url, "SELECT id FROM photos") for url in (one, two)]
        assert not set(given[0]) & set(given[1]), "not even after several moves"
        await moved(two, tmp_path / "last.db")
        assert order(tmp_path / "last.db") == wanted


async def test_every_statement_of_a_move_names_the_group(
    source: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    acquired = Pool._acquired

    @asynccontextmanager
    async def watched(pool: Pool, what: str) -> AsyncIterator[Any]:
        async with acquired(pool, what) as db, watching(db, asked):
            yield db

    monkeypatch.setattr(Pool, "_acquired", watched)
    await moved(source, postgres_url)
    await moved(postgres_url, tmp_path / "back.db")
    asked = {sql for sql in asked if "pg_catalog" not in sql}  # the driver's own
    ours = {sql for sql in asked if any(table in sql for table in OF_GROUPS)}
    assert len(ours) > 20
    assert {sql: missing(sql) for sql in ours if EVERY not in sql and missing(sql)} == {}


@asynccontextmanager
async def watching(db: Any, asked: set[str]) -> AsyncIterator[None]:
    with db.query_logger(lambda record: asked.add(record.query)):
        yield


# --- broken off


class Killed(Exception):
    """The process ends here."""


class Mortal:
    """A Writer whose process ends at each transaction twice: right before it, right after it."""

    def __init__(self, writer: Writer, dead: set[tuple[str, Place | None, str]]) -> None:
        self._writer = writer
        self._dead = dead
        self.place = writer.place

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        verb = getattr(self._writer, name)

        async def mortal(*arguments: Any) -> Any:
            if name == "begun":
                return await verb(*arguments)
            last = arguments[-1] if arguments and isinstance(arguments[-1], Place) else None
            self._die(name, last, "before")
            done = await verb(*arguments)
            self._die(name, last, "after")
            return done

        return mortal

    def _die(self, name: str, place: Place | None, when: str) -> None:
        if (name, place, when) not in self._dead:
            self._dead.add((name, place, when))
            raise Killed


async def resumed(source: Reader, opened: Callable[[], Any]) -> int:
    """Move, dying wherever one can; how often that was."""
    dead: set[tuple[str, Place | None, str]] = set()
    while True:
        async with opened() as writer:
            try:
                await relocate(source, Mortal(writer, dead), QUIET)  # type: ignore[arg-type]
            except Killed:
                continue
            return len(dead)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "POSTS", 3)
    monkeypatch.setattr(pieces, "ANSWERS", 1)


@pytest.mark.usefixtures("small_steps")
async def test_killed_anywhere_it_goes_on(source: Path, postgres_url: str, tmp_path: Path) -> None:
    before = await in_file(source)

    @asynccontextmanager
    async def to_server() -> AsyncIterator[PgWriter]:
        async with pool_of(postgres_url, unfinished=True) as pool:
            yield PgWriter(pool)

    async with file_of(source) as db:
        deaths = await resumed(SqliteReader(db), to_server)
    assert deaths > 20
    with pytest.raises(StoreError, match="not finished"):
        await in_server(postgres_url)
    assert (await moved(source, postgres_url)).same
    assert await in_server(postgres_url) == before

    back = tmp_path / "back.db"
    async with pool_of(postgres_url) as pool:
        deaths = await resumed(PgReader(pool), lambda: SqliteWriter(back))
    assert deaths > 20
    assert not back.exists(), "half a memory has another name"
    assert (await moved(postgres_url, back)).same
    assert await in_file(back) == before


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_while_the_file_gets_its_name(
    source: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    put_in_place, back = backup.put_in_place, tmp_path / "back.db"

    def mortal(part: Path, to: Path) -> None:
        if when == "after":
            put_in_place(part, to)
        raise Killed

    await moved(source, postgres_url)
    monkeypatch.setattr(writing, "put_in_place", mortal)
    with pytest.raises(Killed):
        await moved(postgres_url, back)
    monkeypatch.setattr(writing, "put_in_place", put_in_place)
    assert back.exists() == (when == "after")
    assert (await moved(postgres_url, back)).same
    assert await in_file(back) == await in_file(source)
    assert not run_sql(back, "SELECT 1 FROM sqlite_schema WHERE name = 'moving'")


async def test_a_process_that_is_killed(tmp_path: Path, postgres_url: str) -> None:
    path = tmp_path / "data" / "shoebox.db"
    await made_up(path, groups=3, posts=1200)
    command = [sys.executable, "-m", "bot", "move", "--to", postgres_url]
    env = environment(None) | {"DATABASE_URL": url_of(path)}

    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if (await ask(postgres_url, "SELECT to_regclass('moving')"))[0][0] and (
            await ask(postgres_url, "SELECT photos FROM moving WHERE photos > 0")
        ):
            break
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "in the middle"

    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "3 groups, 3,600 photos, 0 answers" in done.stdout
    assert "compared record by record: the same" in done.stdout
    assert "photo/s" in done.stderr, "a bar was shown"
    assert "secret-word" not in done.stdout + done.stderr
    stays = done.stdout.splitlines()[-1]
    assert stays.startswith(f"not moved: what else is in {path.parent} ")
    assert stays.endswith(f"; set DATA_FOLDER={path.parent}")
    assert await in_server(postgres_url) == await in_file(path)


async def test_what_has_changed_meanwhile_is_not_patched_up(
    source: Path, postgres_url: str
) -> None:
    await until_settled(source, postgres_url)
    async with SqliteStore(source) as store:
        await store.remember(post_of(FAMILY, "later"))
    with pytest.raises(StoreError, match="begin anew"):
        await moved(source, postgres_url)


async def test_a_source_that_changes_on_the_way_is_noticed(source: Path, postgres_url: str) -> None:
    def noted(done: int, total: int) -> None:
        run_sql(source, f"INSERT INTO notes SELECT id, 'n{done}', '' FROM groups LIMIT 1")

    with pytest.raises(StoreError, match="has changed while it was moved"):
        await move(at(source), postgres_url, noted, QUIET)
    with pytest.raises(StoreError, match="not finished"):
        await in_server(postgres_url)


async def until_settled(source: Path, url: str) -> None:
    """All is there, and not compared."""
    async with file_of(source) as db, pool_of(url, unfinished=True) as pool:
        await relocate(SqliteReader(db), PgWriter(pool), QUIET)


# --- what is refused


async def test_only_an_empty_target_is_taken(
    source: Path, postgres_url: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    async with SqliteStore(other) as store:
        await store.remember(post_of(FAMILY, "1"))
    await moved(other, postgres_url)
    before = await in_server(postgres_url)
    with pytest.raises(StoreError, match="has held a memory already"):
        await moved(source, postgres_url)
    assert await in_server(postgres_url) == before
    content = source.read_bytes()
    with pytest.raises(StoreError, match="there is a file"):
        await moved(postgres_url, source)
    assert source.read_bytes() == content


async def test_another_memory_does_not_go_on_with_a_move(
    source: Path, postgres_url: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    async with SqliteStore(other) as store:
        await fill(store)
    await until_settled(source, postgres_url)
    with pytest.raises(StoreError, match="what another memory held"):
        await moved(other, postgres_url)
    assert (await moved(source, postgres_url)).same


async def test_not_while_a_bot_runs(
    source: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.pg import alone

    monkeypatch.setattr(alone, "LINGERING_SECONDS", 0)
    with IndexerLock(source), pytest.raises(StoreError, match="stop it first"):
        await moved(source, postgres_url)
    async with pool_of(postgres_url):
        with pytest.raises(StoreError, match=r"another Shoebox runs on .* stop it first"):
            await moved(source, postgres_url)
        with pytest.raises(StoreError, match=r"another Shoebox runs on .* stop it first"):
            await moved(postgres_url, tmp_path / "back.db")
    elected = await asyncpg.connect(postgres_url)
    await elected.execute("SELECT pg_advisory_lock(42)")
    with pytest.raises(StoreError, match="stop it first"):
        await moved(source, postgres_url)
    await elected.close()
    await ask(postgres_url, "INSERT INTO workers VALUES (gen_random_uuid(), now())")
    with pytest.raises(StoreError, match="worked within the last"):
        await moved(source, postgres_url)
    await ask(postgres_url, "UPDATE workers SET seen_at = now() - interval '2 minutes'")
    assert (await moved(source, postgres_url)).same
    back = tmp_path / "back.db"
    with IndexerLock(back), pytest.raises(StoreError, match="stop it first"):
        await moved(postgres_url, back)


async def test_what_makes_no_sense_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="backup copies a file"):
        await moved(source, tmp_path / "other.db")
    with pytest.raises(SettingsError, match="pg_dump"):
        await moved("postgresql://a@127.0.0.1/b", "postgresql://a@127.0.0.1/c")
    nowhere = tmp_path / "nowhere.db"
    with pytest.raises(StoreError, match="there is no memory"):
        await moved(nowhere, "postgresql://a@127.0.0.1:1/b")
    assert not nowhere.exists()
    with pytest.raises(SettingsError, match=r"^--to: 'mysql' is not supported"):
        relocation.target_of("mysql://a:secret-word@b/c")


def test_a_password_is_not_told(
    source: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from storage.pg import pool

    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 0)
    monkeypatch.setenv("DATABASE_URL", url_of(source))
    assert main(["move", "--to", "postgresql://a:secret-word@127.0.0.1:1/b"]) == 2
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert "127.0.0.1:1/b can't be opened" in told
    assert "secret-word" not in told


# --- the comparison

CHANGES = (
    ("UPDATE texts SET text = 'other' WHERE text <> ''", "words of photo 1 of the message 0"),
    ("DELETE FROM vectors WHERE model_id = 2", "vectors of photo"),
    ("DELETE FROM posts WHERE message = '3'", "posts here and"),
    ("UPDATE posts SET posted_at = posted_at + interval '1 us'", "posted at of the message"),
    ("DELETE FROM replies WHERE message = 'r1'", "replies of photo 1 of the message 1"),
    ("UPDATE names SET giver = 'eve'", "names of photo"),
    ("UPDATE jobs SET attempts = attempts + 1", "jobs of photo"),
    ("UPDATE photos SET refused = NULL", "refused of photo"),
    ("DELETE FROM forgotten", f"forgotten of the group {FAMILY}"),
    ("DELETE FROM notes", f"notes of the group {FAMILY}"),
    ("UPDATE groups SET left_at = 1", "left at of the group"),
    ("DELETE FROM groups WHERE key LIKE 'discord:%'", "groups: 3 here and 2 there"),
    ("UPDATE salt SET value = 'x'", "salt of the memory"),
    ("DELETE FROM refusing", "refusing of the memory"),
    ("UPDATE models SET role = ''", "models of the memory"),
    ("DELETE FROM answers WHERE asker = 'ann'", "the answer"),
    ("UPDATE answer_photos SET score = 0", "the answer"),
    ("UPDATE photos SET id = id + 1000 WHERE key = 'a' AND post_id % 4 = 2", "the order of"),
)


class Within:
    """A Pool of one connection, in whose transaction something was changed."""

    place = "here"

    def __init__(self, db: asyncpg.Connection[Any]) -> None:
        self._db = db
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        async with self._turn:
            yield self._db

    snapshot = read


async def test_a_difference_is_told(source: Path, postgres_url: str) -> None:
    await until_settled(source, postgres_url)
    async with file_of(source) as db, pool_of(postgres_url, unfinished=True) as pool:
        same = await compare(SqliteReader(db), PgReader(pool), QUIET)
        assert same == Comparison(groups=3, posts=11, photos=13, answers=2)
        async with pool.read() as changed:
            there = PgReader(Within(changed))  # type: ignore[arg-type]
            for sql, wanted in CHANGES:
                transaction = changed.transaction()
                await transaction.start()
                assert not (await changed.execute(sql)).endswith(" 0"), sql
                found = await compare(SqliteReader(db), there, QUIET)
                await transaction.rollback()
                assert found.differences >= len(found.told) > 0, sql
                assert any(wanted in line for line in found.told), (sql, found.told)


def test_a_target_that_differs_is_not_used(
    source: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    asyncio.run(until_settled(source, postgres_url))
    asyncio.run(ask(postgres_url, "UPDATE texts SET caption = 'other'"))
    monkeypatch.setenv("DATABASE_URL", url_of(source))
    assert main(["move", "--to", postgres_url]) == 1
    told = capfd.readouterr().out.splitlines()
    assert f"  differs: words of photo 1 of the message 0 in {FAMILY}" in told
    assert told[-1].endswith("is not used: empty it, and move again")
    with pytest.raises(StoreError, match="not finished"):
        asyncio.run(in_server(postgres_url))


# --- the web chat


async def test_answers_in_the_web_chat_show_the_same_photos(
    source: Path, postgres_url: str, tmp_path: Path
) -> None:
    def find(photo: int, *copies: Find) -> Find:
        return Find(photo, "Ann", datetime(2024, 5, 1, tzinfo=UTC), "", (), "", None, copies)

    ids = [photo for (photo,) in run_sql(source, "SELECT id FROM photos ORDER BY id")]
    chat = source.parent / "web" / "chat.db"
    async with ChatLog(chat) as log:
        asked = await log.add("fam", "Ann", "/find cake", question="cake")
        finds = find(ids[0], find(ids[3])), find(ids[-1]), find(10**6)
        await log.answer(asked.id, Reply("Here.", finds=finds))
    old = await keys_of(source, ids)
    over = await moved(source, postgres_url)
    assert over.chat_copy is not None
    async with ChatLog(over.chat_copy) as log:
        assert await log.shown_photos() == {ids[0], ids[3], ids[-1], 10**6}, "as it was"
    back = tmp_path / "back.db"
    assert (await moved(postgres_url, back)).chat_copy is None
    async with ChatLog(chat) as log:
        told = await log.get(asked.id)
    assert told is not None
    assert told.reply is not None
    first, second, third = told.reply.finds
    shown = [first.photo, first.copies[0].photo, second.photo]
    assert set(shown).isdisjoint(ids)
    assert await keys_of(back, shown) == [old[0], old[3], old[-1]]
    assert third.photo == 10**6, "what is unknown stays so"


async def keys_of(path: Path, ids: Sequence[int]) -> list[tuple[str, str]]:
    async with SqliteStore(path) as store:
        return [(photo.post.message, photo.ref.key) for photo in await store.photos(ids)]


# --- whatever may be in it

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BLOBS = st.binary(max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(timezones=st.just(UTC))
MODELS = ("f00d", 3), ("beef", 5)


@st.composite
def halves(draw: st.DrawFn, dimension: int) -> bytes:
    values = st.floats(-1, 1, width=16)
    found = draw(st.lists(values, min_size=dimension, max_size=dimension))
    return np.array(found, "<f2").tobytes()


PHOTOS = st.builds(
    PhotoRecord,
    id=st.just(0),
    ref=st.builds(PhotoRef, TEXTS, TEXTS, TEXTS, TEXTS),
    refused=st.none() | TEXTS,
    final=st.booleans(),
    words=st.none() | st.tuples(TEXTS, TEXTS),
    look=st.none() | BLOBS,
    thumbnail=st.none() | BLOBS,
    jobs=st.lists(
        st.builds(
            JobRecord,
            st.sampled_from(["embed", "fingerprint", "read", "renew"]),
            st.integers(0, 1000),
            FLOATS,
            st.none() | TEXTS,
            FLOATS,
        ),
        max_size=2,
        unique_by=lambda job: job.task,
    ).map(lambda jobs: tuple(sorted(jobs, key=lambda job: job.task))),
    vectors=st.sampled_from([(), MODELS[:1], MODELS[1:], MODELS]).flatmap(
        lambda models: st.tuples(*(st.tuples(st.just(m), halves(d)) for m, d in models))
    ),
    unseen=st.sampled_from([(), (("beef", "gone"),)]),
    replies=st.lists(
        st.builds(ReplyRecord, TEXTS, TEXTS, st.none() | BLOBS),
        max_size=2,
        unique_by=lambda reply: clean(reply.message),
    ).map(tuple),
    names=st.lists(
        st.builds(NameRecord, TEXTS, TEXTS, TEXTS), max_size=2, unique_by=lambda n: clean(n.key)
    ).map(lambda names: tuple(sorted(names, key=lambda name: clean(name.key).encode()))),
)
POSTS = st.builds(
    PostRecord,
    id=st.just(0),
    channel=TEXTS,
    message=TEXTS,
    author=TEXTS,
    author_name=TEXTS,
    posted_at=MOMENTS,
    caption=TEXTS,
    album=TEXTS,
    link=st.none() | TEXTS,
    spoiler=st.booleans(),
    protected=st.booleans(),
    photos=st.lists(PHOTOS, max_size=3, unique_by=lambda photo: clean(photo.ref.key)).map(tuple),
)


def clean(text: str) -> str:
    """As PostgreSQL can hold it."""
    return text.replace("\0", " ")


@hypothesis_settings(
    max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(
    st.lists(POSTS, max_size=20, unique_by=lambda post: (clean(post.channel), clean(post.message))),
    st.randoms(use_true_random=False),
)
def test_whatever_is_in_it_comes_over_and_back(
    postgres_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
    posts: list[PostRecord],
    chance: Any,
) -> None:
    folder = tmp_path_factory.mktemp("any")

    async def there_and_back() -> None:
        path, back = folder / "one.db", folder / "back.db"
        ids = chance.sample(range(1, 10_000), sum(len(post.photos) for post in posts))
        await written(path, {"g": with_ids(posts, ids)})
        async with postgres_server.database() as url:
            over = await moved(path, url)
            assert over.same, over.comparison.told
            home = await moved(url, back)
            assert home.same, home.comparison.told
        found = await in_file(back)
        assert found == await in_file(path)
        assert [post.caption for post in found["g"][1]] == [clean(post.caption) for post in posts]

    asyncio.run(there_and_back())


def with_ids(posts: Sequence[PostRecord], photos: Sequence[int]) -> list[PostRecord]:
    """Posts numbered in their order; photos get these ids, ascending within each post."""
    left, found = iter(photos), []
    for n, post in enumerate(posts, start=1):
        ids = sorted(next(left) for _ in post.photos)
        own = (replace(photo, id=id_) for photo, id_ in zip(post.photos, ids, strict=True))
        found.append(replace(post, id=n, photos=tuple(own)))
    return found


async def written(path: Path, groups: dict[str, list[PostRecord]]) -> None:
    """A memory in SQLite that holds these posts."""
    models = tuple(ModelRecord(f, f"model {f}", d, "", 1.5) for f, d in MODELS)
    memory = MemoryRecord(b"salt", (), models, Highest(10_000_000, 7))
    async with SqliteWriter(path) as writer:
        await writer.begin("made up", memory)
        for key, posts in groups.items():
            await writer.add_group(GroupRecord(key, key, None, (), (), ()), Place())
            for start in range(0, len(posts), 1000):
                ids = GroupIds(np.array([]), np.array([]))
                await writer.add_posts(key, posts[start : start + 1000], ids, Place())
        await writer.settle(memory, Place())
        await writer.finish()


async def made_up(path: Path, groups: int, posts: int, dimension: int = 3) -> None:
    """Many photos."""
    chance = np.random.default_rng(1)
    ref = PhotoRef("file", "a", "/p/a", "a.jpg")
    found: dict[str, list[PostRecord]] = {}
    for g in range(groups):
        found[f"g{g}"] = [
            PostRecord(
                id_,
                *("main", str(id_), f"u{id_ % 50}", "Ann", datetime(2024, 1, 1, tzinfo=UTC)),
                *(f"a cake for number {id_}", "", None, False, False),
                photos=(
                    PhotoRecord(
                        *(id_, ref, None, False, (f"a cake for number {id_}", "")),
                        *(b"12345678", None, (JobRecord("read", 0, 0.0, None, 1.0),)),
                        vectors=(("f00d", half.tobytes()),),
                        unseen=(),
                        replies=(),
                        names=(),
                    ),
                ),
            )
            for id_, half in enumerate(
                chance.standard_normal((posts, dimension)).astype("<f2"), start=1 + g * posts
            )
        ]
    await written(path, found)
