"""What finds members in one room follows who is in: drawn anew by who stays, whoever is away."""

from __future__ import annotations

import pytest

from tests.network.test_removal import gather, give_role, now, remove, second, state
from tests.support.world import Person, World
from toheal_protocol.changing import changed
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines import events as m
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.lan_kept import LanSecretKept
from toheal_protocol.machines.lan_keys import labels_of
from toheal_protocol.machines.lan_secrets import (
    HEARD_FOR,
    SECRETS_HEARD,
    TURNS_AHEAD,
    heard,
    in_use,
    take_secret,
)
from toheal_protocol.machines.state import Standing
from toheal_protocol.messages.door_notes import LanSecret
from toheal_protocol.model import Instant, Role, WallTime

DAY = 24 * 3600


def later(world: World, seconds: float) -> None:
    """Let much time pass while every machine sleeps, and some in which they look at the clock."""
    world.sleep_through(seconds)
    world.run_for(180)


def said(person: Person) -> bytes:
    """What this person's device is announced by."""
    used = in_use(state(person).cold)
    assert used is not None
    return used.value


def all_known(person: Person) -> set[bytes]:
    return {one.value for one in state(person).cold.lan_secrets}


def take(person: Person, sender: Person, note: LanSecret) -> None:
    draft = Draft(
        state(person), now=Instant(person.world.now), wall_now=person.wall, entropy=person.entropy
    )
    take_secret(draft, sender.id, note)
    person.circle = draft.decide(wake_at=None).circle


def test_everybody_who_comes_in_has_the_secret_and_nobody_at_the_door() -> None:
    world, people = gather(1, 4)
    assert len({said(person) for person in people}) == 1
    guest = world.person("guest")
    world.knock(guest, world.invite(people[0]), people[0])
    world.run_until(lambda: bool(world.waiting(people[0])), within=120)
    assert state(guest).cold.lan_secrets == ()
    [theirs] = labels_of(state(guest).cold, wall_now=guest.wall)
    host, *heard_there = labels_of(state(people[0]).cold, wall_now=people[0].wall)
    assert theirs != host, "who stands at the door cannot compute what members say"
    assert theirs in heard_there, "and is heard by who invited, who says nothing of it"
    assert theirs not in labels_of(state(people[1]).cold, wall_now=people[1].wall)


def test_after_a_removal_those_who_stay_share_one_that_the_removed_never_gets() -> None:
    world, people = gather(2, 5)
    before = said(people[0])
    remove(people[0], people[4])
    world.run_for(120)
    after = {said(person) for person in people[:4]}
    assert len(after) == 1 and before not in after
    later(world, 30 * DAY)
    assert not after & all_known(people[4])
    assert {said(person) for person in people[:4]} == after, "one departure, one secret"


def test_after_somebody_left_one_of_those_who_stay_draws() -> None:
    world, people = gather(3, 4)
    before = said(people[0])
    people[2].feed(m.Left())
    stay = [people[0], people[1], people[3]]
    world.run_for(120)
    assert len({said(person) for person in stay}) == 1
    assert said(stay[0]) != before
    assert said(stay[0]) not in all_known(people[2])


def test_whose_turn_it_is_may_be_away_then_anybody_draws_after_a_day() -> None:
    world, people = gather(4, 5)
    leaver = next(p for p in people[1:] if p.id != min(one.id for one in people))
    stay = [person for person in people if person is not leaver]
    lowest = min(stay, key=lambda person: person.id)
    before = said(people[0])
    world.kill(lowest)
    leaver.feed(m.Left())
    world.run_for(3600)
    there = [person for person in stay if person is not lowest]
    assert {said(person) for person in there} == {before}
    later(world, 2 * DAY)
    assert before not in {said(person) for person in there}
    assert len({said(person) for person in there}) == 1
    world.start(lowest)
    world.run_for(3600)
    assert said(lowest) == said(there[0])


def test_two_removals_that_do_not_know_each_other_end_in_one_secret_without_either() -> None:
    world, people = gather(5, 6, facilitators=2)
    world.disconnect(people[0])
    world.disconnect(people[1])
    for person in people:
        for member in list(person.links):
            world.cut_link(person, member)
    world.links_allowed = False
    remove(people[0], people[5])
    remove(people[1], people[4])
    world.run_for(60)
    world.heal()
    world.run_for(600)
    later(world, 2 * DAY)
    world.run_for(600)
    assert all(set(now(p).members) == {one.id for one in people[:4]} for p in people[:4])
    shared = {said(person) for person in people[:4]}
    assert len(shared) == 1
    assert not shared & (all_known(people[4]) | all_known(people[5]))


def test_who_has_not_seen_the_removal_is_still_listened_for_and_not_for_ever() -> None:
    world, people = gather(6, 4)
    world.disconnect(people[1])
    world.kill(people[1])
    before = said(people[0])
    remove(people[0], people[3])
    world.run_for(60)
    after = said(people[0])
    assert after != before
    known = state(people[0]).cold
    assert before in [one.value for one in heard(known, wall_now=people[0].wall)]
    labels = labels_of(known, wall_now=people[0].wall)
    theirs = labels_of(state(people[1]).cold, wall_now=people[0].wall)
    assert theirs[0] in labels[1:]
    later(world, HEARD_FOR + DAY)
    assert len(labels_of(state(people[0]).cold, wall_now=people[0].wall)) == 1
    assert state(people[0]).cold.lan_secrets[0].value == after


def test_who_was_removed_cannot_put_a_secret_of_their_own_in_use() -> None:
    """Drawn before they heard of it, with the highest count, for everybody who is gone but them."""
    world, people = gather(7, 5)
    liar = people[4]
    remove(people[0], people[3])
    world.run_for(120)
    turn = in_use(state(people[1]).cold)
    assert turn is not None
    marks = tuple(member[:8] for member in now(people[1]).gone)
    theirs = LanSecret(turn.turn + 100, liar.id, b"x" * 32, (*marks, b"another!"))
    for person in people[:3]:
        take(person, liar, theirs)
    assert said(people[1]) == b"x" * 32, "while they are in, a member may draw"
    remove(people[0], liar)
    world.run_for(120)
    assert len({said(person) for person in people[:3]}) == 1
    assert said(people[1]) != b"x" * 32
    assert said(people[1]) not in all_known(liar)
    with pytest.raises(ForgedMessage):
        take(people[1], liar, theirs)


def test_a_secret_of_the_removed_counts_last_whatever_it_claims() -> None:
    """The honest one leaves out the liar alone; the liar's claims to leave out everybody else who is gone."""
    world, people = gather(14, 6)
    for gone in people[3:]:
        remove(people[0], gone)
        world.run_for(30)
    cold, liar = state(people[1]).cold, people[5]
    honest = LanSecretKept(b"h" * 32, 2, people[0].id, (liar.id[:8],), people[1].wall)
    claimed = tuple(gone.id[:8] for gone in people[3:])
    theirs = LanSecretKept(b"l" * 32, 9, liar.id, claimed, people[1].wall)
    used = in_use(changed(cold, lan_secrets=(theirs, honest)))
    assert used == honest
    assert in_use(changed(cold, lan_secrets=(theirs,))) == theirs, "better than none"


def test_nobody_hands_on_what_they_did_not_draw_but_a_facilitator() -> None:
    _world, people = gather(8, 3)
    other = LanSecret(5, people[2].id, b"y" * 32, ())
    with pytest.raises(ForgedMessage):
        take(people[0], people[1], other)
    take(people[1], people[0], other)
    with pytest.raises(MalformedFrame):
        take(people[0], people[1], LanSecret(9 + TURNS_AHEAD, people[1].id, b"z" * 32, ()))


def test_a_member_who_draws_without_end_fills_nothing_and_who_stays_is_still_found() -> None:
    _world, people = gather(9, 3)
    for number in range(50):
        take(people[0], people[1], LanSecret(2 + number, people[1].id, bytes([number]) * 32, ()))
    assert len(state(people[0]).cold.lan_secrets) <= SECRETS_HEARD + 1
    assert said(people[0]) == bytes([49]) * 32


def test_who_was_taken_back_shares_it_again() -> None:
    world, people = gather(10, 4)
    remove(people[0], people[3])
    world.run_for(120)
    people[0].feed(m.Readmitted(people[3].id))
    world.run_for(300)
    assert state(people[0]).cold.peers[people[3].id].standing is Standing.MEMBER
    assert len({said(person) for person in people}) == 1


def test_a_removal_that_two_had_to_carry_is_followed_too() -> None:
    world, people = gather(11, 5, facilitators=3)
    remove(people[1], people[0])
    world.run_for(60)
    second(people[2])
    world.run_for(120)
    assert people[0].id not in now(people[3]).members
    assert len({said(person) for person in people[1:]}) == 1
    assert said(people[3]) not in all_known(people[0])
    give_role(people[1], people[3], Role.LISTENER)
    world.run_for(60)
    assert len({said(person) for person in people[1:]}) == 1


def test_a_secret_survives_a_restart() -> None:
    world, people = gather(12, 3)
    before = said(people[1])
    world.kill(people[1])
    world.start(people[1])
    assert said(people[1]) == before
    assert WallTime(people[1].wall) >= state(people[1]).cold.lan_secrets[0].since


def test_the_order_of_arrival_does_not_matter() -> None:
    first = World(13)
    ours, theirs = first.bring_together()
    notes = [
        LanSecret(2, theirs.id, b"a" * 32, ()),
        LanSecret(2, theirs.id, b"b" * 32, ()),
        LanSecret(3, theirs.id, b"c" * 32, ()),
    ]
    kept = state(ours)
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        ours.circle = kept
        for place in order:
            take(ours, theirs, notes[place])
        assert said(ours) == b"c" * 32
    ours.circle = kept
    for place in (1, 0):
        take(ours, theirs, notes[place])
    assert said(ours) == b"a" * 32, "of two with one count the smaller one"
