"""Three and four people: nothing in the machines may assume that a circle has two."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.log import GAP_SHOWN_AFTER, MAX_HELD
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.state import Stage, Standing


def texts_of(reader: Person, author: Person) -> list[str]:
    return [text for member, text in reader.texts() if member == author.id]


def gaps(reader: Person) -> list[PutEntry]:
    return [entry for entry in reader.disk.entries.values() if entry.kind == "gap"]


def assert_all_have(people: list[Person], *, since: int = 0) -> None:
    """Everybody has what everybody said from the `since`th message on, in order, shown once."""
    for reader in people:
        for author in people:
            said = [text for _, text in author.said[since:]]
            assert texts_of(reader, author)[-len(said) :] == said if said else True
        shown = [entry.mid for entry in reader.shown if entry.kind != "gap"]
        assert len(shown) == len(set(shown))
        assert not any(reader.disk.owed.values())
        assert not reader.disk.held


def gather(seed: int, count: int, *, is_direct: bool = True) -> tuple[World, list[Person]]:
    """A founder and who it let in, one after the other."""
    world = World(seed)
    people = [world.person(f"p{number}") for number in range(count)]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(30)
    return world, people


def knows_as_member(person: Person, other: Person) -> bool:
    assert person.circle is not None
    peer = person.circle.cold.peers.get(other.id)
    return peer is not None and peer.standing is Standing.MEMBER


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("is_direct", [True, False])
def test_everybody_hears_everybody(count: int, *, is_direct: bool) -> None:
    world, people = gather(100 + count, count, is_direct=is_direct)
    assert all(knows_as_member(one, other) for one, other in permutations(people, 2))
    for turn in range(5):
        for person in people:
            person.say(f"{person.name} {turn}")
        world.run_for(2)
    world.run_for(40)
    assert_all_have(people)
    assert not any(gaps(person) for person in people)


def test_who_introduces_may_go_away_and_the_newcomers_still_meet() -> None:
    world, people = gather(110, 2)
    third = world.person("third")
    world.join(people[0], third)
    world.kill(people[0])
    world.run_for(60)
    third.say("hello")
    people[1].say("welcome")
    world.run_for(30)
    assert texts_of(people[1], third) == ["hello"]
    assert texts_of(third, people[1]) == ["welcome"]


def test_a_newcomer_sees_nothing_from_before_and_no_gap() -> None:
    world, people = gather(111, 2)
    for turn in range(10):
        people[turn % 2].say(f"before {turn}")
        world.run_for(1)
    third = world.person("third")
    world.join(people[0], third)
    world.run_for(20)
    for person in (*people, third):
        person.say("after")
    world.run_for(GAP_SHOWN_AFTER + 10)
    assert [text for _, text in third.texts()] == ["after"] * 3
    assert not gaps(third)
    assert not third.disk.held


@pytest.mark.parametrize("seed", range(6))
def test_a_newcomer_who_comes_while_everybody_speaks_is_not_stuck(seed: int) -> None:
    world, people = gather(120 + seed, 2)
    third = world.person("third")
    link = world.invite(people[0])
    world.knock(third, link, people[0])
    world.run_until(lambda: bool(world.waiting(people[0])), within=120)
    people[1].say("while you wait")
    people[0].feed(m.Admitted(third.id))
    for turn in range(8):
        people[turn % 2].say(f"while you enter {turn}")
        world.run_for(world.chance.uniform(0, 0.1))
    world.run_until(
        lambda: third.circle is not None and third.circle.cold.stage is Stage.ACTIVE, within=60
    )
    world.run_for(GAP_SHOWN_AFTER + 40)
    for person in (*people, third):
        person.say("all here")
    world.run_for(GAP_SHOWN_AFTER + 10)
    assert not third.disk.held
    assert [text for _, text in third.texts()][-3:] == ["all here"] * 3
    for reader in people:
        assert sum(text == "all here" for _, text in reader.texts()) == 3
        assert not any(reader.disk.owed.values())
    seen = texts_of(third, people[0])
    assert seen == [text for _, text in people[0].said][-len(seen) :]


def test_what_answers_a_missing_message_waits_for_it() -> None:
    world, people = gather(130, 3, is_direct=False)
    asking, answering, reading = people
    world.run_for(5)
    block = world.block(asking, reading)
    asking.say("question")
    world.run_for(2)
    answering.say("answer")
    world.run_for(5)
    assert not reading.texts()
    block()
    world.run_for(60)
    assert [text for _, text in reading.texts()] == ["question", "answer"]
    assert not gaps(reading)


def test_a_gap_is_shown_as_a_gap_and_what_comes_late_is_shown_once() -> None:
    world, people = gather(131, 3, is_direct=False)
    asking, answering, reading = people
    block = world.block(asking, reading)
    asking.say("question")
    asking.say("and another")
    world.run_for(2)
    answering.say("answer")
    world.run_for(GAP_SHOWN_AFTER + 5)
    shown = [(entry.kind, entry.text) for entry in reading.disk.entries.values()]
    assert shown[-2:] == [("gap", "2"), ("text", "answer")]
    assert gaps(reading)[0].author == asking.id
    block()
    world.run_for(400)
    assert [text for _, text in reading.texts()] == ["answer", "question", "and another"]
    assert_all_have(people)


def test_behind_a_gap_the_authors_order_holds_though_the_later_one_waited_longer() -> None:
    world, people = gather(137, 3, is_direct=False)
    asking, answering, reading = people
    world.block(asking, reading)
    asking.say("question")
    world.run_for(2)
    world.block(answering, reading, most=1)
    answering.say("first")
    world.run_for(0.5)
    answering.say("second")
    world.run_for(GAP_SHOWN_AFTER + 5)
    heard = [text for _, text in reading.texts()]
    assert [text for text in heard if text != "question"] == ["first", "second"]


def test_a_gap_in_one_authors_own_row_is_shown_too() -> None:
    world, people = gather(132, 2, is_direct=False)
    ours, theirs = people
    ours.say("one")
    world.run_for(5)
    block = world.block(ours, theirs, most=1)
    ours.say("two")
    world.run_for(0.5)
    ours.say("three")
    world.run_for(2)
    assert [text for _, text in theirs.texts()] == ["one"]
    assert theirs.disk.held
    world.kill(ours)  # nobody repeats what was lost
    world.run_for(GAP_SHOWN_AFTER + 5)
    shown = [(entry.kind, entry.text) for entry in theirs.disk.entries.values()]
    assert shown[-2:] == [("gap", "1"), ("text", "three")]
    block()
    world.start(ours)
    world.run_for(120)
    assert [text for _, text in theirs.texts()] == ["one", "three", "two"]
    assert_late_once(theirs)
    assert not any(ours.disk.owed.values())


def assert_late_once(person: Person) -> None:
    shown = [entry.mid for entry in person.shown]
    assert len(shown) == len(set(shown))


def test_a_held_message_survives_a_restart_and_is_still_shown() -> None:
    world, people = gather(133, 3, is_direct=False)
    asking, answering, reading = people
    world.block(asking, reading)
    asking.say("question")
    world.run_for(2)
    answering.say("answer")
    world.run_for(5)
    assert reading.disk.held
    world.kill(reading)
    world.start(reading)
    world.run_for(GAP_SHOWN_AFTER + 10)
    assert not reading.disk.held
    assert [entry.kind for entry in reading.disk.entries.values()][-2:] == ["gap", "text"]


def test_a_member_who_leaves_is_gone_for_everybody() -> None:
    world, people = gather(134, 3)
    people[2].feed(m.Left())
    world.run_for(60)
    for person in people[:2]:
        assert person.circle is not None
        assert person.circle.cold.peers[people[2].id].standing is Standing.GONE
    people[0].say("two of us")
    world.run_for(20)
    assert texts_of(people[1], people[0]) == ["two of us"]
    assert texts_of(people[2], people[0]) == []


def test_one_absent_member_does_not_hold_up_the_others() -> None:
    world, people = gather(135, 3)
    world.kill(people[2])
    for turn in range(30):
        people[turn % 2].say(str(turn))
        world.run_for(1)
    assert texts_of(people[1], people[0]) == [text for _, text in people[0].said]
    world.start(people[2])
    world.run_for(120)
    assert_all_have(people)


def test_more_than_can_be_held_comes_again_and_is_not_lost() -> None:
    world, people = gather(136, 3)
    asking, answering, reading = people
    world.links_allowed = False
    world.cut_link(asking, reading.id)
    unblock = world.block(asking, reading)
    asking.say("question")
    world.run_for(1)
    for number in range(MAX_HELD + 40):
        answering.say(str(number))
        if number % 50 == 0:
            world.run_for(0.05)
    world.run_for(0.6)
    assert len(reading.disk.held) == MAX_HELD
    unblock()
    world.run_for(200)
    assert_all_have(people)
