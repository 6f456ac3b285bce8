"""Real processes on machines of their own, on one network that leads nowhere."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.lan_packets import (
    KINDS,
    are_questions_to_the_group,
    facts_in,
    kinds_in,
    questions_in,
)
from tests.support.lanlab import (
    RealRoom,
    RoomPerson,
    a_room,
    circle_in_the_room,
    frames_in,
    ip,
    spoken_in,
)
from tests.support.processes import await_true
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import ask

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.netns]

PEOPLE = 15
LINKS_WITHIN = 3.0
"""Seconds from the moment the last one opens it until all of 105 pairs are linked."""
MESSAGES = 40
SLOWEST = 0.150
"""Seconds until a message is on all fourteen devices, 99 of 100 times."""
BUSY_PATIENCE = 6.0
"""What both are multiplied with where the machine is busy with something else already."""
AT_REST = 20.0
"""Seconds for which fifteen processes are watched while nobody says anything."""
BUSY_AT_REST = 0.01
"""The share of one core that a process may take then: with fourteen wires, and open."""
DAY = 24 * 3600

T = TypeVar("T")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[RealRoom]:
    with a_room(tmp_path) as room:
        yield room


def all_met(room: RealRoom, circle: str) -> bool:
    others = len(room.people) - 1
    return all(person.kinds(circle) == ["lan"] * others for person in room.people)


class Listener(threading.Thread):
    """Reads along with one person, and notes when each text came."""

    def __init__(self, person: RoomPerson, circle: str) -> None:
        super().__init__(daemon=True)
        self.person, self.circle = person, circle
        self.came: dict[str, float] = {}

    def run(self) -> None:
        args = {"circle": self.circle, "after": 0, "follow": True}
        with suppress(Refused):  # the process ends before the reading does
            for entry in ask(str(self.person.home), "read", args, still_waiting=None):
                self.came.setdefault(str(entry["text"]), time.monotonic())


@pytest.mark.slow(60)
def test_a_circle_of_fifteen_in_one_room(
    room: RealRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 105 links within three seconds, and a message to all fourteen within 150 ms."""
    patience = 1.0 if os.getloadavg()[0] < 2 else BUSY_PATIENCE
    circle = circle_in_the_room(room, PEOPLE)
    route = room.machines[0].command("ip", "route", "show", "default")
    assert route.stdout == b""
    room.start()
    linked = best_of(lambda: seconds_to_link(room, circle), LINKS_WITHIN)
    listeners = [Listener(person, circle) for person in room.people]
    for listener in listeners:
        listener.start()
    median, slowest = best_of(
        lambda: seconds_to_all(room, circle, listeners), (SLOWEST, SLOWEST), by=lambda one: one[1]
    )
    busy = share_at_rest(room)
    with capsys.disabled():
        print(
            f"\nLAN, {PEOPLE} processes: {PEOPLE * (PEOPLE - 1) // 2} links after {linked:.2f} s; a "
            f"message to all: p50 {median * 1000:.0f} ms, p99 {slowest * 1000:.0f} ms; "
            f"at rest {busy:.2%} of a core each (load {os.getloadavg()[0]:.1f})"
        )
    assert busy <= BUSY_AT_REST
    assert linked <= LINKS_WITHIN * patience
    assert slowest <= SLOWEST * patience


def best_of(measure: Callable[[], T], enough: T, *, by: Callable[[T], Any] = lambda one: one) -> T:
    """Measure up to three times, as somebody else may use the machine; stop when it is enough."""
    found: list[T] = []
    while len(found) < 3 and not (found and by(found[-1]) <= by(enough)):
        found.append(measure())
    return min(found, key=by)


def seconds_to_link(room: RealRoom, circle: str) -> float:
    """Open it everywhere; return how long it took from the last one until all are linked."""
    for person in room.people:
        person.ask("meet_off", circle=None)
    for person in room.people:
        person.meet()
    began = time.monotonic()
    await_true(lambda: all_met(room, circle), within=60)
    return time.monotonic() - began


def seconds_to_all(
    room: RealRoom, circle: str, listeners: Sequence[Listener]
) -> tuple[float, float]:
    """Say things in turn; return the median and the 99th percentile until all have one."""
    took: list[float] = []
    for number in range(MESSAGES):
        author = room.people[number % PEOPLE]
        said = time.monotonic()
        text = f"said at {said}"
        author.say(circle, text)
        readers = [one for one in listeners if one.person is not author]
        await_true(partial(all_have, readers, text))
        took.append(max(one.came[text] for one in readers) - said)
        time.sleep(0.1)
    took.sort()
    return took[len(took) // 2], took[math.ceil(len(took) * 0.99) - 1]


def share_at_rest(room: RealRoom) -> float:
    """Return how much of one core a process takes while it is open and nobody speaks."""
    before = [seconds_of_work(person) for person in room.people]
    time.sleep(AT_REST)
    after = [seconds_of_work(person) for person in room.people]
    return (sum(after) - sum(before)) / len(after) / AT_REST


def seconds_of_work(person: RoomPerson) -> float:
    assert person.program is not None
    fields = Path(f"/proc/{person.program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def all_have(readers: Sequence[Listener], text: str) -> bool:
    return all(text in one.came for one in readers)


@pytest.mark.slow(35)
def test_a_capture_of_two_days_has_nothing_in_common_and_nothing_at_all_while_closed(
    room: RealRoom,
) -> None:
    circle = circle_in_the_room(room, 2)
    seen = room.listen()
    names: list[set[object]] = []
    rests: list[set[tuple[str, object]]] = []
    ports: list[set[int]] = []
    streams: list[set[bytes]] = []
    for day in range(2):
        for person in room.people:
            person.start(clock_off=day * DAY)
        at = len(frames_in(seen))
        time.sleep(4)
        assert spoken_in(frames_in(seen)[at:])[:2] == ([], []), "closed, and yet something was said"
        for person in room.people:
            person.meet()
        await_true(lambda: all_met(room, circle), within=10)
        room.people[0].say(circle, "the same words on both days")
        await_true(lambda: not room.people[0].undelivered(circle), within=10)
        time.sleep(2)
        for person in room.people:
            person.ask("meet_off", circle=None)
        packets, bytes_of_streams, used = spoken_in(frames_in(seen)[at:])
        facts = facts_in(packets)
        names.append({value for kind, value in facts if kind in ("name", "port")})
        rests.append({fact for fact in facts if fact[0] not in ("name", "port")})
        assert kinds_in(packets) <= KINDS
        assert len(questions_in(packets)) == 1
        assert are_questions_to_the_group(packets)
        ports.append({port for port in used if port != 5353})
        whole = [some for some in bytes_of_streams if len(some) > 8]
        streams.append({some[k : k + 8] for some in whole for k in range(len(some) - 7)})
        time.sleep(0.5)
        at = len(frames_in(seen))
        room.people[1].say(circle, "said while it is closed")
        time.sleep(4)
        assert spoken_in(frames_in(seen)[at:])[:2] == ([], []), "closed, and yet something was said"
        for person in room.people:
            person.stop()
    assert [len(one) for one in names] == [7, 7], "a label, and two names and a port each"
    assert rests[0] == rests[1], "besides these, nothing but what stands for the machine"
    assert {kind for kind, _ in rests[0]} == {"number", "priority", "weight", "text", "address"}
    assert {value for kind, value in rests[0] if kind != "address"} == {0, b"\0"}
    assert all(streams)
    for first, second in (names, ports, streams):
        assert not set(first) & set(second)


@pytest.mark.slow(30)
def test_the_day_turns_while_it_is_open(room: RealRoom) -> None:
    """New names and another service at midnight in UTC, the old ones taken back; the wire stays."""
    circle = circle_in_the_room(room, 2)
    seen = room.listen()
    until_midnight = DAY - int(time.time()) % DAY
    turns_at = time.monotonic() + 25
    for person in room.people:
        person.launch(clock_off=until_midnight - 25)
    for person in room.people:
        person.await_ready()
        person.meet()
    await_true(lambda: all_met(room, circle), within=15)
    _, _, ports = spoken_in(frames_in(seen))
    time.sleep(max(0.0, turns_at - time.monotonic()) + 6)
    assert all_met(room, circle)
    packets, _, ports_at_the_end = spoken_in(frames_in(seen))
    days = [labels_in([packet]) for packet in packets]
    assert {len(day) for day in days} == {1}, "no packet says anything of two days"
    assert len(set.union(*days)) == 2
    assert len({value for kind, value in facts_in(packets) if kind == "port"}) == 4
    assert len(ports_at_the_end - ports) <= 8, "some tries that found it needless, and no storm"
    room.people[0].say(circle, "over the wire of yesterday")
    await_true(lambda: not room.people[0].undelivered(circle), within=5)


def labels_in(packets: Sequence[bytes]) -> set[object]:
    facts = facts_in(packets)
    return {name for kind, name in facts if kind == "name" and str(name).startswith("_")}


def test_two_homes_on_one_machine_meet_by_ipv6_alone(room: RealRoom) -> None:
    machine = room.machine(v4=False)
    circle = circle_in_the_room(room, 3, machines=[machine, room.machine(v4=False), machine])
    room.start()
    for person in room.people:
        person.meet()
    await_true(lambda: all_met(room, circle), within=10)
    room.people[0].say(circle, "by link-local addresses")
    await_true(lambda: not room.people[0].undelivered(circle), within=5)
    [view] = room.people[0].ask("meetings")
    assert [one.split()[1][:5] for one in view["networks"]] == ["fe80:"]


def test_a_cable_pulled_and_put_back_loses_and_doubles_nothing(room: RealRoom) -> None:
    circle = circle_in_the_room(room, 2)
    room.start()
    ours, theirs = room.people
    for person in room.people:
        person.meet()
    await_true(lambda: all_met(room, circle), within=10)
    for number in range(3):
        ours.machine.unplug()
        ours.say(circle, f"said while away {number}")
        time.sleep(1)
        ours.machine.plug()
        ours.say(circle, f"said when back {number}")
    await_true(lambda: not ours.undelivered(circle), within=40)
    expected = [
        f"said {when} {number}" for number in range(3) for when in ("while away", "when back")
    ]
    assert theirs.texts(circle) == expected


@pytest.mark.slow(20)
def test_a_network_that_keeps_devices_apart_is_told_of(room: RealRoom) -> None:
    circle = circle_in_the_room(room, 2)
    for machine in room.machines:
        ip("-n", room.name, "link", "set", machine.port, "type", "bridge_slave", "isolated", "on")
    room.start()
    for person in room.people:
        person.meet()
    ours = room.people[0]

    def is_silent() -> bool:
        return [view["state"] for view in ours.ask("meetings")] == ["silent"]

    await_true(is_silent, within=30)
    assert "lan_silent" in {check["code"] for check in ours.ask("doctor")}
    assert ours.kinds(circle) == ["none"]
    lines = ours.cli("--lang", "en", "meet", "--state")
    assert "keep devices apart" in lines[0]
