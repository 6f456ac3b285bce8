"""Removal and the ways to a member: links, the wire in one room, and what a circle decides about both."""

from __future__ import annotations

import pytest
from attrs import define, field

from tests.network.test_removal import now, remove, second, state
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.state import Stage
from toheal_protocol.machines.ways import direct_choices
from toheal_protocol.messages.acts import PolicyChange
from toheal_protocol.model import MemberId

DIRECT, TURN = m.LinkWay.DIRECT, m.LinkWay.TURN


@define(eq=False)
class NotingWorld(World):
    """A world that notes for whom a link was prepared or connected, and can keep one from being ready."""

    asked: list[tuple[str, MemberId]] = field(factory=list)
    ready: bool = True
    pending: list[m.PrepareLink] = field(factory=list)

    def perform(self, person: Person, effect: m.Effect) -> None:
        if isinstance(effect, m.PrepareLink | m.ConnectLink):
            self.asked.append((person.name, effect.member))
        if isinstance(effect, m.PrepareLink) and not self.ready:
            self.pending.append(effect)
            return
        World.perform(self, person, effect)


def three(seed: int, *, is_direct: bool = False) -> tuple[NotingWorld, list[Person]]:
    """A founder and two more, everybody linked with everybody; without a yes through the relay."""
    world = NotingWorld(seed, has_turn=True)
    people = [world.person(name) for name in ("ours", "theirs", "gone")]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(60)
    way = DIRECT if is_direct else TURN
    assert all(open_way(a, b) is way for a in people for b in people if a is not b)
    return world, people


def open_way(person: Person, other: Person) -> m.LinkWay | None:
    courier = state(person).live.couriers.get(other.id)
    return None if courier is None or courier.link is None else courier.link.way


def test_the_link_through_a_relay_to_the_removed_closes_and_no_other_is_ever_prepared() -> None:
    world, (ours, theirs, gone) = three(1)
    remove(ours, gone)
    world.run_for(150)
    assert state(gone).cold.stage is Stage.REMOVED
    assert gone.id not in ours.links
    assert gone.id not in theirs.links
    assert open_way(ours, theirs) is TURN
    world.asked.clear()
    for person in (ours, theirs, gone):
        person.feed(m.NetworkChanged())
    world.run_for(600)
    assert world.asked
    assert not [one for one in world.asked if one[0] == "gone" or one[1] == gone.id]


def test_no_consent_goes_to_the_removed_and_theirs_counts_for_nothing() -> None:
    world, (ours, _, gone) = three(2)
    remove(ours, gone)
    world.run_for(150)
    ours.feed(m.DirectChosen(gone.id, True))
    gone.feed(m.DirectChosen(ours.id, True))
    world.run_for(60)
    assert state(ours).cold.peers[gone.id].our_direct is None
    assert state(ours).cold.peers[gone.id].their_direct is None
    assert not ours.disk.owed.get(gone.id)
    assert gone.id not in ours.links


@pytest.mark.parametrize("is_direct", [False, True])
def test_a_removed_member_who_acknowledges_nothing_does_not_keep_the_link(is_direct: bool) -> None:
    world, (ours, theirs, gone) = three(3, is_direct=is_direct)
    gone.is_running = False  # it takes everything and says nothing
    remove(ours, gone)
    world.run_for(150)
    assert ours.disk.owed[gone.id]
    assert gone.id not in ours.links
    assert gone.id not in theirs.links


def test_whoever_is_removed_while_a_link_is_being_prepared_is_told_no_address() -> None:
    world = NotingWorld(4, has_turn=True, ready=False)
    ours, gone = world.bring_together(is_direct=True)
    world.run_for(2)
    assert world.pending
    caller, callee = (ours, gone) if world.pending[0].member == gone.id else (gone, ours)
    attempt = world.pending[0].attempt
    remove(ours, gone)
    if caller is gone:
        world.run_for(5)
        assert state(gone).cold.stage is Stage.REMOVED
    decision = caller.feed(m.LinkPrepared(callee.id, attempt, b"addresses"))
    assert decision is not None
    assert m.CloseLink(callee.id, attempt) in decision.effects
    assert not [one for one in decision.effects if isinstance(one, m.Deposit)]


def test_the_removed_is_told_in_the_room_and_then_the_wire_closes_for_good() -> None:
    world, (ours, theirs, gone) = three(5)
    everybody = (ours, theirs, gone)
    for person in everybody:
        world.room.enter(person)
    world.run_for(10)
    assert all(world.room.has_wire(a, b) for a in everybody for b in everybody if a is not b)
    world.relay.is_up = False
    for person in everybody:
        world.disconnect(person)
    remove(ours, gone)
    world.run_for(150)
    assert state(gone).cold.stage is Stage.REMOVED
    assert world.room.has_wire(ours, theirs)
    assert not [p for p in (ours, theirs) if world.room.has_wire(p, gone)]
    ours.say("among ourselves")
    world.run_for(30)
    assert (ours.id, "among ourselves") in theirs.texts()
    assert (ours.id, "among ourselves") not in gone.texts()
    ours.feed(m.LanMet(gone.id, 999))
    assert not state(ours).live.couriers[gone.id].lan


def test_a_removed_member_in_the_room_who_acknowledges_nothing_does_not_keep_the_wire() -> None:
    world, (ours, theirs, gone) = three(6)
    for person in (ours, theirs, gone):
        world.room.enter(person)
    world.run_for(10)
    gone.is_running = False
    remove(ours, gone)
    world.run_for(150)
    assert not [p for p in (ours, theirs) if state(p).live.couriers[gone.id].lan]


def test_a_relay_that_comes_back_carries_nothing_to_the_removed() -> None:
    world, (ours, theirs, gone) = three(7)
    remove(ours, gone)
    world.run_for(150)
    world.keep_deposits = True
    world.relay.deposited.clear()
    boxes = {
        box.address
        for person in (ours, theirs)
        for box in state(gone).cold.peers[person.id].mailboxes
    }
    for person in (ours, theirs):
        world.disconnect(person)
        world.reconnect(person)
    world.run_for(30)
    ours.feed(m.RelaySilent(world.relay.address))
    ours.feed(m.RelayHeard(world.relay.address))
    world.run_for(60)
    assert world.relay.deposited
    assert not [address for address, _ in world.relay.deposited if address in boxes]


def decide_policy(world: World, *people: Person, is_direct: bool) -> None:
    """Everybody signs it, one after another."""
    people[0].feed(m.Acted(PolicyChange(is_direct)))
    world.run_for(10)
    for person in people[1:]:
        second(person)
        world.run_for(10)
    assert all(now(person).is_direct is is_direct for person in people)


def test_a_circle_that_ends_direct_connections_closes_them_at_once_and_goes_on_through_a_relay() -> (
    None
):
    world, people = three(8, is_direct=True)
    world.links_allowed = False  # so nothing takes over
    decide_policy(world, *people, is_direct=False)
    assert not [p for p in people for q in people if p is not q and open_way(p, q) is DIRECT]
    world.links_allowed = True
    world.run_for(400)
    assert all(open_way(p, q) is TURN for p in people for q in people if p is not q)


def test_a_circle_made_direct_later_is_so_for_those_who_signed_it_and_for_no_newcomer() -> None:
    world, people = three(9)
    decide_policy(world, *people, is_direct=True)
    world.run_for(60)
    assert all(open_way(p, q) is DIRECT for p in people for q in people if p is not q)
    newcomer = world.person("newcomer")
    world.join(people[0], newcomer)
    world.run_for(60)
    for person in people:
        assert direct_choices(state(person).cold, newcomer.id) == (True, False)
        assert open_way(person, newcomer) is TURN
        assert open_way(newcomer, person) is TURN
