"""How much one member may write into the vaults of the others: nothing is lost, and nobody else waits."""

from __future__ import annotations

import pytest

from tests.network.test_removal import gather, state
from tests.network.test_sync import leave_unheard
from tests.support.world import Person
from toheal_protocol.machines import allowances
from toheal_protocol.machines import events as m
from toheal_protocol.machines.allowances import DAY, is_spent
from toheal_protocol.messages.acts import Reason, Removal
from toheal_protocol.model import Instant

LIMIT = 20_000


@pytest.fixture(autouse=True)
def _little_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowances, "WORDS_A_DAY", LIMIT)


def texts_of(reader: Person, author: Person) -> list[str]:
    return [text for who, text in reader.texts() if who == author.id]


def test_what_is_too_much_for_a_day_stays_with_its_sender_and_comes_the_next() -> None:
    world, (ours, theirs, flood) = gather(611, 3)
    said = [f"{number} " + "x" * 3000 for number in range(12)]
    for text in said:
        flood.say(text)
    world.run_for(600)
    for reader in (ours, theirs):
        here = texts_of(reader, flood)
        assert set(here) <= set(said) and 3 <= len(here) < 12
        assert sum(map(len, here)) <= LIMIT + 8192
        assert is_spent(state(reader).live, flood.id, now=Instant(world.now))
    assert len(flood.disk.owed[ours.id]) >= 12 - len(texts_of(ours, flood))
    theirs.say("others go on")
    world.run_for(40)  # it may name words as read that are not here: then it is shown after 20 s
    assert texts_of(ours, theirs) == ["others go on"]
    for _ in range(12):  # what was not taken is tried again after longer and longer waits
        world.now += DAY
        world.run_for(1200)
    for reader in (ours, theirs):
        assert sorted(texts_of(reader, flood)) == sorted(said)


def test_who_passes_on_what_is_too_much_pays_nothing_for_it() -> None:
    world, (ours, theirs, flood) = gather(613, 3)
    said = [f"{number} " + "x" * 3000 for number in range(5)]
    leave_unheard(world, flood, ours, *said, heard_by=theirs)
    world.disconnect(ours)
    world.reconnect(ours)
    world.run_for(300)
    assert texts_of(ours, flood)
    theirs.say("mine")
    world.run_for(20)
    assert texts_of(ours, theirs) == ["mine"]
    assert state(ours).live.taken[theirs.id].size < 2000 < state(ours).live.passed[theirs.id].size


def test_acts_are_no_words_and_go_through() -> None:
    world, (ours, theirs, flood) = gather(612, 3)
    for number in range(12):
        ours.say(f"{number} " + "x" * 3000)
    world.run_for(60)
    assert is_spent(state(theirs).live, ours.id, now=Instant(world.now))
    assert is_spent(state(ours).live, ours.id, now=Instant(world.now))
    ours.feed(m.Acted(Removal(flood.id, 0, Reason())))
    world.run_for(60)
    assert "remove" in [entry.kind for entry in theirs.disk.entries.values()]
    assert is_spent(state(theirs).live, ours.id, now=Instant(world.now))
