"""Broken and hostile exports: what can be read is, the rest is listed, nothing else is touched."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.exports import package, stream
from adapters.exports.entries import Entry, Left
from adapters.exports.files import Exported, ExportFiles
from adapters.exports.package import open_package
from adapters.exports.stream import Damaged, read_chats
from adapters.exports.survey import Choice, Source, sources_of, steps
from bot.errors import PhotoGone, SettingsError
from bot.photos import PhotoRef
from storage.sqlite import SqliteStore
from tests.exports import DiscordExport, TelegramExport, imported, memory_of, zipped

SECRET = "root:x:0:0"


def read(path: Path) -> tuple[list[Entry], list[str]]:
    """The posts that can be read, and why the rest can't."""
    with closing(open_package(path)) as opened:
        found = [found for _, found in steps(opened, sources_of(opened), Choice())]
    left = [each.reason for each in found if isinstance(each, Left)]
    return [each for each in found if isinstance(each, Entry)], left


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no export may lead to."""
    path = tmp_path / "passwd"
    path.write_text(SECRET)
    return path


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("../passwd", package.OUTSIDE),
        ("photos/../../passwd", package.OUTSIDE),
        ("..\\passwd", package.OUTSIDE),
        ("{outside}", package.OUTSIDE),
        ("C:\\passwd", package.OUTSIDE),
        ("\\\\server\\share\\passwd", package.OUTSIDE),
        ("link.jpg", package.OUTSIDE),
        ("below/passwd", package.OUTSIDE),
        ("file:///etc/passwd", package.AN_ADDRESS),
        ("photos", package.NOT_HERE),
        ("", package.NOT_HERE),
        ("photos/\0.jpg", package.OUTSIDE),
        ("x" * 5000, package.NOT_HERE),
    ],
)
def test_paths_lead_nowhere_else(tmp_path: Path, outside: Path, written: str, reason: str) -> None:
    chat = TelegramExport()
    chat.photo("a good one")
    chat.say("a bad one", photo=written.format(outside=outside))
    folder = chat.write(tmp_path / "export")
    (folder / "link.jpg").symlink_to(outside)
    (folder / "below").symlink_to(tmp_path)
    entries, left = read(folder)
    assert [entry.post.caption for entry in entries] == ["a good one"]
    assert left == [reason]


async def test_nor_do_locators_that_somebody_wrote_into_the_database(
    tmp_path: Path, outside: Path
) -> None:
    folder = TelegramExport().write(tmp_path / "export")
    (folder / "link.jpg").symlink_to(outside)
    for name in ("../passwd", str(outside), "link.jpg"):
        ref = PhotoRef("export", "x", Exported(str(folder), name).locator)
        with pytest.raises(PhotoGone):
            await ExportFiles(99).fetch(ref)


def test_names_in_a_zip_lead_nowhere_else(tmp_path: Path, outside: Path) -> None:
    chat = TelegramExport()
    chat.say("", photo="../passwd")
    chat.say("", photo="photos/ok.jpg")
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("chat/result.json", json.dumps(chat.facts()))
        made.writestr("chat/photos/ok.jpg", b"ok")
        for name in ("../passwd", "/passwd", "chat/../../passwd", "..\\passwd"):
            made.writestr(name, b"bad")
    entries, left = read(archive)
    assert [entry.files for entry in entries] == [("chat/photos/ok.jpg",)]
    assert left == [package.NOT_HERE], "above its JSON, but still in the zip, there is none"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.zip", "passwd"]
    assert outside.read_text() == SECRET


def test_zip_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "BOMB_BYTES", 1 << 20)
    chat = TelegramExport()
    chat.photo("cake")
    archive = zipped(chat.write(tmp_path / "export"))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.json", b'{"guild":{},"channel":{},"messages":[' + b" " * (4 << 20))
    with closing(open_package(archive)) as opened:
        found = [f for _, f in steps(opened, [Source("bomb.json", "discord")], Choice()) if f]
    assert isinstance(found[0], Left)
    assert "zip bomb" in found[0].reason
    assert len(read(archive)[0]) == 1


async def test_of_a_photo_no_more_is_unpacked_than_a_photo_may_have(tmp_path: Path) -> None:
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.jpg", b"\0" * (8 << 20))
    ref = PhotoRef("export", "x", Exported(str(archive), "bomb.jpg").locator)
    files = ExportFiles(1000)
    with closing(files):
        assert len(await files.fetch(ref)) == 1001


def test_of_a_cut_off_export_the_beginning_is_read(tmp_path: Path) -> None:
    chat, channel = TelegramExport(), DiscordExport()
    for n in range(20):
        chat.photo(f"cake {n}", data=b"x")
        channel.photo(f"trip {n}", data=b"x")
    for export in (chat, channel):
        folder = export.write(tmp_path / type(export).__name__)
        (json_,) = folder.glob("*.json")
        whole = json_.read_bytes()
        json_.write_bytes(whole[: len(whole) // 2])
        entries, left = read(folder)
        assert 5 < len(entries) < 15
        (reason,) = left
        assert reason.startswith("it ends in the middle; of it ")


def test_a_zip_that_is_damaged_inside(tmp_path: Path) -> None:
    chat = TelegramExport()
    chat.photo("cake")
    archive = zipped(chat.write(tmp_path / "export"))
    with zipfile.ZipFile(archive) as made:
        at = made.getinfo("photos/photo_1@03-05-2021_12-00-00.jpg").header_offset
    data = bytearray(archive.read_bytes())
    data[at + 200 : at + 400] = bytes(200)
    archive.write_bytes(data)
    ((entry,), _) = read(archive)
    with pytest.raises(PhotoGone, match="damaged"):
        asyncio.run(ExportFiles(1 << 20).fetch(entry.post.photos[0]))
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(SettingsError, match="neither a folder nor a whole zip"):
        open_package(archive)


def test_encrypted_files_are_listed(tmp_path: Path) -> None:
    chat = TelegramExport()
    chat.photo("cake")
    archive = zipped(chat.write(tmp_path / "export"))
    data = bytearray(archive.read_bytes())
    name = b"photos/photo_1@03-05-2021_12-00-00.jpg"
    directory = data.rindex(name) - 46
    assert data[directory : directory + 4] == b"PK\x01\x02"
    data[directory + 8] |= 1
    archive.write_bytes(data)
    assert read(archive) == ([], [package.ENCRYPTED])


def test_times_that_are_none_are_listed_and_old_exports_have_only_one(tmp_path: Path) -> None:
    chat = TelegramExport()
    chat.photo("no time", date="yesterday", date_unixtime="9" * 18)
    chat.photo("as written before 2021", date="2020-02-03T04:05:06", date_unixtime=None)
    chat.photo("by its second field", date="", date_unixtime="1580702706")
    entries, left = read(chat.write(tmp_path / "export"))
    assert [reason.partition(" (")[0] for reason in left] == ["its date can't be read"]
    local = datetime(2020, 2, 3, 4, 5, 6).astimezone(UTC)
    assert entries[0].post.posted_at == local
    assert entries[1].post.posted_at == datetime.fromtimestamp(1580702706, UTC)


def test_telegrams_own_broken_escapes_are_mended(tmp_path: Path) -> None:
    chat = TelegramExport()
    chat.photo("a\x07b \\x07 \\\\ c:\\xmas")
    folder = chat.write(tmp_path / "export")
    path = folder / "result.json"
    written = path.read_text().replace("\\u0007", "\\x07")
    assert "\\x07" in written
    path.write_text(written)
    ((entry,), left) = read(folder)
    assert (entry.post.caption, left) == ("a\x07b \\x07 \\\\ c:\\xmas", [])


@pytest.mark.parametrize("size", range(1, 40))
def test_where_the_file_is_cut_into_pieces_changes_nothing(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHUNK", size)
    messages = [{"id": 12345, "text": 'é\\x\\\\\t"quoted"'}, {"id": -7.5e3}, 12, "x", None, True]
    chat = {"name": "F", "messages": messages, "id": 1234567, "type": "private_group"}
    account = {"about": "\\", "chats": {"list": [chat, 5, {}]}, "left_chats": {"list": [chat]}}
    for document, chats in ((chat, 1), (account, 3)):
        file = io.BytesIO(b"\xef\xbb\xbf" + json.dumps(document, indent=1).encode())
        found = list(read_chats(file))
        assert len({id(each) for each, _ in found}) == chats
        kept = [message for each, message in found if each.number == 0]
        assert kept == [m for m in messages if m is not None] + [None]
        assert found[0][0].facts == {"name": "F", "id": 1234567, "type": "private_group"}


def test_what_is_too_long_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LARGEST", 1 << 20)

    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b'{"messages":[{"text":"' if self.taken == size else b"x" * size

    endless = Endless()
    with pytest.raises(Damaged, match="longer than"):
        list(read_chats(endless))  # type: ignore[arg-type]
    assert endless.taken < 8 << 20


_KEYS = st.sampled_from(
    "id type text photo file mime_type from from_id date date_unixtime author attachments embeds "
    "url fileName content reference messageId thumbnail text_entities reply_to_message_id".split()
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud800", "user1", "../x", "photos/a.jpg", "1", "bot_command", "Reply"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=6,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document that something else can stand in."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in parts:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_it_nothing_breaks(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = tmp_path_factory.getbasetemp() / "spoilt.db"
    asyncio.run(_import_spoilt(data, tmp_path_factory.mktemp("spoilt"), database))


async def _import_spoilt(data: st.DataObject, folder: Path, database: Path) -> None:
    chat, channel = TelegramExport(), DiscordExport()
    chat.say("mmh", reply_to_message_id=chat.photo("cake", data=b"x"))
    channel.reply(channel.photo("trip", data=b"x"), "mmh")
    for export in (chat, channel):
        document = json.loads(json.dumps(export.facts()))
        for _ in range(3):
            where, key = data.draw(st.sampled_from(list(_places(document))))
            where[key] = data.draw(VALUES)
        path = export.write(folder / type(export).__name__)
        (json_,) = path.glob("*.json")
        json_.write_bytes(json.dumps(document).encode())
    async with SqliteStore(database) as store:
        for path in sorted(folder.iterdir()):
            await imported(memory_of(store), path, Choice("local:fam"))
