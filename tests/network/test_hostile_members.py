"""What a member of the circle might do to the others, and what must not come of it."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.envelope import (
    MARK_SIZE,
    Content,
    ContentKey,
    Parent,
    encode_content,
    message_id,
    seal_content,
)
from toheal_protocol.machines import events as m
from toheal_protocol.machines import reset
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import our_view
from toheal_protocol.machines.linking import take_offer
from toheal_protocol.machines.membership import MAX_HELD_BY_ONE
from toheal_protocol.machines.pair import owe_message, owe_note, pass_note
from toheal_protocol.machines.state import Position, Standing, Stream
from toheal_protocol.messages.announcement import Announcement, encode_announcement
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.notes import ForkSeen, LinkOffer, YourHead
from toheal_protocol.messages.operations import OperationKind, sign_operation
from toheal_protocol.model import Audience, Instant, MessageId


def together(*, is_direct: bool = False) -> tuple[World, Person, Person]:
    world = World(11)
    ours, theirs = world.bring_together(is_direct=is_direct)
    world.run_for(10)
    ours.say("hello")
    theirs.say("hello yourself")
    world.run_for(10)
    return world, ours, theirs


def a_draft(person: Person) -> Draft:
    assert person.circle is not None
    return Draft(
        person.circle,
        now=Instant(person.world.now),
        wall_now=person.wall,
        entropy=SeededEntropy(3),
    )


def carry_out(person: Person, draft: Draft) -> None:
    decision = draft.decide(wake_at=person.alarm)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        person.world.perform(person, effect)


def speak_after_a_gap(
    person: Person, to: Person, body: bytes, kind: ContentKind, *, ahead: int = 5
) -> None:
    """Send what the other has to hold, because something before it never comes."""
    draft = a_draft(person)
    head = draft.log.heads[Stream(draft.our_id, Audience.CIRCLE)]
    content = Content(
        circle_id=draft.cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + ahead,
        prev_own=head.mid,
        parents=(),
        view=our_view(draft),
        lamport=draft.log.newest_for(Audience.CIRCLE).lamport + 1,
        ttl=0,
        type=kind,
        reply=None,
        body=body,
    )
    key = ContentKey(SeededEntropy(head.seq).draw(32))
    common = seal_content(encode_content(content), key, author=person.id)
    owe_message(draft, to.id, mid=message_id(common), key=key, common=common)
    carry_out(person, draft)


@pytest.mark.parametrize("kind", [ContentKind.TEXT, ContentKind.OPERATION])
def test_what_is_held_and_cannot_be_read_ends_nothing(kind: ContentKind) -> None:
    world, ours, theirs = together()
    speak_after_a_gap(theirs, ours, b"\xff\xff\xff", kind)
    world.run_for(5)
    assert ours.circle is not None
    assert len(ours.circle.log.held) == 1
    world.kill(ours)
    world.start(ours)
    world.run_for(60)
    assert ours.circle.log.held == {}
    assert "unreadable" in [tell.what for tell in ours.told]
    ours.say("we go on")
    world.run_for(10)
    assert "we go on" in [text for _, text in theirs.texts()]


def test_who_leaves_a_hundred_times_has_left_once() -> None:
    world, ours, theirs = together()
    known = our_view(a_draft(theirs))
    for number in range(20):  # each knows the one before: there they are out already
        leave = sign_operation(
            OperationKind.LEAVE,
            circle=a_draft(theirs).cold.id,
            parents=known,
            body=b"",
            author=a_draft(theirs).cold.persona,
        )
        known = (leave.id,)
        body = encode_announcement(Announcement(leave))
        speak_after_a_gap(theirs, ours, body, ContentKind.OPERATION, ahead=number + 1)
        world.run_for(1)
    world.run_for(60)
    assert ours.circle is not None
    assert ours.circle.cold.peers[theirs.id].standing is Standing.GONE
    assert len(ours.circle.cold.operations) <= 3 + MAX_HELD_BY_ONE  # create, add, leave


def test_nobody_carries_our_count_to_its_end() -> None:
    world, ours, theirs = together()
    assert ours.circle is not None
    peer = evolve(ours.circle.cold.peers[theirs.id], reset_at=ours.wall)
    cold = evolve(ours.circle.cold, peers={**ours.circle.cold.peers, theirs.id: peer})
    near = Position(reset.HEAD_HIGHEST - 10, MessageId(bytes(32)))
    log = evolve(
        ours.circle.log, heads={**ours.circle.log.heads, Stream(ours.id, Audience.CIRCLE): near}
    )
    ours.circle = evolve(ours.circle, cold=cold, log=log)
    for beyond in (1, reset.HEAD_STEP - 20):
        draft = a_draft(theirs)
        owe_note(
            draft,
            ours.id,
            YourHead(Audience.CIRCLE, reset.HEAD_HIGHEST + beyond, MessageId(b"x" * 32)),
        )
        carry_out(theirs, draft)
        world.run_for(2)
    assert ours.circle.log.heads[Stream(ours.id, Audience.CIRCLE)] == near


def test_who_has_left_answers_no_offer_of_a_link() -> None:
    _, ours, theirs = together(is_direct=True)
    high, low = (ours, theirs) if ours.id > theirs.id else (theirs, ours)
    high.feed(m.Left())
    offer = LinkOffer(b"a" * 16, b"s" * 32, b"blob")
    draft = a_draft(high)
    take_offer(draft, low.id, offer)
    assert not [one for one in draft.effects if isinstance(one, m.PrepareLink)]


def test_who_stands_at_the_door_raises_no_alarm() -> None:
    world = World(12)
    ours, stranger = world.person("نورس"), world.person("Salma")
    world.found(ours, is_direct=False)
    world.run_for(1)
    link = world.invite(ours)
    world.run_for(1)
    world.knock(stranger, link, ours)
    world.run_for(10)
    draft = a_draft(stranger)
    assert pass_note(draft, ours.id, ForkSeen())
    carry_out(stranger, draft)
    world.run_for(5)
    assert world.waiting(ours) == [stranger.id]
    assert "fork_told" not in [tell.what for tell in ours.told]


def test_who_begins_anew_without_end_opens_no_mailboxes_without_end() -> None:
    world, ours, theirs = together()
    assert ours.circle is not None
    counts = []
    for _ in range(12):
        theirs.feed(m.ResetAsked(ours.id))
        world.run_for(5)
        counts.append(len(ours.circle.cold.peers[theirs.id].mailboxes))
    assert counts[-1] == counts[-2] == max(counts)
    theirs.say("here again")
    world.run_for(10)
    assert "here again" in [text for _, text in ours.texts()]


def test_a_wild_claim_about_anothers_count_hides_no_real_gap() -> None:
    world, ours, theirs = together()
    mark = ours.id[:MARK_SIZE]
    draft = a_draft(theirs)
    head = draft.log.heads[Stream(draft.our_id, Audience.CIRCLE)]
    content = Content(
        circle_id=draft.cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + 1,
        prev_own=head.mid,
        parents=(Parent(mark, Audience.CIRCLE, 2**32 - 1, MessageId(bytes(32))),),
        view=our_view(draft),
        lamport=draft.log.newest_for(Audience.CIRCLE).lamport + 1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=encode_text(TextBody("a wild claim", 1_800_000_000)),
    )
    key = ContentKey(SeededEntropy(9).draw(32))
    common = seal_content(encode_content(content), key, author=theirs.id)
    owe_message(draft, ours.id, mid=message_id(common), key=key, common=common)
    carry_out(theirs, draft)
    world.run_for(120)
    assert "a wild claim" in [text for _, text in ours.texts()]
    assert ours.circle is not None
    assert ours.circle.log.gaps_shown.get(ours.id, 0) < 2**31
    assert "gap" not in [entry.kind for entry in ours.disk.entries.values()]
