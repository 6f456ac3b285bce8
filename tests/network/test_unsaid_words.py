"""Words taken back before they left are never sent, and nobody finds a hole where they were."""

from __future__ import annotations

import random

import pytest

from tests.network.test_hostile_world import gather, heal
from tests.network.test_spread_deposits import alone_at_home
from tests.support.world import Person
from toheal_protocol.crypto import SealKey
from toheal_protocol.machines import events as m
from toheal_protocol.machines.records import has_never_left
from toheal_protocol.machines.sync_events import BundleSealed
from toheal_protocol.model import MemberId, MessageId

NEVER = "wish I had not"


def take_back(person: Person, mid: MessageId) -> None:
    entry = person.disk.entries[mid]
    person.feed(m.Retracted(mid, entry.audience, entry.author_seq))


def kept_back(person: Person, mid: MessageId) -> set[MemberId]:
    """Return for whom a message of ours never left so far."""
    return {
        member
        for member, rows in person.disk.owed.items()
        if any(row.mid == mid and has_never_left(row.item) for row in rows.values())
    }


def words_of(person: Person) -> list[str]:
    return [text for _, text in person.texts()]


def assert_no_hole(*people: Person) -> None:
    for person in people:
        assert not any(entry.kind == "gap" for entry in person.disk.entries.values())
        assert not person.disk.held
        assert not any(person.disk.owed.values())


def test_nobody_gets_what_was_taken_back_in_time_and_the_rest_arrives_in_order() -> None:
    world, ours, others = alone_at_home(1, 4)
    ours.say("before")
    mid = ours.say(NEVER)
    assert mid is not None
    assert kept_back(ours, mid) == {other.id for other in others}
    take_back(ours, mid)
    ours.say("after")
    for other in others:
        world.start(other)
    world.run_for(60)
    for other in others:
        assert words_of(other)[-2:] == ["before", "after"]
        assert NEVER not in words_of(other)
        assert mid not in other.disk.entries
    assert_no_hole(ours, *others)


def test_it_holds_after_a_crash_and_without_any_relay() -> None:
    world, ours, others = alone_at_home(2, 3)
    world.disconnect(ours)
    mid = ours.say(NEVER)
    assert mid is not None
    world.kill(ours)
    world.start(ours)
    world.disconnect(ours)
    assert kept_back(ours, mid)
    take_back(ours, mid)
    world.kill(ours)
    world.start(ours)
    for other in others:
        world.start(other)
    world.run_for(90)
    assert all(NEVER not in words_of(other) for other in others)
    assert_no_hole(ours, *others)


def test_who_has_it_already_is_told_and_who_is_away_never_gets_it() -> None:
    world = gather(3, 4, is_direct=False)
    world.run_for(60)
    ours, there, *others = world.people
    for other in others:
        world.kill(other)
    ours.say("who is left")
    world.run_for(200)
    mid = ours.say(NEVER)
    assert mid is not None
    assert kept_back(ours, mid) == {other.id for other in others}
    world.run_for(0.5)
    take_back(ours, mid)
    world.run_for(2)
    assert NEVER in words_of(there)
    assert any(entry.kind == "retraction" for entry in there.disk.entries.values())
    for other in others:
        world.start(other)
    world.run_for(120)
    for other in others:
        assert NEVER not in words_of(other)
    assert_no_hole(*world.people)


def test_what_has_left_in_a_bundle_counts_as_sent() -> None:
    _, ours, others = alone_at_home(4, 3)
    mid = ours.say(NEVER)
    assert mid is not None
    reader = others[0].id
    [row] = [row for row in ours.disk.owed[reader].values() if row.mid == mid]
    assert ours.circle is not None
    generation = ours.circle.pairs[reader].generation
    ours.feed(BundleSealed(reader, generation, SealKey(b"k" * 32), 1, (row,)))
    take_back(ours, mid)
    assert mid in {row.mid for row in ours.disk.owed[reader].values()}
    assert mid not in {row.mid for row in ours.disk.owed[others[1].id].values()}


def history(seed: int) -> int:
    """Live through a random history; return how often words were taken back that left for nobody."""
    chance = random.Random(seed)
    world = gather(seed, chance.choice([3, 3, 4, 5]), is_direct=chance.random() < 0.5)
    said: list[tuple[Person, MessageId]] = []
    never: list[MessageId] = []
    for number in range(40):
        person = chance.choice(world.people)
        match chance.randrange(9):
            case 0 | 1 | 2:
                mid = person.say(f"{number}")
                if mid is not None:
                    said.append((person, mid))
            case 3 | 4 if said:
                author, mid = said.pop(chance.choice([-1, -1, -1, 0]))
                if author.is_running:
                    if len(kept_back(author, mid)) == len(world.people) - 1:
                        never.append(mid)
                    take_back(author, mid)
            case 5:
                world.kill(person)
            case 6:
                world.start(person)
            case 7 if chance.random() < 0.5:
                world.disconnect(person)
            case 7:
                world.reconnect(person)
            case _:
                world.run_for(chance.choice([0.0, 0.2, 3.0, 40.0]))
    heal(world)
    for mid in never:
        assert sum(mid in person.disk.entries for person in world.people) == 1
    for author, mid in said:
        assert all(mid in person.disk.entries for person in world.people), author.name
    assert_no_hole(*world.people)
    return len(never)


@pytest.mark.parametrize("batch", range(4))
def test_whatever_happens_what_never_left_never_arrives(batch: int) -> None:
    assert sum(history(batch * 4 + number) for number in range(4)) > 0
