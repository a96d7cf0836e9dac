"""The only wiring: settings -> store, encoder, memory, adapters; start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters import LiveChat, chats, token_checks
from adapters.exports.files import ExportFiles
from adapters.files import CHANNEL, Files, content_of
from bot import clip, models, settings, zeroshot
from bot.answers import Answer, Verdict
from bot.bytes_between import Elsewhere, from_gateways, leave_to_gateways, to_encoders
from bot.decoder import Decoder
from bot.elections import lead
from bot.errors import ModelUnavailable, SettingsError, ShoeboxError, StoreError
from bot.health import Watch, Watched
from bot.housekeeping import keep_house
from bot.images import MAX_BYTES
from bot.indexing import Indexer
from bot.loader import ModelLoader, Predecessor, Preparing
from bot.loader import Progress as DownloadProgress
from bot.lock import IndexerLock
from bot.memory import PhotoMemory
from bot.metrics import SILENT, Meter
from bot.model_state import ModelState
from bot.models import Presence
from bot.pages import owners_site, web_chat
from bot.photos import EVERYONE, Name, PhotoRef, Query
from bot.ports import ChatAdapter, PhotoStore
from bot.pulse import Pulse
from bot.roles import Role, make_sure
from bot.settings import Settings
from bot.starter import files as starter
from bot.succession import Succession
from storage import store_for
from storage.backup import CHAT, CHATLOG, MEMORY, Backup, are_kin, back_up, look_into
from storage.backup import restore as put_back
from storage.upgrade import drop_copies

log = logging.getLogger(__name__)

START_SECONDS = 5.0
"""How long a start may look for damage in the database."""
CHECK_SECONDS = 300.0
"""How long `check` may."""

DemoProgress = Callable[[int, int], None]
"""Called with scenes posted and scenes in all."""


@dataclass(frozen=True, slots=True)
class App:
    """What is open while a command runs."""

    store: PhotoStore
    memory: PhotoMemory
    adapters: dict[str, ChatAdapter]
    files: Files
    decoder: Decoder
    loader: ModelLoader
    settings: Settings
    watched: list[Watched] = field(default_factory=list)
    """The chats that are served."""

    elsewhere: Elsewhere | None = None
    """Has originals that no adapter here has."""

    def indexer(self) -> Indexer:
        return Indexer(
            self.store,
            self.memory,
            self.adapters,
            self.decoder,
            self.settings.indexing_mb * 2**20,
            self.settings.keep_thumbnails,
            self.loader.switch,
            self.elsewhere,
        )


@asynccontextmanager
async def opened(
    chosen: Settings,
    download: DownloadProgress | None = None,
    meter: Meter = SILENT,
    elsewhere: Elsewhere | None = None,
) -> AsyncIterator[App]:
    """Everything but a model and a chat; both come later or never. Raises StoreError."""
    state = ModelState(chosen.model)
    files = Files(chosen.data_folder, MAX_BYTES)
    exports = ExportFiles(MAX_BYTES)
    adapters: dict[str, ChatAdapter] = {files.platform: files, exports.platform: exports}

    def load(
        progress: DownloadProgress, preparing: Preparing, model: str = chosen.model
    ) -> clip.ClipEncoder:
        return clip.load(model, chosen.models_folder, chosen.hub_url, progress, preparing)

    def load_again(model: str, preparing: Preparing) -> clip.ClipEncoder:
        if models.look(model, chosen.models_folder).presence is not Presence.HERE:
            raise ModelUnavailable("its files are gone")
        return load(lambda done, total: None, preparing, model)

    # A trial goes on without a network; a group that somebody invited the bot to is never
    # served by a model that nobody chose.
    trial = not token_checks(chosen) and not chosen.on_postgres
    fallback = partial(load, model=starter.NAME) if trial else None

    async with (
        store_for(
            chosen.database_url, chosen.search_cache_mb, meter.failed, chosen.index_from
        ) as store,
        Decoder(meter) as decoder,
    ):
        memory = PhotoMemory(
            store,
            state,
            adapters,
            decoder,
            chosen.language,
            chosen.questions_per_minute,
            chosen.retention,
            chosen.models_folder,
            meter,
        )
        predecessor = Predecessor(store.models.answering, load_again)
        async with ModelLoader(
            state, load, memory.wake, download, fallback, predecessor=predecessor
        ) as loader:
            with contextlib.closing(exports):
                yield App(
                    store, memory, adapters, files, decoder, loader, chosen, elsewhere=elsewhere
                )


async def serve(chosen: Settings, role: Role = Role.BOTH) -> None:
    """Run the bot, or that part of it, until cancelled. Raises ShoeboxError, e.g. when a token is
    refused."""
    make_sure(role, chosen)
    async with _at_work(chosen, role) as (app, live, loading):
        if not role.talks:
            await _together(loading, *(chat.assist() for chat in live))
        elif live:
            async with owners_site(chosen, app.memory, app.decoder, live):
                await _take_part(live, loading)
        else:
            await web_chat(chosen, app.memory, app.decoder, app.watched)


async def _together(loading: asyncio.Task[None], *work: Coroutine[Any, Any, None]) -> None:
    """Until cancelled. Raises the first error, also that of a model that can't be had."""
    tasks = {asyncio.create_task(each) for each in (asyncio.Event().wait(), *work)}
    waiting: set[asyncio.Task[Any]] = {loading, *tasks}
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _take_part(live: Sequence[LiveChat], loading: asyncio.Task[None]) -> None:
    """Serve every platform; one that fails leaves the others running.

    Raises the error of the last one, and HubUnreachable when the model that the owner chose is
    not here and can't be had: a group is not served by half a memory that nobody asked for.
    """
    names = {asyncio.create_task(chat.serve()): chat.platform for chat in live}
    waiting: set[asyncio.Task[None]] = {*names, loading}
    try:
        while waiting & names.keys():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and (task is loading or not waiting & names.keys()):
                    raise error
                if error is not None:
                    log.error("%s stops, the others go on: %s", names[task], error)
    finally:
        for task in names:
            task.cancel()
        await asyncio.gather(*names, return_exceptions=True)


async def demo(chosen: Settings, progress: DemoProgress) -> None:
    """A web chat with a group full of drawings, in a memory of its own, until cancelled.

    Raises ShoeboxError, e.g. where there is no emoji font to draw with.
    """
    from adapters import demo

    apart = replace(
        chosen,
        discord_token="",
        telegram_token="",
        model=starter.NAME,
        database_url=f"{settings.SQLITE_PREFIX}{chosen.data_folder / demo.GROUP / 'shoebox.db'}",
    )
    async with _at_work(apart) as (app, _, _):
        await demo.fill(app.memory, app.decoder.preview, apart.data_folder, progress)
        await web_chat(apart, app.memory, app.decoder, app.watched, f"g/{demo.GROUP}")


def _taken(chosen: Settings, lock: IndexerLock) -> StoreError:
    return StoreError(
        f"another Shoebox (process {lock.owner()}) already runs on {chosen.place}: "
        "stop it first, or set another DATABASE_URL"
    )


@contextlib.contextmanager
def _as_its_only_process(chosen: Settings) -> Iterator[None]:
    """Of a memory in a file. Raises StoreError, where there is another."""
    if chosen.on_postgres:
        try:
            chosen.data_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the data folder {chosen.data_folder} can't be made: {error.strerror}; "
                "check its permissions or DATA_FOLDER"
            ) from error
        yield
        return
    with IndexerLock(chosen.database_path) as lock:
        if not lock.held:
            raise _taken(chosen, lock)
        yield


@asynccontextmanager
async def _at_work(
    chosen: Settings, role: Role = Role.BOTH
) -> AsyncIterator[tuple[App, list[LiveChat], asyncio.Task[None]]]:
    """Open, with the indexer running, the model on its way, and the platforms that are switched
    on, not yet served; as far as a role goes. Raises StoreError, SettingsError, TokenRefused."""
    from adapters.monitoring import Monitor

    with _as_its_only_process(chosen):
        monitor = Monitor(chosen)
        async with AsyncExitStack() as stack:
            elsewhere = (
                None if role.talks else await stack.enter_async_context(from_gateways(chosen))
            )
            app = await stack.enter_async_context(
                opened(chosen, meter=monitor.meter, elsewhere=elsewhere)
            )
            await prove_sound(app.store)
            live = [await stack.enter_async_context(c) for c in chats(chosen, app.memory)]
            if not role.talks:
                leave_to_gateways(app.adapters, is_given=app.elsewhere is not None)
            app.adapters.update({chat.platform: chat for chat in live})
            app.watched.extend(live)
            pulse = Pulse()
            chores: list[Coroutine[Any, Any, None]] = []
            if role.looks:
                indexer = app.indexer()
                pulse = indexer.pulse
                await app.store.heed(app.memory.wake)
                await stack.enter_async_context(indexer.running())
            else:
                succession = Succession(app.store, app.memory.model, app.loader.switch)
                chores.append(succession.follow_for_ever())
            chats_open = app.watched if role.talks or live else None
            watch = Watch(app.store, app.memory.model, app.decoder, pulse, chats_open)
            await stack.enter_async_context(monitor.serving(watch.look))
            if role.talks:
                await stack.enter_async_context(to_encoders(chosen, app.memory))
                chores.append(_keep_house(app))
                chores.append(app.memory.memories.rounds(live))
            loading = asyncio.create_task(_load(app, insist=bool(live) or not role.talks))
            tasks = [loading, *map(asyncio.create_task, chores)]
            try:
                yield app, live, loading
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_house(app: App) -> None:
    """One process is enough for it: of those that know what the owner has decided for chats."""
    chosen = app.settings
    grace = timedelta(days=chosen.keep_after_leaving_days)
    copies = None if chosen.on_postgres else partial(_drop_copies, chosen)
    chores = partial(keep_house, app.store, grace, chosen.retention, chosen.keep_thumbnails, copies)
    await lead(app.store.elections, "housekeeping", chores)


async def _drop_copies(chosen: Settings, before: datetime) -> int:
    """Delete what upgrades copied before then; how many files. Raises StoreError."""
    files = chosen.database_path, chosen.chat_path
    return sum([await asyncio.to_thread(drop_copies, file, before) for file in files])


async def prove_sound(store: PhotoStore) -> None:
    """A damaged memory is not written to. Raises StoreError, which says what to do."""
    if not await store.prove_sound(START_SECONDS):
        log.info("the database is large: of it only what %g s allowed was checked", START_SECONDS)


async def _load(app: App, insist: bool) -> None:
    """Bring the model in, and work out what its first question would have to wait for."""
    await app.loader.load_until_there(insist=insist)
    model = app.memory.model
    for encoder in filter(None, (model.encoder, model.coming)):
        with contextlib.suppress(ShoeboxError):
            await app.memory.prepare(encoder)


async def find(
    chosen: Settings, words: str, group: str, top: int, download: DownloadProgress
) -> tuple[Answer, Files]:
    """The same answer as in the chat. Raises UnknownGroup."""
    async with opened(chosen, download) as app:
        group_id = await app.memory.groups.resolve(group)
        await app.loader.load_to_answer()
        return await app.memory.find(Query((group_id,), words, EVERYONE, top)), app.files


async def which(
    chosen: Settings, photo: Path, options: Sequence[str], download: DownloadProgress
) -> Verdict:
    """What a file shows, of some options. Raises ModelUnavailable, NotAPhoto: as one line."""
    path = await asyncio.to_thread(photo.absolute)
    words = " ".join(options)
    if len(zeroshot.options_in(words)) < zeroshot.FEWEST:
        words = ", ".join(options)  # each argument is one: cat dog 'birthday cake'
    async with opened(chosen, download) as app:
        await app.loader.load_to_answer()
        verdict = await app.memory.which(words, PhotoRef(app.files.platform, "", str(path)))
    if not verdict.shares:
        raise ShoeboxError(" ".join(filter(None, (verdict.sentence, verdict.notice))))
    return verdict


async def name(chosen: Settings, photo: Path, name: str, group: str) -> str:
    """Call what is in an imported photo so; what there is to say. Raises ShoeboxError."""
    async with opened(chosen) as app:
        group_id = await app.memory.groups.resolve(group)
        content = await asyncio.to_thread(content_of, photo)
        known = await app.memory.posted(group_id, CHANNEL, content)
        if not known:
            raise ShoeboxError(f"{photo} is not remembered in {group}: import it first")
        return await app.memory.names.give(known[0], name, "", EVERYONE)


async def names(chosen: Settings, group: str) -> list[Name]:
    """What a group calls things. Raises UnknownGroup."""
    async with store_for(chosen.database_url, chosen.search_cache_mb) as store:
        group_id = await store.groups.resolve(group)
        return list((await store.names.of([group_id], EVERYONE)).values())


async def unname(chosen: Settings, name: str, group: str) -> str:
    """Take a name away, whoever gave it; what there is to say. Raises UnknownGroup."""
    async with opened(chosen) as app:
        group_id = await app.memory.groups.resolve(group)
        return await app.memory.names.take_back(group_id, EVERYONE, name, None)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `check`."""

    fine: bool
    subject: str
    line: str


async def check(env_file: Path) -> list[Check]:
    """Is .env right, the database writable, the model there, each token valid?"""
    try:
        chosen = settings.load(env_file)
        checks = [_check_env(env_file)]
    except SettingsError as error:
        return [Check(False, "settings", str(error))]
    checks.append(await _check_database(chosen))
    presence = await asyncio.to_thread(
        clip.inspect, chosen.model, chosen.models_folder, chosen.hub_url
    )
    checks.append(Check(presence.presence is not Presence.MISSING, "model", presence.line))
    for key, who_is in token_checks(chosen).items():
        try:
            checks.append(Check(True, key, f"valid, it is {await who_is()}"))
        except ShoeboxError as error:
            checks.append(Check(False, key, str(error)))
        except Exception as error:  # whatever answers there does not speak the platform's language
            checks.append(Check(False, key, f"no sensible answer ({type(error).__name__})"))
    return checks


def _check_env(env_file: Path) -> Check:
    if not env_file.exists():
        return Check(True, "settings", f"no {env_file}: every setting has its default")
    unknown = sorted(set(settings.read_env_file(env_file)) - set(settings.KEYS))
    if unknown:
        return Check(False, "settings", f"{env_file} has keys nobody reads: {', '.join(unknown)}")
    if settings.others_can_read(env_file):
        return Check(False, "settings", settings.readable(env_file))
    return Check(True, "settings", f"{env_file} is read")


async def _check_database(chosen: Settings) -> Check:
    try:
        async with store_for(chosen.database_url, chosen.search_cache_mb) as store:
            await store.prove_writable()
            whole = await store.prove_sound(CHECK_SECONDS)
    except ShoeboxError as error:
        return Check(False, "database", str(error))
    sound = "sound" if whole else f"sound as far as {CHECK_SECONDS:g} s allowed to look"
    where = f"PostgreSQL at {chosen.place}" if chosen.on_postgres else chosen.place
    return Check(True, "database", f"{where} can be written, and is {sound}")


def backup(chosen: Settings, to: Path, overwrite: bool) -> list[Backup]:
    """Copy the memory to a file, and the web chat's log, if there is one, beside it, while a bot
    may be running. Raises StoreError, SettingsError."""
    _is_a_file(chosen)
    chat = to.with_name(to.name + CHAT)
    if not overwrite and chat.exists():  # no copy without the other
        raise StoreError(f"{chat} exists already: choose another name, or say --overwrite")
    made = [back_up(chosen.database_path, to, overwrite)]
    if chosen.chat_path.exists():
        made.append(back_up(chosen.chat_path, chat, overwrite, CHATLOG))
    return made


def _is_a_file(chosen: Settings) -> None:
    if chosen.on_postgres:
        raise SettingsError(
            f"the memory is in PostgreSQL at {chosen.place}: pg_dump copies it, and pg_restore "
            "brings a copy back (docs/scaling.md)"
        )


def not_backed_up(chosen: Settings) -> Path | None:
    """The folder of photos that were posted in the web chat: files, which no backup holds."""
    folder = chosen.chat_path.parent / "photos"
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def restore(chosen: Settings, backup: Path) -> list[tuple[Backup, Path | None]]:
    """Bring back what `backup` has copied; what it was, and where the old file lies now. Raises
    StoreError, also while a bot runs on this database; SettingsError."""
    _is_a_file(chosen)
    with IndexerLock(chosen.database_path) as lock:
        if not lock.held:
            raise _taken(chosen, lock)
        copies = [(backup, chosen.database_path, MEMORY)]
        if (chat := backup.with_name(backup.name + CHAT)).exists():
            copies.append((chat, chosen.chat_path, CHATLOG))
        found = [look_into(copy, schema) for copy, _, schema in copies]
        now, kin = datetime.now(UTC), are_kin(backup, chosen.database_path)
        asides = [put_back(copy, place, now, schema, kin) for copy, place, schema in copies]
    return list(zip(found, asides, strict=True))
