"""Full, read-only, locked, damaged: one clear line each, nothing half-written, and on it goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import indexing
from bot.answers import Hit
from bot.decoder import Decoder
from bot.errors import StoreError
from bot.photos import EVERYONE, Task
from storage import connection
from storage.sqlite import SqliteStore
from tests.pictures import photo
from tests.test_command_line import environment
from tests.test_indexing import ColourEncoder, World
from tests.test_store import MODEL, a_post, a_vector

MEGABYTE = 1 << 20


@dataclass
class Disk:
    """A place for a database, and how its room ends and comes back."""

    folder: Path
    fill: Callable[[SqliteStore], Awaitable[None]]
    free: Callable[[SqliteStore], Awaitable[None]]


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path | None]:
    """A small disk in memory; None where the system allows none."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True
    )
    try:
        yield folder if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["a disk, where one may be mounted", "SQLite's own limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A real small disk, and a limit that needs no rights: it is the other's means, too, where
    nothing may be mounted."""

    async def limit(store: SqliteStore, pages: int) -> None:
        await store._db.alone(f"PRAGMA max_page_count = {pages}")

    limited = Disk(tmp_path, lambda store: limit(store, 1), lambda store: limit(store, 1 << 30))
    if request.param == "SQLite's own limit":
        yield limited
        return
    with mounted(tmp_path / "disk", "size=8m") as folder:
        if folder is None:
            yield limited
            return
        place: Path = folder

        async def fill(_: SqliteStore) -> None:
            with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        async def free(_: SqliteStore) -> None:
            (place / "filler").unlink()

        yield Disk(place, fill, free)


def sound(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.execute("INSERT INTO texts_index (texts_index) VALUES ('integrity-check')")
        whole = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM photos),"
        posts, photos, texts = db.execute(f"{whole} (SELECT count(*) FROM texts)").fetchone()
        assert posts == photos == texts, "nothing is half there"


async def test_a_full_disk_costs_nothing_that_was_acknowledged(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.02)
    path = disk.folder / "box.db"
    async with SqliteStore(path) as store, Decoder() as decoder:
        world = World(store, decoder)
        world.model.encoder = ColourEncoder()
        kept = [await world.post(f"{n}.jpg", photo(n), "cake") for n in range(3)]
        await disk.fill(store)

        async def post_on() -> None:
            for n in range(3, 1000):
                kept.append(await world.post(f"{n}.jpg", photo(1), "x" * 3000))

        with pytest.raises(StoreError, match="the disk is full; free some space") as told:
            await post_on()
        assert len(str(told.value).splitlines()) == 1
        async with world.indexer.running():
            await asyncio.sleep(0.5)  # it tries, and can't
            assert sum((await store.unfinished(kept)).values()) > 0, "waiting photos are kept"
            await disk.free(store)
            await world.until(Task.EMBED, kept)
            await world.until(Task.FINGERPRINT, kept)
        later = await world.post("later.jpg", photo(5), "later")
        assert later not in kept
        (group,) = await store.groups.status()
        assert group.photos == len(kept) + 1
        assert group.refused == ()
    sound(path)


async def test_a_full_disk_keeps_traces_until_there_is_room(disk: Disk) -> None:
    async with SqliteStore(disk.folder / "box.db") as store:
        for n in range(40):
            await store.remember(a_post(str(n), caption=f"secret{n} " + "x" * 2000))
        await store.forget("local:fam", "main", "7")
        await disk.fill(store)

        async def post_on() -> None:
            for n in range(100, 1000):
                await store.remember(a_post(str(n), caption="x" * 3000))

        with pytest.raises(StoreError, match="full"):
            await post_on()
        with pytest.raises(StoreError, match="full"):
            await store.scrub()
        await disk.free(store)
        store._scrubber._not_before = 0.0
        assert await store.scrub()
        assert b"secret7 " not in (disk.folder / "box.db").read_bytes()
        assert b"secret8 " in (disk.folder / "box.db").read_bytes()


@contextlib.contextmanager
def to_be_sealed(folder: Path) -> Iterator[Callable[[], None] | None]:
    """Make a folder, and say how to make it read-only with all that is in it by then; None: it is
    already, for a superuser too."""
    if os.geteuid() != 0:
        folder.mkdir()

        def forbid() -> None:
            for path in (*folder.iterdir(), folder):
                path.chmod(0o500)

        yield forbid
        folder.chmod(0o700)
        return
    with mounted(folder, "size=8m") as disk:  # a superuser may write everywhere else ...
        if disk is not None:

            def remount() -> None:
                subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

            yield remount
            return
    folder.rmdir()
    folder.symlink_to("/proc")  # ... but for here
    yield None


async def test_a_read_only_database_is_one_line(tmp_path: Path) -> None:
    with to_be_sealed(tmp_path / "disk") as seal:
        path = tmp_path / "disk" / "box.db"
        if seal is not None:
            async with SqliteStore(path) as store:
                await store.remember(a_post())
            seal()
        with pytest.raises(StoreError, match=r"read-only|permissions") as error:
            async with SqliteStore(path):
                pass
        assert len(str(error.value).splitlines()) == 1
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bot", "run"],
            cwd=tmp_path,
            env=environment(None) | {"DATABASE_URL": f"sqlite:///{path}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "permissions" in done.stderr


async def test_a_locked_database_is_one_line_and_its_photos_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0.02)
    path = tmp_path / "box.db"
    async with SqliteStore(path) as store, Decoder() as decoder:
        world = World(store, decoder)
        world.model.encoder = ColourEncoder()
        kept = [await world.post("a.jpg", photo(1))]
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another program has locked it") as error:
                await world.post("b.jpg", photo(2))
            assert len(str(error.value).splitlines()) == 1
            async with world.indexer.running():
                await asyncio.sleep(0.3)
                assert (await store.unfinished(kept))[Task.EMBED] == 1
                other.execute("ROLLBACK")
                await world.until(Task.EMBED, kept)
        assert (await store.groups.status())[0].photos == 1
    sound(path)


async def filled(path: Path, posts: int = 60) -> bytes:
    async with SqliteStore(path) as store:
        for n in range(posts):
            (photo_id,) = (await store.remember(a_post(str(n), caption=f"cake {n} 蛋糕"))).added
            await store.save_vectors(MODEL, [photo_id], a_vector(n)[None])
            await store.save_text(photo_id, "AKAI " * 20)
        group = a_post().group
        await store.groups.see(group, "somebody")
        await store.groups.take_note(group, "about", "something")
        await store.replies.hear(group, "main", "1", "r", "bob", "delicious")
        await store.people.refuse("somebody else", True)
        hits = [Hit(1, photo, 1.0, ()) for photo in await store.photos([1])]
        await store.answers.keep(None, "somebody", "cake", hits)
    return path.read_bytes()


async def test_a_sound_file_is_told_from_a_large_one(tmp_path: Path) -> None:
    await filled(tmp_path / "box.db", 10)
    async with SqliteStore(tmp_path / "box.db") as store:
        assert await store.prove_sound(60)
        assert not await store.prove_sound(-1), "there was no time to look at all of it"
        assert await store.prove_sound(60), "and nothing of that is left behind"
        assert (await store.remember(a_post("later"))).added


@pytest.mark.parametrize("harm", ["cut", "torn"])
async def test_a_start_refuses_a_damaged_file_and_names_the_way_back(
    tmp_path: Path, harm: str
) -> None:
    path = tmp_path / "data" / "shoebox.db"
    whole = await filled(path)
    torn = bytearray(whole)
    torn[10 * 4096 : 20 * 4096] = b"\xa5" * (10 * 4096)
    path.write_bytes(whole[: len(whole) // 2] if harm == "cut" else torn)
    for command in (["run"], ["import", ".", "--group", "g"], ["check"]):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bot", *command],
            cwd=tmp_path,
            env=environment(None),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == (1 if command == ["check"] else 2)
        said = done.stdout if command == ["check"] else done.stderr
        (line,) = [line for line in said.splitlines() if "damaged" in line]
        assert "python -m bot restore FILE" in line
        assert "Traceback" not in done.stderr


async def test_whatever_is_damaged_only_one_line_is_said(tmp_path: Path) -> None:
    """Bytes are overwritten at random. What is noticed is a StoreError, and nothing else."""
    whole = await filled(tmp_path / "whole.db")
    noticed = 0
    for seed in range(40):
        chance = random.Random(seed)
        harmed = bytearray(whole)
        for _ in range(chance.choice((1, 4, 30))):
            at = chance.randrange(0 if seed % 4 == 0 else 4096, len(whole))
            length = chance.choice((1, 8, 600, 4096))
            harmed[at : at + length] = chance.randbytes(len(harmed[at : at + length]))
        path = tmp_path / f"{seed}.db"
        path.write_bytes(harmed)
        try:
            async with SqliteStore(path) as store:
                await store.prove_sound(60)
                await store.search(["local:fam"], EVERYONE, ["cake"], [a_vector(1)], MODEL, 5)
                await store.groups.status()
                await store.take(Task.FINGERPRINT, 100, ())
                await store.remember(a_post("new", caption="goose"))
                await store.forget("local:fam", "main", "7")
        except StoreError as error:
            noticed += 1
            assert len(str(error).splitlines()) == 1, seed
    assert noticed > 20
