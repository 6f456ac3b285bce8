"""With a proxy set, everything goes through it: no datagram, no lookup, no other connection.

Seen from inside real processes by a hook that Python tells of every socket made, every connection
and every lookup (`sys.addaudithook`; uvloop, which acts below Python, is left out). A capture of
packets outside the process belongs to the network laboratory.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_visitor import Visitor
from tests.support.processes import PersonProcess, Program, Town, a_town, await_true
from tests.support.sentences import is_refused
from toheal_p2p.care.helplines import countries

pytestmark = [pytest.mark.real, pytest.mark.slow]

WATCHED = """
import json, socket, sys
sys.modules["uvloop"] = None
notes = open({notes!r}, "a", buffering=1)
def note(event, args):
    if event == "socket.__new__" and args[2] & 0xf == socket.SOCK_DGRAM:
        notes.write(json.dumps([event, "datagrams"]) + "\\n")
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if args[0].family != 1 and args[1] is not None:
            notes.write(json.dumps([event, list(args[1])[:2]]) + "\\n")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        notes.write(json.dumps([event, str(args[0])]) + "\\n")
sys.addaudithook(note)
from toheal_p2p.cli import main
sys.exit(main())
"""

NAME = "relay.example"
"""What the relay is called here: nobody but the proxy knows the name."""


class Proxy:
    """A proxy in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "wishes"
        self.program = Program(
            ("-m", "tests.support.socks_server", str(self.notes), f"{NAME}=127.0.0.1"),
            folder / "socks.out",
        )
        self.port = int(self.program.start("socks ").split()[1])
        self.url = f"socks5://127.0.0.1:{self.port}"

    def wishes(self) -> list[list[Any]]:
        text = self.notes.read_text(encoding="utf-8") if self.notes.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def a_town_with_a_proxy(folder: Path) -> Iterator[tuple[Town, Proxy]]:
    with a_town(folder) as town:
        proxy = Proxy(folder)
        try:
            yield town, proxy
        finally:
            proxy.program.make_sure_it_ended()


def start_watched(person: PersonProcess, *, has_page: bool = False) -> Path:
    notes = person.folder / "contacts"
    code = WATCHED.format(notes=str(notes))
    if has_page:
        code = code.replace("toheal_p2p.cli", "toheal_p2p.__main__")
    person.program = Program(("-c", code, *person.run_arguments), person.folder / "run.out")
    person.program.launch()
    person.await_ready()
    return notes


def noted(notes: Path) -> list[list[Any]]:
    return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]


def circle_at(town: Town, people: list[PersonProcess], relay: str, name: str) -> str:
    ours, theirs = people
    [made] = ours.ask(
        "circle_create", name=name, relays=[relay], direct=True, charter="Listen.", nickname=None
    )
    town.join(ours, theirs, str(made["id"]))
    return str(made["id"])


def talk(people: list[PersonProcess], circle: str, text: str) -> None:
    for person in people:
        person.say(circle, f"{text} {person.name}")
    for person in people:
        await_true(
            lambda person=person: (
                {f"{text} {one.name}" for one in people}  # type: ignore[misc]
                <= set(person.texts(circle))
            )
        )


def test_with_a_proxy_nothing_is_looked_up_no_datagram_is_sent_and_nobody_else_is_contacted(
    tmp_path: Path,
) -> None:
    with a_town_with_a_proxy(tmp_path) as (town, proxy):
        relay = town.relay.address.replace("127.0.0.1", NAME)
        people = [town.person("نورس"), town.person("Salma")]
        notes = [start_watched(person) for person in people]
        for person in people:
            person.cli("settings", "set", "proxy", proxy.url)
        evening = circle_at(town, people, relay, "evening")
        talk(people, evening, "one")
        for person in people:
            assert [row["link"] for row in person.ask("links", circle=evening)] == ["relay"]
            person.ask("doctor")
            person.stop()
            start_watched(person)  # what was set outlives the process
        talk(people, evening, "two")
        first = {wish[0] for wish in proxy.wishes()}
        morning = circle_at(town, people, relay, "morning")
        talk(people, morning, "three")
        for file in notes:
            seen = noted(file)
            assert [one for one in seen if one[0] != "socket.connect"] == []
            assert {tuple(one[1]) for one in seen} == {("127.0.0.1", proxy.port)}
        wishes = proxy.wishes()
        assert {(wish[2], wish[3]) for wish in wishes} == {
            (NAME, int(relay.rsplit("#", 1)[0].rsplit(":", 1)[1]))
        }
        # nobody at the proxy can tell which circles are one person's: each has users of its own
        assert len({wish[0] for wish in wishes} - first) >= 4
        assert all(wish[0] == wish[1] for wish in wishes)


def test_what_is_done_on_the_page_goes_through_the_proxy_or_nowhere(tmp_path: Path) -> None:
    with a_town_with_a_proxy(tmp_path) as (town, proxy):
        person = town.person("نورس")
        notes = start_watched(person, has_page=True)
        assert person.program is not None
        port = int(person.program.await_line("ready ").split(":")[2].rstrip("/"))
        visitor = Visitor(port, person.folder / "home.start.html")
        visitor.come_in()
        visitor.post("/settings/proxy", value=proxy.url)
        relay = town.relay.address.replace("127.0.0.1", NAME)
        form = {"relay": relay, "charter": "Listen.", "nickname": "نورس", "direct": "yes"}
        visitor.post("/circles/new", name="evening", **form)
        [circle] = person.cli_json("circle", "list")
        here = f"/circle/{circle['id']}"
        visitor.post(f"{here}/invite", lasts="48h")
        visitor.post(f"{here}/spoken", lasts="15m")
        visitor.post("/meet", circle=str(circle["id"]), lasts="1h", room="yes")
        visitor.post(f"{here}/say", text="through the proxy", audience="circle")
        for path in ("/settings", "/doctor/findings", f"{here}/ways", "/meet/state", "/help"):
            visitor.get(path)
        assert "through the proxy" in visitor.get(here)
        await_true(lambda: bool(proxy.wishes()))
        seen = noted(notes)
        assert [one for one in seen if one[0] != "socket.connect"] == []
        assert {tuple(one[1]) for one in seen} == {("127.0.0.1", proxy.port)}
        assert {wish[2] for wish in proxy.wishes()} == {NAME}


def test_a_proxy_is_taken_and_left_without_a_restart_and_links_close(tmp_path: Path) -> None:
    with a_town_with_a_proxy(tmp_path) as (town, proxy):
        ours, theirs, circle = town.circle_of_two(direct=True)
        people = [ours, theirs]
        await_true(lambda: [row["link"] for row in ours.ask("links", circle=circle)] == ["direct"])
        ours.cli("settings", "set", "proxy", proxy.url)
        assert [row["link"] for row in ours.ask("links", circle=circle)] != ["direct"]
        talk(people, circle, "one")
        assert proxy.wishes()
        before = len(proxy.wishes())
        ours.cli("settings", "set", "proxy", "none")
        await_true(lambda: [row["link"] for row in ours.ask("links", circle=circle)] == ["direct"])
        talk(people, circle, "two")
        assert len(proxy.wishes()) == before
        proxy.program.kill()
        ours.cli("settings", "set", "proxy", proxy.url)
        await_true(
            lambda: [row["reason"] for row in ours.ask("relay_list")] == ["proxy_unreachable"]
        )


def test_trouble_with_a_proxy_is_named_in_plain_words(tmp_path: Path) -> None:
    with a_town(tmp_path) as town, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening
        person, inviter = town.person("نورس"), town.person("Salma")
        for one in (person, inviter):
            one.start()
        [made] = inviter.ask(
            "circle_create",
            name="c",
            relays=[town.relay.address],
            direct=False,
            charter="x",
            nickname=None,
        )
        [seat] = inviter.ask("invite", circle=made["id"], expires_in=3600)
        is_refused(person, "proxy_malformed", "settings", "set", "proxy", "socks5://name:1080")
        is_refused(person, "no_such_setting", "settings", "get", "colour", name="colour")
        wrong = ("settings", "set", "country", "xx")
        known = ", ".join((*countries(), "none"))
        is_refused(person, "setting_unfit", *wrong, name="country", choices=known)
        port = nobody.getsockname()[1]
        person.cli("settings", "set", "proxy", f"socks5://127.0.0.1:{port}")
        join = ("join", seat["link"], "--name", "N", "--accept-charter")
        is_refused(person, "proxy_unreachable", *join, address=town.relay.address)


def test_language_and_digits_hold_for_the_next_command(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        person = town.person("نورس")
        person.start()
        assert "help lines" in "\n".join(person.cli("settings"))
        person.cli("settings", "set", "language", "ar")
        assert "خطوط المساندة" in "\n".join(person.cli("settings"))
        [one] = [row for row in person.cli_json("settings") if row["name"] == "language"]
        assert one["value"] == "ar"
        person.cli("settings", "set", "digits", "arabic")
        person.ask(
            "circle_create",
            name="c",
            relays=[town.relay.address],
            direct=False,
            charter="x",
            nickname=None,
        )
        assert "٠" in "\n".join(person.cli("invite", "c"))
        is_refused(
            person,
            "setting_unfit",
            "settings",
            "set",
            "digits",
            "roman",
            languages=["en"],
            name="digits",
            choices="latin, arabic",
        )
        person.stop()
        assert "toheal run" in person.cli_whole("settings").stderr.decode()
        assert "البرنامج" in person.cli_whole("settings").stderr.decode()
