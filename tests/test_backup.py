"""Copies of the memory while it is used, and back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import StoreError
from bot.lock import IndexerLock
from storage.backup import CHATLOG, are_kin, back_up, look_into, restore
from storage.chatlog import ChatLog
from storage.sqlite import SqliteStore
from tests.test_command_line import environment
from tests.test_store import a_post, found_by_words

NOW = datetime(2026, 5, 17, 12, 30, 5, tzinfo=UTC)
Shoebox = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shoebox(tmp_path: Path) -> Shoebox:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env=environment(None),
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


async def filled(path: Path, *captions: str) -> None:
    async with SqliteStore(path) as store:
        for caption in captions:
            await store.remember(a_post(caption, caption=caption))


async def captions_in(path: Path, *words: str) -> list[str]:
    async with SqliteStore(path) as store:
        return [word for word in words if await found_by_words(store, word)]


async def known_in(path: Path, *messages: str) -> list[str]:
    async with SqliteStore(path) as store:
        return [each for each in messages if await store.knows("local:fam", "main", each)]


async def test_a_copy_of_one_moment_while_others_write(tmp_path: Path) -> None:
    path, to = tmp_path / "box.db", tmp_path / "copies" / "monday.db"
    to.parent.mkdir()
    async with SqliteStore(path) as store:
        for n in range(100):
            await store.remember(a_post(f"{n}", caption=f"cake {n}"))
        copying = asyncio.create_task(asyncio.to_thread(back_up, path, to, False))
        n = 100
        while not copying.done():
            await store.remember(a_post(f"{n}", caption=f"cake {n}"))
            n += 1
        backup = await copying
        assert 100 <= backup.photos <= n
        assert backup.bytes == to.stat().st_size
    assert sorted(p.name for p in to.parent.iterdir()) == ["monday.db"], "one whole file"
    assert to.stat().st_mode & 0o077 == 0
    async with SqliteStore(to) as copy:
        (group,) = await copy.groups.status()
        assert group.photos == backup.photos


async def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path, to = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, "cake")
    to.write_text("dear")
    with pytest.raises(StoreError, match="exists already"):
        back_up(path, to, overwrite=False)
    assert to.read_text() == "dear"
    assert back_up(path, to, overwrite=True).photos == 1
    with pytest.raises(StoreError, match="no database"):
        back_up(tmp_path / "none.db", tmp_path / "x.db", overwrite=False)
    with pytest.raises(StoreError, match="can't be written"):
        back_up(path, tmp_path / "no" / "such" / "folder.db", overwrite=False)
    assert not list(tmp_path.glob("*.part"))


async def test_back_again_with_the_old_one_kept_aside(tmp_path: Path) -> None:
    path, copy = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, "cake", "goose")
    back_up(path, copy, overwrite=False)
    await filled(path, "later")
    async with SqliteStore(path) as store:
        await store.forget("local:fam", "main", "goose")
        await store.people.refuse("u2", refuses=True)
    aside = restore(copy, path, NOW)
    assert aside == tmp_path / "box.db.before-20260517-123005"
    assert await captions_in(path, "cake", "goose", "later") == ["cake"], "forgotten is forgotten"
    assert await captions_in(aside, "cake", "goose", "later") == ["cake", "later"]
    async with SqliteStore(path) as store:
        assert await store.people.refuses("u2")
        assert (await store.remember(a_post("goose"))).added == ()
    elsewhere = tmp_path / "new" / "box.db"
    assert restore(copy, elsewhere, NOW) is None
    assert await captions_in(elsewhere, "cake", "goose") == ["cake", "goose"]


async def test_what_was_said_about_photos_stays_forgotten_too(tmp_path: Path) -> None:
    path, copy = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, "cake")
    async with SqliteStore(path) as store:
        for who in ("ann", "bob"):
            where = ("local:fam", "main", "cake")
            assert await store.replies.hear(*where, f"r-{who}", who, f"delicious {who}")
    back_up(path, copy, overwrite=False)
    async with SqliteStore(path) as store:
        await store.people.forget("local:fam", "bob", 10)
    restore(copy, path, NOW)
    assert await captions_in(path, "ann", "bob", "cake") == ["ann", "cake"]
    assert b"delicious bob" not in path.read_bytes()


@pytest.mark.parametrize("kin", [True, False])
async def test_messages_that_were_deleted_in_the_web_chat_stay_so(
    tmp_path: Path, kin: bool
) -> None:
    path, copy = tmp_path / "chat.db", tmp_path / "copy.db"
    async with ChatLog(path) as log:
        first, second = [await log.add("fam", "Ann", text) for text in ("stays", "goes")]
    back_up(path, copy, overwrite=False, schema=CHATLOG)
    async with ChatLog(path) as log:
        await log.delete(second.id)
        await log.purge(second.id)
        await log.add("fam", "Ann", "later")
    restore(copy, path, NOW, CHATLOG, kin)
    async with ChatLog(path) as log:
        assert await log.get(first.id) is not None
        assert (await log.get(second.id) is None) == kin, "of another chat it can't be known"


def test_only_a_memory_and_its_own_backup_are_kin(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.db" for n in "ab"]
    for path in paths:
        asyncio.run(filled(path, "cake"))
    back_up(paths[0], tmp_path / "copy.db", overwrite=False)
    assert are_kin(tmp_path / "copy.db", paths[0])
    assert not are_kin(tmp_path / "copy.db", paths[1])
    assert not are_kin(tmp_path / "copy.db", tmp_path / "none.db")


async def test_a_log_of_the_old_one_never_meets_the_new_one(tmp_path: Path) -> None:
    """As it is left by a process that was killed."""
    path, copy = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, "cake")
    back_up(path, copy, overwrite=False)
    async with SqliteStore(path) as store:
        await store.remember(a_post("late", caption="late"))
        left = {end: (tmp_path / f"box.db{end}").read_bytes() for end in ("-wal", "-shm")}
    for end, data in left.items():
        (tmp_path / f"box.db{end}").write_bytes(data)
    aside = restore(copy, path, NOW)
    assert aside is not None
    assert await captions_in(path, "cake", "late") == ["cake"]
    assert await captions_in(aside, "cake", "late") == ["cake", "late"]


async def test_what_is_no_whole_backup_is_not_restored(tmp_path: Path) -> None:
    path, copy = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, *(f"cake {n} {'x' * 500}" for n in range(100)))
    back_up(path, copy, overwrite=False)
    whole = copy.read_bytes()
    before = path.read_bytes()
    async with ChatLog(tmp_path / "chat.db"):
        pass
    (tmp_path / "letter.db").write_text("Dear Ann, " * 500)
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "cut.db").write_bytes(whole[: len(whole) // 2])
    torn = bytearray(whole)
    torn[8 * 4096 : 40 * 4096] = b"\xa5" * (32 * 4096)
    (tmp_path / "torn.db").write_bytes(torn)
    later = tmp_path / "later.db"
    later.write_bytes(whole)
    with contextlib.closing(sqlite3.connect(later)) as db:
        db.execute("PRAGMA user_version = 999")
    for name, words in (
        ("chat", "no backup of a memory"),
        ("letter", "not a database"),
        ("empty", "no backup of a memory"),
        ("cut", "damaged"),
        ("torn", "damaged"),
        ("later", "newer version"),
        ("missing", "there is no file"),
    ):
        with pytest.raises(StoreError, match=words) as error:
            restore(tmp_path / f"{name}.db", path, NOW)
        assert len(str(error.value).splitlines()) == 1
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*before*"))
    with pytest.raises(StoreError, match="web chat's log"):
        look_into(copy, CHATLOG)


async def test_a_torn_index_is_made_anew_from_the_texts(tmp_path: Path) -> None:
    path, copy = tmp_path / "box.db", tmp_path / "copy.db"
    await filled(path, "cake", "goose")
    back_up(path, copy, overwrite=False)
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        db.execute("DELETE FROM texts_index_data WHERE id > 10")
    restore(copy, path, NOW)
    assert await captions_in(path, "cake", "goose") == ["cake", "goose"]


# On the command line


@contextlib.contextmanager
def running_bot(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "run"],
        cwd=folder,
        env=environment(None) | {"WEB_PORT": free_port()},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (folder / "data/web/chat.db").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def test_backup_beside_a_bot_and_restore_without_one(shoebox: Shoebox, tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path / "data/shoebox.db", "cake"))
    with running_bot(tmp_path) as bot:
        done = shoebox("backup", "copy.db")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("copy.db: 0.")
        assert "MB, 1 photo" in done.stdout
        assert "not in it" not in done.stdout
        assert (tmp_path / "copy.db.chat").exists(), "the web chat's log too"
        (tmp_path / "data/web/photos/ab.jpg").write_bytes(b"a photo")
        again = shoebox("backup", "copy.db")
        assert again.returncode == 2
        assert "--overwrite" in again.stderr
        done = shoebox("backup", "copy.db", "--overwrite")
        assert done.returncode == 0
        assert "not in it" in done.stdout
        assert "data/web/photos" in done.stdout
        refused = shoebox("restore", "copy.db")
        assert refused.returncode == 2
        assert f"process {bot.pid}" in refused.stderr
    asyncio.run(filled(tmp_path / "data/shoebox.db", "later"))
    done = shoebox("restore", "copy.db")
    assert done.returncode == 0, done.stderr
    assert "what was there before is now" in done.stdout
    assert asyncio.run(known_in(tmp_path / "data/shoebox.db", "cake", "later")) == ["cake"]
    assert len(list((tmp_path / "data/web").glob("chat.db.before-*"))) == 1
    with IndexerLock(tmp_path / "data/shoebox.db") as lock:
        assert lock.held
    refused = shoebox("restore", "nothing.db")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == ["shoebox: there is no file nothing.db"]
