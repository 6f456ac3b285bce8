"""The neutral look: what a run leaves outside its profile, and what the system shows of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.media import a_png
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.page_visitor import visitor_of
from tests.support.processes import PersonProcess, await_true

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="/proc, and names of processes, are Linux's"
    ),
]

TELLING = re.compile(
    "circle|help|heal|support|calm|crisis|peer|chat|therap|mental|حلقة|دعم|مساندة|عون|شفاء"
)
"""Words that say what the program is for."""

PLACES = ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


@pytest.fixture
def around() -> Iterator[Path]:
    """Give a folder in which everything lies that the program may write to outside."""
    with TemporaryDirectory() as folder:  # its name is short: a socket has to fit into one of them
        for place in PLACES:
            (Path(folder) / place).mkdir(mode=0o700)
        yield Path(folder)


@pytest.fixture
def program(tmp_path: Path, around: Path) -> Iterator[PageProgram]:
    environment = {place: str(around / place) for place in PLACES}
    long = tmp_path / ("long" * 25)  # too long for a socket, which goes to the runtime folder then
    with a_program(long, environment=environment) as running:
        yield running


def shown_of(pid: int) -> list[str]:
    """Return what every user of the machine is shown of a process and its threads."""
    at = Path(f"/proc/{pid}")
    names = [path.read_text() for path in (*at.glob("task/*/comm"), *at.glob("task/*/cmdline"))]
    return [name.replace("\0", " ").strip() for name in names]


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found


def left_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the name of everything below a folder, and what a file holds."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        for place in PLACES:
            name = name.removeprefix(place)
        yield name, path.read_text(errors="replace") if path.is_file() else ""


def outside(program: PageProgram, around: Path) -> list[tuple[str, str]]:
    ours = (program.home, program.folder / "run.out", program.folder / "again.out")
    beside = [path for path in program.folder.iterdir() if path not in ours]
    return [*((path.name, path.read_text()) for path in beside), *left_in(around)]


def test_what_a_neutral_run_shows_and_leaves_does_not_say_what_it_is_for(
    program: PageProgram, around: Path
) -> None:
    visitor = visitor_of(program)
    visitor.post("/language", language="ar")
    visitor.post("/begin", nickname="نورس", passphrase=PASSPHRASE, again=PASSPHRASE)
    visitor.post("/settings/neutral", value="on")
    shown = shown_of(program.program.pid)
    assert "th" in shown and not any(TELLING.search(one) for one in shown), shown

    program.program.stop()
    program.start()
    visitor = visitor_of(program)
    locked = (
        visitor.get("/now") + visitor.get("/") + visitor.get("/start") + visitor.get("/calendar")
    )
    words = re.sub(r"<[^>]*>", " ", locked)  # what a person sees; names of ours are in the source
    assert 'type="password"' in locked and not TELLING.search(words.lower()), words
    assert set(re.findall(r"<title>(.*?)</title>", locked)) == {"صفحة", "التقويم"}

    visitor.post("/unlock", passphrase=PASSPHRASE)
    visitor.post("/circles/new", name="المساء", nickname="نورس", charter="ميثاق")
    visitor.post("/backup", path=str(around / "HOME" / "copy"))
    for _ in range(3):  # so that threads of every kind were there
        visitor.get("/circles")
    shown = shown_of(program.program.pid)
    assert not any(TELLING.search(one) for one in shown), shown
    listened = list((around / "XDG_RUNTIME_DIR").rglob("local"))
    assert len(listened) == 1 and listened[0].is_socket()
    left = outside(program, around)
    assert {"home.start.html", "home.page", "/copy"} <= {name for name, _ in left}
    for name, content in left:
        assert not TELLING.search(name + content), (name, content[:200])
    for name, _content in left_in(program.home):
        assert not TELLING.search(name), name


def test_a_command_and_the_process_that_cleans_files_take_the_neutral_name_too(
    program: PageProgram, tmp_path: Path
) -> None:
    visitor = visitor_of(program)
    visitor.post("/begin", nickname="Nawras", passphrase=PASSPHRASE, again=PASSPHRASE)
    visitor.post("/settings/neutral", value="on")
    visitor.post("/circles/new", name="Evening", nickname="Nawras", charter="be kind")
    command = [sys.executable, "-m", "toheal_p2p", f"--home={program.home}", "read", "--follow"]
    reading = subprocess.Popen(
        [*command, "Evening"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_true(lambda: set(shown_of(reading.pid)) == {"th"})
    finally:
        reading.kill()
        reading.wait()
    cleaning = subprocess.Popen(
        [sys.executable, "-P", "-m", "toheal_p2p.adapters.media"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        await_true(lambda: set(shown_of(cleaning.pid)) == {"th"})
        answer = cleaning.communicate(a_png(), timeout=30)[0]
        assert answer.partition(b"\n")[0].isdigit()
    finally:
        cleaning.kill()
        cleaning.wait()


def test_erasing_after_a_kill_takes_what_lay_beside_the_profile(
    program: PageProgram, around: Path
) -> None:
    visitor_of(program).post("/begin", nickname="Nawras", passphrase=PASSPHRASE, again=PASSPHRASE)
    program.program.kill()
    person = PersonProcess("Nawras", program.folder)
    person.cli("wipe", "--yes")
    left = {path.name for path in program.folder.iterdir()} - {"run.out"}
    assert left == set(), left
    assert os.listdir(around / "TMPDIR") == []
