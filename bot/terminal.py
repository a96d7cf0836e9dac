"""What the commands print. Only bot.__main__ uses it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.language import photos
from bot.models import Presence
from bot.photos import GroupStatus, Name, Task
from bot.redaction import harmless
from bot.settings import Settings

if TYPE_CHECKING:  # each command prints something else, and none should wait for all of it
    from adapters.files import Files
    from adapters.importing import ImportSummary
    from bot.answers import Answer, Hit, Verdict
    from bot.app import Check
    from bot.catalog import Line
    from bot.relocation import Moved
    from bot.report import Status
    from storage.backup import Backup

MOST_REASONS = 10
"""Refused photos that are listed; `status --json` lists all."""
MOST_PLACES = 40
"""Chats of an import that are listed."""
MOST_ALIKE = 20
"""Of what an import refuses for the same reason, so many are listed."""


def plain(text: str) -> str:
    """One line that can't move the cursor: names may hold newlines and control characters."""
    return harmless(text)


def download_bar() -> Callable[[int, int], None]:
    """A bar on stderr for the model's download; appears with its first byte."""
    return _bar("model", unit="B", unit_scale=True)


def import_bar() -> Callable[[int, int], None]:
    """A bar on stderr: done / total, photos per second, time left."""
    return _bar("photos", unit="photo")


def demo_bar() -> Callable[[int, int], None]:
    """A bar on stderr for the scenes that are drawn and posted."""
    return _bar("demo", unit="scene")


def measuring_bar() -> Callable[[int, int], None]:
    """A bar on stderr for the models that are measured."""
    return _bar("measured", unit="model")


def moving_bar() -> Callable[[int, int], None]:
    """A bar on stderr for the photos that are moved."""
    return _bar("moved", unit="photo")


def comparing_bar() -> Callable[[int, int], None]:
    """A bar on stderr for the photos that are compared."""
    return _bar("compared", unit="photo")


def _bar(title: str, **options: Any) -> Callable[[int, int], None]:
    from tqdm import tqdm

    bar: tqdm[Any] | None = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, desc=title, file=sys.stderr, dynamic_ncols=True, **options)
        bar.total = total
        bar.update(done - bar.n)
        if total and done >= total:
            bar.close()

    return progress


def print_summary(summary: ImportSummary, notice: str | None) -> None:
    """The closing words of an import."""
    for line in summary.places[:MOST_PLACES]:
        print(plain(line))
    if more := len(summary.places[MOST_PLACES:]):
        print(f"… and {more} more")
    if summary.dry:
        print("nothing was kept; without --dry-run it would be:")
    print(f"{summary.added} added, {summary.known} already known, {len(summary.refused)} refused")
    if summary.left_out:
        print(f"{summary.left_out} left out: forgotten before, too old, or by who opted out")
    if summary.replies:
        print(f"replies that say something about these photos: {summary.replies}")
    for reason, where in _by_reason(summary.refused).items():
        for each in where[:MOST_ALIKE]:
            print(f"  {plain(each)}: {plain(reason)}")
        if more := len(where[MOST_ALIKE:]):
            print(f"  … and {more} more: {plain(reason)} (--report FILE lists all)")
    if notice:
        print(plain(notice), file=sys.stderr)
    elif waiting := summary.waiting.get(Task.EMBED, 0):
        print(f"{waiting} photos wait for a model to be found by meaning", file=sys.stderr)


def write_report(summary: ImportSummary, file: Path) -> None:
    """Everything that was refused, a line each. Raises OSError."""
    lines = [f"{plain(where)}\t{plain(reason)}\n" for where, reason in summary.refused]
    file.write_text("".join(lines), encoding="utf-8")


def _by_reason(refused: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for where, reason in refused:
        found.setdefault(reason, []).append(where)
    return found


def print_notes(answer: Answer) -> None:
    """What should be known of an answer, apart from it."""
    for note in filter(None, (answer.hint, answer.notice)):
        print(plain(note), file=sys.stderr)


def print_answer(answer: Answer, files: Files) -> None:
    """An answer for people: the sentence, then a few lines a photo."""
    print_notes(answer)
    print(plain(answer.sentence))
    if answer.rest and not answer.hits:
        print("--nearest shows what is nearest to it.")
    for hit in answer.hits:
        post = hit.photo.post
        who = f" by {plain(post.author_name)}" if post.author_name else ""
        print(f"{hit.rank}. {plain(_where(hit, files))}")
        why = plain(", ".join(hit.reasons))
        print(f"   {hit.score:.2f} {why}; {post.posted_at:%Y-%m-%d %H:%M}{who}")
        if post.caption:
            print(f"   “{plain(post.caption)}”")
        if hit.copies:
            print(f"   {hit.stands_for(plain)}")


def with_nearest(answer: Answer) -> Answer:
    """The same, but if nothing fits, with what is nearest."""
    if answer.hits or not answer.rest:
        return answer
    sentence = f"{answer.sentence} The nearest:"
    return replace(answer, hits=answer.rest[:1], rest=answer.rest[1:], sentence=sentence)


def answer_json(answer: Answer, files: Files) -> str:
    """An answer for programs."""
    return _json(
        [
            {
                "rank": hit.rank,
                "photo": _where(hit, files),
                "score": round(hit.score, 4),
                "why": list(hit.reasons),
                "author": hit.photo.post.author_name or None,
                "posted_at": hit.photo.post.posted_at.isoformat(),
                "caption": hit.photo.post.caption or None,
                "copies": [_where(copy, files) for copy in hit.copies],
                "also_by": list(hit.others),
            }
            for hit in answer.hits
        ]
    )


def print_verdict(verdict: Verdict) -> None:
    """What a photo shows, in words and bars."""
    print(plain(verdict.sentence))
    for each in verdict.shares:
        print(f"{each.bar(20)} {each.percent:>9}  {plain(each.option)}")
    if verdict.notice:
        print(plain(verdict.notice), file=sys.stderr)


def verdict_json(verdict: Verdict) -> str:
    """The same for programs."""
    return _json([{"option": s.option, "share": round(s.share, 4)} for s in verdict.shares])


def print_names(names: Sequence[Name]) -> None:
    """A line each."""
    if not names:
        print("No names yet.")
    for each in names:
        print(f"{plain(each.name)}  ({each.examples})")


def _where(hit: Hit, files: Files) -> str:
    from adapters.exports.files import PLATFORM as EXPORT
    from adapters.exports.files import Exported

    if hit.photo.ref.platform == files.platform:
        return str(files.path(hit.photo.ref))
    if hit.photo.post.link is None and hit.photo.ref.platform == EXPORT:
        photo = Exported.of(hit.photo.ref)
        return str(Path(photo.package) / photo.file)
    return hit.photo.post.link or hit.photo.ref.locator


def print_status(status: Status, model: str) -> None:
    """A table of groups, the reasons of what was refused, the model."""
    print(f"Model: {plain(status.presence.line)}")
    if change := _change(status, model):
        print(plain(change))
    groups = status.groups
    if not groups:
        print("No photos yet.")
        return
    width = max(len("group"), *(len(_group_name(group)) for group in groups))
    print(f"{'group':{width}}  photos  waiting  refused")
    for group in groups:
        counts = f"{group.photos:6}  {group.waiting:7}  {len(group.refused):7}"
        print(f"{_group_name(group):{width}}  {counts}")
    for group in groups:
        if group.unseen:
            print(
                f"in {_group_name(group)} {photos(group.unseen)} can be found by words only: the "
                "model could not see them, since the originals are gone"
            )
        for refusal in group.refused[:MOST_REASONS]:
            print(
                f"refused in {_group_name(group)}: {plain(refusal.name)}: {plain(refusal.reason)}"
            )
        if more := len(group.refused[MOST_REASONS:]):
            print(f"refused in {_group_name(group)}: … and {more} more (status --json lists all)")


def _change(status: Status, model: str) -> str:
    """What is to be said while the photos are known to another model than the one in MODEL."""
    answering, coming = status.answering, status.coming
    waiting = sum(group.waiting_renewal for group in status.groups)
    total = sum(group.photos for group in status.groups)
    if coming is not None and answering is not None:
        done = total - waiting
        return (
            f"changing to {coming.name}: it has seen {done} of {photos(total)} "
            f"({100 * done // max(1, total)} %); until it has seen all, {answering.name} answers"
        )
    if answering is not None and answering.name != model and total:
        return f"the photos are known to {answering.name}: the next start begins to change that"
    return f"{photos(waiting)} wait for the model to see them anew" if waiting else ""


def _group_name(group: GroupStatus) -> str:
    return plain(group.name or group.group)


def status_json(status: Status, name: str) -> str:
    """The status for programs."""
    return _json(
        {
            "model": {
                "name": name,
                "here": status.presence.presence is Presence.HERE,
                "line": status.presence.line,
                "answering": status.answering and status.answering.name,
                "coming": status.coming and status.coming.name,
            },
            "groups": [
                {
                    "group": group.group,
                    "name": group.name,
                    "photos": group.photos,
                    "waiting": group.waiting,
                    "waiting_embedding": group.waiting_embedding,
                    "waiting_text": group.waiting_text,
                    "waiting_renewal": group.waiting_renewal,
                    "unseen": group.unseen,
                    "refused": [{"name": r.name, "reason": r.reason} for r in group.refused],
                }
                for group in status.groups
            ],
        }
    )


def print_models(lines: Sequence[Line], model: str) -> None:
    """A table of models, the chosen one marked, and what could not be measured."""
    heads = ("  MODEL", "download", "languages", "licence", "here", "photos/s", "a question", "")
    table: list[tuple[str, ...]] = [heads]
    for line in lines:
        entry, speed = line.entry, line.speed
        table.append(
            (
                f"{'*' if entry.name == model else ' '} {plain(entry.name)}",
                _size(entry.megabytes),
                entry.languages,
                entry.licence,
                "yes" if line.here else "no",
                f"{speed.photos:.3g}" if speed else "",
                f"{1000 * speed.question:.3g} ms" if speed else "",
                entry.advice,
            )
        )
    if not any(line.speed for line in lines):  # then there is nothing to say in two columns
        table = [row[:5] + row[7:] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(
            "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        )
    for line in lines:
        if line.problem:
            print(f"not measured: {plain(line.problem)}")


def _size(megabytes: int) -> str:
    return "" if not megabytes else f"{megabytes / 1000:.1f} GB"


def models_json(lines: Sequence[Line], model: str) -> str:
    """The same for programs."""
    return _json(
        [
            {
                "model": line.entry.name,
                "chosen": line.entry.name == model,
                "download_mb": line.entry.megabytes,
                "languages": line.entry.languages,
                "licence": line.entry.licence,
                "here": line.here,
                "photos_per_second": line.speed and round(line.speed.photos, 1),
                "question_ms": line.speed and round(1000 * line.speed.question, 1),
                "problem": line.problem or None,
            }
            for line in lines
        ]
    )


def print_backups(backups: Sequence[Backup]) -> None:
    """What was copied where."""
    for each in backups:
        number = f", {photos(each.photos)}" if each.photos else ""
        print(f"{plain(str(each.path))}: {each.bytes / 1e6:.1f} MB{number}")


def print_not_backed_up(folder: Path | None) -> None:
    """What has to be copied besides."""
    if folder is not None:
        print(
            f"not in it: the photos that were posted in the web chat; copy {plain(str(folder))} too"
        )


def print_restored(restored: Sequence[tuple[Backup, Path | None]]) -> None:
    """What was brought back, and where the old files are."""
    for backup, aside in restored:
        print_backups([backup])
        if aside is not None:
            print(f"  what was there before is now {plain(str(aside))}: delete it, if all is well")


def print_moved(moved: Moved) -> None:
    """What was moved, how it differs from what it was, and what stays where it is."""
    found, place, left = moved.comparison, plain(moved.place), plain(moved.left)
    groups = "1 group" if found.groups == 1 else f"{found.groups} groups"
    answers = "1 answer" if found.answers == 1 else f"{found.answers} answers"
    print(f"{groups}, {photos(found.photos)}, {answers}: {left} -> {place}")
    if not moved.same:
        for difference in found.told:
            print(f"  differs: {plain(difference)}")
        if more := found.differences - len(found.told):
            print(f"  … and {more} more")
        print(f"not the same, so {place} is not used: empty it, and move again")
        return
    print("compared record by record: the same")
    if moved.chat_copy is not None:
        print(
            "the web chat's answers have the photos' new numbers; as they were they are in "
            f"{plain(str(moved.chat_copy))}: delete it, if all is well"
        )
    print(
        f"now let DATABASE_URL name {place}; {left} is as it was, with all that will be forgotten "
        "there: delete it, if all is well"
    )
    print(
        f"not moved: what else is in {plain(str(moved.folder))} (the web chat and what was posted "
        f"in it, models), and the files of imported photos{_next_for(moved)}"
    )


def _next_for(moved: Moved) -> str:
    """What is to be done about all that was not moved, if anything."""
    folder, home = plain(str(moved.folder)), moved.home
    if home is None:
        return "" if folder == Settings().folder else f"; set DATA_FOLDER={folder}"
    return "" if home == moved.folder else f"; move what you need to {plain(str(home))}"


def print_checks(checks: Sequence[Check]) -> None:
    """One line each."""
    for check in checks:
        print(f"{'ok ' if check.fine else 'BAD'}  {check.subject}: {plain(check.line)}")


def _json(value: object) -> str:
    """Readable in every script; what a terminal would obey is escaped."""
    written = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in written)
