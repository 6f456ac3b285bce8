"""Two people, one circle: from the invitation to the goodbye, with absences and broken routes."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import EPOCH, NUMBERS_AHEAD
from toheal_protocol.machines.courier import DEPOSIT_WINDOW, RESEND_LONGEST
from toheal_protocol.machines.pair import SEALED_AHEAD
from toheal_protocol.machines.state import Seat, Stage, Standing
from toheal_protocol.messages.grants import SIGNAL
from toheal_protocol.ratchet.skipped import SkippedKeys

YEAR = 365 * 24 * 3600
WEEK = 7 * 24 * 3600


def told(person: Person, what: str) -> int:
    return sum(tell.what == what for tell in person.told)


def texts_of(reader: Person, author: Person) -> list[str]:
    return [text for member, text in reader.texts() if member == author.id]


def assert_they_agree(*people: Person) -> None:
    """Everybody has what everybody said, in each author's order, shown once, and owes nothing."""
    for reader in people:
        for author in people:
            assert texts_of(reader, author) == [text for _, text in author.said]
        shown = [entry.mid for entry in reader.shown if entry.kind == "text"]
        assert len(shown) == len(set(shown))
        assert not any(reader.disk.owed.values())
        assert not reader.disk.held


# ---- the door


def test_an_invitation_leads_from_a_link_to_a_conversation() -> None:
    world = World(1)
    ours, theirs = world.bring_together()
    assert told(ours, "waiting") == 1
    assert told(theirs, "admitted") == 1
    ours.say("أهلا")
    theirs.say("hello")
    world.run_for(5)
    assert_they_agree(ours, theirs)


def test_who_is_declined_hears_it_and_the_seat_stays_open() -> None:
    world = World(2)
    ours, theirs, other = world.person("A"), world.person("B"), world.person("C")
    world.found(ours)
    link = world.invite(ours)
    world.knock(theirs, link, ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=30)
    ours.feed(m.Refused(theirs.id))
    world.run_for(30)
    assert theirs.circle is not None and theirs.circle.cold.stage is Stage.DECLINED
    assert told(theirs, "declined") == 1
    assert ours.circle is not None and ours.circle.cold.invitations[0].seat is Seat.OPEN
    world.knock(other, link, ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=30)
    ours.feed(m.Admitted(other.id))
    world.run_for(10)
    assert other.circle is not None and other.circle.cold.stage is Stage.ACTIVE


def test_an_expired_invitation_leads_nowhere() -> None:
    world = World(3)
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    link = world.invite(ours, lifetime=3600)
    world.run_for(3700)
    assert ours.circle is not None and ours.circle.cold.invitations[0].seat is Seat.EXPIRED
    world.knock(theirs, link, ours)
    world.run_for(300)
    assert not ours.circle.cold.peers
    assert theirs.circle is not None and theirs.circle.cold.stage is Stage.KNOCKING


def test_a_withdrawn_invitation_leads_nowhere() -> None:
    world = World(4)
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    link = world.invite(ours)
    assert ours.circle is not None
    ours.feed(m.InvitationWithdrawn(ours.circle.cold.invitations[0].id))
    world.knock(theirs, link, ours)
    world.run_for(300)
    assert not ours.circle.cold.peers


def test_with_a_stolen_link_two_stand_at_the_door_and_one_comes_in() -> None:
    world = World(5)
    ours, theirs, thief = world.person("A"), world.person("B"), world.person("thief")
    world.found(ours)
    link = world.invite(ours)
    world.knock(theirs, link, ours)
    world.knock(thief, link, ours)
    world.run_until(lambda: len(world.waiting(ours)) == 2, within=60)
    ours.feed(m.Admitted(theirs.id))
    world.run_for(120)
    assert ours.circle is not None and thief.circle is not None
    assert ours.circle.cold.invitations[0].seat is Seat.USED
    assert thief.circle.cold.stage is not Stage.ACTIVE
    ours.say("for the circle only")
    world.run_for(60)
    assert texts_of(theirs, ours) == ["for the circle only"]
    assert not thief.texts()


def test_a_used_seat_admits_nobody() -> None:
    world = World(6)
    ours, theirs, late = world.person("A"), world.person("B"), world.person("late")
    world.found(ours)
    link = world.invite(ours)
    world.knock(theirs, link, ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=60)
    ours.feed(m.Admitted(theirs.id))
    world.run_for(60)
    world.knock(late, link, ours)
    world.run_for(300)
    assert not world.waiting(ours)
    assert late.circle is not None and late.circle.cold.stage is Stage.KNOCKING


def test_two_invitations_of_one_day_lead_in_two_people() -> None:
    world = World(7)
    ours, second, third = world.person("A"), world.person("B"), world.person("C")
    world.found(ours)
    links = (world.invite(ours), world.invite(ours))
    world.knock(third, links[1], ours)
    world.knock(second, links[0], ours)
    world.run_until(lambda: len(world.waiting(ours)) == 2, within=60)
    assert ours.circle is not None
    assert len({one.id for one in ours.circle.cold.invitations}) == 2


def test_a_replayed_first_flight_changes_nothing() -> None:
    world = World(8)
    world.keep_deposits = True
    ours, theirs = world.bring_together()
    theirs.say("before")
    world.run_for(20)
    assert ours.circle is not None
    before = ours.circle.pairs[theirs.id].generation
    told_before = list(ours.told)
    for address, frame in world.relay.deposited:
        ours.feed(m.MailArrived(world.relay.address, (m.Mail(address, 9999, frame),)))
        theirs.feed(m.MailArrived(world.relay.address, (m.Mail(address, 9999, frame),)))
    world.run_for(60)
    assert ours.circle.pairs[theirs.id].generation == before
    assert ours.told == told_before
    ours.say("after")
    theirs.say("after")
    world.run_for(20)
    assert_they_agree(ours, theirs)


# ---- absence


@pytest.mark.parametrize("is_direct", [True, False])
def test_what_was_said_to_an_absent_peer_waits_for_it(*, is_direct: bool) -> None:
    world = World(10)
    ours, theirs = world.bring_together(is_direct=is_direct)
    world.run_for(10)
    world.kill(theirs)
    for number in range(100):
        ours.say(str(number))
        world.run_for(1)
    world.run_for(60)
    world.kill(ours)
    world.start(theirs)
    world.run_for(60)
    assert texts_of(theirs, ours) == [str(number) for number in range(100)]
    world.start(ours)
    world.run_for(60)
    assert_they_agree(ours, theirs)


def test_what_the_relay_forgot_arrives_once_both_were_there() -> None:
    world = World(11)
    ours, theirs = world.bring_together()
    world.run_for(10)
    world.kill(theirs)
    for number in range(100):
        ours.say(str(number))
    world.run_for(30)
    world.kill(ours)
    world.restart_relay()
    world.run_for(10)
    world.start(theirs)
    world.run_for(60)
    assert not texts_of(theirs, ours)
    world.start(ours)
    world.run_for(60)
    assert_they_agree(ours, theirs)


def test_a_relay_that_forgets_under_the_author_is_filled_again() -> None:
    world = World(12)
    ours, theirs = world.bring_together()
    world.run_for(10)
    world.kill(theirs)
    for number in range(20):
        ours.say(str(number))
    world.run_for(30)
    world.restart_relay()
    world.run_for(30)
    world.kill(ours)
    world.start(theirs)
    world.run_for(60)
    assert texts_of(theirs, ours) == [str(number) for number in range(20)]


def test_what_was_said_without_any_route_goes_out_later() -> None:
    world = World(13)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(10)
    world.disconnect(ours)
    ours.say("into the void")
    world.run_for(600)
    assert not texts_of(theirs, ours)
    world.reconnect(ours)
    world.run_for(10)
    assert_they_agree(ours, theirs)


def test_many_restarts_while_speaking_lose_nothing() -> None:
    world = World(14)
    ours, theirs = world.bring_together()
    for number in range(30):
        speaker, other = (ours, theirs) if number % 2 else (theirs, ours)
        speaker.say(str(number))
        world.kill(other)
        world.run_for(0.2 * (number % 5))
        world.start(other)
    world.run_for(120)
    assert_they_agree(ours, theirs)


# ---- links


def is_linked(person: Person, other: Person) -> bool:
    assert person.circle is not None
    courier = person.circle.live.couriers.get(other.id)
    return courier is not None and courier.is_linked


def test_two_who_are_there_open_a_link_and_leave_the_relay_alone() -> None:
    world = World(20)
    ours, theirs = world.bring_together()
    world.run_until(lambda: is_linked(ours, theirs) and is_linked(theirs, ours), within=30)
    world.run_for(5)
    seen = len(world.relay.seen)
    for number in range(50):
        ours.say(str(number))
        theirs.say(str(number))
    world.run_for(3)
    assert_they_agree(ours, theirs)
    assert len(world.relay.seen) == seen


@pytest.mark.parametrize("has_turn", [True, False])
def test_a_circle_that_is_not_direct_never_opens_a_direct_link(*, has_turn: bool) -> None:
    world = World(21, has_turn=has_turn)
    ours, theirs = world.bring_together(is_direct=False)
    for number in range(20):
        ours.say(str(number))
        theirs.say(str(number))
        world.run_for(30)
    assert_they_agree(ours, theirs)
    assert set(ours.ways + theirs.ways) == {m.LinkWay.TURN}
    assert is_linked(ours, theirs) is is_linked(theirs, ours) is has_turn


def test_a_relay_without_turn_is_asked_less_and_less() -> None:
    world = World(22)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(3600)
    assert not is_linked(ours, theirs)
    assert 10 < len(ours.ways + theirs.ways) < 25


@pytest.mark.parametrize("seed", range(8))
def test_broken_links_lose_and_double_nothing(seed: int) -> None:
    world = World(3000 + seed)
    ours, theirs = world.bring_together()
    for number in range(60):
        ours.say(str(number))
        theirs.say(str(number))
        world.run_for(world.chance.uniform(0, 2))
        if number % 7 == 3:
            world.cut_link(ours, theirs.id)
        if number % 20 == 10:
            world.disconnect(theirs)
        if number % 20 == 15:
            world.reconnect(theirs)
    world.heal()
    world.run_for(120)
    assert_they_agree(ours, theirs)


def test_without_links_the_relay_carries_on() -> None:
    world = World(23)
    world.links_allowed = False
    ours, theirs = world.bring_together()
    for number in range(30):
        ours.say(str(number))
        world.run_for(1)
    assert_they_agree(ours, theirs)
    world.links_allowed = True
    world.run_for(700)
    assert is_linked(ours, theirs)


def test_what_was_on_a_link_that_broke_goes_through_the_relay_at_once() -> None:
    world = World(25)
    ours, theirs = world.bring_together()
    world.run_until(lambda: is_linked(ours, theirs) and is_linked(theirs, ours), within=30)
    world.run_for(10)
    for number in range(5):
        ours.say(str(number))
    world.cut_link(ours, theirs.id)
    world.run_for(1)
    assert texts_of(theirs, ours) == [str(number) for number in range(5)]


def test_a_link_outlives_the_relay() -> None:
    world = World(24)
    ours, theirs = world.bring_together()
    world.run_until(lambda: is_linked(ours, theirs) and is_linked(theirs, ours), within=30)
    world.disconnect(ours)
    world.disconnect(theirs)
    ours.say("still here")
    theirs.say("so am I")
    world.run_for(3)
    assert_they_agree(ours, theirs)


# ---- clocks and mailbox numbers


@pytest.mark.parametrize("error", [-YEAR, YEAR])
def test_a_clock_that_is_a_year_wrong_destroys_nothing(error: int) -> None:
    world = World(30)
    ours, theirs = world.bring_together(is_direct=False)
    theirs.clock_error = error
    for number in range(10):
        ours.say(str(number))
        theirs.say(str(number))
        world.run_for(3600)
    world.kill(ours)
    world.run_for(60)
    world.start(ours)
    theirs.clock_error = 0
    for number in range(10):
        ours.say(str(number))
        theirs.say(str(number))
        world.run_for(3600)
    assert_they_agree(ours, theirs)


def test_a_newcomer_with_a_clock_a_year_slow_comes_in() -> None:
    world = World(31)
    ours, theirs = world.person("A"), world.person("B")
    theirs.clock_error = -YEAR
    world.found(ours)
    world.join(ours, theirs)
    ours.say("hello")
    theirs.say("hello")
    world.run_for(20)
    assert_they_agree(ours, theirs)


def test_mailbox_numbers_move_on_for_weeks_and_never_run_out() -> None:
    world = World(32)
    ours, theirs = world.bring_together(is_direct=False)
    for week in range(20):
        ours.say(f"week {week}")
        theirs.say(f"week {week}")
        world.run_for(120)
        world.sleep_through(EPOCH)
    world.run_for(120)
    assert_they_agree(ours, theirs)
    for person, other in ((ours, theirs), (theirs, ours)):
        assert person.circle is not None
        peer = person.circle.cold.peers[other.id]
        assert peer.using >= 15
        numbers = {box.number for box in peer.mailboxes}
        assert len(numbers) <= NUMBERS_AHEAD + 1
        assert len(person.circle.live.sources) <= 2 * (NUMBERS_AHEAD + 1)


def test_after_months_of_absence_the_last_mailbox_still_works() -> None:
    world = World(33)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(10)
    world.kill(theirs)
    for week in range(12):
        ours.say(f"week {week}")
        world.run_for(120)
        world.sleep_through(WEEK)
    world.start(theirs)
    world.run_for(120)
    assert_they_agree(ours, theirs)
    theirs.say("I am back")
    world.run_for(60)
    assert_they_agree(ours, theirs)


# ---- refused deposits


def test_a_relay_that_refuses_for_a_while_is_asked_again() -> None:
    world = World(40)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(10)
    world.drop = 0.4  # with more bad luck a message may come so late that it is shown after a gap
    for number in range(30):
        ours.say(str(number))
        world.run_for(1)
    world.drop = 0.0
    world.run_for(90)
    assert_they_agree(ours, theirs)


def test_a_refused_first_flight_goes_out_again_soon() -> None:
    world = World(41)
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    world.run_for(1)
    link = world.invite(ours)
    world.run_for(1)
    world.drop = 1.0
    world.knock(theirs, link, ours)
    world.run_for(3)
    world.drop = 0.0
    world.run_until(lambda: bool(world.waiting(ours)), within=8)


def test_an_unanswered_first_flight_is_repeated_later_and_later() -> None:
    world = World(42)
    ours, theirs = world.person("A"), world.person("B")
    world.found(ours)
    link = world.invite(ours)
    world.run_for(1)
    world.kill(ours)
    before = len(world.relay.seen)
    world.knock(theirs, link, ours)
    world.run_for(8)
    assert 3 <= len(world.relay.seen) - before <= 5
    world.run_for(120)
    assert len(world.relay.seen) - before <= 11
    world.start(ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=5)


def test_no_more_deposits_are_under_way_than_the_window_holds() -> None:
    world = World(47)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.kill(theirs)
    for number in range(300):
        ours.say(str(number))
    assert ours.circle is not None
    assert len(ours.circle.live.tickets) <= DEPOSIT_WINDOW
    world.run_for(5)
    assert not ours.circle.live.tickets
    world.start(theirs)
    world.run_for(20)
    assert_they_agree(ours, theirs)


def test_a_relay_that_takes_and_never_answers_does_not_fill_the_window_for_ever() -> None:
    world = World(48)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.block(ours, theirs, most=DEPOSIT_WINDOW)
    world.answers = False
    for number in range(100):
        ours.say(str(number))
    world.run_for(20)
    world.answers = True
    world.run_for(120)
    assert_they_agree(ours, theirs)
    assert ours.circle is not None and not ours.circle.live.tickets


def test_an_acknowledgement_that_was_lost_is_said_again_at_the_first_repeat() -> None:
    world = World(46)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.block(theirs, ours, most=1)
    ours.say("heard")
    world.run_for(5)
    assert texts_of(theirs, ours) == ["heard"]
    assert any(ours.disk.owed.values())
    world.run_for(15)
    assert not any(ours.disk.owed.values())


def test_an_acknowledgement_that_was_lost_with_a_link_comes_through_the_relay() -> None:
    """The author knows that it lies at the relay and waits; the reader cannot know that it is waited for."""
    world = World(49)
    ours, theirs = world.bring_together()
    world.run_for(30)
    world.links_allowed = False
    world.cut_link(ours, theirs.id)
    world.block(ours, theirs, most=1)
    ours.say("heard")
    world.run_for(1)
    world.links_allowed = True
    world.run_until(lambda: texts_of(theirs, ours) == ["heard"], within=60)
    for author, reader in ((ours, theirs), (theirs, ours)):
        world.block(author, reader, kind=SIGNAL)  # nobody hears that the other is there
    world.links_allowed = False
    world.cut_link(theirs, ours.id)
    assert any(ours.disk.owed.values())
    world.run_for(60)
    assert not any(ours.disk.owed.values())


def test_an_acknowledgement_that_the_relay_refused_goes_out_again() -> None:
    world = World(50)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    ours.say("heard")
    world.run_until(lambda: texts_of(theirs, ours) == ["heard"], within=5)
    world.drop = 1.0
    world.run_for(4)
    assert any(ours.disk.owed.values())
    world.drop = 0.0
    world.run_for(10)
    assert not any(ours.disk.owed.values())


def test_talk_that_goes_on_does_not_put_off_what_was_lost_before_it() -> None:
    """A missing message is shown as a gap after 20 s: it has to be sent again before that."""
    world = World(51)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.block(ours, theirs, most=1)
    for number in range(60):
        ours.say(str(number))
        world.run_for(1)
    world.run_for(30)
    assert texts_of(theirs, ours) == [str(number) for number in range(60)]
    assert not any(entry.kind == "gap" for entry in theirs.disk.entries.values())


# ---- a session that lost much


def test_hundreds_of_lost_greetings_do_not_lock_a_peer_out() -> None:
    world = World(43)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.kill(theirs)
    for _ in range(700):
        world.restart_relay()
        world.run_for(1)
    world.start(theirs)
    ours.say("still here")
    theirs.say("I too")
    world.run_for(60)
    assert_they_agree(ours, theirs)
    assert not told(ours, "session_reset") and not told(ours, "fork_told")


def test_a_frame_whose_key_was_forgotten_is_sealed_anew() -> None:
    world = World(44)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    unblock = world.block(ours, theirs, most=1)
    ours.say("lost")
    world.run_for(0.5)
    ours.say("found")
    world.run_for(2)
    unblock()
    assert theirs.circle is not None
    pair = theirs.circle.pairs[ours.id]
    assert pair.session is not None and len(pair.session.skipped) == 1
    forgetful = evolve(pair, session=evolve(pair.session, skipped=SkippedKeys()))
    theirs.circle = evolve(theirs.circle, pairs={ours.id: forgetful})
    world.run_for(90)
    assert sorted(texts_of(theirs, ours)) == ["found", "lost"]
    assert not any(ours.disk.owed.values())
    assert not told(theirs, "session_reset")


def test_an_open_link_asks_for_fresh_keys() -> None:
    world = World(45)
    ours, theirs = world.bring_together()
    world.run_until(lambda: is_linked(ours, theirs), within=30)
    assert ours.circle is not None
    session = ours.circle.pairs[theirs.id].session
    assert session is not None and session.kem_asked


# ---- the goodbye


def test_who_leaves_is_gone_for_the_other() -> None:
    world = World(50)
    ours, theirs = world.bring_together()
    theirs.say("goodbye")
    theirs.feed(m.Left())
    world.run_for(20)
    assert theirs.circle is not None and theirs.circle.cold.stage is Stage.LEFT
    assert ours.circle is not None
    assert ours.circle.cold.peers[theirs.id].standing is Standing.GONE
    assert told(ours, "left") == 1
    ours.say("alone now")
    world.run_for(60)
    assert "alone now" not in texts_of(theirs, ours)
    assert not any(ours.disk.owed.values())


def test_who_leaves_while_the_other_is_away_is_gone_when_it_comes_back() -> None:
    world = World(51)
    ours, theirs = world.bring_together()
    world.run_for(10)
    world.kill(ours)
    theirs.say("goodbye")
    theirs.feed(m.Left())
    world.run_for(30)
    world.start(ours)
    world.run_for(60)
    assert texts_of(ours, theirs) == ["goodbye"]
    assert ours.circle is not None
    assert ours.circle.cold.peers[theirs.id].standing is Standing.GONE


def test_the_state_of_a_circle_reads_back_as_it_was() -> None:
    world = World(52)
    ours, theirs = world.bring_together()
    ours.say("one")
    theirs.say("two")
    world.run_for(10)
    for person in (ours, theirs):
        assert person.circle is not None
        again = person.disk.load()
        assert again.cold == person.circle.cold
        assert again.pairs == person.circle.pairs
        assert evolve(again.log, held={}) == evolve(person.circle.log, held={})


def test_what_somebody_who_left_never_got_is_shown_as_undelivered() -> None:
    world = World(71)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(5)
    world.disconnect(ours)
    ours.say("while you were going")
    theirs.feed(m.Left())
    world.run_for(5)
    world.kill(theirs)
    assert ours.disk.owed[theirs.id]
    world.reconnect(ours)
    world.run_for(10)
    assert ours.circle is not None
    assert ours.circle.cold.peers[theirs.id].standing is Standing.GONE
    assert not ours.disk.owed.get(theirs.id)


def test_a_long_queue_is_not_sealed_far_ahead_of_what_the_peer_has() -> None:
    world = World(72)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(5)
    world.disconnect(ours)
    said = [f"n{number}" for number in range(1500)]
    for text in said:
        ours.say(text)
    assert ours.circle is not None
    rows = ours.disk.owed[theirs.id].values()
    sealed = [row for row in rows if row.item[:4] != bytes(4)]
    assert len(sealed) <= SEALED_AHEAD
    world.reconnect(ours)
    world.run_for(60)
    assert texts_of(theirs, ours) == said
    assert not ours.disk.owed[theirs.id]


def test_a_deposit_refused_just_when_the_peer_counts_as_gone_is_tried_again() -> None:
    """What the relay refused lies nowhere: it has to go there whether the peer is there or not."""
    world = World(61)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(10)
    ours.say("heard")
    world.run_for(5)
    world.kill(theirs)
    ours.say("one")

    def is_at_its_longest() -> bool:
        assert ours.circle is not None
        return ours.circle.live.couriers[theirs.id].resend_wait >= RESEND_LONGEST

    world.run_until(is_at_its_longest, within=3000)
    world.drop = 1.0
    ours.say("refused")
    world.run_for(1)
    world.drop = 0.0
    world.run_for(60)
    assert {row.boot for row in ours.disk.owed[theirs.id].values()} == {world.relay.boot}
    world.start(theirs)
    world.run_for(10)
    assert texts_of(theirs, ours) == ["heard", "one", "refused"]
