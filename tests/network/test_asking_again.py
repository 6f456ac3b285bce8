"""What is missing is asked for until it comes: no question that was lost keeps anybody from asking.

Spec: docs/protocol/sync.md, section 3.1.
"""

from __future__ import annotations

import pytest

from tests.network.test_sync import content_of, head, leave_unheard, pass_forged, sealed
from tests.network.test_three_people import gather, texts_of
from tests.support.world import Person, World
from toheal_protocol.machines import passing
from toheal_protocol.machines.comparing import HEADS_PACE
from toheal_protocol.machines.log import GAP_SHOWN_AFTER
from toheal_protocol.machines.missing import ASK_AGAIN, WAIT_RELAY
from toheal_protocol.machines.sync_parts import Ask


def is_asking(person: Person) -> bool:
    assert person.circle is not None
    return person.circle.live.sync.ask is not None


def ask_of(person: Person) -> Ask:
    assert person.circle is not None
    ask = person.circle.live.sync.ask
    assert ask is not None
    return ask


def waits_long(world: World, ask: Ask) -> bool:
    return ask.until > world.now + WAIT_RELAY


def test_a_question_that_waits_for_who_is_gone_keeps_nobody_from_asking_who_comes() -> None:
    world, people = gather(470, 4, is_direct=False)
    gone, author, other, reader = sorted(people, key=lambda person: person.id)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    world.kill(other)
    forged = content_of(author, "far on", seq=head(other, author).seq + 2, previous=None)
    pass_forged(gone, reader, sealed(author, forged))
    world.run_for(GAP_SHOWN_AFTER + 30)
    world.kill(reader)
    world.start(reader)  # nobody is known to be there, and words are missing
    world.run_until(lambda: is_asking(reader), within=60)
    world.kill(gone)
    world.run_until(lambda: is_asking(reader) and waits_long(world, ask_of(reader)), within=600)
    assert ask_of(reader).member != other.id
    world.start(other)
    world.run_for(60)
    assert {"one", "two"} <= set(texts_of(reader, author))


def test_an_answer_that_was_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world, (author, other, reader) = gather(471, 3)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    with monkeypatch.context() as lossy:
        lossy.setattr(passing, "hand_over_passed", lambda *_: None)
        world.cut_link(other, reader.id)
        world.run_for(100)
    assert not texts_of(reader, author)
    world.run_for(ASK_AGAIN + 120)
    assert texts_of(reader, author) == ["one", "two"]


def test_who_says_anew_that_they_are_here_is_asked_what_went_out_before() -> None:
    world, (author, other, reader) = gather(472, 3, is_direct=False)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    lose = world.block(reader, other)
    world.disconnect(reader)
    world.reconnect(reader)
    world.run_until(lambda: is_asking(reader), within=60)
    world.run_for(1)
    lose()
    assert ask_of(reader).until > world.now + WAIT_RELAY / 2
    world.disconnect(other)
    world.reconnect(other)
    world.run_for(2 * WAIT_RELAY)
    assert texts_of(reader, author) == ["one", "two"]


def test_heads_that_were_lost_with_a_link_are_told_again_at_once() -> None:
    world, (author, other, reader) = gather(480, 3)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    world.run_until(lambda: has_told(reader, other) and has_told(other, reader), within=700)
    world.cut_link(other, reader.id)
    assert not texts_of(reader, author)
    world.run_for(HEADS_PACE + 10)
    assert texts_of(reader, author) == ["one", "two"]


def has_told(person: Person, other: Person) -> bool:
    assert person.circle is not None
    return other.id in person.circle.live.sync.told_at
