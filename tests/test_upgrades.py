"""What earlier versions left, opened by this one: nothing is lost, and a copy is made first."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot import app, housekeeping
from bot.candidates import Meant
from bot.errors import StoreError
from bot.photos import EVERYONE, Group, Task
from bot.settings import Settings
from storage import backup, upgrade
from storage.backup import CHATLOG, look_into, restore
from storage.chatlog import ChatLog
from storage.sqlite import SqliteStore
from storage.upgrade import drop_copies
from tests.fixtures import kept, restored
from tests.test_bad_disks import mounted
from tests.test_command_line import ROOT, environment
from tests.test_store import MODEL, a_post, a_vector, found_by_words

MEMORIES, LOGS = kept("memory"), kept("chatlog")


def versions(package: str) -> list[int]:
    files = resources.files(package).iterdir()
    return sorted(int(f.name.partition("_")[0]) for f in files if f.name.endswith(".sql"))


NEWEST, NEWEST_LOG = versions("storage.schema")[-1], versions(CHATLOG)[-1]
OLD = MEMORIES[0]


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.before-*"))


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        made = db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%s_index'").fetchall()
        for (index,) in made:
            db.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")


def test_every_earlier_version_has_a_fixture() -> None:
    """Made by `python -m tests.fixtures` as soon as a schema is added."""
    assert set(versions("storage.schema")) - {NEWEST} <= set(MEMORIES)
    assert set(versions(CHATLOG)) - {NEWEST_LOG} <= set(LOGS)


@pytest.mark.parametrize("version", MEMORIES)
async def test_a_memory_of_each_version_is_brought_up_to_date(
    version: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="storage")
    path = restored("memory", version, tmp_path / "shoebox.db")
    async with SqliteStore(path) as store:
        await everything_is_there(store, version)
        assert await store.scrub()
        assert await store.prove_sound(60)
        (added,) = (await store.remember(a_post("new", caption="new cake"))).added
        assert await found_by_words(store, "cake") == [1, added]
        assert await store.forget("local:fam", "main", "3")
        assert await found_by_words(store, "goose") == [], "its caption was the album's"
    assert version_of(path) == NEWEST
    sound(path)
    said = [r.getMessage() for r in caplog.records if r.name == "storage.upgrade"]
    if version == NEWEST:
        assert copies(path) == []
        assert said == []
        return
    (copy,) = copies(path)
    assert copy.name.startswith(f"shoebox.db.before-v{NEWEST}-")
    assert copy.stat().st_mode & 0o077 == 0
    assert look_into(copy).photos == 10
    assert version_of(copy) == version, "as it was"
    (line,) = said
    assert f"from schema {version} to {NEWEST}" in line
    assert str(copy) in line


async def everything_is_there(store: SqliteStore, version: int) -> None:
    assert await found_by_words(store, "birthday", "cake") == [1]
    assert await found_by_words(store, "akai") == [2]
    assert await found_by_words(store, "蛋糕") == [6]
    assert await found_by_words(store, "汽车", group="telegram:-1001") == [10]
    goose = [4] if version == 1 else [4, 5]
    assert await found_by_words(store, "goose") == goose, "an album's caption is all its photos'"
    assert await found_by_words(store, "summit", group="local:fam") == []
    for photo, group in ((1, "local:fam"), (5, "local:fam"), (8, "discord:42")):
        near = await store.search([group], EVERYONE, [], [a_vector(photo)], MODEL, 1)
        assert [item.photo for item in near.items] == [photo]
    photos = {photo.id: photo for photo in await store.photos(range(1, 11))}
    assert len(photos) == 10
    assert photos[1].post == a_post(caption="Birthday CAKE for Tom")
    assert (photos[9].post.spoiler, photos[10].post.protected) == (True, True)
    assert photos[8].post.channel == "7/8/private"
    assert photos[10].post.link == "https://t.me/c/1/55"
    family = await store.groups.status("local:fam")
    assert [(r.name, r.reason) for r in family[0].refused] == [("b2.jpg", "the file is empty")]
    (job,) = await store.take(Task.EMBED, 9, ())
    assert (job.photo, job.attempts) == (6, 2)
    assert [job.photo for job in await store.take(Task.READ, 9, ())] == [6]
    looks = await store.looks([1, 2], MODEL)
    waiting = {job.photo for job in await store.take(Task.FINGERPRINT, 99, ())}
    if version < 4:
        assert waiting == set(photos) - {3}, "all but what was refused"
    else:
        assert looks[2].fingerprint == bytes([2] * 1152)
        assert waiting == {4, 5, 6, 7, 8, 9, 10}
    if version >= 2:
        await groups_are_there(store, version)
    if version >= 5:
        assert await found_by_words(store, "delicious") == [1]
        assert await store.replies.heard("discord:42", "7", ["r2", "r3"]) == {"r2"}
    if version >= 6:
        assert list(await store.names.of(["local:fam"], EVERYONE)) == ["gerda"]
        named = await store.search(
            ["local:fam"], EVERYONE, [], [], MODEL, 1, meant=Meant(("gerda",))
        )
        assert 4 in [item.photo for item in named.items]
        assert (await store.names.of(["telegram:-1001"], EVERYONE))["奶奶"].examples == 1
    if version >= 8:
        assert await store.people.refuses("u9")
    assert not await store.people.refuses("u1")
    if version >= 11:
        await store.people.forget("local:fam", "u2", 0)
        assert await found_by_words(store, "delicious") == [], "who said it was kept"


async def groups_are_there(store: SqliteStore, version: int) -> None:
    gone = await store.remember(a_post("gone", caption="must not come back"))
    assert gone.added == (), "forgotten is forgotten"
    assert [group.id for group in await store.groups.of("9001")] == ["discord:42"]
    assert await store.groups.of("77") == [], "that group was left"
    assert await store.groups.note("discord:42", "language") == "zh"
    words, hits = await store.answers.page(7, "local:fam", "u1", ["local:fam"], EVERYONE, 0)
    assert words == "cake"
    assert [(hit.rank, hit.photo.id) for hit in hits] == [(1, 1), (2, 4)]
    assert [copy.photo.id for copy in hits[1].copies] == ([5] if version >= 4 else [])
    assert hits[1].name == ("Gerda" if version >= 6 else "")
    words, hits = await store.answers.page(8, None, "9001", ["discord:42"], EVERYONE, 0)
    assert [hit.photo.post.caption for hit in hits] == ["summit"]


@pytest.mark.parametrize("version", LOGS)
async def test_a_web_chat_of_each_version_is_brought_up_to_date(
    version: int, tmp_path: Path
) -> None:
    path = restored("chatlog", version, tmp_path / "web" / "chat.db")
    async with ChatLog(path) as log:
        first, question, last = await log.recent("family")
        assert (first.text, first.attachments[0].name) == ("tea 茶", "tea.jpg")
        assert question.reply is not None
        assert question.reply.finds[0].caption == "tea 茶"
        assert last.answers == (1 if version >= 2 else None)
        (deleted,) = await log.deleted()
        await log.purge(deleted.id)
        assert await log.scrub()
        assert (await log.add("family", "Anna", "new")).id == 5, "no id comes back"
    sound(path)
    assert version_of(path) == NEWEST_LOG
    assert b"deleted words" not in path.read_bytes()
    assert [version_of(copy) for copy in copies(path)] == [version] * (version < NEWEST_LOG)


async def test_where_there_is_nothing_no_copy_is_made(tmp_path: Path) -> None:
    new, empty = tmp_path / "new.db", tmp_path / "empty.db"
    async with SqliteStore(new):
        pass
    restored("memory", MEMORIES[-2], empty)
    with closing(sqlite3.connect(empty)) as db, db:
        db.execute("PRAGMA foreign_keys = ON")
        for table in ("groups", "models", "answers", "refusing"):
            db.execute(f"DELETE FROM {table}")
    async with SqliteStore(empty):
        pass
    assert version_of(empty) == NEWEST
    assert copies(new) + copies(empty) == []


async def test_a_copy_is_of_what_was_written_last(tmp_path: Path) -> None:
    """Also of what a killed process left in the log."""
    path = restored("memory", OLD, tmp_path / "shoebox.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE posts SET caption = 'late' WHERE id = 1")
        db.commit()
        assert (tmp_path / "shoebox.db-wal").stat().st_size
        async with SqliteStore(path) as store:
            assert (await store.photos([1]))[0].post.caption == "late"
    (copy,) = copies(path)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT caption FROM posts WHERE id = 1").fetchone() == ("late",)


# What goes wrong


def refused(path: Path) -> Callable[[str], None]:
    before = path.read_bytes()

    def check(said: str) -> None:
        assert len(said.splitlines()) == 1
        assert f"{path} was not upgraded" in said
        assert "is as it was" in said
        assert path.read_bytes() == before
        assert version_of(path) == OLD
        assert copies(path) == [], "nothing half-made is left"

    return check


async def test_without_room_for_a_copy_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restored("memory", OLD, tmp_path / "shoebox.db")
    check = refused(path)
    usage = SimpleNamespace(free=path.stat().st_size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match="free some space, and start again") as error:
        async with SqliteStore(path):
            pass
    check(str(error.value))
    usage.free = 10**9
    async with SqliteStore(path) as store:
        assert await found_by_words(store, "cake") == [1]
    assert len(copies(path)) == 1


async def test_a_disk_that_is_full_in_the_middle_of_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, where one may be mounted; else as SQLite would say it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))

    def full(path: Path, *_: object, **__: object) -> None:
        try:
            with closing(sqlite3.connect(":memory:")) as db:
                db.execute("PRAGMA max_page_count = 1")
                db.execute("CREATE TABLE t (a)")
        except sqlite3.OperationalError as error:
            raise StoreError("full") from error

    with mounted(tmp_path / "disk", "size=640k") as disk:
        path = restored("memory", OLD, (disk or tmp_path) / "shoebox.db")
        check = refused(path)
        if disk is None:
            monkeypatch.setattr(upgrade, "back_up", full)
        else:
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            with (disk / "filler").open("r+b") as filler:
                filler.truncate((disk / "filler").stat().st_size - 96 * 1024)
        with pytest.raises(StoreError, match="free some space, and start again") as error:
            async with SqliteStore(path):
                pass
        check(str(error.value))


async def test_what_is_damaged_is_neither_copied_nor_upgraded(tmp_path: Path) -> None:
    path = restored("memory", OLD, tmp_path / "shoebox.db")
    torn = bytearray(path.read_bytes())
    torn[12 * 4096 : 16 * 4096] = b"\xa5" * (4 * 4096)
    path.write_bytes(torn)
    check = refused(path)
    with pytest.raises(StoreError, match="python -m bot restore FILE") as error:
        async with SqliteStore(path):
            pass
    check(str(error.value))


async def test_a_stop_does_not_wait_for_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restored("memory", OLD, tmp_path / "shoebox.db")
    check = refused(path)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def go_on(stopped: Callable[[], bool]) -> None:
        loop.call_soon_threadsafe(began.set)
        while not stopped():
            pass
        raise InterruptedError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(backup, "_go_on", go_on)
        opening = asyncio.create_task(SqliteStore(path).__aenter__())
        async with asyncio.timeout(10):
            await began.wait()
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
    check(f"{path} was not upgraded, is as it was")
    async with SqliteStore(path) as store:
        assert await found_by_words(store, "cake") == [1]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from storage import backup, upgrade
from storage.sqlite import SqliteStore

path, where = Path(sys.argv[1]), sys.argv[2]
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
calls, statements = [], upgrade._statements
def some(script):
    calls.append(script)
    return statements(script) if len(calls) < 4 else die()
if where == "while copying": backup._go_on = die
if where == "before the copy has its name": backup.look_into = die
if where == "when it is copied": upgrade._delete = die
if where == "between migrations": upgrade._statements = some
async def main():
    async with SqliteStore(path): pass
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "where",
    [
        "while copying",
        "before the copy has its name",
        "when it is copied",
        "between migrations",
    ],
)
async def test_killed_in_the_middle_it_is_whole_and_the_next_start_goes_on(
    tmp_path: Path, where: str
) -> None:
    path = restored("memory", OLD, tmp_path / "shoebox.db")
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(path), where], cwd=ROOT
    )
    assert done.returncode == -signal.SIGKILL
    assert version_of(path) == OLD
    assert copies(path), "the test came too late, or too early"
    sound(path)
    async with SqliteStore(path) as store:
        await everything_is_there(store, OLD)
    sound(path)
    (copy,) = copies(path)
    assert look_into(copy).photos == 10, "one whole copy, nothing half-made"


def said_by(folder: Path, *commands: list[str]) -> list[tuple[int, str, str]]:
    """What commands that run side by side come to."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bot", *command],
            cwd=folder,
            env=environment(None),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    told = [each.communicate(timeout=60) for each in running]
    return [(each.returncode, *words) for each, words in zip(running, told, strict=True)]


def test_two_that_start_at_once_upgrade_once(tmp_path: Path) -> None:
    path = restored("memory", OLD, tmp_path / "data" / "shoebox.db")
    for code, out, err in said_by(tmp_path, ["status"], ["status"]):
        assert code == 0, err
        assert "Hikers" in out
    assert version_of(path) == NEWEST
    assert [version_of(copy) for copy in copies(path)] == [OLD]


def test_what_a_newer_version_wrote_is_left_alone(tmp_path: Path) -> None:
    path = restored("memory", MEMORIES[-1], tmp_path / "data" / "shoebox.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    before = path.read_bytes()
    told = said_by(tmp_path, ["run"], ["status"], ["check"], ["backup", "x.db"])
    assert [code for code, _, _ in told] == [2, 2, 1, 2]
    for _, out, err in told:
        (line,) = [line for line in (out + err).splitlines() if "newer version" in line]
        assert "update the program" in line
        assert "Traceback" not in err
    assert path.read_bytes() == before
    assert copies(path) == []


# What is forgotten after an upgrade


@pytest.mark.parametrize("version", [v for v in MEMORIES if 1 < v < NEWEST])
async def test_the_copy_brought_back_forgets_what_was_forgotten_since(
    version: int, tmp_path: Path
) -> None:
    path = restored("memory", version, tmp_path / "shoebox.db")
    async with SqliteStore(path) as store:
        await store.forget("local:fam", "main", "1")
        await store.replies.unsay("discord:42", "7", ["r2"])
        await store.people.refuse("u7", refuses=True)
    (copy,) = copies(path)
    restore(copy, path, datetime(2030, 1, 1, tzinfo=UTC))
    async with SqliteStore(path) as store:
        assert await found_by_words(store, "cake") == []
        assert await found_by_words(store, "akai") == [2], "the rest is back"
        assert await found_by_words(store, "view", group="discord:42") == []
        assert await store.groups.status("local:fam")
        if version >= 8:
            assert await store.people.refuses("u7")
    sound(path)


def test_only_old_copies_of_this_file_are_deleted(tmp_path: Path) -> None:
    kept_names = (
        "shoebox.db",
        "shoebox.db-wal",
        "shoebox.db.before-20200101-000000",  # set aside by `restore`: the owner's to delete
        "shoebox.db.before-v12-20990101-000000",
        "shoebox.db.before-v12-20209901-000000",
        "shoebox.db.before-v12-20200101-000000.mine",
        "other.db.before-v12-20200101-000000",
    )
    old_names = (
        "shoebox.db.before-v12-20200101-000000",
        "shoebox.db.before-v9-20200101-000000.part",
        "shoebox.db.before-v9-20200101-000000.part-journal",
    )
    for name in kept_names + old_names:
        (tmp_path / name).touch()
    assert drop_copies(tmp_path / "shoebox.db", datetime(2026, 1, 1, tzinfo=UTC)) == 3
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept_names)
    assert drop_copies(tmp_path / "none" / "shoebox.db", datetime(2026, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("retention", "left"), [(None, ["1", "29"]), (7, ["1"]), (90, ["1", "29"])]
)
async def test_a_running_bot_deletes_copies_that_are_a_month_old(
    tmp_path: Path, retention: int | None, left: list[str]
) -> None:
    chosen = Settings(database_url=f"sqlite:///{tmp_path}/shoebox.db")
    chosen.chat_path.parent.mkdir()
    for of in (chosen.database_path, chosen.chat_path):
        for days in (1, 29, 31):
            at = datetime.now(UTC) - timedelta(days=days)
            copy = of.with_name(f"{of.name}.before-v12-{at:%Y%m%d-%H%M%S}")
            copy.write_text(str(days))
    async with SqliteStore(chosen.database_path) as store:
        await store.groups.meet(Group("g", "Group"))
        keeping = asyncio.create_task(
            housekeeping.keep_house(
                store,
                timedelta(days=7),
                timedelta(days=retention) if retention else None,
                drop_copies=lambda before: app._drop_copies(chosen, before),
            )
        )
        async with asyncio.timeout(10):
            while len(copies(chosen.chat_path)) > len(left):
                await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    for of in (chosen.database_path, chosen.chat_path):
        assert sorted(copy.read_text() for copy in copies(of)) == left
