"""Real processes for benchmarks: a whole client each, driven line by line over its standard input.

`python -m benchmarks.people HOME` opens a profile as `toheal run` does and then reads one JSON
object per line, `{"ask": name, ...}`, and answers each with one line. Inside it, the application is
called directly: what a command or a page costs on top is measured elsewhere.

Times are of the monotonic clock, which is one for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import attrs
import trio
from attrs import define, field

from benchmarks.file_verbs import FileVerbs
from benchmarks.lines import Answer, Line, tell
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import PassphraseCost, create_vault, open_vault
from toheal_p2p.app import showing
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.profile import put_nickname
from toheal_p2p.services.committer import Committer

PASSPHRASE: Final = "a passphrase of the benchmarks"
CHEAP: Final = PassphraseCost(passes=1, memory=8 * 1024 * 1024)
"""Stretching that costs milliseconds: it is measured by itself, in the part about the vault."""

# ---- outside: what a benchmark holds of a process


@contextmanager
def a_relay(folder: Path, *, port: int = 0, public: str = "") -> Iterator[tuple[str, int]]:
    """Run a relay; give its address and process id.

    Args:
        port: a free one if 0.
        public: HOST:PORT at which its clients reach it, if that is not its own.
    """
    options = [f"--port={port}", f"--state={folder / 'relay'}", "--allow-loopback"]
    options += [f"--public={public}"] if public else []
    options += ["--host=127.0.0.1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "toheal_relay", "run", *options], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().split()[1], process.pid
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


def make_profile(home: Path, name: str) -> None:
    """Make a profile that opens quickly."""
    create_vault(home, PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)

    async def give_name() -> None:
        vault = await open_vault(home, PASSPHRASE, entropy=SystemEntropy())
        await vault.commit([put_nickname(name)])
        await vault.aclose()

    trio.run(give_name)


def a_person(folder: Path, name: str) -> Line:
    """Start a person with a fresh profile; returns when it is ready."""
    home = folder / name
    make_profile(home, name)
    person = Line(("benchmarks.people", str(home)))
    person.answer()
    return person


def meet(ours: Line, theirs: Line, relay: str, *, name: str = "evening") -> Answer:
    """Make a circle of two and open a data channel; return its id and when what happened."""
    circle = ours.ask("create", name=name, relay=relay)["circle"]
    link = ours.ask("invite", circle=circle)["link"]
    theirs.ask("look", link=link)  # what a person reads before saying yes
    ours.begin("admit_first", circle=circle)
    joined = theirs.ask("join", link=link)
    admitted = ours.answer()
    theirs.begin("readable", circle=circle, count=1, after=newest(theirs, circle))
    said = ours.ask("say", circle=circle, text="welcome")
    readable = theirs.answer()
    linked = [one.ask("await_direct", circle=circle)["at"] for one in (ours, theirs)]
    return {
        "circle": circle,
        "joined_at": joined["began"],
        "knocked": admitted["seen"] - joined["began"],
        "admitted": admitted["at"] - joined["began"],
        "said": said["at"] - joined["began"],
        "readable": readable["at"] - joined["began"],
        "direct": max(linked) - joined["began"],
    }


def newest(person: Line, circle: str) -> int:
    """Return where the person has read to: what is said from now on comes after it."""
    return int(person.ask("newest", circle=circle)["position"])


# ---- inside: what such a process does


@define(eq=False)
class Driver(FileVerbs):
    """Answers lines from inside a running application."""

    app: Application

    async def create(self, name: str, relay: str, direct: bool = True) -> Answer:
        made = await self.app.circle_create(
            name, relays=[relay], direct=direct, charter="We listen.", nickname=None
        )
        return {"circle": made.id}

    async def invite(self, circle: str) -> Answer:
        return {"link": (await self.app.invite(circle, expires_in=3600)).link}

    async def look(self, link: str) -> Answer:
        return attrs.asdict(await self.app.look_at_invitation(link))

    async def join(self, link: str) -> Answer:
        began = time.monotonic()
        made = await self.app.join(link, nickname="guest")
        return {"began": began, "at": time.monotonic(), "circle": made.id}

    async def admit_first(self, circle: str) -> Answer:
        service = self.app._find(circle).service
        await until(lambda: bool(showing.waiting_views(service.circle.cold)))
        seen = time.monotonic()
        [waiting] = await self.app.waiting(circle)
        await self.app.admit(circle, waiting.id)
        return {"seen": seen, "at": time.monotonic()}

    async def await_direct(self, circle: str) -> Answer:
        return await self.await_link(circle, "direct")

    async def await_link(self, circle: str, kind: str) -> Answer:
        """Answer when the link to the other is of this kind: direct, turn, ..."""
        while (await self.app.links(circle))[0].link != kind:  # noqa: ASYNC110 - no event tells of it
            await trio.sleep(0.001)
        return {"at": time.monotonic()}

    async def await_all_linked(self, circle: str, count: int) -> Answer:
        """Answer when so many members are reached over a data channel, by TURN or without."""
        while sum(one.link in ("direct", "turn") for one in await self.app.links(circle)) < count:  # noqa: ASYNC110 - as above
            await trio.sleep(0.02)
        return {"at": time.monotonic()}

    async def say(self, circle: str, text: str) -> Answer:
        await self._say(circle, text)
        return {"at": time.monotonic()}

    async def converse(
        self, circle: str, size: int, count: int, every: float, after: int
    ) -> Answer:
        """Say `count` texts, one every so many seconds, and read as many of others meanwhile.

        Answer when each was begun, and when each of the others' could be read.
        """
        began: list[float] = []
        at: list[float] = []

        async def speak() -> None:
            start = trio.current_time()
            for number in range(count):
                await trio.sleep_until(start + number * every)
                began.append(time.monotonic())
                await self._say(circle, "w" * size)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            async for _text in self._texts_of_others(circle, after=after):
                at.append(time.monotonic())
                if len(at) == count:
                    break
        return {"began": began, "at": at}

    async def say_many(self, circle: str, size: int, count: int, at_once: int) -> Answer:
        """Say `count` texts, `at_once` at a time; answer when they are durable, and acknowledged."""
        texts = iter([f"{number:08} ".ljust(size, "w") for number in range(count)])
        began, used = time.monotonic(), time.process_time()

        async def speak() -> None:
            for text in texts:
                await self._say(circle, text)

        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(speak)
        said = time.monotonic()
        await until(lambda: self._all_acknowledged(circle))
        return {
            "began": began,
            "said": said,
            "acked": time.monotonic(),
            "cpu": time.process_time() - used,
        }

    async def readable(self, circle: str, count: int, after: int) -> Answer:
        """Answer when `count` more texts of others can be read."""
        used = time.process_time()
        async for _text in self._texts_of_others(circle, after=after):
            count -= 1
            if not count:
                break
        return {"at": time.monotonic(), "cpu": time.process_time() - used}

    async def read_times(self, circle: str, count: int, after: int) -> Answer:
        """Answer when each of `count` texts of others could be read, and the CPU it all took."""
        used = time.process_time()
        at: list[float] = []
        async for _text in self._texts_of_others(circle, after=after):
            at.append(time.monotonic())
            if len(at) == count:
                break
        return {"at": at, "cpu": time.process_time() - used}

    async def say_at_rest(self, circle: str, size: int, count: int, pause: float) -> Answer:
        """Say texts, each when everybody has the one before and so many seconds have passed."""
        began, used = [], time.process_time()
        took: list[float] = []
        with self._watching(circle) as watched:
            for _ in range(count):
                began.append(time.monotonic())
                await self._say_until_acknowledged(circle, size, watched)
                took.append(time.monotonic() - began[-1])
                await trio.sleep(pause)
        return {"began": began, "took": took, "cpu": time.process_time() - used}

    async def echo(self, circle: str, count: int, after: int) -> Answer:
        """Answer each of `count` texts with the same text."""
        async for text in self._texts_of_others(circle, after=after):
            await self._say(circle, text)
            count -= 1
            if not count:
                break
        return {}

    async def delivered(self, circle: str, size: int, count: int) -> Answer:
        """Say a text and wait until the other has it on disk; answer the seconds each took.

        Each begins at rest: nothing of the one before waits for our disk any more.
        """
        took = []
        with self._watching(circle) as watched:
            for _ in range(count):
                await watched.committer.flushed()
                began = time.monotonic()
                await self._say_until_acknowledged(circle, size, watched)
                took.append(time.monotonic() - began)
        return {"took": took}

    async def ping(self, circle: str, size: int, count: int) -> Answer:
        """Say a text and wait until its echo can be read; answer the seconds each took."""
        took = []
        texts = self._texts_of_others(circle, after=await self._newest(circle))
        for _ in range(count):
            began = time.monotonic()
            await self._say(circle, "w" * size)
            await anext(texts)
            took.append(time.monotonic() - began)
        return {"took": took}

    async def commits(self, circle: str, count: int) -> Answer:
        """Commit what a received message writes, one at a time; answer the seconds each took."""
        from benchmarks.bench_vault import receiving

        took = []
        for number in range(count):
            writes = receiving(number)
            began = time.monotonic()
            await self.app.vault.commit(writes)
            took.append(time.monotonic() - began)
        return {"took": took}

    @contextmanager
    def _watching(self, circle: str) -> Iterator[WatchedCommitter]:
        """Watch what a circle decides: looking every few milliseconds would be part of the figure."""
        service = self.app._find(circle).service
        watched = WatchedCommitter(service.committer)
        service.committer = cast(Committer, watched)
        try:
            yield watched
        finally:
            service.committer = watched.committer

    async def _say_until_acknowledged(
        self, circle: str, size: int, watched: WatchedCommitter
    ) -> None:
        await self._say(circle, "w" * size)
        while not self._all_acknowledged(circle):
            await watched.next_decision.wait()

    async def _say(self, circle: str, text: str) -> None:
        await self.app.say(circle, text, notes=(), to_facilitators=False)

    async def newest(self, circle: str) -> Answer:
        return {"position": await self._newest(circle)}

    async def _newest(self, circle: str) -> int:
        cold = self.app._find(circle).service.circle.cold
        newest = await self.app.vault.entries(cold.id, limit=1, newest=True)
        return newest[0].position if newest else 0

    async def _texts_of_others(self, circle: str, after: int) -> AsyncIterator[str]:
        async for entry in self.app.follow(circle, after=after):
            if entry.kind == "text" and not entry.mine:
                yield entry.text

    def _all_acknowledged(self, circle: str) -> bool:
        pairs = self.app._find(circle).service.circle.pairs.values()
        return all(pair.acked_through == pair.next_seq - 1 for pair in pairs)


@define(eq=False)
class WatchedCommitter:
    """A committer that tells of every decision: no event of ours tells of an acknowledgement."""

    committer: Committer
    next_decision: trio.Event = field(factory=trio.Event)

    def submit(self, *args: Any, **kwargs: Any) -> None:
        """Pass a decision on, and tell; the arguments are those of `Committer`."""
        self.committer.submit(*args, **kwargs)
        self.next_decision.set()
        self.next_decision = trio.Event()

    async def room(self) -> None:
        await self.committer.room()

    async def flushed(self) -> None:
        await self.committer.flushed()


async def until(condition: Callable[[], bool]) -> None:
    """Look every 2 ms until something is true."""
    while not condition():  # noqa: ASYNC110 - no event tells of what is waited for
        await trio.sleep(0.002)


async def serve(
    app: AppInterface,
    home: Path,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be the door of a process that is driven by lines."""
    task_status.started()
    assert isinstance(app, Application)
    driver = Driver(app)
    tell({"ready": time.monotonic(), "home": home.name})
    with os.fdopen(0, "rb", buffering=0) as stdin:
        lines = trio.lowlevel.FdStream(os.dup(stdin.fileno()))
        buffer = b""
        while piece := await lines.receive_some(65536):
            *complete, buffer = (buffer + piece).split(b"\n")
            for line in complete:
                asked = json.loads(line)
                tell(await getattr(driver, asked.pop("ask"))(**asked))
    app.end()


def main(home: str) -> None:
    """Be one person until standard input ends."""
    from toheal_p2p.adapters import bridge
    from toheal_p2p.app.opening import Running, run_app
    from toheal_protocol.machines import allowances

    allowances.WORDS_A_DAY = 1 << 40  # type: ignore[misc]  # a benchmark says in a minute what people say in years
    running = Running(serve, lambda: None, allow_loopback=True)
    bridge.run(partial(run_app, Path(home), PASSPHRASE, running))


if __name__ == "__main__":
    main(sys.argv[1])
