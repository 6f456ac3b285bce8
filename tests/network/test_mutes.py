"""Mutes among whole machines: whose words are shown, what goes through, and how one ends."""

from __future__ import annotations

import pytest

from tests.network.test_removal import counting_texts, gather, now, state
from tests.network.test_whose_words import acts
from tests.support.world import Person, World
from toheal_protocol.errors import LocalError
from toheal_protocol.machines import events as m
from toheal_protocol.machines.log import write_message
from toheal_protocol.machines.mutes import MUTE_LONGEST, muted_until, open_mutes
from toheal_protocol.messages.acts import Muting, Reason, Second, Unmuting
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.model import Audience

HOUR = 3600


def mute(by: Person, who: Person, *, hours: int = 24) -> None:
    by.feed(m.Acted(Muting(who.id, by.wall + hours * HOUR, 0, Reason())))


def is_muted(person: Person, who: Person) -> bool:
    return bool(open_mutes(now(person), who.id))


def pass_hours(world: World, hours: int) -> None:
    """Nobody is there meanwhile: only the clocks go on."""
    for person in world.people:
        person.clock_error += hours * HOUR


def say_all_the_same(person: Person, text: str) -> None:
    """What a changed program does: it asks nobody."""
    body = encode_text(TextBody(text, 1_800_000_000))
    acts(person, lambda draft: write_message(draft, ContentKind.TEXT, body))


def test_words_that_crossed_a_mute_are_not_shown_and_those_heard_and_after_its_end_are() -> None:
    world, (ours, theirs, muted) = gather(601, 3)
    muted.say("heard")
    world.run_for(20)
    world.disconnect(muted)
    muted.say("crossed")
    mute(ours, muted)
    world.run_for(20)
    world.reconnect(muted)
    world.run_for(60)
    for reader in (ours, theirs):
        assert is_muted(reader, muted)
        assert counting_texts(reader, muted) == ["heard"]
    ours.feed(m.Acted(Unmuting(muted.id)))
    world.run_for(20)
    muted.say("after")
    world.run_for(20)
    for reader in (ours, theirs):
        assert not is_muted(reader, muted)
        assert counting_texts(reader, muted) == ["heard", "after"]


def test_a_changed_program_that_writes_while_muted_is_shown_to_nobody() -> None:
    world, (ours, theirs, muted) = gather(602, 3)
    mute(ours, muted)
    world.run_for(20)
    say_all_the_same(muted, "I do not care")
    world.run_for(20)
    for reader in (ours, theirs):
        assert "I do not care" in [text for _, text in reader.texts()]
        assert counting_texts(reader, muted) == []


def test_the_muted_are_stopped_before_they_write_and_can_ask_for_help() -> None:
    world, (ours, theirs, muted) = gather(603, 3)
    theirs.say("what I said")
    world.run_for(20)
    mute(ours, muted)
    world.run_for(20)
    with pytest.raises(LocalError, match="muted"):
        muted.say("but")
    assert state(muted).cold.my_role.value == "member"
    muted.say("please hear me", Audience.FACILITATORS)
    [about] = [one for one in muted.disk.entries.values() if one.text == "what I said"]
    muted.feed(m.HelpAsked(about.mid, about.author, "look at this"))
    world.run_for(20)
    assert "please hear me" in counting_texts(ours, muted)
    assert ("request", "look at this") in [(e.kind, e.text) for e in ours.disk.entries.values()]


def test_a_mute_ends_by_itself_with_the_first_words_when_its_time_is_over() -> None:
    world, (ours, theirs, muted) = gather(604, 3)
    mute(ours, muted, hours=2)
    world.run_for(20)
    pass_hours(world, 1)
    with pytest.raises(LocalError, match="muted"):
        muted.say("too early")
    pass_hours(world, 1)
    muted.say("here again")
    muted.say("and again")
    world.run_for(20)
    for reader in (ours, theirs):
        assert counting_texts(reader, muted) == ["here again", "and again"]
    ends = [one for one in now(ours).outcomes if isinstance(one.act, Unmuting)]
    assert [one.author for one in ends] == [muted.id]


def test_a_facilitator_whose_clock_is_a_year_ahead_silences_nobody_for_longer_than_a_day() -> None:
    world, (ours, _, muted) = gather(605, 3)
    ours.clock_error = 365 * 24 * HOUR
    mute(ours, muted)
    world.run_for(20)
    until = muted_until(state(muted).cold, muted.id)
    assert until is not None and until - muted.wall <= MUTE_LONGEST
    muted.clock_error += MUTE_LONGEST
    muted.say("a day later")
    assert "a day later" in [text for _, text in muted.texts()]


@pytest.mark.parametrize(("renewed_after", "hours_in_all"), [(20, 44), (40, 48)])
def test_a_renewed_mute_lasts_two_days_at_most_and_no_third_one_is_taken(
    renewed_after: int, hours_in_all: int
) -> None:
    world, (ours, theirs, muted) = gather(606, 3)
    mute(ours, muted)
    world.run_for(20)
    pass_hours(world, renewed_after)
    mute(ours, muted)
    mute(ours, muted)
    world.run_for(20)
    for person in (ours, theirs, muted):
        assert len(open_mutes(now(person), muted.id)) == 2
        until = muted_until(state(person).cold, muted.id)
        assert until is not None
        in_all = until - person.wall + renewed_after * HOUR
        assert hours_in_all * HOUR - 120 < in_all <= hours_in_all * HOUR
    pass_hours(world, hours_in_all - renewed_after)
    muted.say("two days later")
    world.run_for(20)
    assert counting_texts(theirs, muted) == ["two days later"]


def test_a_muted_facilitator_still_signs_and_a_restart_forgets_no_mute() -> None:
    world, (ours, theirs, muted, guest) = gather(607, 4, facilitators=3)
    mute(ours, muted)
    [act] = [one.act for one in now(ours).outcomes if isinstance(one.act, Muting)]
    assert not is_muted(ours, muted)  # of a facilitator it takes two
    world.run_for(20)
    waiting = [one for one in now(theirs).outcomes if one.act == act]
    theirs.feed(m.Acted(Second(waiting[0].id)))
    world.run_for(20)
    assert is_muted(guest, muted)
    world.kill(muted)
    world.start(muted)
    world.run_for(20)
    with pytest.raises(LocalError, match="muted"):
        muted.say("but")
    mute(muted, guest, hours=1)
    world.run_for(20)
    assert is_muted(ours, guest)
