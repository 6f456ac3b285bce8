"""Coming in where there is no relay: the knock, the yes and every first meeting happen in the room."""

from __future__ import annotations

import pytest

from tests.network.test_hostile_world import assert_agreement, assert_shown_once
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.state import Seat, Stage, Standing
from toheal_protocol.messages.frames import Answer, Opening, encode_frame


def enter(world: World, *people: Person) -> None:
    for person in people:
        world.room.enter(person)


def founded(seed: int) -> tuple[World, Person]:
    """A circle of one that never had a relay, and nobody can reach any."""
    world = World(seed)
    host = world.person("نورس")
    world.found(host, is_direct=False, has_relay=False)
    world.relay.is_up = False
    enter(world, host)
    return world, host


def knock(world: World, host: Person, name: str) -> Person:
    """Somebody was handed a link in the room, and knocks."""
    newcomer = world.person(name)
    world.knock(newcomer, world.invite(host), host)
    enter(world, newcomer)
    return newcomer


def come_in(world: World, host: Person, name: str) -> Person:
    newcomer = knock(world, host, name)
    world.run_until(lambda: world.waiting(host) == [newcomer.id], within=20)
    host.feed(m.Admitted(newcomer.id))
    world.run_until(lambda: stage_of(newcomer) is Stage.ACTIVE, within=20)
    return newcomer


def stage_of(person: Person) -> Stage:
    assert person.circle is not None
    return person.circle.cold.stage


def standing_of(host: Person, person: Person) -> Standing:
    assert host.circle is not None
    return host.circle.cold.peers[person.id].standing


def test_three_who_share_nothing_become_a_circle_in_the_room() -> None:
    world, host = founded(1)
    host.say("nobody is here yet")
    second = come_in(world, host, "Salma")
    third = come_in(world, host, "هدى")
    world.run_until(lambda: world.room.has_wire(second, third), within=20)
    for person in world.people:
        person.say(f"by {person.name}")
    world.run_for(10)
    said = {f"by {person.name}" for person in world.people}
    assert {text for _, text in third.texts()} == said
    assert_agreement([second, third])
    assert_shown_once(world.people)
    assert not world.relay.seen


def test_at_the_door_nobody_but_the_one_who_invited_is_met() -> None:
    world, host = founded(2)
    second = come_in(world, host, "Salma")
    guest = knock(world, host, "هدى")
    world.run_until(lambda: world.waiting(host) == [guest.id], within=20)
    host.say("not for the door")
    world.run_for(60)
    assert world.room.has_wire(host, guest)
    assert not world.room.has_wire(second, guest)
    assert guest.texts() == []
    assert guest.circle is not None
    assert set(guest.circle.cold.peers) == {host.id}


def test_who_is_declined_hears_it_and_the_wire_closes() -> None:
    world, host = founded(3)
    guest = knock(world, host, "هدى")
    world.run_until(lambda: world.waiting(host) == [guest.id], within=20)
    host.feed(m.Refused(guest.id))
    world.run_for(150)
    assert stage_of(guest) is Stage.DECLINED
    assert not world.room.has_wire(host, guest)
    assert not world.room.has_wire(guest, host)
    decision = host.feed(m.LanMet(guest.id, 99))
    assert decision is not None
    assert m.CloseLan(guest.id, 99) in decision.effects, "who has heard it gets no wire again"


@pytest.mark.parametrize("seed", range(12))
def test_coming_in_survives_any_break_of_the_wire_and_any_crash(seed: int) -> None:
    world, host = founded(100 + seed)
    newcomer = knock(world, host, "Salma")
    for _ in range(60):
        world.run_for(world.chance.choice([0.003, 0.006, 0.02, 0.3, 2.0]))
        person = world.chance.choice([host, newcomer])
        world.room.leave(person)
        if world.chance.random() < 0.4:
            world.kill(person)
            world.start(person)
        enter(world, person)
        if newcomer.id in world.waiting(host):
            host.feed(m.Admitted(newcomer.id))
    world.run_until(
        lambda: bool(world.waiting(host)) or stage_of(newcomer) is Stage.ACTIVE, within=90
    )
    host.feed(m.Admitted(newcomer.id))
    world.run_until(lambda: stage_of(newcomer) is Stage.ACTIVE, within=90)
    newcomer.say("here at last")
    host.say("welcome")
    world.run_for(60)
    assert [text for _, text in host.texts()][-2:] in (
        ["here at last", "welcome"],
        ["welcome", "here at last"],
    )
    assert_shown_once(world.people)
    assert_agreement([host, newcomer])


def test_a_link_that_is_used_or_taken_back_opens_no_door() -> None:
    world, host = founded(4)
    link = world.invite(host)
    assert host.circle is not None
    host.feed(m.InvitationWithdrawn(host.circle.cold.invitations[-1].id))
    late = world.person("late")
    world.knock(late, link, host)
    enter(world, late)
    world.run_for(120)
    assert stage_of(late) is Stage.KNOCKING
    assert late.id not in host.circle.cold.peers
    assert not world.room.has_wire(host, late)


def test_nothing_but_a_first_flight_is_taken_from_somebody_without_a_name() -> None:
    world, host = founded(5)
    link = world.invite(host)
    before = host.circle
    assert before is not None
    invitation = before.cold.invitations[-1]
    for frame in (
        b"",
        b"\x01",
        encode_frame(Opening(bytes(3461))),
        encode_frame(Answer(bytes(2226))),
        b"\x03card",
        b"\x10" + bytes(200),
        b"\x11" + bytes(300),
    ):
        decision = host.feed(m.LanKnocked(invitation.id, 9, (frame,)))
        assert decision is not None
        assert not [e for e in decision.effects if not isinstance(e, m.WakeAt)]
    assert host.circle is not None
    assert host.circle.cold == before.cold
    decision = host.feed(m.LanKnocked(b"no such", 9, (b"\x01" + bytes(3461),)))
    assert host.circle.cold == before.cold
    assert link.relay is None


def test_a_first_flight_played_again_takes_no_wire_from_who_is_in() -> None:
    world, host = founded(6)
    newcomer = knock(world, host, "Salma")
    assert newcomer.circle is not None
    calling = newcomer.circle.cold.peers[host.id].calling
    assert calling is not None
    flight = encode_frame(Opening(calling.opening))
    world.run_until(lambda: world.waiting(host) == [newcomer.id], within=20)
    assert host.circle is not None
    invitation = host.circle.cold.invitations[-1]
    assert invitation.seat is Seat.OPEN
    decision = host.feed(m.LanKnocked(invitation.id, 77, (flight,)))
    assert decision is not None
    assert m.NameLan(77, newcomer.id) not in decision.effects
    host.feed(m.Admitted(newcomer.id))
    world.run_until(lambda: stage_of(newcomer) is Stage.ACTIVE, within=20)
    assert standing_of(host, newcomer) is Standing.MEMBER
    assert world.room.has_wire(host, newcomer)


def test_four_people_fit_at_the_door_with_one_link_and_one_gets_in() -> None:
    world, host = founded(7)
    link = world.invite(host)
    people = [world.person(f"p{number}") for number in range(6)]
    for person in people:
        world.knock(person, link, host)
        enter(world, person)
    world.run_for(60)
    waiting = world.waiting(host)
    assert len(waiting) == 4
    host.feed(m.Admitted(waiting[0]))
    world.run_for(60)
    stages = sorted(stage_of(person) for person in people)
    assert stages.count(Stage.ACTIVE) == 1
    assert stages.count(Stage.DECLINED) == 3
