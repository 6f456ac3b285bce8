"""The process dies at every boundary of a decision, and nothing accepted is lost or doubled.

Each scenario runs once undisturbed to learn which events each person decides. Then it runs again
for every kind of event and every boundary, with a crash there and a restart a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import frozen

from tests.support.world import Person, World
from toheal_protocol.crypto import sealing
from toheal_protocol.machines import events as m
from toheal_protocol.machines.state import Stage

POINTS = ("decide", "commit", "act", "mid-act")


@frozen
class Crash:
    """Who dies, at which boundary, and at which step."""

    scenario: str
    who: int
    kind: str
    point: str
    step: int


# ---- scenarios: whatever they do must bear that a person is down for a moment


def enter(world: World, ours: Person, theirs: Person) -> None:
    """One lets the other in; who was down when it pressed a button presses it again."""
    while (link := world.try_to_invite(ours)) is None:
        world.run_for(2)
    world.knock(theirs, link, ours)
    for _ in range(60):
        for member in world.waiting(ours):
            ours.feed(m.Admitted(member))
        if theirs.circle is not None and theirs.circle.cold.stage is Stage.ACTIVE:
            return
        world.run_for(2)
    raise AssertionError("never let in")


def by_the_door(world: World) -> None:
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    enter(world, ours, theirs)
    ours.say("hello")
    theirs.say("hello")
    world.run_for(3)


def on_the_link(world: World) -> None:
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    enter(world, ours, theirs)
    for turn in range(6):
        ours.say(f"A {turn}")
        theirs.say(f"B {turn}")
        world.run_for(1.5)
        if turn == 3:
            world.cut_link(ours, theirs.id)


def through_the_relay(world: World) -> None:
    world.links_allowed = False
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours, is_direct=False)
    enter(world, ours, theirs)
    world.disconnect(theirs)
    for turn in range(8):
        world.drop = 0.5 if turn == 2 else 0.0
        ours.say(f"A {turn}")
        theirs.say(f"B {turn}")
        world.run_for(0.3)
        if turn == 4:
            world.restart_relay()
    world.reconnect(theirs)
    world.run_for(5)


def among_three(world: World) -> None:
    people = [world.person(name) for name in "ABC"]
    world.found(people[0])
    for newcomer in people[1:]:
        enter(world, people[0], newcomer)
    for turn in range(3):
        for person in people:
            person.say(f"{person.name} {turn}")
        world.run_for(1)


SCENARIOS: dict[str, Callable[[World], None]] = {
    scenario.__name__: scenario
    for scenario in (by_the_door, on_the_link, through_the_relay, among_three)
}


def _cases() -> Iterator[Crash]:
    for name, scenario in SCENARIOS.items():
        world = World(7)
        scenario(world)
        for who, person in enumerate(world.people):
            for kind in sorted(set(person.history)):
                steps = [at + 1 for at, event in enumerate(person.history) if event == kind]
                chosen = {steps[0], steps[-1]} if len(world.people) == 2 else {steps[-1]}
                for step in sorted(chosen):
                    yield from (Crash(name, who, kind, point, step) for point in POINTS)


CASES = tuple(_cases())


# ---- what must hold


def mine(person: Person) -> list[str]:
    return [e.text for e in person.disk.entries.values() if e.kind == "text" and e.is_mine]


def assert_whole(people: list[Person]) -> None:
    """Everything accepted is everywhere, in its author's order, once, and nothing is owed."""
    for author in people:
        on_disk = {entry.mid for entry in author.disk.entries.values()}
        assert {mid for mid, _ in author.said} <= on_disk
        for reader in people:
            heard = [text for member, text in reader.texts() if member == author.id]
            assert heard == mine(author)[-len(heard) :] if heard else not heard
            if len(people) == 2:
                assert heard == mine(author)
    for person in people:
        shown = [entry.mid for entry in person.shown]
        assert len(shown) == len(set(shown))
        assert not any(person.disk.owed.values())
        assert not person.disk.held
        assert not any(entry.kind == "gap" for entry in person.disk.entries.values())
        assert not {"fork_seen", "fork_told", "unreadable"} & {tell.what for tell in person.told}


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[bytes, bytes], bytes]:
    """Record every seal: one key and nonce for two different plains is the end of secrecy."""
    used: dict[tuple[bytes, bytes], bytes] = {}
    seal = sealing._encrypt

    def recording(out: Any, *others: Any) -> int:  # as libsodium has it
        result: int = seal(out, *others)
        size, nonce, key = others[2] + sealing.TAG_SIZE, others[6], others[7]
        sealed = sealing._buffer(out, size)[:]
        assert used.setdefault((key, nonce), sealed) == sealed, "a nonce used twice"
        return result

    monkeypatch.setattr(sealing, "_encrypt", recording)
    return used


def test_there_are_enough_crashes() -> None:
    assert len(CASES) >= 300
    kinds = {case.kind for case in CASES}
    assert {
        "Started",
        "Submitted",
        "Invited",
        "Admitted",
        "MailArrived",
        "FramesArrived",
        "RelayUp",
        "RelayDown",
        "Deposited",
        "DepositRefused",
        "OwedLoaded",
        "LinkPrepared",
        "LinkOpened",
        "LinkClosed",
        "Woke",
    } <= kinds


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c.scenario}-{c.who}-{c.kind}-{c.point}-{c.step}"
)
def test_a_crash_loses_and_doubles_nothing(
    case: Crash, sealed: dict[tuple[bytes, bytes], bytes]
) -> None:
    world = World(7)
    world.restart_after = 1.0
    world.crash(case.who, case.point, case.step)
    SCENARIOS[case.scenario](world)
    world.heal()
    world.run_for(120)
    assert world.people[case.who].run > 1 or case.point == "mid-act"
    for person in world.people:
        person.say("and still here")
    world.run_for(60)
    assert_whole(world.people)
    assert sealed
