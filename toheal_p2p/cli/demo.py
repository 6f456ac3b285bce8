"""The demonstration: a relay, three people and a latecomer on this machine, in a folder that is thrown away.

Everything is the real thing: five processes, the real vaults (in a temporary folder), the real
relay, real data channels over the loopback address. With `--check` the exit code says whether every
word arrived at everybody it was for, once, in one order, and some of it over data channels.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define, field

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import Item, ask
from toheal_p2p.cli.relay_watch import RelayWatch
from toheal_p2p.locale import Words

READY_WITHIN: Final = 90.0
"""Seconds a process may take to come up on a slow machine: a passphrase is stretched in each."""

DONE_WITHIN: Final = 60.0
"""Seconds until something between the people has to have happened."""

FIRST_WORDS: Final = (
    ("naseem", "مساء الخير، يسعدني أن الحلقة بدأت."),
    ("salma", "Good evening. I am glad to be here."),
    ("mariam", "وأنا كذلك. كيف كان أسبوعكما؟"),
    ("salma", "Heavy at first, lighter since yesterday. شكرًا على السؤال."),
)
"""What is said while the data channels are still being opened, or already are."""

LATER_WORDS: Final = (
    ("naseem", "المشي مساءً يعينني كثيرًا."),
    ("salma", "Writing three lines before sleep helps me. 🌿"),
    ("mariam", "سطر واحد يكفي في بعض الأيام."),
)
"""What is said once all three have data channels to each other."""

LAST_WORDS: Final = (
    ("idris", "Hello. Thank you for waiting for me."),
    ("mariam", "أهلًا بإدريس، المكان يتسع للجميع."),
    ("salma", "One voice at a time, and you may always pass."),
    ("naseem", "خذ ما تشاء من الوقت."),
)
"""What is said after somebody came late, who reads this and nothing from before."""

CIRCLE_NAME: Final = "حلقة المساء"


class DemoFailed(Exception):
    """The demonstration could not go on. The first argument is a key of the catalogues."""


@define
class _Person:
    """One person: a home, and a running process for it."""

    name: str
    nickname: str
    home: Path

    def ask(self, command: str, /, **args: object) -> list[Item]:
        """Have this person's process carry out a command."""
        return list(ask(str(self.home), command, args, still_waiting=None))


@define
class _Stage:
    """Where the demonstration takes place."""

    folder: Path
    words: Words
    tell: Callable[[str], None]
    children: list[subprocess.Popen[bytes]] = field(factory=list)

    def say(self, key: str, /, **facts: str | int) -> None:
        """Tell what is happening."""
        self.tell(self.words.text(key, **facts))

    def spawn(self, output: str, *args: str) -> subprocess.Popen[bytes]:
        """Start a program of ours; it is ended with the demonstration.

        Args:
            output: name of the file that gets what it prints.
        """
        with open(self.folder / output, "wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", *args],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
        self.children.append(child)
        return child

    def has_printed(self, output: str, start: str) -> bool:
        """Say whether a program has printed a whole line that starts so."""
        lines = (self.folder / output).read_text(encoding="utf-8").split("\n")
        return any(line.startswith(start) for line in lines[:-1])

    def end(self) -> None:
        """End every process that was started, and wait for it."""
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def run_demo(
    *,
    words: Words,
    check: bool,
    tell: Callable[[str], None],
    page: bool = False,
    opens_browser: bool = False,
) -> int:
    """Run the demonstration; 0 if everything arrived.

    Args:
        words: the language it is told in.
        check: also demand that words went over a data channel; without it, a machine where no
            data channel opens still shows the rest.
        tell: prints one line.
        page: then leave it open, with a page of one of the three, until Ctrl-C.
        opens_browser: open that page; otherwise say how it is opened.
    """
    with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="demo-") as folder:
        stage = _Stage(Path(folder), words, tell)
        try:
            people, circle, is_good = _play(stage, check=check)
            if page:
                _stay_open(stage, people, circle, opens_browser=opens_browser)
            return 0 if is_good else 1
        except DemoFailed as failure:
            stage.say(str(failure))
            return 1
        finally:
            stage.end()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C: whatever was started ends, and the folder is thrown away."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stay_open(
    stage: _Stage, people: Mapping[str, _Person], circle: str, *, opens_browser: bool
) -> None:
    from toheal_p2p.cli.demo_page import Scene, stay_open

    scene = Scene(dict(people), circle, "salma")
    home = str(people["salma"].home)
    stay_open(stage.words, scene, home, stage.tell, opens_browser=opens_browser)


def _play(stage: _Stage, *, check: bool) -> tuple[dict[str, _Person], str, bool]:
    stage.say("demo.beginning")
    relay, watch = _start_relay(stage)
    stage.say("demo.relay", address=relay)
    people = _start_people(stage)
    naseem, salma, mariam, idris = people.values()
    circle = _begin_circle(stage, relay, naseem)
    for guest in (salma, mariam):
        _let_in(stage, circle, naseem, guest)
    three = {person.name: person for person in (naseem, salma, mariam)}
    _converse(three, circle, FIRST_WORDS)
    has_links = _await_links(stage, circle, three.values(), check=check)
    kept_before = len(watch.deposits())
    _converse(three, circle, LATER_WORDS)
    later = len(watch.deposits()) - kept_before
    _let_in(stage, circle, naseem, idris)
    _converse(people, circle, LAST_WORDS)
    _await_delivered(people, circle)
    said_before = [text for _, text in (*FIRST_WORDS, *LATER_WORDS)]
    said_last = [text for _, text in LAST_WORDS]
    is_good = all(_texts(person, circle) == said_before + said_last for person in three.values())
    is_good = is_good and _texts(idris, circle) == said_last and (has_links or not check)
    _show_circle(stage, salma, circle)
    stage.say(
        "demo.read_the_same",
        names=stage.words.text("line.comma").join((naseem.nickname, mariam.nickname)),
    )
    _show_circle(stage, idris, circle)
    _show_links(stage, circle, three.values())
    _show_relay(stage, watch, later=later)
    stage.say("demo.good" if is_good else "demo.bad")
    return three, circle, is_good


# ---- coming together


def _start_relay(stage: _Stage) -> tuple[str, RelayWatch]:
    stage.spawn(
        "relay.out",
        "toheal_relay",
        "run",
        "--host=127.0.0.1",
        "--port=0",
        f"--state={stage.folder / 'relay'}",
        "--allow-loopback",
        "--show-deposits",
    )
    watch = RelayWatch(stage.folder / "relay.out")
    _until(lambda: watch.address() is not None, "demo.no_relay")
    return watch.address() or "", watch


def _start_people(stage: _Stage) -> dict[str, _Person]:
    names = {"naseem": "نسيم", "salma": "Salma", "mariam": "مريم", "idris": "Idris"}
    people = {name: _Person(name, nick, stage.folder / name) for name, nick in names.items()}
    secret = stage.folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    stage.say("demo.profiles", names=stage.words.text("line.comma").join(names.values()))
    for pair in _pairs(list(people.values())):  # stretching a passphrase takes a core and memory
        made = [_make_profile(stage, person, secret) for person in pair]
        _until(partial(_have_ended, made), "demo.no_profile", READY_WITHIN)
        if any(child.returncode != 0 for child in made):
            raise DemoFailed("demo.no_profile")
    for pair in _pairs(list(people.values())):
        for person in pair:
            _run(stage, person, secret)
        for person in pair:
            _until(
                partial(stage.has_printed, f"{person.name}.out", "ready "),
                "demo.not_ready",
                READY_WITHIN,
            )
    return people


def _have_ended(children: list[subprocess.Popen[bytes]]) -> bool:
    return all(child.poll() is not None for child in children)


def _pairs(people: list[_Person]) -> Iterator[list[_Person]]:
    for at in range(0, len(people), 2):
        yield people[at : at + 2]


def _make_profile(stage: _Stage, person: _Person, secret: Path) -> subprocess.Popen[bytes]:
    return stage.spawn(
        f"{person.name}.init",
        "toheal_p2p",
        f"--home={person.home}",
        "init",
        f"--name={person.nickname}",
        f"--passphrase-file={secret}",
    )


def _run(stage: _Stage, person: _Person, secret: Path) -> None:
    stage.spawn(
        f"{person.name}.out",
        "toheal_p2p",
        f"--home={person.home}",
        f"--lang={stage.words.language}",
        "run",
        "--no-browser",
        "--allow-loopback",
        f"--passphrase-file={secret}",
    )


def _begin_circle(stage: _Stage, relay: str, host: _Person) -> str:
    made = host.ask(
        "circle_create",
        name=CIRCLE_NAME,
        relays=[relay],
        direct=True,
        charter=stage.words.text("demo.charter"),
        nickname=None,
    )
    stage.say("demo.circle", name=host.nickname, circle=CIRCLE_NAME)
    return str(made[0]["id"])


def _let_in(stage: _Stage, circle: str, host: _Person, guest: _Person) -> None:
    link = str(host.ask("invite", circle=circle, expires_in=3600)[0]["link"])
    stage.say("demo.invitation", link=link)
    began = time.monotonic()
    guest.ask("join", link=link, nickname=guest.nickname)
    stage.say("demo.knock", name=guest.nickname)
    _until(lambda: bool(host.ask("waiting", circle=circle)), "demo.no_knock")
    host.ask("admit", circle=circle, who=guest.nickname)
    _until(lambda: _state(guest, circle) == "active", "demo.not_admitted")
    took = round((time.monotonic() - began) * 1000)
    stage.say("demo.admitted", name=guest.nickname, milliseconds=took)
    members = len(host.ask("circle_members", circle=circle))
    _until(lambda: len(guest.ask("circle_members", circle=circle)) == members, "demo.not_admitted")


def _await_links(stage: _Stage, circle: str, people: Collection[_Person], *, check: bool) -> bool:
    def are_open() -> bool:
        links = [_links(person, circle) for person in people]
        return all(one == ["direct"] * (len(people) - 1) for one in links)

    try:
        _until(are_open, "demo.no_link")
    except DemoFailed:
        if check:
            raise
        stage.say("demo.no_link")
        return False
    stage.say("demo.link")
    return True


# ---- looking


def _converse(people: Mapping[str, _Person], circle: str, words: Sequence[tuple[str, str]]) -> None:
    """Have each one answer after having read what came before, as people do."""
    for name, text in words:
        _say(people[name], circle, text)
        with contextlib.suppress(DemoFailed):  # what is missing is told at the end
            _until(partial(_all_have_read, people, circle, text), "demo.bad")


def _all_have_read(people: Mapping[str, _Person], circle: str, text: str) -> bool:
    return all(text in _texts(person, circle) for person in people.values())


def _say(person: _Person, circle: str, text: str) -> None:
    person.ask("say", circle=circle, text=text, notes=[], to_facilitators=False)


def _await_delivered(people: Mapping[str, _Person], circle: str) -> None:
    def all_delivered() -> bool:
        rows = [
            row for p in people.values() for row in p.ask("deliveries", circle=circle, message=None)
        ]
        return all(row["state"] == "delivered" for row in rows)

    _until(all_delivered, "demo.bad")


def _texts(person: _Person, circle: str) -> list[str]:
    return [str(entry["text"]) for entry in _entries(person, circle)]


def _entries(person: _Person, circle: str) -> list[Item]:
    entries = person.ask("read", circle=circle, follow=False, after=0)
    return [entry for entry in entries if entry["kind"] == "text"]


def _state(person: _Person, circle: str) -> str:
    circles = person.ask("circle_list")
    return next((str(one["state"]) for one in circles if one["id"] == circle), "")


def _links(person: _Person, circle: str) -> list[str]:
    return [str(link["link"]) for link in person.ask("links", circle=circle)]


def _show_circle(stage: _Stage, person: _Person, circle: str) -> None:
    stage.say("demo.reads", name=person.nickname)
    for entry in _entries(person, circle):
        stage.tell(f"    {entry['author_name']}: {entry['text']}")


def _show_links(stage: _Stage, circle: str, people: Iterable[_Person]) -> None:
    for person in people:
        for link in person.ask("links", circle=circle):
            stage.say(
                "demo.carried",
                name=person.nickname,
                other=str(link["member_name"]),
                link=stage.words.text(f"link.{link['link']}"),
                milliseconds=str(link["round_trip_ms"] or "?"),
            )


def _show_relay(stage: _Stage, watch: RelayWatch, *, later: int) -> None:
    stage.say("demo.saw", number=len(watch.deposits()))
    for line in watch.summary():
        stage.tell(f"    {line}")
    stage.say("demo.saw_later", number=later)


def _until(condition: Callable[[], bool], failure: str, within: float = DONE_WITHIN) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):
            if condition():
                return
        time.sleep(0.02)
    raise DemoFailed(failure)


def texts_said() -> Sequence[str]:
    """Return everything that is said, for whoever checks that nobody else could read it."""
    return [text for _, text in (*FIRST_WORDS, *LATER_WORDS, *LAST_WORDS)]
