"""Moving to other relays: what each word does to the one who hears it, in any order and twice."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.world import Person, World
from toheal_protocol.changing import changed
from toheal_protocol.machines import events as m
from toheal_protocol.machines import moving
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.records import PutOwed
from toheal_protocol.machines.state import Move, Peer
from toheal_protocol.messages.notes import Followed, Granted, Moved, decode_item
from toheal_protocol.wire.relay_address import RelayAddress

FIRST, SECOND = (RelayAddress("relay.example", port, bytes(32)) for port in (4001, 4002))


def two(seed: int) -> tuple[World, Person, Person]:
    world = World(seed)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(20)
    return world, ours, theirs


def draft_of(person: Person) -> Draft:
    assert person.circle is not None
    return Draft(person.circle, now=person.world.now, wall_now=person.wall, entropy=person.entropy)


def owed(draft: Draft) -> list[object]:
    """Return the lasting notes that a step owes."""
    writes = draft.decide(wake_at=None).writes
    items = [one.item for one in writes if isinstance(one, PutOwed)]
    return [decode_item(item[9:]) for item in items]


def peer_of(draft: Draft, other: Person) -> Peer:
    return draft.cold.peers[other.id]


def test_followed_brings_the_grants_once_more_and_a_second_one_nothing() -> None:
    """A relay that was left and taken again: the peer may have dropped its grants after they came."""
    _, ours, theirs = two(1)
    draft = draft_of(ours)
    relays = draft.cold.relays
    draft.change_peer(theirs.id, our_move=Move(3, relays))
    moving.take_followed(draft, theirs.id, Followed(2))
    assert peer_of(draft, theirs).our_move == Move(3, relays)
    moving.take_followed(draft, theirs.id, Followed(3))
    assert peer_of(draft, theirs).our_move == Move(3, relays, is_followed=True)
    [granted] = owed(draft)
    assert isinstance(granted, Granted)
    boxes = peer_of(draft, theirs).mailboxes
    assert {one.address for one in granted.grants} == {box.address for box in boxes}
    again = draft_of(ours)
    again.change_peer(theirs.id, our_move=Move(3, relays, is_followed=True))
    moving.take_followed(again, theirs.id, Followed(3))
    assert owed(again) == []


@pytest.mark.parametrize("moved_on", [False, True])
def test_what_is_over_or_was_left_is_not_granted_again(*, moved_on: bool) -> None:
    """Also where the word that is followed is not our last one any more."""
    _, ours, theirs = two(11)
    draft = draft_of(ours)
    [relay] = draft.cold.relays
    boxes = peer_of(draft, theirs).mailboxes
    first = min(box.number for box in boxes)
    left = tuple(evolve(box, relay=SECOND) for box in boxes)
    draft.change_peer(
        theirs.id,
        our_move=Move(3, (SECOND,) if moved_on else (relay,)),
        mailboxes=(*boxes, *left),
        quiet_through=first,
    )
    moving.take_followed(draft, theirs.id, Followed(3))
    [granted] = [note for note in owed(draft) if isinstance(note, Granted)]
    assert {one.relay for one in granted.grants} == {relay}
    assert {one.number for one in granted.grants} == {box.number for box in boxes} - {first}


def test_nobody_follows_to_where_nothing_answers_and_an_older_word_changes_nothing() -> None:
    _, ours, theirs = two(2)
    draft = draft_of(ours)
    before = peer_of(draft, theirs).grants
    moving.take_moved(draft, theirs.id, Moved(5, (SECOND,)))
    assert peer_of(draft, theirs).their_move == Move(5, (SECOND,))
    assert peer_of(draft, theirs).grants == before
    moving.take_moved(draft, theirs.id, Moved(4, (FIRST,)))
    assert peer_of(draft, theirs).their_move == Move(5, (SECOND,))
    [present] = draft.cold.relays
    moving.take_moved(draft, theirs.id, Moved(6, (present,)))
    assert peer_of(draft, theirs).their_move == Move(6, (present,), is_followed=True)
    assert owed(draft) == [Followed(6)]


def test_what_is_named_is_not_contacted_and_what_is_allowed_only_where_somebody_reads() -> None:
    _, ours, theirs = two(3)
    assert ours.circle is not None
    cold = ours.circle.cold
    [present] = cold.relays
    peer = cold.peers[theirs.id]
    named = tuple(evolve(grant, relay=SECOND) for grant in peer.grants)
    cold = changed(cold, peers={theirs.id: changed(peer, grants=named)})
    assert moving.relays_in_use(cold) == (present,)
    assert moving.unreached(cold, cold.peers[theirs.id]) == (SECOND,)
    allowed = changed(cold, allowed=(FIRST, SECOND))
    assert moving.relays_in_use(allowed) == (present, SECOND)
    assert moving.unreached(allowed, cold.peers[theirs.id]) == ()


def test_changing_twice_is_changing_once() -> None:
    _, ours, _ = two(4)
    for event in (m.RelayAdded(SECOND), m.RelayAllowed(FIRST)):
        ours.feed(event)
        assert ours.circle is not None
        cold = ours.circle.cold
        ours.feed(event)
        assert ours.circle.cold == cold
    ours.feed(m.RelayAdded(RelayAddress("third.example", 4003, bytes(32))))
    assert len(ours.circle.cold.relays) == 2
    for _ in range(3):
        ours.feed(m.RelayDropped(SECOND))
        ours.feed(m.RelayDropped(ours.circle.cold.relays[0]))
    assert len(ours.circle.cold.relays) == 1
