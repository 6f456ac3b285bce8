"""What a relay sees of mail for people who are away: one after the other, never all at once."""

from __future__ import annotations

import statistics
from itertools import pairwise

from attrs import define, field

from tests.network.test_hostile_world import gather
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.spreading import (
    ENDING_SPAN,
    GREETING_LONGEST,
    TURN_EACH,
    URGENT_EACH,
)
from toheal_protocol.messages.acts import Reason, RoleChange
from toheal_protocol.messages.grants import MAIL, SIGNAL
from toheal_protocol.model import Address, Audience, MemberId, Role

BURST = 0.5
"""Seconds within which deposits count as one burst: whoever looks at times would take them as one."""


@define(eq=False)
class Departures:
    """When deposits of one person left, and for whom."""

    world: World
    person: Person
    _seen: int = field(init=False)
    _owner: dict[Address, tuple[MemberId, int]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = len(self.world.departed)
        for reader in self.world.people:
            if reader is not self.person and reader.circle is not None:
                for box in reader.circle.cold.peers[self.person.id].mailboxes:
                    self._owner[box.address] = (reader.id, box.kind)

    def times(self, kind: int = MAIL) -> dict[MemberId, list[float]]:
        """Return when something left for whom, since this was made."""
        found: dict[MemberId, list[float]] = {}
        for at, name, address in self.world.departed[self._seen :]:
            member, of_kind = self._owner.get(address, (None, 0))  # else it is an invitation's
            if name == self.person.name and member is not None and of_kind == kind:
                found.setdefault(member, []).append(at)
        return found


def alone_at_home(seed: int, count: int) -> tuple[World, Person, list[Person]]:
    """A circle in which one is there and knows that nobody else is."""
    world = gather(seed, count, is_direct=False)
    world.run_for(60)
    ours, *others = world.people
    for other in others:
        world.kill(other)
    ours.say("into the silence")
    world.run_for(200)
    assert ours.circle is not None
    assert not any(one.is_present for one in ours.circle.live.couriers.values())
    return world, ours, others


def bursts(times: list[float]) -> int:
    """Return the most deposits within one burst."""
    return max(sum(at <= other < at + BURST for other in times) for at in times)


def test_words_for_five_who_are_away_leave_one_at_a_time_in_no_order() -> None:
    orders, pauses, crowded = set(), [], 0
    for seed in range(6):
        world, ours, others = alone_at_home(seed, 6)
        departures, start = Departures(world, ours), world.now
        ours.say("to five who are away")
        world.run_for(TURN_EACH * 5 + 1)
        times = departures.times()
        assert {member: len(at) for member, at in times.items()} == {one.id: 1 for one in others}
        firsts = sorted((at[0], member) for member, at in times.items())
        names = {other.id: other.name for other in others}
        orders.add(tuple(names[member] for _, member in firsts))
        pauses += [later - earlier for (earlier, _), (later, _) in pairwise(firsts)]
        crowded += bursts([at for at, _ in firsts]) >= 4
        assert firsts[-1][0] <= start + TURN_EACH * 5
    assert len(orders) >= 4
    assert crowded == 0
    assert statistics.mean(pauses) > 1.5
    assert statistics.stdev(pauses) > 0.5


def test_who_is_there_gets_words_at_once_whoever_else_is_away() -> None:
    world = gather(3, 5, is_direct=False)
    world.run_for(60)
    ours, there, *others = world.people
    for other in others:
        world.kill(other)
    ours.say("who is left")
    world.run_for(200)
    assert ours.circle is not None
    assert ours.circle.live.couriers[there.id].is_present
    departures, start = Departures(world, ours), world.now
    ours.say("now")
    assert departures.times()[there.id] == [start]
    world.run_for(1)
    assert (ours.id, "now") in there.texts()
    world.run_for(60)
    assert all(start < departures.times()[other.id][0] for other in others)


def test_who_comes_back_gets_at_once_what_waits_for_their_turn() -> None:
    world, ours, others = alone_at_home(4, 8)
    ours.say("waits")
    back = max(others, key=lambda one: ours.circle.live.couriers[one.id].leave_at)  # type: ignore[union-attr]
    turn = ours.circle.live.couriers[back.id].leave_at  # type: ignore[union-attr]
    assert turn is not None
    assert turn > world.now + 10
    world.start(back)
    world.run_for(5)  # of which three are for saying that they are here
    assert (ours.id, "waits") in back.texts()


def test_what_waits_for_a_turn_survives_a_crash() -> None:
    world, ours, others = alone_at_home(5, 5)
    ours.say("written, and then the power went")
    world.kill(ours)
    world.start(ours)
    world.run_for(60)
    world.kill(ours)
    for other in others:
        world.start(other)
    world.run_for(10)
    for other in others:
        assert (ours.id, "written, and then the power went") in other.texts()


def test_somebody_who_asks_for_help_waits_less() -> None:
    for seed in range(3):
        world, ours, others = alone_at_home(60 + seed, 6)
        ours.feed(m.Acted(RoleChange(others[0].id, Role.FACILITATOR, 0, Reason())))
        world.run_for(60)
        ours.say("later is early enough")
        departures, start = Departures(world, ours), world.now
        ours.say("come when you can", Audience.FACILITATORS)
        world.run_for(URGENT_EACH * 5)
        assert others[0].id in departures.times()
        assert departures.times()[others[0].id][0] <= start + URGENT_EACH * 5
        assert len(departures.times()) < 5


def test_a_program_that_ends_lets_everything_leave_in_a_second() -> None:
    world, ours, others = alone_at_home(7, 6)
    departures, start = Departures(world, ours), world.now
    ours.say("before I go")
    ours.feed(m.Ending())
    world.run_for(ENDING_SPAN + 0.1)
    assert set(departures.times()) == {other.id for other in others}
    assert all(at[0] <= start + ENDING_SPAN for at in departures.times().values())


def test_greetings_at_the_start_are_spread_too() -> None:
    world, ours, others = alone_at_home(8, 8)
    world.kill(ours)
    departures, start = Departures(world, ours), world.now
    world.start(ours)
    world.run_for(GREETING_LONGEST + 1)
    times = departures.times(SIGNAL)
    assert set(times) == {other.id for other in others}
    assert len({round(at[0], 3) for at in times.values()}) == len(others)
    assert max(at[0] for at in times.values()) - start > 0.5


def test_who_starts_at_the_same_time_finds_the_others() -> None:
    for seed in range(4):
        world, ours, others = alone_at_home(80 + seed, 4)
        world.kill(ours)
        for person in world.people:
            world.start(person)
        world.run_for(GREETING_LONGEST * 2 + 1)
        departures, start = Departures(world, ours), world.now
        ours.say("good evening")
        world.run_for(1)
        assert all((ours.id, "good evening") in other.texts() for other in others), seed
        assert {at[0] for at in departures.times().values()} == {start}


def test_two_people_alone_wait_for_nothing() -> None:
    world = World(9)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.kill(theirs)
    ours.say("into the silence")
    world.run_for(100)
    departures, start = Departures(world, ours), world.now
    ours.say("for one")
    assert departures.times()[theirs.id] == [start]


def test_acknowledgements_of_old_mail_are_spread_too() -> None:
    world, ours, others = alone_at_home(10, 6)
    world.kill(ours)
    for other in others:
        world.start(other)
    world.run_for(30)
    for other in others:
        other.say("while you were away")
    world.run_for(60)
    for other in others:
        world.kill(other)
    departures = Departures(world, ours)
    world.start(ours)
    world.run_for(60)
    firsts = sorted(at[0] for at in departures.times().values())
    assert len(firsts) == len(others)
    assert bursts(firsts) < 4


def test_what_a_relay_forgot_is_deposited_again_in_turn() -> None:
    world, ours, others = alone_at_home(11, 6)
    for number in range(3):
        ours.say(f"word {number}")
    world.run_for(90)
    departures, start = Departures(world, ours), world.now
    world.restart_relay()
    world.run_for(TURN_EACH * 5 + 2)
    firsts = sorted(at[0] for at in departures.times().values())
    assert len(firsts) == len(others)
    assert bursts(firsts) < 4
    assert firsts[-1] - start > 1
