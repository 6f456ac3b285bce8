"""Days, weeks and many people: what short lives of two never show."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines import pair
from toheal_protocol.machines.courier import CALL_REPEAT_LONGEST
from toheal_protocol.machines.door import MAX_AT_DOOR
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Circle, Stage, Standing
from toheal_protocol.machines.welcome import ROOM_TO_GOVERN, has_room
from toheal_protocol.membership import MAX_OPERATIONS
from toheal_protocol.messages.notes import AnyNote, Declined, encode_note
from toheal_protocol.model import MAX_MEMBERS, Instant

DAY = 24 * 3600


def told(person: Person) -> list[str]:
    return [telling.what for telling in person.told]


def texts_of(reader: Person, author: Person) -> list[str]:
    return [text for member, text in reader.texts() if member == author.id]


def state(person: Person) -> Circle:
    assert person.circle is not None
    return person.circle


def gather(seed: int, count: int, *, is_direct: bool = False) -> tuple[World, list[Person]]:
    """A founder and who it let in, one after the other."""
    world = World(seed)
    people = [world.person(f"p{number}") for number in range(count)]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(30)
    return world, people


# ---- somebody who was there and is gone


def test_a_day_without_a_peer_who_was_there_leaves_few_copies_at_the_relay() -> None:
    """Each resend is another deposit; a mailbox holds four thousand, and then takes nothing new."""
    world, (ours, theirs) = gather(1, 2)
    world.kill(theirs)
    for number in range(20):
        ours.say(f"word {number}")
    world.run_for(DAY)
    lying = sum(len(box) for box in world.relay.boxes.values())
    assert lying < 20 * 8
    world.start(theirs)
    world.run_for(60)
    assert texts_of(theirs, ours) == [f"word {number}" for number in range(20)]
    assert not any(ours.disk.owed.values())


def test_who_fell_silent_is_sent_to_again_as_soon_as_anything_of_them_opens() -> None:
    world, (ours, theirs) = gather(2, 2)
    unblock = world.block(ours, theirs)
    ours.say("lost at the relay")
    world.run_for(3000)
    assert not state(ours).live.couriers[theirs.id].is_here
    unblock()
    theirs.say("still here")
    world.run_for(60)
    assert texts_of(theirs, ours) == ["lost at the relay"]


class NoChannels(World):
    """Data channels are prepared, offered and answered, and never open."""

    def _open_link(self, attempt: bytes) -> None:
        for person, member in self._meeting.pop(attempt, []):
            person.feed(m.LinkClosed(member, attempt))


def test_days_of_vain_offers_to_an_absent_peer_do_not_wear_the_session_out() -> None:
    """A peer bridges 500 frames that never come; an offer every five minutes is more in two days."""
    world = NoChannels(5)
    ours, theirs = world.bring_together()
    world.run_for(60)
    staying, going = sorted((ours, theirs), key=lambda person: person.id)
    world.kill(going)
    world.run_for(4 * DAY)
    staying.say("are you there?")
    world.run_for(5)
    world.start(going)
    world.run_for(300)
    assert texts_of(going, staying) == ["are you there?"]
    for person in (ours, theirs):
        assert not {"fork_told", "fork_seen", "session_reset"} & set(told(person))


def test_a_knock_at_an_absent_host_leaves_few_copies_at_the_relay() -> None:
    world = World(6)
    host, guest = world.person("host"), world.person("guest")
    world.found(host)
    link = world.invite(host)
    world.run_for(2)
    world.kill(host)
    before = len(world.relay.seen)
    world.knock(guest, link, host)
    world.run_for(DAY)
    assert len(world.relay.seen) - before <= 14 + DAY / CALL_REPEAT_LONGEST
    world.start(host)
    world.run_until(lambda: bool(world.waiting(host)), within=30)


def test_an_answer_that_a_crash_kept_back_goes_out_at_the_next_start() -> None:
    world = World(7)
    host, guest = world.person("host"), world.person("guest")
    world.found(host)
    link = world.invite(host)
    world.run_for(2)
    world.knock(guest, link, host)
    host.crash_at = ("act", host.steps + 1)
    world.run_until(lambda: not host.is_running, within=30)
    world.relay.boxes = {}  # the flight was pushed, and is gone
    assert any(peer.opened for peer in host.disk.load().cold.peers.values())
    world.start(host)
    world.run_until(lambda: bool(world.waiting(host)), within=10)


# ---- prekeys that have died


def test_members_meet_though_one_was_away_until_every_prekey_had_died() -> None:
    world, (host, absent) = gather(8, 2)
    world.kill(absent)
    world.run_for(30 * DAY)
    newcomer = world.person("newcomer")
    world.join(host, newcomer)
    world.run_for(30 * DAY)
    world.start(absent)
    world.run_for(60)
    absent.say("back")
    newcomer.say("who are you?")
    world.run_for(60)
    assert texts_of(newcomer, absent) == ["back"]
    assert texts_of(absent, newcomer) == ["who are you?"]


def test_a_session_begins_anew_though_the_card_it_is_called_with_has_died() -> None:
    world, (ours, theirs) = gather(9, 2)
    older = ours.disk.copy()
    world.kill(ours)
    world.run_for(20 * DAY)
    ours.disk = older
    world.start(ours)
    ours.feed(m.ResetAsked(theirs.id))
    world.run_for(60)
    ours.say("anew")
    world.run_for(60)
    assert "session_reset" in told(ours)
    assert texts_of(theirs, ours) == ["anew"]


# ---- many people


def test_a_circle_whose_cards_fill_more_than_a_frame_lets_people_in() -> None:
    world, people = gather(10, 19)
    newest = people[-1]
    assert all(state(newest).cold.peers[one.id].continuity for one in people[:-1])
    newest.say("hello to eighteen")
    world.run_for(60)
    assert all(texts_of(one, newest) == ["hello to eighteen"] for one in people)


@pytest.mark.slow
def test_a_circle_fills_up_and_then_nobody_else_comes_in() -> None:
    world, people = gather(11, MAX_MEMBERS)
    assert not has_room(state(people[0]).cold)
    late = world.person("one too many")
    world.knock(late, world.invite(people[0]), people[0])
    world.run_until(lambda: bool(world.waiting(people[0])), within=60)
    people[0].feed(m.Admitted(late.id))
    world.run_for(30)
    assert state(late).cold.stage is Stage.KNOCKING
    assert late.id in world.waiting(people[0])


def test_a_circle_that_many_came_to_and_left_lets_people_in() -> None:
    """A welcome is several notes: it holds more operations than fit one."""
    world, (host,) = gather(12, 1)
    for _ in range(35):
        guest = world.person("guest")
        world.join(host, guest)
        guest.feed(m.Left())
        world.run_for(20)  # a frame that was lost is sent again after 15 s
        world.people.remove(guest)
    assert len(state(host).cold.operations) == 71
    newcomer = world.person("newcomer")
    world.join(host, newcomer)
    world.run_for(30)
    assert set(state(newcomer).cold.operations) == set(state(host).cold.operations)
    newcomer.say("here I am")
    world.run_for(30)
    assert texts_of(host, newcomer) == ["here I am"]


def test_room_is_kept_for_those_who_leave_and_remove() -> None:
    _, (host,) = gather(12, 1)
    cold = state(host).cold
    nearly_full = evolve(cold, operations=cold.operations * (MAX_OPERATIONS - ROOM_TO_GOVERN))
    assert has_room(cold)
    assert not has_room(nearly_full)


def test_introductions_that_overtake_the_welcome_are_not_lost() -> None:
    for seed in range(20, 26):
        world, people = gather(seed, 3)
        world.delay = (0.001, 3.0)
        newcomer = world.person("newcomer")
        world.join(people[0], newcomer)
        world.run_for(60)
        people[2].say("known to all")
        world.run_for(30)
        assert texts_of(newcomer, people[2]) == ["known to all"]


def test_whoever_is_no_facilitator_lets_nobody_in() -> None:
    world, (_host, member) = gather(13, 2)
    guest = world.person("guest")
    world.knock(guest, world.invite(member), member)
    world.run_until(lambda: bool(world.waiting(member)), within=60)
    member.feed(m.Admitted(guest.id))
    world.run_for(30)
    assert state(guest).cold.stage is Stage.KNOCKING


def test_strangers_who_were_declined_leave_room_for_the_one_who_was_invited() -> None:
    world, (host,) = gather(14, 1)
    link = world.invite(host)
    for number in range(MAX_AT_DOOR + 1):
        stranger = world.person(f"stranger {number}")
        world.knock(stranger, link, host)
        world.run_until(lambda: bool(world.waiting(host)), within=60)
        host.feed(m.Refused(stranger.id))
    invited = world.person("invited")
    world.knock(invited, link, host)
    world.run_until(lambda: invited.id in world.waiting(host), within=60)
    world.run_for(600)
    declined = [p for p in state(host).cold.peers.values() if p.standing is Standing.DECLINED]
    assert not any(peer.mailboxes for peer in declined), "nothing stays open for who was declined"


# ---- leaving


def test_who_has_left_is_shown_nothing_more_and_keeps_no_link() -> None:
    world, (ours, theirs) = gather(15, 2, is_direct=True)
    assert ours.links
    world.disconnect(ours)
    world.links_allowed = False
    world.cut_link(ours, theirs.id)
    world.run_for(20)
    theirs.feed(m.Left())
    world.run_for(5)
    ours.say("you do not hear this any more")
    world.reconnect(ours)
    world.links_allowed = True
    world.run_for(600)
    assert texts_of(theirs, ours) == []
    assert not any(ours.disk.owed.values())
    assert not any(theirs.disk.owed.values())
    assert not ours.links


def test_an_open_link_closes_once_the_farewell_is_through() -> None:
    world, (ours, theirs) = gather(16, 2, is_direct=True)
    assert theirs.links
    theirs.feed(m.Left())
    world.run_for(300)
    assert not ours.links
    assert not theirs.links
    assert state(ours).cold.peers[theirs.id].standing is Standing.GONE


# ---- odd words


def test_half_a_surrogate_from_a_terminal_ends_nothing() -> None:
    world, (ours, theirs) = gather(17, 2)
    ours.feed(m.Submitted("caf\udcff"))
    world.run_for(10)
    assert texts_of(theirs, ours) == ["caf?"]


def test_a_note_of_a_later_version_is_counted_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_a_later_version(note: AnyNote, *, seq: int, through: int) -> bytes:
        plain = encode_note(note, seq=seq, through=through)
        return plain[:16] + b"\xee" + plain[17:] if isinstance(note, Declined) else plain

    world, (ours, theirs) = gather(18, 2)
    monkeypatch.setattr(pair, "encode_note", of_a_later_version)
    draft = Draft(state(ours), now=Instant(world.now), wall_now=ours.wall, entropy=SeededEntropy(3))
    owe_note(draft, theirs.id, Declined())
    decision = draft.decide(wake_at=ours.alarm)
    ours.disk.apply(decision.writes)
    ours.circle = decision.circle
    for effect in decision.effects:
        world.perform(ours, effect)
    ours.say("after it")
    world.run_for(30)
    assert texts_of(theirs, ours) == ["after it"]
    assert not any(ours.disk.owed.values())
    assert "unreadable" in told(theirs)
