"""Somebody came in after the backup: they and the restored read each other again by themselves."""

from __future__ import annotations

import pytest

from tests.network.test_hostile_members import a_draft, carry_out
from tests.network.test_hostile_world import gather
from tests.network.test_restored import agree, assert_one_story
from tests.support.kept import backup_of, restore
from tests.support.personas import person as persona
from tests.support.world import Person, World
from toheal_protocol.identity import encode_card
from toheal_protocol.machines import calls, meeting_again
from toheal_protocol.machines import events as m
from toheal_protocol.machines.pair import owe_note, pass_note
from toheal_protocol.machines.state import Peer, Standing
from toheal_protocol.messages.acts import Reason, Removal
from toheal_protocol.messages.door_notes import MeetAgain, Unmet
from toheal_protocol.messages.notes import Acquaintance, ForkSeen, Introduction, Lasting

STRANGER = persona(77)


def peer_of(person: Person, other: Person) -> Peer | None:
    assert person.circle is not None
    return person.circle.cold.peers.get(other.id)


def told(person: Person) -> set[str]:
    return {tell.what for tell in person.told}


def come_in_since(seed: int, *, lost: int, count: int = 3) -> tuple[World, Person, Person, bytes]:
    """A circle, a backup, and somebody who comes in and talks after it."""
    world = gather(seed, count, is_direct=False)
    founder, person = world.people[0], world.people[lost]
    person.say("before the backup")
    world.run_for(10)
    file = backup_of(person.disk)
    newcomer = world.person("late")
    world.join(founder, newcomer)
    world.run_for(30)
    newcomer.say("since the backup")
    person.say("to who has just come")
    world.run_for(10)
    return world, person, newcomer, file


def assert_all_read_all(world: World, people: list[Person]) -> None:
    world.run_for(300)
    for person in people:
        person.say(f"again {person.name}")
    agree(world, within=2000)
    for reader in people:
        texts = [text for _, text in reader.texts()]
        for author in people:
            assert f"again {author.name}" in texts, f"{reader.name} does not read {author.name}"


@pytest.mark.parametrize("lost", [0, 1], ids=["founder", "member"])
@pytest.mark.parametrize("order", ["all there", "restored first", "newcomer first"])
def test_who_came_in_after_the_backup_and_the_restored_read_each_other(
    lost: int, order: str
) -> None:
    world, person, newcomer, file = come_in_since(11, lost=lost)
    if order == "restored first":
        world.kill(newcomer)
        restore(world, person, file)
        world.run_for(120)
        world.start(newcomer)
    elif order == "newcomer first":
        others = [one for one in world.people if one not in (person, newcomer)]
        for one in others:
            world.kill(one)
        restore(world, person, file)
        world.run_for(120)
        for one in others:
            world.start(one)
    else:
        restore(world, person, file)
    assert_all_read_all(world, world.people)
    assert_one_story(world, person)
    assert "since the backup" in [text for _, text in person.texts()]
    assert "to who has just come" in [text for _, text in person.texts()], (
        "it was on the lost device"
    )
    assert "session_reset" in told(newcomer), "a session that begins anew is seen"
    assert person.circle is not None and not person.circle.cold.unheard


def test_a_member_brings_them_together_while_the_founder_is_away() -> None:
    world, person, newcomer, file = come_in_since(12, lost=1)
    founder, _, other, _ = world.people
    world.kill(founder)
    restore(world, person, file)
    world.run_for(300)
    person.say("without the founder")
    newcomer.say("I hear you")
    world.run_for(60)
    present = [person, other, newcomer]
    for one in present:
        assert {"without the founder", "I hear you"} <= {text for _, text in one.texts()}
    world.start(founder)
    assert_all_read_all(world, world.people)
    assert_one_story(world, person)


def test_who_was_brought_together_stays_so_over_a_restart() -> None:
    world, person, newcomer, file = come_in_since(13, lost=1)
    world.kill(newcomer)
    restore(world, person, file)
    world.run_for(60)
    world.kill(person)
    world.start(newcomer)
    world.run_for(60)
    world.start(person)
    assert_all_read_all(world, world.people)
    assert_one_story(world, person)


@pytest.mark.parametrize("speaks", ["before the newcomer", "after the newcomer"])
def test_what_only_the_newcomer_has_of_the_lost_device_comes_back(speaks: str) -> None:
    """Whoever speaks before the newcomer is heard leaps; whoever speaks after it counts on."""
    world, person, newcomer, file = come_in_since(14, lost=1)
    others = [one for one in world.people if one not in (person, newcomer)]
    for one in others:
        world.kill(one)
    person.say("to the newcomer alone")
    newcomer.say("and to nobody else")
    world.run_for(30)
    world.kill(newcomer)
    restore(world, person, file)
    for one in others:
        world.start(one)
    world.run_for(120)
    if speaks == "before the newcomer":
        person.say("not heard by all yet")
    world.start(newcomer)
    world.run_for(120)
    assert newcomer.id in {tell.member for tell in person.told if tell.what == "session_reset"}
    assert_all_read_all(world, world.people)
    assert_one_story(world, person)
    for reader in world.people:
        texts = {text for _, text in reader.texts()}
        assert {"to the newcomer alone", "and to nobody else"} <= texts


@pytest.mark.parametrize("seed", range(3))
def test_a_backup_restored_twice_meets_the_newcomer_twice(seed: int) -> None:
    world, person, _, file = come_in_since(seed, lost=1)
    restore(world, person, file)
    world.run_for(300)
    restore(world, person, backup_of(person.disk))
    assert_all_read_all(world, world.people)
    assert_one_story(world, person)


def test_who_left_or_was_removed_after_the_backup_is_told_nothing_more() -> None:
    world = gather(15, 4, is_direct=False)
    founder, person, leaving, removed = world.people
    file = backup_of(person.disk)
    leaving.feed(m.Left())
    founder.feed(m.Acted(Removal(removed.id, heard=0, reason=Reason())))
    world.run_for(30)
    restore(world, person, file)
    world.run_for(300)
    person.say("for who is here")
    world.run_for(60)
    for gone in (leaving, removed):
        peer = peer_of(person, gone)
        assert peer is not None and peer.standing is Standing.GONE
        assert "for who is here" not in [text for _, text in gone.texts()]
    assert "for who is here" in [text for _, text in founder.texts()]


def test_who_came_and_went_after_the_backup_is_not_asked_for() -> None:
    world, person, newcomer, file = come_in_since(16, lost=1)
    newcomer.feed(m.Left())
    world.run_for(30)
    restore(world, person, file)
    world.run_for(300)
    assert peer_of(person, newcomer) is None
    assert person.circle is not None and not person.circle.live.unmet


# ---- a member who lies


def owe(liar: Person, to: Person, note: Lasting) -> None:
    draft = a_draft(liar)
    owe_note(draft, to.id, note)
    carry_out(liar, draft)


def test_a_member_cannot_bring_somebody_the_membership_does_not_have() -> None:
    """Neither unasked, nor with the secret that was meant for somebody else."""
    world, person, newcomer, file = come_in_since(17, lost=1)
    liar = world.people[2]
    for other in world.people:
        if other not in (person, liar):
            world.kill(other)
    restore(world, person, file)
    world.run_for(60)
    assert person.circle is not None
    secrets = list(person.circle.live.unmet.values())
    assert secrets, "or this test tries nothing"
    for secret in (bytes(32), *secrets):
        known = Acquaintance(encode_card(STRANGER.card), "Mallory", secret)
        for to_call in (False, True):
            owe(liar, person, Introduction(known, is_yours_to_call=to_call))
    assert liar.circle is not None
    theirs = Acquaintance(liar.circle.cold.peers[newcomer.id].card, "late", bytes(32))
    owe(liar, person, Introduction(theirs, is_yours_to_call=True))
    world.run_for(30)
    called = peer_of(person, newcomer)
    assert called is not None and called.calling is not None
    assert called.calling.secret in secrets, "by no other secret than the one that was drawn"
    assert STRANGER.card.keys.member_id not in person.circle.cold.peers
    assert "unreadable" in told(person)


def test_a_member_cannot_replace_the_card_of_one_who_is_known() -> None:
    world, person, newcomer, file = come_in_since(18, lost=1)
    liar = world.people[2]
    restore(world, person, file)
    world.run_for(300)
    before = peer_of(person, newcomer)
    assert before is not None and before.continuity and person.circle is not None
    secret = person.circle.live.unmet[newcomer.id]
    for card in (before.card[:-1] + bytes([before.card[-1] ^ 1]), encode_card(STRANGER.card)):
        owe(liar, person, Introduction(Acquaintance(card, "Mallory", secret), True))
    owe(liar, person, Introduction(Acquaintance(before.card, "Mallory", bytes(32)), True))
    owe(liar, person, Introduction(Acquaintance(before.card, "Mallory", secret), True))
    world.run_for(30)
    after = peer_of(person, newcomer)
    assert after is not None
    assert (after.card, after.name, after.continuity, after.calling) == (
        before.card,
        before.name,
        before.continuity,
        None,
    )
    assert_all_read_all(world, world.people)


def test_a_call_that_a_member_only_announces_changes_nothing_and_a_reset_still_gets_through() -> (
    None
):
    world, person, newcomer, _ = come_in_since(19, lost=1)
    liar = world.people[2]
    before = peer_of(newcomer, person)
    owe(liar, newcomer, MeetAgain(person.id, b"l" * 32))
    world.run_for(30)
    now = peer_of(newcomer, person)
    assert before is not None and now is not None and now.listening is not None
    assert now.continuity == before.continuity and "session_reset" not in told(newcomer)
    person.say("as before")
    world.run_for(10)
    assert "as before" in [text for _, text in newcomer.texts()]
    draft = a_draft(newcomer)
    pass_note(draft, person.id, ForkSeen())  # whoever hears this begins anew
    carry_out(newcomer, draft)
    world.run_for(60)
    assert "session_reset" in told(newcomer)
    assert_all_read_all(world, world.people)


def test_who_knows_the_secret_cannot_call_as_the_restored() -> None:
    """Whoever brings two together has the secret of the call, and not the persona's keys."""
    world, person, newcomer, _ = come_in_since(20, lost=1)
    liar, secret = world.people[2], b"l" * 32
    owe(liar, newcomer, MeetAgain(person.id, secret))
    world.run_for(10)
    draft = a_draft(liar)
    draft.cold = calls.start_call(
        draft.cold,
        newcomer.id,
        purpose=calls.MEET,
        secret=secret,
        introduce=False,
        entropy=draft.entropy,
        wall_now=liar.wall,
    )
    calls.repeat_call(draft, newcomer.id)
    flight = draft.peer(newcomer.id).calling
    carry_out(liar, draft)
    world.run_for(60)
    assert flight is not None
    theirs = a_draft(newcomer)
    assert not meeting_again.take_call(theirs, person.id, flight.opening)
    known = peer_of(newcomer, person)
    assert known is not None and not known.next_continuity and not known.reset_at
    person.say("it is me")
    world.run_for(30)
    assert "it is me" in [text for _, text in newcomer.texts()]


def test_a_member_who_asks_again_and_again_is_brought_together_a_few_times() -> None:
    world, _, newcomer, _ = come_in_since(21, lost=1)
    liar, honest = world.people[2], world.people[0]
    for number in range(40):
        owe(liar, honest, Unmet(newcomer.id, bytes([number]) * 32))
    world.run_for(60)
    assert honest.circle is not None
    assert honest.circle.live.brought == {(liar.id, newcomer.id): meeting_again.MOST_BROUGHT}
    assert_all_read_all(world, world.people)


def test_a_call_by_which_they_met_is_not_waited_for_a_second_time() -> None:
    """A relay could play its first flight again."""
    world, person, newcomer, file = come_in_since(22, lost=1)
    liar = world.people[2]
    restore(world, person, file)
    assert_all_read_all(world, world.people)
    met = peer_of(newcomer, person)
    assert met is not None and met.met_by and met.listening is None
    owe(liar, newcomer, MeetAgain(person.id, met.met_by))
    world.run_for(30)
    again = peer_of(newcomer, person)
    assert again is not None and again.listening is None
