"""Exports as Telegram Desktop and DiscordChatExporter write them, for tests; the formats are
documented by the programs' sources, which adapters/exports names."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.exports.importing import ExportImport
from adapters.exports.package import open_package
from adapters.exports.survey import Choice, sources_of
from adapters.importing import ImportSummary
from bot.decoder import Decoder
from bot.memory import PhotoMemory
from bot.model_state import ModelState
from bot.ports import PhotoStore
from tests.pictures import photo

NOT_INCLUDED = "(File not included. Change data exporting settings to download.)"
START = datetime(2021, 5, 3, 12, 0, tzinfo=UTC)
DISCORD_EPOCH = 1420070400000


@dataclass
class TelegramExport:
    """One chat's messages, and the files that they need."""

    name: str = "Family"
    kind: str = "private_supergroup"
    id: int = 1234567890
    messages: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    next_id: int = 1

    @property
    def group(self) -> str:
        return f"telegram:{self.channel}"

    @property
    def channel(self) -> str:
        return str(-self.id if self.kind == "private_group" else -(10**12) - self.id)

    def say(self, text: Any = "", who: int = 1, name: str = "Ann", **more: Any) -> int:
        """A message; a minute after the one before, unless it has a time of its own."""
        number = more.pop("id", self.next_id)
        self.next_id = number + 1
        at = more.pop("at", START + timedelta(minutes=number))
        parts = text if isinstance(text, list) else [text] if text else []
        entities = [p if isinstance(p, dict) else {"type": "plain", "text": p} for p in parts]
        message = {
            "id": number,
            "type": "message",
            "date": at.strftime("%Y-%m-%dT%H:%M:%S"),
            "date_unixtime": str(int(at.timestamp())),
            "from": name,
            "from_id": f"user{who}",
            **more,
            "text": text,
            "text_entities": entities,
        }
        self.messages.append(message)
        return int(number)

    def photo(self, caption: Any = "", data: bytes | None = None, **more: Any) -> int:
        """A photo, compressed by Telegram as most are."""
        number = more.get("id", self.next_id)
        path = f"photos/photo_{number}@03-05-2021_12-00-00.jpg"
        self.files[path] = photo(abs(number)) if data is None else data
        return self.say(caption, photo=path, width=320, height=240, **more)

    def file(self, name: str, mime: str, data: bytes, caption: str = "", **more: Any) -> int:
        """A photo that was sent as a file."""
        path = f"files/{name}"
        self.files[path] = data
        return self.say(caption, file=path, file_name=name, mime_type=mime, **more)

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.kind, "id": self.id, "messages": self.messages}

    def write(self, folder: Path) -> Path:
        return _write(folder, {"result.json": _json(self.facts())}, self.files)


@dataclass
class TelegramAccount:
    """A whole account: chats that somebody is in, and those that they left."""

    chats: list[TelegramExport]
    left: list[TelegramExport] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        account: dict[str, Any] = {
            "about": "Here is the data you requested.",
            "personal_information": {"user_id": 7, "first_name": "Ann"},
            "contacts": {"about": "", "list": [{"user_id": 8, "first_name": "Bob"}]},
        }
        files: dict[str, bytes] = {}
        for key, chats, start in (("chats", self.chats, 1), ("left_chats", self.left, 100)):
            listed = []
            for number, chat in enumerate(chats, start):
                own = f"chats/chat_{number:03}"
                facts = json.loads(json.dumps(chat.facts()))
                for message in facts["messages"]:
                    for part in ("photo", "file"):
                        if message.get(part) in chat.files:
                            message[part] = f"{own}/{message[part]}"
                files |= {f"{own}/{path}": data for path, data in chat.files.items()}
                listed.append(facts)
            account[key] = {"about": "", "list": listed}
        return _write(folder, {"result.json": _json(account)}, files)


@dataclass
class DiscordExport:
    """One channel, as `DiscordChatExporter.Cli export -f Json --media` leaves it."""

    channel: int = 5001
    name: str = "general"
    kind: str = "GuildTextChat"
    parent: int | None = 4001
    guild: int = 3001
    guild_name: str = "Family"
    media: bool = True
    messages: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    count: int = 0

    @property
    def group(self) -> str:
        return f"discord:{self.guild}"

    @property
    def file_name(self) -> str:
        return f"{self.guild_name} - {self.name} [{self.channel}].json"

    def id_at(self, moment: datetime) -> int:
        """A snowflake; no two are alike."""
        self.count += 1
        return (int(moment.timestamp() * 1000) - DISCORD_EPOCH << 22) + self.count

    def say(self, text: str = "", who: int = 11, name: str = "Ann", **more: Any) -> int:
        at = START + timedelta(minutes=len(self.messages))
        number = int(more.pop("id", 0) or self.id_at(at))
        self.messages.append(
            {
                "id": str(number),
                "type": more.pop("type", "Default"),
                "timestamp": at.isoformat(),
                "timestampEdited": None,
                "callEndedTimestamp": None,
                "isPinned": False,
                "content": text,
                "author": {
                    "id": str(who),
                    "name": name.lower(),
                    "discriminator": "0000",
                    "nickname": name,
                    "color": None,
                    "isBot": more.pop("bot", False),
                    "roles": [],
                    "avatarUrl": "https://cdn.discordapp.com/embed/avatars/0.png",
                },
                "attachments": more.pop("attachments", []),
                "embeds": more.pop("embeds", []),
                "stickers": [],
                "reactions": [],
                "mentions": [],
                **more,
                "inlineEmojis": [],
            }
        )
        return number

    def photo(self, text: str = "", *names: str, data: bytes | None = None, **more: Any) -> int:
        """A message with photos (one, if none is named)."""
        attachments = [self.attachment(name, data) for name in names or ("a.jpg",)]
        return self.say(text, attachments=attachments, **more)

    def attachment(self, name: str, data: bytes | None = None, id: int = 0) -> dict[str, Any]:
        number = id or self.id_at(START)
        stem, _, ending = name.rpartition(".")
        path = f"{self.file_name}_Files/{stem}-{number % 100000:05X}.{ending}"
        url = (
            f"https://cdn.discordapp.com/attachments/{self.channel}/{number}/{name}?ex=1&is=2&hm=3"
        )
        content = photo(self.count) if data is None else data
        if self.media:
            self.files[path] = content
        return {
            "id": str(number),
            "url": path if self.media else url,
            "fileName": name,
            "fileSizeBytes": len(content),
        }

    def reply(self, to: int, text: str, **more: Any) -> int:
        where = {"messageId": str(to), "channelId": str(self.channel), "guildId": str(self.guild)}
        return self.say(text, type="Reply", reference=where, **more)

    def facts(self) -> dict[str, Any]:
        return {
            "guild": {"id": str(self.guild), "name": self.guild_name, "iconUrl": ""},
            "channel": {
                "id": str(self.channel),
                "type": self.kind,
                "categoryId": None if self.parent is None else str(self.parent),
                "category": "Text Channels",
                "name": self.name,
                "topic": None,
            },
            "dateRange": {"after": None, "before": None},
            "exportedAt": START.isoformat(),
            "messages": self.messages,
            "messageCount": len(self.messages),
        }

    def write(self, folder: Path) -> Path:
        return _write(folder, {self.file_name: _json(self.facts())}, self.files)


async def imported(
    memory: PhotoMemory, path: Path, choice: Choice | None = None, dry: bool = False
) -> ImportSummary:
    """What `python -m bot import` does, without looking at the photos."""
    with contextlib.closing(open_package(path)) as package:
        work = ExportImport(memory, package, sources_of(package), choice or Choice())
        await work.survey()
        return await (work.look(_silent) if dry else work.run(tuple, _silent))


def memory_of(store: PhotoStore, **more: Any) -> PhotoMemory:
    """A memory that nothing is decoded in."""
    return PhotoMemory(store, ModelState("none", None, "There is none."), {}, Decoder(), **more)


def _silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def zipped(folder: Path, inside: str = "") -> Path:
    """The folder in a zip, below `inside`."""
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}{file.relative_to(folder).as_posix()}")
    return path


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "surrogatepass")


def _write(folder: Path, jsons: dict[str, bytes], files: dict[str, bytes]) -> Path:
    for name, data in (jsons | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
