"""The web chat's own messages: every other platform keeps its own, this one has nobody else to.

A file of its own beside the memory's database, so that either can be deleted without the other.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiosqlite

from storage.connection import Database
from storage.scrubbing import Scrubber

SCHEMA = "storage.schema.chatlog"
_COLUMNS = "id, room, author, text, posted_at, question, reply, attachments, answers"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One posted file."""

    locator: str
    """Path below the data folder."""
    name: str
    """As the sender's machine named it; may hold any character."""
    picture: bool
    """Whether it can be shown."""


@dataclass(frozen=True, slots=True)
class Find:
    """One photo of a reply, as it was when the reply was given."""

    photo: int
    author: str
    posted_at: datetime
    caption: str
    why: tuple[str, ...]
    name: str
    jump: int | None
    """The message it was posted with, if it was posted in this chat."""
    copies: tuple[Find, ...] = ()
    """What it stands for."""

    @property
    def others(self) -> tuple[str, ...]:
        """Who else posted the same; here a name is who somebody is."""
        names = dict.fromkeys(copy.author for copy in self.copies)
        return tuple(name for name in names if name not in ("", self.author))


def together(finds: Sequence[Find]) -> Find | None:
    """The first of these, standing for the others."""
    first, *copies = (replace(find, copies=()) for find in finds) if finds else (None,)
    return None if first is None else replace(first, copies=tuple(copies))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot said to a question."""

    sentence: str
    notice: str | None = None
    finds: tuple[Find, ...] = ()
    nearest: int | None = None
    """Nothing fitted; what is nearest can be shown by this token (PhotoMemory.nearest)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the chat. Either somebody's words and files, or a question and its reply."""

    id: int
    group: str
    author: str
    text: str
    posted_at: datetime
    attachments: tuple[Attachment, ...] = ()
    question: str | None = None
    """What is looked for, if this is a question."""
    reply: Reply | None = None
    """None while a question is being answered."""
    answers: int | None = None
    """The message that this one replies to."""


def now() -> datetime:
    return datetime.now(UTC)


class ChatLog:
    """Keeps messages in one SQLite file. Every verb is one transaction; raises StoreError."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = now) -> None:
        self._database = Database(path, SCHEMA)
        self._scrubber = Scrubber(self._database)
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()

    async def add(
        self,
        group: str,
        author: str,
        text: str,
        attachments: Sequence[Attachment] = (),
        question: str | None = None,
        answers: int | None = None,
    ) -> Message:
        """Write a message down, with the time of now and an id above all others."""
        posted_at = self._clock().astimezone(UTC)
        files = json.dumps([asdict(attachment) for attachment in attachments])
        async with self._database.write() as db:
            rows = await _rows(
                db,
                "INSERT INTO message"
                " (room, author, text, posted_at, question, attachments, answers)"
                f" VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
                (group, author, text, posted_at.isoformat(), question, files, answers),
            )
        return _message(rows[0])

    async def get(self, message: int) -> Message | None:
        """A message by its id, unless it was deleted."""
        found = await self._select("id = ? AND NOT deleted", (message,))
        return found[0] if found else None

    async def recent(self, group: str, before: int | None = None, limit: int = 50) -> list[Message]:
        """The last messages of a group (before another one), oldest first."""
        newest = await self._select(
            "room = ? AND NOT deleted AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?",
            (group, before, before, limit),
        )
        return newest[::-1]

    async def following(self, group: str, after: int, limit: int = 50) -> list[Message]:
        """The messages that came next after another one, oldest first."""
        return await self._select(
            "room = ? AND NOT deleted AND id > ? ORDER BY id LIMIT ?", (group, after, limit)
        )

    async def latest_with_files(self, group: str) -> Message | None:
        """The last message of a group that brought files."""
        found = await self._select(
            "room = ? AND NOT deleted AND attachments <> '[]' ORDER BY id DESC LIMIT 1", (group,)
        )
        return found[0] if found else None

    async def answer(self, message: int, reply: Reply) -> Message | None:
        """Keep what was said to a question; None if the question is gone by now."""
        async with self._database.write() as db:
            rows = await _rows(
                db,
                f"UPDATE message SET reply = ? WHERE id = ? AND NOT deleted RETURNING {_COLUMNS}",
                (_write_reply(reply), message),
            )
        return _message(rows[0]) if rows else None

    async def delete(self, *messages: int) -> list[Message]:
        """Hide messages for good, and their photos in replies; returns the changed replies.

        The rows stay until `purge`, so that a crash leaves a trace of what is to be cleaned up.
        """
        gone = json.dumps(messages)
        async with self._database.write() as db:
            await _rows(
                db,
                "UPDATE message SET deleted = 1 WHERE id IN (SELECT value FROM json_each(?))",
                (gone,),
            )
            return await _cut_replies(db, "jump", messages)

    async def drop_photos(self, photos: Collection[int]) -> list[Message]:
        """Photos that are no longer remembered: leave them out of replies; returns those."""
        async with self._database.write() as db:
            return await _cut_replies(db, "photo", photos)

    async def shown_photos(self) -> set[int]:
        """The memory's ids of all photos in replies."""
        async with self._database.read() as db:
            rows = await _rows(
                db,
                "SELECT DISTINCT atom FROM message, json_tree(reply, '$.finds')"
                " WHERE reply IS NOT NULL AND NOT deleted AND json_tree.key = 'photo'",
            )
        return {int(row[0]) for row in rows}

    async def renumber(self, photos: Mapping[int, int]) -> None:
        """Photos in replies have other ids from now on: the memory was moved."""
        async with self._database.write() as db:
            found = await _rows(db, "SELECT id, reply FROM message WHERE reply IS NOT NULL")
            for message, kept in found:
                reply = _read_reply(kept)
                finds = tuple(_renumbered(find, photos) for find in reply.finds)
                if finds != reply.finds:
                    await _rows(
                        db,
                        "UPDATE message SET reply = ? WHERE id = ?",
                        (_write_reply(replace(reply, finds=finds)), message),
                    )

    async def by(self, group: str, author: str) -> list[Message]:
        """All that somebody wrote in a group."""
        return await self._select("room = ? AND author = ? AND NOT deleted", (group, author))

    async def before(self, moment: datetime, limit: int = 200) -> list[Message]:
        """Some of the messages that were written before then."""
        posted_at = moment.astimezone(UTC).isoformat()
        return await self._select(
            "posted_at < ? AND NOT deleted ORDER BY id LIMIT ?", (posted_at, limit)
        )

    async def scrub(self) -> bool:
        """Make what was deleted unreadable in the file too; whether nothing of it is left."""
        return await self._scrubber.scrub()

    async def deleted(self) -> list[Message]:
        """Deleted messages that are not purged yet."""
        return await self._select("deleted")

    async def purge(self, message: int) -> None:
        """Erase a deleted message."""
        async with self._database.write() as db:
            await _rows(db, "DELETE FROM message WHERE id = ? AND deleted", (message,))

    async def unremembered(self) -> list[Message]:
        """Messages with files that the memory doesn't have yet, oldest first."""
        return await self._select(
            "NOT remembered AND NOT deleted AND attachments <> '[]' ORDER BY id"
        )

    async def mark_remembered(self, message: int) -> None:
        """Note that the memory has this message's files."""
        async with self._database.write() as db:
            await _rows(db, "UPDATE message SET remembered = 1 WHERE id = ?", (message,))

    async def unanswered(self) -> list[Message]:
        """Questions without a reply."""
        return await self._select("question IS NOT NULL AND reply IS NULL AND NOT deleted")

    async def groups(self) -> list[str]:
        """Every group that somebody wrote in, the most recently used first."""
        async with self._database.read() as db:
            rows = await _rows(
                db, "SELECT room FROM message WHERE NOT deleted GROUP BY room ORDER BY max(id) DESC"
            )
        return [row[0] for row in rows]

    async def _select(self, where: str, values: Sequence[Any] = ()) -> list[Message]:
        async with self._database.read() as db:
            rows = await _rows(db, f"SELECT {_COLUMNS} FROM message WHERE {where}", values)
        return [_message(row) for row in rows]


async def _rows(
    db: aiosqlite.Connection, statement: str, values: Sequence[Any] = ()
) -> list[sqlite3.Row]:
    return list(await db.execute_fetchall(statement, values))


def _write_reply(reply: Reply) -> str:
    return json.dumps(asdict(reply), default=datetime.isoformat)


def _read_reply(text: str) -> Reply:
    kept = json.loads(text)
    finds = tuple(map(_read_find, kept["finds"]))
    return Reply(kept["sentence"], kept["notice"], finds, kept.get("nearest"))


def _read_find(kept: dict[str, Any]) -> Find:
    return Find(
        **{
            **kept,
            "posted_at": datetime.fromisoformat(kept["posted_at"]),
            "why": tuple(kept["why"]),
            "copies": tuple(map(_read_find, kept.get("copies", ()))),
        }
    )


async def _cut_replies(db: aiosqlite.Connection, key: str, gone: Collection[int]) -> list[Message]:
    """Leave finds out of all replies whose `key` (`jump` or `photo`) is among those that are
    gone; returns the replies that had one."""
    rows = await _rows(
        db,
        f"SELECT {_COLUMNS} FROM message WHERE NOT deleted AND reply IS NOT NULL AND EXISTS"
        " (SELECT 1 FROM json_tree(reply, '$.finds') WHERE key = ? AND atom IN"
        " (SELECT value FROM json_each(?)))",
        (key, json.dumps(list(gone))),
    )
    changed: list[Message] = []
    for answered in map(_message, rows):
        assert answered.reply is not None
        left = [
            together([each for each in (find, *find.copies) if getattr(each, key) not in gone])
            for find in answered.reply.finds
        ]
        kept = tuple(find for find in left if find is not None)
        rows = await _rows(
            db,
            f"UPDATE message SET reply = ? WHERE id = ? RETURNING {_COLUMNS}",
            (_write_reply(replace(answered.reply, finds=kept)), answered.id),
        )
        changed.append(_message(rows[0]))
    return changed


def _renumbered(find: Find, photos: Mapping[int, int]) -> Find:
    copies = tuple(_renumbered(copy, photos) for copy in find.copies)
    return replace(find, photo=photos.get(find.photo, find.photo), copies=copies)


def _message(row: sqlite3.Row) -> Message:
    identity, group, author, text, posted_at, question, reply, attachments, answers = row
    return Message(
        id=identity,
        group=group,
        author=author,
        text=text,
        posted_at=datetime.fromisoformat(posted_at),
        attachments=tuple(Attachment(**attachment) for attachment in json.loads(attachments)),
        question=question,
        reply=None if reply is None else _read_reply(reply),
        answers=answers,
    )
