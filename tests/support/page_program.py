"""The whole program with its page, as a person starts it, and the way a browser comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.support.pages import Page
from tests.support.processes import Program

CHEAP_PROFILES: Final = """
from toheal_p2p.adapters.vault import PassphraseCost, opening
opening.PassphraseCost = lambda: PassphraseCost(passes=1, memory=8 * 1024 * 1024)
"""
"""A program like ours that makes profiles which open quickly: stretching takes seconds of a core."""

SHORT_MINUTES: Final = """
from toheal_p2p.app import idleness
idleness.MINUTE = 0.6
idleness.LOOK_EVERY = 0.2
"""
"""Its minutes until it locks are a hundredth."""

SLOW_BACKUP: Final = """
import trio
from toheal_p2p.app import keeping
from toheal_p2p.app.progress_view import ProgressView
make = keeping.Backups.make
async def make_slowly(self, path, *, language, report):
    for count in range(5):
        await report(ProgressView("backing_up", {"count": count, "all": 5}))
        await trio.sleep(1)
    return await make(self, path, language=language, report=report)
keeping.Backups.make = make_slowly
"""
"""A backup takes it five seconds more."""

_MAIN: Final = """
import sys
from toheal_p2p.__main__ import main
sys.exit(main())
"""

PASSPHRASE: Final = "lamp seven river"


@define(eq=False)
class PageProgram:
    """A running program. Its profile may not be made yet."""

    folder: Path
    changed: str = ""
    """What else is changed in it before it starts."""
    is_ordinary: bool = False
    """Whether it is started as a person starts it, with profiles as dear as theirs."""
    environment: dict[str, str] = field(factory=dict)
    program: Program = field(init=False)
    url: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def start_file(self) -> Path:
        return self.folder / "home.start.html"

    @property
    def faults(self) -> Path:
        return self.folder / "faults"

    @property
    def arguments(self) -> tuple[str, ...]:
        common = ("-m", "toheal_p2p", f"--home={self.home}", f"--debug={self.faults}")
        return *common, "run", "--no-browser", "--allow-loopback"

    def start(self) -> None:
        """Start it, and wait until the page can be opened."""
        environment = {"TOHEAL_LANG": "", **self.environment}
        arguments = self.arguments
        if not self.is_ordinary:
            arguments = ("-c", CHEAP_PROFILES + self.changed + _MAIN, *arguments[2:])
        self.program = Program(arguments, self.folder / "run.out", environment)
        self.url = self.program.start("ready ").split()[1]

    def again(self) -> None:
        """Start it a second time, as somebody does who closed the tab."""
        second = Program(self.arguments, self.folder / "again.out")
        assert second.start("ready ").split()[1] == self.url
        assert second.await_end(60) == 0

    def come_in(self, page: Page) -> None:
        """Open the start file in a browser."""
        page.open(self.start_file.as_uri())
        page.wait(f"location.href === '{self.url}' && !!document.querySelector('#page h1')")

    @property
    def output(self) -> str:
        return self.program.output.read_text(encoding="utf-8")


@contextmanager
def a_program(
    folder: Path,
    *,
    changed: str = "",
    is_ordinary: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[PageProgram]:
    """Run it in a folder of its own; end it whatever happens, and tell of its faults."""
    folder.mkdir(mode=0o700, parents=True)
    program = PageProgram(folder, changed, is_ordinary, dict(environment or {}))
    try:
        program.start()
        yield program
    finally:
        program.program.make_sure_it_ended()
        assert not program.faults.exists(), program.faults.read_text(encoding="utf-8")
