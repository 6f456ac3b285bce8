"""A running program sends to its relay and to its peers, and looks no other name up.

Two real processes meet, talk and connect directly. Python tells a hook of each call that sends,
connects or looks a name up (`sys.addaudithook`), and the hook writes it down. uvloop, which would
send from below Python, is left out of these processes.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import PersonProcess, Program, Town, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]

WATCHED = """
import json, sys
sys.modules["uvloop"] = None
notes = open({notes!r}, "a", buffering=1)
def note(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if args[0].family != 1 and args[1] is not None:
            notes.write(json.dumps([event, list(args[1])]) + "\\n")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        name = args[0].decode() if isinstance(args[0], bytes) else args[0]
        notes.write(json.dumps([event, [name]]) + "\\n")
sys.addaudithook(note)
{plant}
from toheal_p2p.cli import main
sys.exit(main())
"""

PLANT = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.sendto(b"x", ("127.0.0.99", 9))
"""
"""A packet to nobody, which only shows that the hook sees packets."""


def start_watched(person: PersonProcess, plant: str = "") -> Path:
    """Start a person's process so that it notes whom it contacts; return where."""
    notes = person.folder / "contacts"
    code = WATCHED.format(notes=str(notes), plant=plant)
    person.program = Program(("-c", code, *person.run_arguments), person.folder / "run.out")
    person.program.launch()
    person.await_ready()
    return notes


def contacts(notes: Path) -> list[tuple[str, list[Any]]]:
    lines = notes.read_text(encoding="utf-8").splitlines()
    return [(event, address) for event, address in map(json.loads, lines)]


def is_of_this_machine(host: str) -> bool:
    """Say whether an address is one of this machine's own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def meet_and_talk(town: Town, *, direct: bool) -> dict[str, Path]:
    """Two people do what people do, with a link between them; return where each noted whom it met."""
    ours, theirs = town.person("نورس"), town.person("Salma")
    notes = {ours.name: start_watched(ours, PLANT), theirs.name: start_watched(theirs)}
    [made] = ours.ask(
        "circle_create",
        name="حلقة",
        relays=[town.relay.address],
        direct=direct,
        charter="We listen.",
        nickname=None,
    )
    circle = str(made["id"])
    town.join(ours, theirs, circle)
    for person in (ours, theirs):
        person.say(circle, f"from {person.name}")
    link = "direct" if direct else "turn"
    for person in (ours, theirs):
        await_true(lambda person=person: len(person.texts(circle)) == 2)  # type: ignore[misc]
        await_true(
            lambda person=person: (  # type: ignore[misc]
                [row["link"] for row in person.ask("links", circle=circle)] == [link]
            )
        )
    for person in (ours, theirs):
        person.ask("doctor")
        person.ask("circle_leave", circle=circle)
        person.stop()
    return notes


def port_of(town: Town) -> int:
    return int(town.relay.address.rsplit("#", 1)[0].rsplit(":", 1)[1])


def test_the_program_sends_to_its_relay_and_its_peers_and_to_nobody_else(tmp_path: Path) -> None:
    """All of them are on this machine here: whatever leaves it would be for somebody else."""
    with a_town(tmp_path) as town:
        notes = meet_and_talk(town, direct=True)
    for name, file in notes.items():
        seen = contacts(file)
        sent = [address for event, address in seen if event != "socket.connect"]
        assert {tuple(address[:2]) for event, address in seen if event == "socket.connect"} == {
            ("127.0.0.1", port_of(town))
        }, name
        assert sent, name
        assert [address for _, address in seen if not is_of_this_machine(address[0])] == [], name
    assert ["127.0.0.99", 9] in [address for _, address in contacts(notes["نورس"])]


def test_in_an_ordinary_circle_it_sends_to_its_relay_alone(tmp_path: Path) -> None:
    """Not one packet goes to a peer, and no socket is there that could send one."""
    with a_town(tmp_path) as town:
        notes = meet_and_talk(town, direct=False)
    for name, file in notes.items():
        met = {tuple(address[:2]) for event, address in contacts(file) if len(address) > 1}
        assert met - {("127.0.0.99", 9)} == {("127.0.0.1", port_of(town))}, name
        looked_up = [address for _, address in contacts(file) if len(address) == 1]
        assert [one for [one] in looked_up if one != "127.0.0.1"] == [], name
    assert ["127.0.0.99", 9] in [address for _, address in contacts(notes["نورس"])]
