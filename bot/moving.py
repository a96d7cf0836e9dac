"""The wiring of `import`: an order -> photos that are remembered and looked at."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters import telegram_bot
from adapters.exports.files import ImportedFirst
from adapters.exports.importing import ExportImport
from adapters.exports.package import Package, open_package
from adapters.exports.survey import Choice, Source, sources_of
from adapters.files import is_full_of_photos, local_group
from adapters.folder import FolderImport
from adapters.importing import ImportSummary, Progress
from bot import settings
from bot.app import App, opened, prove_sound
from bot.errors import SettingsError
from bot.images import MAX_BYTES
from bot.loader import Progress as DownloadProgress
from bot.lock import IndexerLock
from bot.photos import Task
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What somebody wants imported, as written on the command line."""

    path: Path
    group: str = ""
    """Of this machine; empty: each chat of an export goes into its own."""
    author: str = ""
    """Who is said to have taken a folder's photos."""
    chats: tuple[str, ...] = ()
    """Of an export; none: all."""
    dry: bool = False
    """Only say what would be done."""


async def import_from(
    chosen: Settings, order: ImportOrder, progress: Progress, download: DownloadProgress
) -> tuple[ImportSummary, str | None]:
    """Remember an export's or a folder's photos; the summary, and the notice of what meaning waits
    for. Raises SettingsError, StoreError.

    While another process indexes this memory, that one does the work and this one waits; of a
    memory in PostgreSQL, encoders are supposed to.
    """
    package = await asyncio.to_thread(open_package, order.path)
    with contextlib.closing(package):
        sources = await asyncio.to_thread(_sources, package)
        _make_sure(order, package, sources)
        if order.dry:
            with _not_written(chosen) as read_only:
                async with opened(read_only, download) as app:
                    return await _look(chosen, app, order, package, sources, progress), None
        with _indexing_lock(chosen) as is_ours:
            async with opened(chosen, download) as app:
                await prove_sound(app.store)
                if not sources:
                    return await _import_folder(app, order, progress, is_ours)
                return await _import_export(chosen, app, order, package, sources, progress, is_ours)


@contextlib.contextmanager
def _indexing_lock(chosen: Settings) -> Iterator[bool]:
    """Whether this process is the one that looks at photos. With PostgreSQL it is not: it could
    come across photos of platforms that it can't fetch from."""
    if chosen.on_postgres:
        yield False
        return
    with IndexerLock(chosen.database_path) as lock:
        yield lock.held


@contextlib.contextmanager
def _not_written(chosen: Settings) -> Iterator[Settings]:
    """Settings for who only looks: where there is no database yet, none is left behind."""
    if chosen.on_postgres or chosen.database_path.exists():
        yield chosen
        return
    with tempfile.TemporaryDirectory() as folder:
        url = f"{settings.SQLITE_PREFIX}{Path(folder) / 'shoebox.db'}"
        yield replace(chosen, database_url=url)


async def _look(
    chosen: Settings,
    app: App,
    order: ImportOrder,
    package: Package,
    sources: list[Source],
    progress: Progress,
) -> ImportSummary:
    if not sources:
        work = FolderImport(app.memory, app.files, app.decoder, _awaited(app))
        return await work.look(order.path, order.group.strip(), progress)
    return await (await _surveyed(chosen, app, order, package, sources)).look(progress)


async def _surveyed(
    chosen: Settings, app: App, order: ImportOrder, package: Package, sources: list[Source]
) -> ExportImport:
    local = local_group(order.group) if order.group else None
    choice = Choice(local, order.chats, telegram_bot(chosen))
    work = ExportImport(app.memory, package, sources, choice)
    await work.survey()
    return work


def _sources(package: Package) -> list[Source]:
    """None where a folder holds photos of its own: then what is in folders below is only that."""
    sources = sources_of(package)
    if sources and "/" in sources[0].name and is_full_of_photos(package.path):
        return []
    return sources


def _make_sure(order: ImportOrder, package: Package, sources: Sequence[Source]) -> None:
    """Raises SettingsError where an order makes no sense for what there is."""
    where = str(order.path)
    if order.group:
        local_group(order.group)
    if sources and order.author:
        raise SettingsError("an export says itself who posted what: leave --author out")
    if sources:
        return
    if not package.path.is_dir():
        raise SettingsError(f"there is no export in {where!r}: unpack it, if it is full of photos")
    if not order.group:
        raise SettingsError(f"there is no export in {where!r}; a folder of photos needs --group")
    if order.chats:
        raise SettingsError(f"there is no export in {where!r} of which --chat could choose")


async def _import_folder(
    app: App, order: ImportOrder, progress: Progress, is_ours: bool
) -> tuple[ImportSummary, str | None]:
    work = FolderImport(app.memory, app.files, app.decoder, _awaited(app))
    async with _indexing(app, is_ours):
        summary = await work.run(order.path, order.group, order.author, progress)
    return summary, app.memory.model.notice if is_ours else None


async def _import_export(
    chosen: Settings,
    app: App,
    order: ImportOrder,
    package: Package,
    sources: list[Source],
    progress: Progress,
    is_ours: bool,
) -> tuple[ImportSummary, str | None]:
    work = await _surveyed(chosen, app, order, package, sources)
    for platform, files in work.files.items():
        app.adapters[platform] = ImportedFirst(platform, package, files, MAX_BYTES)
    async with _indexing(app, is_ours):
        summary = await work.run(_awaited(app), progress)
    return summary, app.memory.model.notice if is_ours else None


def _awaited(app: App) -> Callable[[], tuple[Task, ...]]:
    """Which tasks an import waits for; without a model, not EMBED."""
    state = app.memory.model
    return lambda: (
        (Task.READ,) if state.problem and state.encoder is None else (Task.EMBED, Task.READ)
    )


@asynccontextmanager
async def _indexing(app: App, is_ours: bool) -> AsyncIterator[None]:
    """With the indexer at work and the model on its way, unless another process does that."""
    if not is_ours:
        yield
        return
    async with app.indexer().running():
        loading = asyncio.create_task(app.loader.load_once())
        try:
            yield
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
