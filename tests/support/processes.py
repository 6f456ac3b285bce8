"""Real processes for tests: relays and people, driven by the command line or the local channel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import PassphraseCost, create_vault, open_vault
from toheal_p2p.app.profile import put_nickname
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import ask
from toheal_p2p.ports.vault import Stored
from toheal_protocol.machines.state import Cold
from toheal_protocol.machines.storing import decode_cold

CHEAP = PassphraseCost(passes=1, memory=8 * 1024 * 1024)
"""Stretching that costs milliseconds; profiles of tests only."""

PASSPHRASE = "a passphrase of the tests"
READY_WITHIN = 30.0
OFTENEST_LOOK, RAREST_LOOK = 0.01, 0.1
"""Seconds between two looks at what has no event."""
HOST = "127.0.0.1"

WRONG_CLOCK = """
import sys, time
right = time.time
time.time = lambda: right() + {}
from toheal_p2p.cli import main
sys.exit(main())
"""
"""A program like ours on a machine whose wall clock is wrong."""

ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


@define(eq=False)
class Program:
    """A program of ours, its output in a file."""

    args: Sequence[str]
    output: Path
    environment: Mapping[str, str] = field(factory=dict)
    prefix: Sequence[str] = ()
    """What comes before it on the command line: see `tests.support.netlab.Namespace.prefix`."""
    process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it without waiting."""
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, *self.args],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, **self.environment},
            )

    def start(self, ready: str) -> str:
        """Start it and return its first line that starts with `ready`."""
        self.launch()
        return self.await_line(ready)

    def await_line(self, start: str, within: float = READY_WITHIN) -> str:
        """Return its first line that starts so, once it is there."""
        return str(await_value(lambda: self._line(start), within))

    def await_end(self, within: float = 15) -> int:
        """Return its exit code, once it ended by itself."""
        assert self.process is not None
        return self.process.wait(within)

    def _line(self, start: str) -> str | None:
        lines = self.output.read_text(encoding="utf-8").split("\n")[:-1]
        for line in lines:
            if line.startswith(start):
                return line
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}: {lines}")
        return None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self) -> int:
        """End it in the ordinary way and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(15)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(15)

    def make_sure_it_ended(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


@define(eq=False)
class RelayProcess:
    """A real relay."""

    folder: Path
    address: str = ""
    environment: dict[str, str] = field(factory=dict)
    host: str = HOST
    prefix: Sequence[str] = ()
    program: Program = field(init=False)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, *more: str, code: str | None = None) -> None:
        """Start it; a second start keeps the port and the key.

        Args:
            code: Python that is run in the place of the ordinary program.
        """
        port = self.address.rsplit("#", 1)[0].rsplit(":", 1)[1] if self.address else "0"
        loopback = ("--allow-loopback",) if self.host == HOST else ()
        self.program = Program(
            (
                *(("-m", "toheal_relay") if code is None else ("-c", code)),
                "run",
                f"--host={self.host}",
                f"--port={port}",
                f"--state={self.state}",
                *loopback,
                *more,
            ),
            self.folder / "relay.out",
            self.environment,
            self.prefix,
        )
        self.address = self.program.start("relay ").split()[1]


@define(eq=False)
class PersonProcess:
    """A real profile, and a running process for it from time to time."""

    name: str
    folder: Path
    program: Program | None = None
    prefix: Sequence[str] = ()
    """Where its process runs; the commands that speak to it run anywhere."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def faults(self) -> Path:
        """Where the process notes faults of its own."""
        return self.folder / "faults"

    def make_profile(self) -> None:
        """Make a profile that opens quickly."""
        create_vault(self.home, PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)
        trio.run(self._name_it)
        secret = self.folder / "passphrase"
        secret.touch(mode=0o600)
        secret.write_text(PASSPHRASE, encoding="utf-8")

    async def _name_it(self) -> None:
        vault = await open_vault(self.home, PASSPHRASE, entropy=SystemEntropy())
        await vault.commit([put_nickname(self.name)])
        await vault.aclose()

    @property
    def run_arguments(self) -> tuple[str, ...]:
        """The command that starts this profile's process."""
        secret = f"--passphrase-file={self.folder / 'passphrase'}"
        common = (f"--home={self.home}", f"--debug={self.faults}")
        loopback = () if self.prefix else ("--allow-loopback",)
        return *common, "run", "--no-browser", *loopback, secret

    def launch(self, *, clock_off: int = 0) -> None:
        """Start the process without waiting for it.

        Args:
            clock_off: seconds by which its wall clock is wrong.
        """
        start = ("-c", WRONG_CLOCK.format(clock_off)) if clock_off else ("-m", "toheal_p2p")
        arguments = (*start, *self.run_arguments)
        self.program = Program(arguments, self.folder / "run.out", prefix=self.prefix)
        self.program.launch()

    def await_ready(self) -> None:
        assert self.program is not None
        self.program.await_line("ready ")

    def start(self, *, clock_off: int = 0) -> None:
        self.launch(clock_off=clock_off)
        self.await_ready()

    def stop(self) -> None:
        assert self.program is not None
        assert self.program.stop() in (0, 143), self.program.output.read_text()
        self.program = None

    def copy(self, folder: Path) -> PersonProcess:
        """Return a second home of the same profile, as after somebody copied the folder."""
        folder.mkdir(mode=0o700)
        shutil.copytree(self.home, folder / "home", ignore=shutil.ignore_patterns("local"))
        shutil.copy2(self.folder / "passphrase", folder / "passphrase")
        return PersonProcess(self.name, folder)

    async def _load(self) -> Stored:
        vault = await open_vault(self.home, PASSPHRASE, entropy=SystemEntropy())
        try:
            return await vault.load()
        finally:
            await vault.aclose()

    def cold(self) -> list[Cold]:
        """Return what the vault of a profile that does not run keeps of its circles."""
        return [decode_cold(one.blob) for one in trio.run(self._load).circles]

    def kill(self) -> None:
        assert self.program is not None
        self.program.kill()
        self.program = None

    def ask(self, command: str, /, **args: object) -> list[Any]:
        """Have the process carry out a command, over the local channel."""
        return list(ask(str(self.home), command, args, still_waiting=None))

    def cli(self, *args: str, stdin: str | None = None, code: int = 0) -> list[str]:
        """Run a command as a person would; return the lines it printed."""
        done = self.cli_whole(*args, stdin=stdin)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode().splitlines()

    def cli_whole(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """The same with everything it printed, whatever came of it."""
        return subprocess.run(
            [sys.executable, "-m", "toheal_p2p", f"--home={self.home}", *args],
            input=None if stdin is None else stdin.encode(),
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )

    def cli_json(self, *args: str) -> list[dict[str, Any]]:
        """Run a command with `--json`; return what it printed."""
        return [json.loads(line) for line in self.cli(*args, "--json")]

    # ---- shorthands over the local channel

    def say(self, circle: str, text: str) -> str:
        [said] = self.ask("say", circle=circle, text=text, notes=[], to_facilitators=False)
        return str(said["id"] if isinstance(said, dict) else said)

    def texts(self, circle: str) -> list[str]:
        entries = self.ask("read", circle=circle, after=0, follow=False)
        return [entry["text"] for entry in entries if entry["kind"] == "text"]

    def state_of(self, circle: str) -> str | None:
        """Return how this person stands to a circle of this id."""
        states = [one["state"] for one in self.ask("circle_list") if one["id"] == circle]
        return states[0] if states else None

    def undelivered(self, circle: str) -> list[Any]:
        rows = self.ask("deliveries", circle=circle, message=None)
        return [row for row in rows if row["state"] != "delivered"]


@define(eq=False)
class Town:
    """A relay and some people, all ended when the test is over."""

    folder: Path
    relay: RelayProcess = field(init=False)
    people: list[PersonProcess] = field(factory=list)
    other_relays: list[RelayProcess] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        (self.folder / "relay").mkdir()
        self.relay = RelayProcess(self.folder / "relay")

    def another_relay(
        self, code: str | None = None, *, host: str = HOST, prefix: Sequence[str] = ()
    ) -> RelayProcess:
        """Start one more relay; `code` as in `RelayProcess.start`, `prefix` as in `Program`."""
        folder = self.folder / f"relay{len(self.other_relays)}"
        folder.mkdir()
        relay = RelayProcess(folder, host=host, prefix=prefix)
        self.other_relays.append(relay)
        relay.start(code=code)
        return relay

    def person(self, name: str, prefix: Sequence[str] = ()) -> PersonProcess:
        """Make one more profile; `prefix` as in `PersonProcess`."""
        folder = self.folder / f"person{len(self.people)}"
        folder.mkdir(mode=0o700)
        person = PersonProcess(name, folder, prefix=prefix)
        person.make_profile()
        self.people.append(person)
        return person

    def circle_of_two(
        self,
        *,
        direct: bool,
        relay: str | None = None,
        names: tuple[str, str] = ("نورس", "Salma"),
        circle_name: str = "حلقة المساء",
        charter: str = "We listen.",
    ) -> tuple[PersonProcess, PersonProcess, str]:
        """Two running people in one circle, by the local channel."""
        ours, theirs = self.person(names[0]), self.person(names[1])
        for person in (ours, theirs):
            person.launch()
        for person in (ours, theirs):
            person.await_ready()
        relays = [relay or self.relay.address]
        circle = self.create(ours, relays, circle_name, direct=direct, charter=charter)
        self.join(ours, theirs, circle)
        return ours, theirs, circle

    def create(
        self,
        founder: PersonProcess,
        relays: Sequence[str],
        name: str = "حلقة المساء",
        *,
        direct: bool = False,
        charter: str = "We listen.",
    ) -> str:
        """Have a running person create a circle; return its id."""
        [made] = founder.ask(
            "circle_create",
            name=name,
            relays=list(relays),
            direct=direct,
            charter=charter,
            nickname=None,
        )
        return str(made["id"])

    def join(self, inviter: PersonProcess, newcomer: PersonProcess, circle: str) -> None:
        """Bring one more running person into a circle."""
        [invitation] = inviter.ask("invite", circle=circle, expires_in=3600)
        newcomer.ask("join", link=invitation["link"], nickname=newcomer.name)
        await_true(lambda: bool(inviter.ask("waiting", circle=circle)))
        inviter.ask("admit", circle=circle, who=newcomer.name)
        await_true(lambda: newcomer.state_of(circle) == "active")

    def end(self) -> None:
        for person in self.people:
            if person.program is not None:
                person.program.make_sure_it_ended()
        for relay in (self.relay, *self.other_relays):
            with suppress(AttributeError):
                relay.program.make_sure_it_ended()


@contextmanager
def a_town(folder: Path, relay_environment: Mapping[str, str] | None = None) -> Iterator[Town]:
    """A town with a running relay."""
    town = Town(folder)
    town.relay.environment.update(relay_environment or {})
    try:
        town.relay.start()
        yield town
    finally:
        town.end()
        faults = [one.faults for one in town.people if one.faults.exists()]
        assert not faults, [one.read_text(encoding="utf-8") for one in faults]


def await_true(condition: Callable[[], bool], within: float = READY_WITHIN) -> None:
    """Wait until something real is true."""
    await_value(lambda: True if condition() else None, within)


def await_value(look: Callable[[], Any], within: float = READY_WITHIN) -> Any:
    """Wait until `look` gives something, and return it."""
    for _ in looks(within):
        with suppress(Refused):
            if (value := look()) is not None:
                return value
    raise AssertionError("it did not happen in time")


def looks(within: float) -> Iterator[None]:
    """Give the moments to look whether something happened: soon again, then after a tenth of the wait.

    Who waits long looks rarely: the machine is needed by what is waited for.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < within:
        yield
        time.sleep(min(RAREST_LOOK, max(OFTENEST_LOOK, waited / 10)))
