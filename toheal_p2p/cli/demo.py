"""The demonstration: a relay and two people on this machine, in a folder that is thrown away.

Everything is the real thing: three processes, the real vaults (in a temporary folder), the real
relay, a real data channel over the loopback address. With `--check` the exit code says whether
every word arrived, once, in order, and some of it over a data channel.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define, field

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import Item, ask
from toheal_p2p.cli.relay_watch import RelayWatch
from toheal_p2p.locale import Words

READY_WITHIN: Final = 30.0
"""Seconds a process may take to come up on a slow machine: two passphrases are stretched."""

DONE_WITHIN: Final = 30.0
"""Seconds until something between the two people has to have happened."""

FIRST_WORDS: Final = (
    ("naseem", "مساء الخير، يسعدني أن الحلقة بدأت."),
    ("salma", "Good evening. I am glad to be here."),
    ("naseem", "كيف كان أسبوعك؟"),
    ("salma", "Heavy at first, lighter since yesterday. شكرًا على السؤال."),
)
"""What is said while the data channel is still being opened, or already is."""

LATER_WORDS: Final = (
    ("naseem", "المشي مساءً يعينني كثيرًا."),
    ("salma", "Writing three lines before sleep helps me."),
    ("salma", "Some days only one line, and that is enough. 🌿"),
    ("naseem", "سطر واحد يكفي."),
)
"""What is said once both have a data channel."""


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


def run_demo(*, words: Words, check: bool, tell: Callable[[str], None]) -> int:
    """Run the demonstration; 0 if everything arrived.

    Args:
        words: the language it is told in.
        check: also demand that words went over a data channel; without it, a machine where no
            data channel opens still shows the rest.
        tell: prints one line.
    """
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        stage = _Stage(Path(folder), words, tell)
        try:
            return _play(stage, check=check)
        except DemoFailed as failure:
            stage.say(str(failure))
            return 1
        finally:
            stage.end()


def _play(stage: _Stage, *, check: bool) -> int:
    stage.say("demo.beginning")
    relay, watch = _start_relay(stage)
    stage.say("demo.relay", address=relay)
    people = _start_people(stage)
    naseem, salma = people["naseem"], people["salma"]
    circle = _meet(stage, relay, naseem, salma)
    _converse(people, circle, FIRST_WORDS)
    has_link = _await_link(stage, circle, naseem, salma, check=check)
    kept_before = len(watch.deposits())
    _converse(people, circle, LATER_WORDS)
    expected = Counter(text for _, text in (*FIRST_WORDS, *LATER_WORDS))
    is_complete = _await_words(people, circle, sum(expected.values()))
    _await_delivered(people, circle)
    in_order = all(_is_in_order(person, circle) for person in people.values())
    is_once = all(_texts(person, circle) == expected for person in people.values())
    for person in people.values():
        _show_circle(stage, person, circle)
    _show_links(stage, circle, people.values())
    later = len(watch.deposits()) - kept_before
    _show_relay(stage, watch, later=later)
    is_good = is_complete and in_order and is_once and (has_link or not check)
    stage.say("demo.good" if is_good else "demo.bad")
    return 0 if is_good else 1


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
    people = {
        "naseem": _Person("naseem", "نسيم", stage.folder / "naseem"),
        "salma": _Person("salma", "Salma", stage.folder / "salma"),
    }
    secret = stage.folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    for person in people.values():
        stage.say("demo.profile", name=person.nickname)
        made = stage.spawn(
            f"{person.name}.init",
            "toheal_p2p",
            f"--home={person.home}",
            "init",
            f"--name={person.nickname}",
            f"--passphrase-file={secret}",
        )
        if made.wait(READY_WITHIN) != 0:
            raise DemoFailed("demo.no_profile")
    for person in people.values():
        stage.spawn(
            f"{person.name}.out",
            "toheal_p2p",
            f"--home={person.home}",
            "run",
            "--no-browser",
            "--allow-loopback",
            f"--passphrase-file={secret}",
        )
    for name in people:
        _until(partial(stage.has_printed, f"{name}.out", "ready "), "demo.not_ready")
    return people


def _meet(stage: _Stage, relay: str, host: _Person, guest: _Person) -> str:
    made = host.ask(
        "circle_create",
        name="حلقة المساء",
        relays=[relay],
        direct=True,
        charter=stage.words.text("demo.charter"),
        nickname=None,
    )
    circle = str(made[0]["id"])
    stage.say("demo.circle", name=host.nickname, circle="حلقة المساء")
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
    return circle


def _await_link(stage: _Stage, circle: str, one: _Person, other: _Person, *, check: bool) -> bool:
    def is_open() -> bool:
        return all(_link(person, circle) == "direct" for person in (one, other))

    try:
        _until(is_open, "demo.no_link")
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


def _await_words(people: Mapping[str, _Person], circle: str, number: int) -> bool:
    try:
        _until(
            lambda: all(sum(_texts(p, circle).values()) >= number for p in people.values()),
            "demo.bad",
        )
    except DemoFailed:
        return False
    return True


def _await_delivered(people: Mapping[str, _Person], circle: str) -> None:
    def all_delivered() -> bool:
        rows = [
            row for p in people.values() for row in p.ask("deliveries", circle=circle, message=None)
        ]
        return all(row["state"] == "delivered" for row in rows)

    _until(all_delivered, "demo.bad")


def _texts(person: _Person, circle: str) -> Counter[str]:
    return Counter(str(entry["text"]) for entry in _entries(person, circle))


def _entries(person: _Person, circle: str) -> list[Item]:
    entries = person.ask("read", circle=circle, follow=False, after=0)
    return [entry for entry in entries if entry["kind"] == "text"]


def _is_in_order(person: _Person, circle: str) -> bool:
    """Each author's words stand in the order they were said."""
    said = (*FIRST_WORDS, *LATER_WORDS)
    for author in ("naseem", "salma"):
        expected = [text for name, text in said if name == author]
        texts = [str(entry["text"]) for entry in _entries(person, circle)]
        if [text for text in texts if text in expected] != expected:
            return False
    return True


def _state(person: _Person, circle: str) -> str:
    circles = person.ask("circle_list")
    return next((str(one["state"]) for one in circles if one["id"] == circle), "")


def _link(person: _Person, circle: str) -> str:
    links = person.ask("links", circle=circle)
    return str(links[0]["link"]) if links else "none"


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


def _until(condition: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + DONE_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):
            if condition():
                return
        time.sleep(0.02)
    raise DemoFailed(failure)


def texts_said() -> Sequence[str]:
    """Return everything that is said, for whoever checks that nobody else could read it."""
    return [text for _, text in (*FIRST_WORDS, *LATER_WORDS)]
