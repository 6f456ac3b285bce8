"""Members in one room: over the wire before all else, and nothing lost or doubled on the way in or out."""

from __future__ import annotations

import pytest

from tests.network.test_hostile_world import (
    assert_agreement,
    assert_shown_once,
    gather,
    heal,
)
from tests.support.world import Person, World
from toheal_protocol.changing import changed
from toheal_protocol.machines import events as m
from toheal_protocol.machines.records import PutCircle
from toheal_protocol.machines.state import Standing
from toheal_protocol.machines.storing import encode_cold


def enter(world: World, *people: Person) -> None:
    for person in people:
        world.room.enter(person)


def all_met(world: World) -> bool:
    people = world.room.people
    return all(world.room.has_wire(a, b) for a in people for b in people if a is not b)


def go_offline(world: World) -> None:
    world.relay.is_up = False
    for person in world.people:
        world.disconnect(person)


def without_relays(world: World) -> None:
    """Make it a circle that never had a relay: nobody knows one, nobody has a mailbox."""
    go_offline(world)
    for person in world.people:
        assert person.circle is not None
        world.kill(person)
        cold = person.disk.load().cold
        peers = {
            member: changed(peer, mailboxes=(), grants=()) for member, peer in cold.peers.items()
        }
        cold = changed(cold, relays=(), peers=peers)
        person.disk.apply((PutCircle(cold.id, encode_cold(cold)),))
        world.start(person)


def texts(reader: Person, author: Person) -> list[str]:
    return [text for member, text in reader.texts() if member == author.id]


def test_two_in_one_room_talk_without_a_relay() -> None:
    world = World(1)
    ours, theirs = world.bring_together(is_direct=False)
    go_offline(world)
    ours.say("owed before")
    enter(world, ours, theirs)
    world.run_for(1)
    assert texts(theirs, ours) == ["owed before"]
    theirs.say("answered")
    world.run_for(0.1)
    assert texts(ours, theirs) == ["answered"]
    world.run_for(10)
    assert_agreement([ours, theirs])


def test_in_one_room_the_relay_is_left_alone() -> None:
    world = World(2)
    ours, theirs = world.bring_together(is_direct=False)
    enter(world, ours, theirs)
    world.run_for(5)
    seen = len(world.relay.seen)
    for number in range(30):
        ours.say(str(number))
        theirs.say(str(number))
    world.run_for(5)
    assert_agreement([ours, theirs])
    assert len(world.relay.seen) == seen


def test_in_one_room_no_data_channel_is_begun_and_an_open_one_stays_for_the_way_out() -> None:
    world = World(3)
    ours, theirs = world.bring_together()
    world.run_until(lambda: theirs.id in ours.links and ours.id in theirs.links, within=30)
    attempt = dict(ours.links)
    enter(world, ours, theirs)
    world.run_for(60)
    assert ours.links == attempt
    world.room.leave(ours)
    ours.say("outside")
    world.run_for(0.5)
    assert texts(theirs, ours) == ["outside"]
    enter(world, ours)
    world.run_for(20)
    world.cut_link(ours, theirs.id)
    world.run_for(300)
    assert all_met(world)
    assert not ours.links


@pytest.mark.parametrize("into_the_room", [False, True])
@pytest.mark.parametrize("after", [0.0, 0.002, 0.006, 0.02, 0.3])
def test_a_message_on_its_way_while_somebody_walks_arrives_once(
    after: float, into_the_room: bool
) -> None:
    """From the room to the relay, or the other way round, at every moment of the way."""
    world = World(4)
    ours, theirs = world.bring_together(is_direct=False)
    enter(world, ours)
    if not into_the_room:
        enter(world, theirs)
    world.run_for(20)
    ours.say("on its way")
    theirs.say("and back")
    world.run_for(after)
    if into_the_room:
        enter(world, theirs)
    else:
        world.room.leave(theirs)
    world.run_for(30)
    assert texts(theirs, ours) == ["on its way"]
    assert texts(ours, theirs) == ["and back"]
    assert_agreement([ours, theirs])
    assert_shown_once([ours, theirs])


def test_what_was_on_a_wire_that_broke_goes_through_the_relay_at_once() -> None:
    world = World(5)
    ours, theirs = world.bring_together(is_direct=False)
    enter(world, ours, theirs)
    world.run_for(10)
    for number in range(5):
        ours.say(str(number))
    world.room.leave(ours)
    world.run_for(1)
    assert texts(theirs, ours) == [str(number) for number in range(5)]


@pytest.mark.parametrize("seed", range(6))
def test_walking_in_and_out_all_the_time_loses_and_doubles_nothing(seed: int) -> None:
    world = gather(100 + seed, 3, is_direct=True)
    people = world.people
    for number in range(60):
        world.chance.choice(people).say(str(number))
        walker = world.chance.choice(people)
        if world.chance.random() < 0.5:
            enter(world, walker)
        else:
            world.room.leave(walker)
        if number % 9 == 4:
            world.disconnect(walker)
        if number % 9 == 8:
            world.reconnect(walker)
        world.run_for(world.chance.uniform(0, 3))
    heal(world)
    assert_agreement(people)
    assert_shown_once(people)


def introduced_and_offline(seed: int) -> tuple[World, Person, Person, Person]:
    """A circle whose second member was away when the third came in; then the relay is gone."""
    world = World(seed)
    host, away = world.bring_together(is_direct=False)
    world.kill(away)
    newcomer = world.person("هدى")
    world.join(host, newcomer)
    world.run_for(20)
    go_offline(world)
    world.start(away)
    assert away.circle is not None
    assert newcomer.id not in away.circle.cold.peers
    return world, host, away, newcomer


def test_who_is_introduced_in_the_room_begins_a_session_there() -> None:
    world, host, away, newcomer = introduced_and_offline(7)
    enter(world, host, away, newcomer)
    world.run_for(30)
    assert all_met(world)
    newcomer.say("we had never met")
    away.say("welcome")
    world.run_for(5)
    assert texts(away, newcomer) == ["we had never met"]
    assert texts(newcomer, away) == ["welcome"]


@pytest.mark.parametrize("seed", range(4))
def test_a_session_begun_in_the_room_survives_any_break(seed: int) -> None:
    world, host, away, newcomer = introduced_and_offline(40 + seed)
    enter(world, host, away, newcomer)
    for _ in range(40):
        world.run_for(world.chance.uniform(0, 0.4))
        person = world.chance.choice([host, away, newcomer])
        world.room.leave(person)
        enter(world, person)
    newcomer.say("said")
    world.run_for(60)
    assert texts(away, newcomer) == ["said"]


def test_a_card_that_died_is_renewed_over_the_wire() -> None:
    world, host, away, newcomer = introduced_and_offline(9)
    for person in (host, newcomer):
        world.kill(person)
    world.sleep_through(0)
    for person in world.people:
        person.clock_error += 30 * 24 * 3600
    for person in (host, newcomer):
        world.start(person)
    enter(world, host, away, newcomer)
    world.run_for(600)
    newcomer.say("weeks later")
    world.run_for(30)
    assert texts(away, newcomer) == ["weeks later"]


def test_a_circle_without_any_relay_lives_in_the_room() -> None:
    world = World(11)
    people = [*world.bring_together(is_direct=False), world.person("هدى")]
    world.join(people[0], people[2])
    world.run_for(30)
    without_relays(world)
    people[0].say("before anybody is there")
    enter(world, *people)
    world.run_for(3)
    for person in people:
        person.say(f"by {person.name}")
    world.run_for(3)
    assert_agreement(people)
    for person in people:
        world.room.leave(person)
        person.say("owed until the next time")
    world.run_for(100)
    enter(world, *people)
    world.run_for(10)
    assert_agreement(people)


def test_a_session_is_begun_anew_in_the_room_where_there_is_no_relay() -> None:
    world = World(12)
    ours, theirs = world.bring_together(is_direct=False)
    without_relays(world)
    old = ours.disk.copy()
    enter(world, ours, theirs)
    world.run_for(5)
    for number in range(5):
        ours.say(str(number))
        theirs.say(str(number))
    world.run_for(5)
    world.kill(ours)
    ours.disk = old
    world.start(ours)
    ours.feed(m.ResetAsked(theirs.id))
    enter(world, ours)
    world.run_for(30)
    ours.say("begun anew")
    theirs.say("heard")
    world.run_for(30)  # what the old disk lost shows as a gap, after a while
    assert texts(theirs, ours)[-1] == "begun anew"
    assert texts(ours, theirs)[-1] == "heard"


def test_who_left_is_not_reached_in_the_room_any_more() -> None:
    world = World(13)
    ours, theirs = world.bring_together(is_direct=False)
    go_offline(world)
    enter(world, ours, theirs)
    world.run_for(5)
    theirs.feed(m.Left())
    world.run_for(200)
    assert ours.circle is not None
    assert ours.circle.cold.peers[theirs.id].standing is Standing.GONE
    assert not world.room.has_wire(ours, theirs)
    assert not world.room.has_wire(theirs, ours)


def test_somebody_at_the_door_gets_a_wire_from_nobody_but_who_invited() -> None:
    world = World(14)
    ours, theirs = world.bring_together(is_direct=False)
    guest = world.person("هدى")
    world.knock(guest, world.invite(ours), ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=60)
    stranger = type(theirs.id)(bytes(32))
    for person, other in ((theirs, guest.id), (theirs, stranger), (ours, stranger)):
        decision = person.feed(m.LanMet(other, 2))
        assert decision is not None
        assert m.CloseLan(other, 2) in decision.effects
        person.feed(m.LanParted(other, 2))
    enter(world, ours, theirs, guest)
    world.run_for(10)
    assert world.room.has_wire(ours, guest)
    assert not world.room.has_wire(theirs, guest)


def test_garbage_and_foreign_flights_on_a_wire_change_nothing() -> None:
    world = World(15)
    ours, theirs = world.bring_together(is_direct=False)
    go_offline(world)
    enter(world, ours, theirs)
    world.run_for(5)
    before = ours.circle
    assert before is not None
    for frame in (
        b"",
        b"\x01",
        b"\x01" + bytes(3461),
        b"\x02" + bytes(2226),
        b"\x03card",
        b"\x10x",
    ):
        ours.feed(m.LanArrived(theirs.id, (frame,)))
    assert ours.circle is not None
    assert ours.circle.cold == before.cold
    assert ours.circle.pairs == before.pairs
    theirs.say("goes on")
    world.run_for(1)
    assert texts(ours, theirs) == ["goes on"]
