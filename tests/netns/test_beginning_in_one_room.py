"""People who share nothing begin a circle in one room: no relay, no route out, words alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lan_packets import KINDS, facts_in, kinds_in, questions_in
from tests.support.lanlab import RealRoom, RoomPerson, a_room, frames_in, spoken_in
from tests.support.processes import await_true
from toheal_protocol.machines.lan_names import room_label

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.netns]

OTHERS = ("lantern", "giraffe")
"""Two words of the list: one of them is not the word that was meant."""

CHARTER = "a charter that nobody outside may read"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[RealRoom]:
    with a_room(tmp_path) as room:
        yield room


def people(room: RealRoom, *names: str) -> list[RoomPerson]:
    made = [room.person(name, room.machine()) for name in names]
    room.start()
    for machine in room.machines:
        assert machine.command("ip", "route", "show", "default").stdout == b""
    return made


def found(person: RoomPerson) -> str:
    charter = person.folder / "charter.txt"
    charter.write_text(CHARTER, encoding="utf-8")
    return person.cli("circle", "create", "evening", "--charter", str(charter))[-1]


def give_code(person: RoomPerson) -> str:
    return person.cli("invite", "evening", "--spoken", "--lang", "en")[-1]


def come_in(host: RoomPerson, newcomer: RoomPerson, code: str) -> None:
    newcomer.cli("join", code, "--name", newcomer.name, "--accept-charter")
    await_true(lambda: bool(host.cli_json("waiting", "evening")), within=40)
    host.cli("admit", "evening", newcomer.name)
    await_true(lambda: newcomer.cli_json("circle", "list")[0]["state"] == "active", within=40)


def with_a_wrong_word(code: str) -> str:
    *kept, last = code.split()
    return " ".join((*kept, next(word for word in OTHERS if word != last)))


def tries_left(host: RoomPerson) -> list[int]:
    return [one["tries_left"] for one in host.cli_json("invitations", "evening")]


@pytest.mark.slow(25)
def test_three_who_share_nothing_begin_a_circle_by_words(room: RealRoom) -> None:
    host, second, third = people(room, "Nawras", "Salma", "Huda")
    circle = found(host)
    refused = host.cli_whole("--lang", "en", "invite", "evening", "--spoken")
    assert refused.returncode == 1
    assert b"toheal meet --room" in refused.stderr
    host.cli("meet", "--room")
    come_in(host, second, give_code(host))
    come_in(host, third, give_code(host))
    await_true(lambda: all(p.kinds(circle) == ["lan"] * 2 for p in room.people), within=60)
    for person in room.people:
        person.say(circle, f"by {person.name}")
    said = {f"by {person.name}" for person in room.people}
    for person in room.people:
        await_true(lambda person=person: set(person.texts(circle)) == said, within=40)
        assert not person.undelivered(circle)


@pytest.mark.slow(20)
def test_a_wrong_word_burns_one_try_and_three_burn_the_code(room: RealRoom) -> None:
    host, guest = people(room, "Nawras", "Salma")
    found(host)
    host.cli("meet", "--room")
    code = give_code(host)
    for left in (2, 1):
        wrong = guest.cli_whole("--lang", "en", "join", with_a_wrong_word(code), "--name", "Salma")
        assert wrong.returncode == 1
        assert f"Tries left: {left}".encode() in wrong.stderr
        assert tries_left(host) == [left]
    burned = guest.cli_whole("join", with_a_wrong_word(code), "--name", "Salma", "--accept-charter")
    assert burned.returncode == 1
    assert tries_left(host) == []
    late = guest.cli_whole("--lang", "en", "join", code, "--name", "Salma", "--accept-charter")
    assert late.returncode == 1
    assert b"Nobody on this network" in late.stderr
    come_in(host, guest, give_code(host))


@pytest.mark.slow(15)
def test_a_capture_of_an_offer_shows_a_number_and_nothing_of_the_circle(room: RealRoom) -> None:
    """From opening the room to a knock: the label of the number, drawn names, and sealed bytes."""
    host, guest = people(room, "Nawras", "Salma")
    circle = found(host)
    seen = room.listen()
    host.cli("meet", "--room", "--minutes", "30")
    await_true(lambda: _services(seen) != set(), within=40)
    [of_circle] = _services(seen)  # nothing but the meeting of the circle, which was opened
    assert re.fullmatch(r"_[a-z2-7]{14}", of_circle)
    code = give_code(host)
    number, *words = code.split()
    await_true(lambda: f"_{room_label(number)}" in _services(seen), within=40)
    before = len(frames_in(seen))
    wrong = guest.cli_whole("join", with_a_wrong_word(code), "--name", "Salma")
    assert wrong.returncode == 1
    from_guest = [one for one in frames_in(seen)[before:] if _is_from(one, guest)]
    asked = questions_in(spoken_in(from_guest)[0])
    assert {one.partition(".")[0] for one in asked} == {f"_{room_label(number)}"}
    guest.cli("join", code, "--name", "Salma", "--accept-charter")
    await_true(lambda: bool(host.cli_json("waiting", "evening")), within=40)
    await_true(lambda: _is_silent_about(host, number, seen), within=40)
    packets, streams, _ = spoken_in(frames_in(seen))
    assert kinds_in(packets) <= KINDS
    assert {value for kind, value in facts_in(packets) if kind == "text"} == {b"\0"}
    everything = b"".join(packets) + b"".join(streams)
    secrets = (CHARTER, "evening", "Nawras", "Salma", *words)
    for secret in (*(one.encode() for one in secrets), bytes.fromhex(circle)):
        assert secret not in everything, secret


def _services(seen: Path) -> set[str]:
    facts = facts_in(spoken_in(frames_in(seen))[0])
    return {str(name) for kind, name in facts if kind == "name" and str(name).startswith("_")}


def _is_from(frame: bytes, person: RoomPerson) -> bool:
    own = person.machine.command("cat", "/sys/class/net/room0/address").stdout.decode().strip()
    return frame[6:12] == bytes.fromhex(own.replace(":", ""))


def _is_silent_about(host: RoomPerson, number: str, seen: Path) -> bool:
    """Say whether the number was taken back: an announcement with a life of zero."""
    listening = host.machine.command("ss", "-tln").stdout.decode()
    ports = [line for line in listening.splitlines() if "10.77.0." in line or "fe80" in line]
    return len(ports) <= 2  # the circle's own listeners, in IPv4 and IPv6
