"""Real processes for tests: relays and people, driven by the command line or the local channel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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

CHEAP = PassphraseCost(passes=1, memory=8 * 1024 * 1024)
"""Stretching that costs milliseconds; profiles of tests only."""

PASSPHRASE = "a passphrase of the tests"
READY_WITHIN = 30.0

ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


@define(eq=False)
class Program:
    """A program of ours, its output in a file."""

    args: Sequence[str]
    output: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, ready: str) -> str:
        """Start it and return its first line that starts with `ready`."""
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.args],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
            )
        return await_value(lambda: self._line(ready))

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
    program: Program = field(init=False)

    def start(self, *more: str) -> None:
        """Start it; a second start keeps the port and the key."""
        port = self.address.rsplit("#", 1)[0].rsplit(":", 1)[1] if self.address else "0"
        self.program = Program(
            (
                "toheal_relay",
                "run",
                "--host=127.0.0.1",
                f"--port={port}",
                f"--state={self.folder / 'state'}",
                "--allow-loopback",
                *more,
            ),
            self.folder / "relay.out",
        )
        self.address = self.program.start("relay ").split()[1]


@define(eq=False)
class PersonProcess:
    """A real profile, and a running process for it from time to time."""

    name: str
    folder: Path
    program: Program | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

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

    def start(self, home: Path | None = None) -> None:
        self.program = Program(
            (
                "toheal_p2p",
                f"--home={home or self.home}",
                "run",
                "--no-browser",
                "--allow-loopback",
                f"--passphrase-file={self.folder / 'passphrase'}",
            ),
            self.folder / "run.out",
        )
        self.program.start("ready ")

    def stop(self) -> None:
        assert self.program is not None
        assert self.program.stop() in (0, 143), self.program.output.read_text()
        self.program = None

    def kill(self) -> None:
        assert self.program is not None
        self.program.kill()
        self.program = None

    def ask(self, command: str, /, **args: object) -> list[Any]:
        """Have the process carry out a command, over the local channel."""
        return list(ask(str(self.home), command, args, still_waiting=None))

    def cli(self, *args: str, stdin: str | None = None, code: int = 0) -> list[str]:
        """Run a command as a person would; return the lines it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "toheal_p2p", f"--home={self.home}", *args],
            input=None if stdin is None else stdin.encode(),
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode().splitlines()

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

    def undelivered(self, circle: str) -> list[Any]:
        rows = self.ask("deliveries", circle=circle, message=None)
        return [row for row in rows if row["state"] != "delivered"]


@define(eq=False)
class Town:
    """A relay and some people, all ended when the test is over."""

    folder: Path
    relay: RelayProcess = field(init=False)
    people: list[PersonProcess] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        (self.folder / "relay").mkdir()
        self.relay = RelayProcess(self.folder / "relay")

    def person(self, name: str) -> PersonProcess:
        folder = self.folder / f"person{len(self.people)}"
        folder.mkdir(mode=0o700)
        person = PersonProcess(name, folder)
        person.make_profile()
        self.people.append(person)
        return person

    def circle_of_two(
        self, *, direct: bool, relay: str | None = None
    ) -> tuple[PersonProcess, PersonProcess, str]:
        """Two running people in one circle, by the local channel."""
        ours, theirs = self.person("نورس"), self.person("Salma")
        ours.start()
        theirs.start()
        [made] = ours.ask(
            "circle_create",
            name="حلقة المساء",
            relays=[relay or self.relay.address],
            direct=direct,
            charter="We listen.",
            nickname=None,
        )
        circle = str(made["id"])
        [invitation] = ours.ask("invite", circle=circle, expires_in=3600)
        theirs.ask("join", link=invitation["link"], nickname=theirs.name)
        await_true(lambda: bool(ours.ask("waiting", circle=circle)))
        ours.ask("admit", circle=circle, who=theirs.name)
        await_true(lambda: theirs.ask("circle_list")[0]["state"] == "active")
        return ours, theirs, circle

    def end(self) -> None:
        for person in self.people:
            if person.program is not None:
                person.program.make_sure_it_ended()
        with suppress(AttributeError):
            self.relay.program.make_sure_it_ended()


@contextmanager
def a_town(folder: Path) -> Iterator[Town]:
    """A town with a running relay."""
    town = Town(folder)
    try:
        town.relay.start()
        yield town
    finally:
        town.end()


def await_true(condition: Callable[[], bool], within: float = READY_WITHIN) -> None:
    """Wait until something real is true."""
    await_value(lambda: True if condition() else None, within)


def await_value(look: Callable[[], Any], within: float = READY_WITHIN) -> Any:
    """Wait until `look` gives something, and return it."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with suppress(Refused):
            if (value := look()) is not None:
                return value
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")
