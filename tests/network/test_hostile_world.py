"""A hostile world: whatever the network and the processes do, after it everything is there, once."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.gathered import TOGETHER, Gather, copying
from tests.support.world import Person, World

POINTS = ("decide", "commit", "act", "mid-act")
LONGEST_HEAL = 1500.0
"""Virtual seconds until everything is repaired: the longest resend wait, and what follows it."""


def mine(person: Person) -> list[str]:
    entries = person.disk.entries.values()
    return [e.text for e in entries if e.kind == "text" and e.is_mine]


def heard(reader: Person, author: Person) -> list[str]:
    return [text for member, text in reader.texts() if member == author.id]


def assert_agreement(people: list[Person]) -> None:
    """All logs hold the same messages, in each author's order unless a gap was shown; nothing is owed."""
    for author in people:
        assert {mid for mid, _ in author.said} <= set(author.disk.entries)
        for reader in people:
            assert sorted(heard(reader, author)) == sorted(mine(author))
            if not any(e.kind == "gap" for e in reader.shown):
                assert heard(reader, author) == mine(author)
    for person in people:
        assert not any(person.disk.owed.values()), "owed rows after healing"
        assert not person.disk.held, "held messages after healing"


def assert_shown_once(people: list[Person]) -> None:
    for person in people:
        shown = [entry.mid for entry in person.shown]
        assert len(shown) == len(set(shown))
        told = [tell.what for tell in person.told]
        assert "fork_seen" not in told and "fork_told" not in told and "unreadable" not in told


def assert_nothing_grows(people: list[Person]) -> None:
    """What lives only in memory is bounded."""
    for person in people:
        if person.circle is None:
            continue
        live = person.circle.live
        assert len(live.tickets) <= 64 * len(person.circle.cold.peers) + 64
        assert len(live.couriers) <= len(person.circle.cold.peers)
        for pair in person.circle.pairs.values():
            assert len(pair.received_beyond) <= 1024
            assert len(pair.acked_beyond) <= 4096


def gather(seed: int, count: int, *, is_direct: bool) -> World:
    world = World(seed)
    people = [world.person(f"p{number}") for number in range(count)]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(20)
    return world


def heal(world: World) -> None:
    world.heal()
    until = world.now + LONGEST_HEAL
    while world.now < until:
        world.run_for(30)
        if all(not any(p.disk.owed.values()) and not p.disk.held for p in world.people):
            break
    world.run_for(5)


gather_quickly = copying(gather)


class HostileWorld(RuleBasedStateMachine):
    """Two or three people; a relay, links, a room and processes that fail in every way we know."""

    @initialize(
        seed=st.integers(0, TOGETHER - 1), count=st.sampled_from([2, 2, 3]), is_direct=st.booleans()
    )
    def meet(self, seed: int, count: int, is_direct: bool) -> None:
        self.world = gather_quickly(seed, count, is_direct=is_direct)
        self.said = 0

    def _who(self, who: int) -> Person:
        return self.world.people[who % len(self.world.people)]

    @rule(who=st.integers(0, 2), count=st.integers(1, 5))
    def somebody_speaks(self, who: int, count: int) -> None:
        for _ in range(count):
            self.said += 1
            self._who(who).say(str(self.said))

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3, 1.0, 5.0, 30.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @rule(share=st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    def the_network_loses(self, share: float) -> None:
        self.world.drop = share

    @rule(share=st.sampled_from([0.0, 0.5]))
    def the_network_repeats(self, share: float) -> None:
        self.world.repeat = share

    @rule(longest=st.sampled_from([0.01, 0.05, 3.0]))
    def the_network_delays_and_reorders(self, longest: float) -> None:
        self.world.delay = (0.001, longest)

    @rule(who=st.integers(0, 2))
    def somebody_loses_the_relay(self, who: int) -> None:
        self.world.disconnect(self._who(who))

    @rule(who=st.integers(0, 2))
    def somebody_finds_the_relay_again(self, who: int) -> None:
        self.world.reconnect(self._who(who))

    @rule()
    def the_relay_restarts(self) -> None:
        self.world.restart_relay()

    @rule(who=st.integers(0, 2))
    def a_process_ends(self, who: int) -> None:
        self.world.kill(self._who(who))

    @rule(who=st.integers(0, 2))
    def a_process_starts(self, who: int) -> None:
        self.world.start(self._who(who))

    @rule(who=st.integers(0, 2), point=st.sampled_from(POINTS), steps=st.integers(1, 6))
    def a_process_will_die(self, who: int, point: str, steps: int) -> None:
        person = self._who(who)
        person.crash_at = (point, person.steps + steps)

    @rule(who=st.integers(0, 2))
    def links_break(self, who: int) -> None:
        person = self._who(who)
        for member in list(person.links):
            self.world.cut_link(person, member)

    @rule(who=st.integers(0, 2))
    def somebody_comes_into_the_room(self, who: int) -> None:
        self.world.room.enter(self._who(who))

    @rule(who=st.integers(0, 2))
    def somebody_leaves_the_room(self, who: int) -> None:
        self.world.room.leave(self._who(who))

    @rule(are_allowed=st.booleans())
    def links_become_possible_or_not(self, are_allowed: bool) -> None:
        self.world.links_allowed = are_allowed

    @invariant()
    def nothing_is_shown_twice_and_nothing_grows(self) -> None:
        if hasattr(self, "world"):
            assert_shown_once(self.world.people)
            assert_nothing_grows(self.world.people)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        heal(self.world)
        assert_agreement(self.world.people)
        assert_shown_once(self.world.people)


TestHostileWorld = HostileWorld.TestCase
TestHostileWorld.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# ---- random schedules


def run_schedule(seed: int, *, length: int, gather: Gather = gather) -> None:
    """Do `length` random things, heal, and compare."""
    chance = random.Random(seed)
    world = gather(seed, chance.choice([2, 2, 3, 4]), is_direct=chance.random() < 0.7)
    for number in range(length):
        person = chance.choice(world.people)
        match chance.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                for part in range(chance.choice([1, 1, 2, 20])):
                    person.say(f"{number}.{part}")
            case 5 | 6 | 7:
                world.run_for(chance.choice([0.0, 0.02, 0.3, 2.0, 20.0, 200.0]))
            case 8:
                world.drop = chance.choice([0.0, 0.0, 0.2, 0.6])
                world.repeat = chance.choice([0.0, 0.3])
                world.delay = (0.001, chance.choice([0.02, 0.05, 2.0]))
            case 9:
                world.disconnect(person)
                if chance.random() < 0.7:
                    world.reconnect(person)
            case 10:
                world.restart_relay()
            case 11:
                world.kill(person)
                if chance.random() < 0.8:
                    world.start(person)
            case 12:
                person.crash_at = (chance.choice(POINTS), person.steps + chance.randrange(1, 9))
            case 13:
                for member in list(person.links):
                    world.cut_link(person, member)
                world.links_allowed = chance.random() < 0.7
            case 14:
                world.room.enter(person)
            case 15:
                world.room.leave(person)
    heal(world)
    assert_agreement(world.people)
    assert_shown_once(world.people)
    assert_nothing_grows(world.people)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_schedule_ends_in_agreement(seed: int) -> None:
    run_schedule(seed, length=60)


def test_a_long_schedule_that_once_left_something_owed_ends_in_agreement() -> None:
    run_schedule(1_000_803, length=300)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("TOHEAL_SOAK_SCHEDULES", "2000"))))
def test_many_long_random_schedules_end_in_agreement(seed: int) -> None:
    run_schedule(1_000_000 + seed, length=300)
