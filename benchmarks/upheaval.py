"""Kills and cuts off the processes of a bot in a flood, again and again, and looks what is left.

    python -m benchmarks.upheaval [--rounds 20] [--photos 600] [--seed 1] [--write]

Two gateways and two encoders (`python -m bot run --role …`, the starter model) share a memory in
PostgreSQL and take part in two groups of a Telegram on loopback, in which photos are posted all the
time. Meanwhile the gateway that polls, or an encoder, is killed (SIGKILL) and started again soon;
all lines to the database are cut, or are dead for a while without that anybody is told; or the
database is stopped and started. In the end every photo that was posted must be there exactly once,
with its own vector and its own words, and nothing may wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import numpy as np
import psutil

from benchmarks import reliability
from tests import postgres
from tests.pictures import photo
from tests.postgres import Server
from tests.standins.telegram import Api, Chat, Message, TelegramWorld, User
from tests.telegram import BotProcess, bot_process, serving
from tests.wire import Wire

DISTINCT = 6
"""Pictures; photos of the same one must have the same vector."""
PACE = 0.3
"""Seconds between two photos, on average."""
PAUSE = (2.0, 8.0)
"""Seconds between two upheavals."""
AWAY = (0.0, 4.0)
"""Seconds until what was killed or stopped is started again."""
DEAD = (1.0, 12.0)
FINISH_SECONDS = 900.0
ASKED = 3
AGE = "UPDATE workers SET seen_at = seen_at - interval '25 s'"
"""As if so much time had passed: who lives says so within the next seconds."""


@dataclass
class Run:
    """What happened, and what is wrong with it."""

    upheavals: Counter[str] = field(default_factory=Counter)
    posted: dict[tuple[str, str], int] = field(default_factory=dict)
    """The picture of each message, by group and message."""
    photos: int = 0
    waited: float = 0.0
    """Seconds that a post waited at most until it was taken in."""
    seconds: float = 0.0
    gave_up: list[str] = field(default_factory=list)
    """What processes said that ended by themselves, e.g. without a database at their start."""
    faults: list[str] = field(default_factory=list)


@dataclass
class Crew:
    """The processes."""

    folder: Path
    api: Api
    url: str
    stack: AsyncExitStack
    gateways: list[BotProcess] = field(default_factory=list)
    encoders: list[BotProcess] = field(default_factory=list)

    async def gateway(self) -> BotProcess:
        return await self._start("gateway", self.gateways)

    async def encoder(self) -> BotProcess:
        return await self._start("encoder", self.encoders)

    async def replace(self) -> list[str]:
        """Start again what has ended by itself, as whoever supervises it would; what it said."""
        said = []
        for among, start in ((self.gateways, self.gateway), (self.encoders, self.encoder)):
            for process in [each for each in among if each.process.returncode is not None]:
                among.remove(process)
                last = process.said[-1].strip() if process.said else ""
                said.append(f"ended by itself ({process.process.returncode}): {last}")
                await start()
        return said

    def polling(self) -> BotProcess:
        """The gateway that asks Telegram for updates; nobody else keeps a connection for long."""
        port = urlsplit(self.api.url).port
        for gateway in self.gateways:
            for each in psutil.Process(gateway.process.pid).net_connections("tcp"):
                if each.raddr and each.raddr.port == port and each.status == "ESTABLISHED":
                    return gateway
        return self.gateways[0]

    async def _start(self, role: str, among: list[BotProcess]) -> BotProcess:
        process = bot_process(
            self.folder, self.api, "run", "--role", role, DATABASE_URL=self.url, LANGUAGE="en"
        )
        started = await self.stack.enter_async_context(process)
        started.may_give_up = True
        among.append(started)
        return started


async def upheaval(
    folder: Path,
    url: str,
    server: Server,
    photos: int,
    what: Sequence[str],
    chance: Random,
    pace: float = PACE,
    pause: tuple[float, float] = PAUSE,
    replaced: bool = True,
    say: Callable[[str], None] = print,
) -> Run:
    """Post as long as all that happens, so many photos at least, and look. `replaced`: whatever is
    killed comes back; otherwise nothing does, and time passes faster for what it had taken."""
    run, world, began = Run(), TelegramWorld(), time.monotonic()
    ann = world.user("Ann")
    groups = [world.group(title, [ann]) for title in ("Family", "Club")]
    for group in groups:
        world.add_bot(group, ann)
    async with (
        serving(world) as api,
        Wire(server.port).open() as wire,
        AsyncExitStack() as stack,
    ):
        through = f"postgresql://shoebox:secret-word@127.0.0.1:{wire.port}/{url.rpartition('/')[2]}"
        crew = Crew(folder, api, through, stack)
        await crew.gateway()
        for group in groups:
            await world.bot_sends(group, timeout=120)
        second = await crew.gateway()
        for _ in range(2):
            await crew.encoder()
        await second.says("is here", 120)
        watching = asyncio.create_task(_watch(world, run))
        over = asyncio.Event()

        def is_over() -> bool:
            return over.is_set() and len(run.posted) >= photos

        posting = asyncio.create_task(_post(world, groups, ann, run, is_over, pace, chance))
        for number, kind in enumerate(what, 1):
            await asyncio.sleep(chance.uniform(*pause))
            run.gave_up += await crew.replace()
            await _befall(kind, crew, wire, server, chance, replaced)
            run.upheavals[kind] += 1
            if not replaced:
                await _select(url, AGE)
            say(f"{number} upheavals ({kind}), {len(run.posted)} photos posted")
        over.set()
        await posting
        run.gave_up += await crew.replace()
        await _finish(world, url, run)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await _look(url, run)
        for group in groups:
            if len(group.by_bot) != 1:
                run.faults.append(f"{group.title}: {len(group.by_bot)} greetings")
            await _ask(world, group, ann, run, chance)
        try:
            await stack.aclose()
        except AssertionError as error:  # a traceback or a secret in its log, or it would not end
            log = str(error)
            begin = max(0, log.find("Traceback") - 300)
            run.faults.append(f"a process: …{log[begin:][:1500]}")
    run.seconds = time.monotonic() - began
    return run


async def _post(
    world: TelegramWorld,
    groups: Sequence[Chat],
    ann: User,
    run: Run,
    is_over: Callable[[], bool],
    pace: float,
    chance: Random,
) -> None:
    pictures = [photo(n) for n in range(DISTINCT)]
    while not is_over():
        group, picture = chance.choice(groups), chance.randrange(DISTINCT)
        message = world.post_photo(group, ann, pictures[picture], caption(len(run.posted)))
        run.posted[f"telegram:{group.id}", str(message.id)] = picture
        await asyncio.sleep(chance.uniform(0, 2 * pace))


def caption(number: int) -> str:
    return f"caption{number:05d}of"


async def _watch(world: TelegramWorld, run: Run) -> None:
    """How long posts wait."""
    first, since = None, 0.0
    while True:
        oldest = world.pending[0]["update_id"] if world.pending else None
        if oldest != first:
            first, since = oldest, time.monotonic()
        elif oldest is not None:
            run.waited = max(run.waited, time.monotonic() - since)
        await asyncio.sleep(0.1)


async def _befall(
    kind: str, crew: Crew, wire: Wire, server: Server, chance: Random, replaced: bool
) -> None:
    match kind:
        case "gateway":
            polling = crew.polling()
            crew.gateways.remove(polling)
            await polling.kill()
            if replaced:
                await asyncio.sleep(chance.uniform(*AWAY))
                await crew.gateway()
        case "encoder":
            await crew.encoders.pop(0).kill()
            if replaced:
                await asyncio.sleep(chance.uniform(*AWAY))
                await crew.encoder()
        case "cut":
            wire.cut()
        case "dead":
            wire.die()
            await asyncio.sleep(chance.uniform(*DEAD))
            if chance.random() < 0.5:
                wire.cut()
            wire.revive()
        case "database":
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(chance.uniform(*AWAY))
            await asyncio.to_thread(server.start)


async def _finish(world: TelegramWorld, url: str, run: Run) -> None:
    try:
        await world.idle(FINISH_SECONDS)
        async with asyncio.timeout(FINISH_SECONDS):
            while await _select(url, "SELECT 1 FROM jobs LIMIT 1"):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except (AssertionError, TimeoutError):
        run.faults.append(f"something still waits after {FINISH_SECONDS:.0f} s")


async def _look(url: str, run: Run) -> None:
    """All that was posted is there once, whole, and nothing else is."""
    found = await _select(
        url,
        "SELECT groups.key, message, count(DISTINCT posts.id), count(DISTINCT photos.id),"
        " count(vectors.photo_id), count(fingerprints.photo_id), max(refused), max(posts.caption),"
        " max(texts.caption), max(vectors.vector::text) FROM posts"
        " JOIN groups ON groups.id = posts.group_id LEFT JOIN photos ON post_id = posts.id"
        " LEFT JOIN vectors ON vectors.photo_id = photos.id"
        " LEFT JOIN texts ON texts.photo_id = photos.id"
        " LEFT JOIN fingerprints ON fingerprints.photo_id = photos.id GROUP BY 1, 2",
    )
    for (waiting,) in await _select(url, "SELECT count(*) FROM jobs HAVING count(*) > 0"):
        run.faults.append(f"{waiting} jobs wait")
    run.photos = len(found)
    there = {(group, message) for group, message, *_ in found}
    if lost := run.posted.keys() - there:
        run.faults.append(f"lost: {sorted(lost)[:20]}")
    if unknown := there - run.posted.keys():
        run.faults.append(f"never posted and there: {sorted(unknown)[:20]}")
    seen: dict[int, Any] = {}
    for group, message, *counts, refused, posted, words, vector in found:
        name = f"{group} {message}"
        if counts != [1, 1, 1, 1] or refused:
            run.faults.append(f"{name}: posts, photos, vectors, fingerprints {counts}, {refused}")
        elif not posted or posted != words:
            run.faults.append(f"{name} has the words {words}, not {posted}")
        elif (picture := run.posted.get((group, message))) is not None:
            unit = np.array(json.loads(vector), np.float32)
            if unit @ seen.setdefault(picture, unit) < 0.99:
                run.faults.append(f"{name} has another photo's vector")
    alike = [a for a in seen for b in seen if a < b and seen[a] @ seen[b] > 0.99]
    if alike:
        run.faults.append(f"pictures {alike} can't be told apart")


def _is_answered(post: Message, messages: Sequence[Message]) -> bool:
    """The sentence comes behind the photos; that of the question before may come late."""
    return any(each.kind == "text" and post.text in each.text for each in messages)


async def _ask(world: TelegramWorld, group: Chat, ann: User, run: Run, chance: Random) -> None:
    """Some of the photos are found by their words."""
    posts: list[Message] = [each for each in group.messages if "caption0" in each.text]
    for post in chance.sample(posts, min(ASKED, len(posts))):
        before = len(group.by_bot)
        world.say(group, ann, f"/find {post.text}")
        try:
            async with asyncio.timeout(60):
                while not _is_answered(post, group.by_bot[before:]):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            run.faults.append(f"no answer to {post.text}")
            continue
        shown = [each.file_unique_id for each in group.by_bot[before:] if each.kind == "photo"]
        if shown[:1] != [post.file_unique_id]:
            run.faults.append(f"{post.text} is not found")


async def _select(url: str, sql: str) -> list[Any]:
    db = await asyncpg.connect(url)
    try:
        return [tuple(each) for each in await db.fetch(sql)]
    finally:
        await db.close()


KINDS = {
    "gateway": "the polling gateway killed",
    "encoder": "an encoder killed",
    "cut": "all lines cut",
    "dead": "all lines dead for a while",
    "database": "the database restarted",
}


def told(run: Run, seed: int) -> str:
    """A row of the table."""
    kinds = " | ".join(str(run.upheavals[kind]) for kind in KINDS)
    return (
        f"| {seed} | {kinds} | {len(run.posted)} | {run.photos} | {run.waited:.1f} s | "
        f"{len(run.gave_up)} | "
        f"{len(run.faults)} | {run.seconds:.0f} s |"
    )


def document(run: Run, options: argparse.Namespace) -> str:
    """Its part of the page."""
    command = (
        f"python -m benchmarks.upheaval --rounds {options.rounds} --photos {options.photos}"
        f" --seed {options.seed} --write"
    )
    head = [
        *("seed", *KINDS.values(), "photos posted", "photos there"),
        *("longest wait of a post", "gave up at their start", "faults", "took"),
    ]
    return "\n".join(
        [
            "## Several processes, killed and cut off in a flood",
            "",
            f"`{command}` ({reliability.machine()}): two gateways and two encoders share a memory "
            "in PostgreSQL while photos are posted in two groups. Processes are killed (SIGKILL) "
            "and started again a moment later, lines to the database are cut or are dead without "
            "that anybody is told, the database is stopped and started. A fault is a photo that is "
            "not there exactly once with its own vector, fingerprint and words, a job that waits "
            "for ever, a second greeting, or a photo that `/find` doesn't find in the end. A post "
            "that waits is kept by Telegram until it is taken in.",
            "",
            f"| {' | '.join(head)} |",
            "|---" * len(head) + "|",
            told(run, options.seed),
            *(f"\n- {fault}" for fault in run.faults),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--photos", type=int, default=600, help="at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write {reliability.PAGE}")
    options = parser.parse_args()
    chance = Random(options.seed)
    what = [list(KINDS)[n % len(KINDS)] for n in range(options.rounds)]
    chance.shuffle(what)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.server(()))
        postgres.apart(server.prepare())

        async def all_of_it() -> Run:
            url = await server.new()
            return await upheaval(folder, url, server, options.photos, what, chance)

        run = asyncio.run(all_of_it())
    print(told(run, options.seed))
    for line in run.gave_up:
        print(line)
    for fault in run.faults:
        print(f"FAULT {fault}")
    if options.write:
        reliability.write("upheaval", document(run, options))
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
