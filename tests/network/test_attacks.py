"""Attacks on the machines of a circle: each is tried, and must change nothing that is kept.

Every attack is one event given to a circle by `step`, which is a plain function: the circle stays
as it was, so thousands of attacks can be tried on the same one. `changes_nothing` says that no
write came out of it and that the outside sees what it sees for every other refusal.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
from attrs import evolve

from tests.support.entropy import SeededEntropy
from tests.support.parsers_circle import GRANTS
from tests.support.personas import person as a_persona
from tests.support.world import Person, World
from toheal_protocol.crypto import Signature
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    Parent,
    encode_content,
    message_id,
    seal_content,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import PersonaSecrets, encode_card, make_card
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import DEPOSIT_BUCKETS, open_deposit, seal_deposit
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.counting import MAX_BEYOND
from toheal_protocol.machines.door import MAX_AT_DOOR
from toheal_protocol.machines.draft import Decision, Draft
from toheal_protocol.machines.following import LAMPORT_STEP
from toheal_protocol.machines.log import MAX_HELD
from toheal_protocol.machines.pair import owe_message, owe_note
from toheal_protocol.machines.state import Role, Stage, Standing, Stream
from toheal_protocol.messages.acts import Addition, encode_act, sign_voucher
from toheal_protocol.messages.announcement import Announcement, encode_announcement
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.frames import (
    Answer,
    AnyFrame,
    Envelope,
    Note,
    Opening,
    decode_frame,
    encode_frame,
)
from toheal_protocol.messages.grants import Grant
from toheal_protocol.messages.invitation import INVITATION_SIZES
from toheal_protocol.messages.notes import (
    Ack,
    Acquaintance,
    AnyNote,
    Declined,
    Granted,
    Introduction,
    LinkOffer,
    NewCard,
    YourHead,
    encode_note,
)
from toheal_protocol.messages.operations import Operation, OperationKind, sign_operation
from toheal_protocol.model import Address, Audience, CircleId, Frame, Instant, MemberId, MessageId
from toheal_protocol.ratchet import Session, open_message, seal_message

Lying = tuple[Person, Address, bytes, AnyFrame]
"""Who has not read it yet, where it lies, as it lies there, and what is inside."""

REFUSAL = {m.DeleteMail, m.WakeAt}
"""What the outside sees of every refused mail: it is deleted."""


def decide(person: Person, event: m.Event) -> Decision:
    """What this person's circle would decide; nothing of it happens."""
    assert person.circle is not None
    return step(
        person.circle,
        event,
        now=Instant(person.world.now),
        wall_now=person.wall,
        entropy=SeededEntropy(9),
    )


def changes_nothing(person: Person, event: m.Event) -> bool:
    decision = decide(person, event)
    kinds = {type(effect) for effect in decision.effects}
    return not decision.writes and kinds <= REFUSAL


def mail(person: Person, address: Address, deposit: bytes) -> m.MailArrived:
    return m.MailArrived(person.world.relay.address, (m.Mail(address, 1, deposit),))


def delivered(person: Person, address: Address, frame: bytes) -> m.MailArrived:
    """A frame as somebody deposits it who knows the mailbox's seal key."""
    assert person.circle is not None
    key = person.circle.live.sources[address].seal_key
    return mail(person, address, seal_deposit(key, Frame(frame), SeededEntropy(7)))


def waiting_for(person: Person) -> Iterator[tuple[Address, bytes, AnyFrame]]:
    """What lies at the relay for somebody: where, sealed, and opened."""
    assert person.circle is not None
    for address, source in person.circle.live.sources.items():
        for deposit in person.world.relay.boxes.get(address, {}).values():
            if source.seal_key:
                yield address, deposit, decode_frame(open_deposit(source.seal_key, deposit))


def a_mailbox(person: Person, of: MemberId) -> Address:
    assert person.circle is not None
    sources = person.circle.live.sources.items()
    return next(a for a, source in sources if source.member == of and source.number)


def together(seed: int = 1, *, is_direct: bool = False) -> tuple[World, Person, Person]:
    world = World(seed)
    ours, theirs = world.bring_together(is_direct=is_direct)
    world.run_for(10)
    ours.say("hello")
    theirs.say("hello yourself")
    world.run_for(10)
    return world, ours, theirs


def acts(person: Person, act: Callable[[Draft], object], *, steals: bool = False) -> None:
    """A hostile client does what ours would not: its own state, any act."""
    assert person.circle is not None
    circle = person.circle
    if steals:
        circle = evolve(circle, cold=evolve(circle.cold, my_role=Role.FACILITATOR))
    draft = Draft(
        circle, now=Instant(person.world.now), wall_now=person.wall, entropy=person.entropy
    )
    act(draft)
    decision = draft.decide(wake_at=person.alarm)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        person.world.perform(person, effect)


def sends(person: Person, to: MemberId, note: AnyNote, *, seq: int, through: int) -> bytes:
    """A note sealed in the true session, with numbers of the attacker's choice."""
    assert person.circle is not None
    session = person.circle.pairs[to].session
    assert session is not None
    plain = encode_note(note, seq=seq, through=through)
    _, sealed = seal_message(session, plain, b"note", entropy=SeededEntropy(4), now=person.wall)
    return encode_frame(Note(sealed))


def told(person: Person) -> list[str]:
    return [tell.what for tell in person.told]


def words(person: Person) -> list[str]:
    return [text for _, text in person.texts()]


def garbage(seed: int, size: int) -> bytes:
    return hashlib.shake_128(b"%d" % seed).digest(size)


@pytest.fixture(scope="module")
def lying() -> list[Lying]:
    """One frame of each kind that lies at the relay for somebody who has not read it."""
    found: dict[type[AnyFrame], Lying] = {}

    def look(person: Person) -> None:
        for address, deposit, frame in waiting_for(person):
            found.setdefault(type(frame), (copy(person), address, deposit, frame))

    world = World(5)
    ours, newcomer = world.person("نورس"), world.person("Salma")
    world.found(ours, is_direct=False)
    world.run_for(1)
    link = world.invite(ours)
    world.run_for(1)
    world.disconnect(ours)
    world.knock(newcomer, link, ours)
    world.run_for(3)
    look(ours)
    _, asleep, speaker = together(6)
    asleep.world.disconnect(asleep)
    speaker.say("while you sleep")
    asleep.world.run_for(3)
    look(asleep)
    world.disconnect(newcomer)
    world.reconnect(ours)
    world.run_for(3)
    look(newcomer)
    _, reader, writer = together(7)
    reader.world.disconnect(reader)
    acts(writer, lambda draft: owe_note(draft, reader.id, Granted(GRANTS)))
    reader.world.run_for(3)
    look(reader)
    assert set(found) == {Opening, Answer, Note, Envelope}
    return list(found.values())


# ---- any frame


def test_every_kind_of_frame_is_taken_when_nobody_touched_it(lying: list[Lying]) -> None:
    for person, address, deposit, _ in lying:
        assert decide(person, mail(person, address, deposit)).writes


def test_every_bit_of_a_frame_flipped_by_its_carrier_is_refused(lying: list[Lying]) -> None:
    """The relay: it has the deposit, and not the mailbox's seal key."""
    for person, address, deposit, _ in lying:
        step_size = max(1, len(deposit) // 400)
        for place in range(0, len(deposit), step_size):
            flipped = bytearray(deposit)
            flipped[place] ^= 1 << (place // step_size % 8)
            assert changes_nothing(person, mail(person, address, bytes(flipped)))


def test_every_bit_of_a_frame_flipped_below_the_mailboxes_seal_is_refused(
    lying: list[Lying],
) -> None:
    """Somebody who has the grant, and not the session. Short frames bit by bit."""
    for person, address, _, frame in lying:
        encoded = encode_frame(frame)
        bits = 8 * len(encoded)
        for bit in range(0, bits, max(1, bits // 1500)):
            flipped = bytearray(encoded)
            flipped[bit // 8] ^= 1 << (bit % 8)
            assert changes_nothing(person, delivered(person, address, bytes(flipped)))


def test_a_frame_of_one_kind_is_never_taken_for_another(lying: list[Lying]) -> None:
    """All pairs: the bytes of each, labelled as each other, given to whoever expects that one."""
    for _, _, _, frame in lying:
        encoded = encode_frame(frame)
        for person, address, _, expected in lying:
            label = encode_frame(expected)[:1]
            if label == encoded[:1]:
                continue
            assert changes_nothing(person, delivered(person, address, label + encoded[1:]))
            assert changes_nothing(person, delivered(person, address, label + encoded))


def test_a_wrap_is_no_note_and_a_note_is_no_wrap(lying: list[Lying]) -> None:
    for person, address, _, frame in lying:
        if isinstance(frame, Envelope):
            other: AnyFrame = Note(frame.wrap)
        elif isinstance(frame, Note):
            other = Envelope(frame.sealed, b"common")
        else:
            continue
        assert changes_nothing(person, delivered(person, address, encode_frame(other)))


def test_a_wrap_opens_for_its_own_common_part_alone(lying: list[Lying]) -> None:
    other = seal_content(b"another", ContentKey(bytes(32)), author=MemberId(bytes(32)))
    for person, address, _, frame in lying:
        if isinstance(frame, Envelope):
            swapped = encode_frame(Envelope(frame.wrap, other))
            assert changes_nothing(person, delivered(person, address, swapped))


def test_a_frame_in_somebody_elses_mailbox_is_refused(lying: list[Lying]) -> None:
    for _, _, _, frame in lying:
        for person, address, _, own in lying:
            if own is not frame and not isinstance(frame, Opening):
                assert changes_nothing(person, delivered(person, address, encode_frame(frame)))


def test_every_frame_sent_back_to_its_author_is_refused() -> None:
    world, ours, theirs = together()
    world.disconnect(theirs)
    ours.say("one")
    acts(ours, lambda draft: owe_note(draft, theirs.id, Granted(GRANTS)))
    world.run_for(3)
    frames = [encode_frame(frame) for _, _, frame in waiting_for(theirs)]
    assert len(frames) >= 2
    address = a_mailbox(ours, theirs.id)
    for frame in frames:
        assert changes_nothing(ours, delivered(ours, address, frame))
        assert changes_nothing(ours, m.FramesArrived(theirs.id, (frame,)))


def test_64_kilobytes_of_garbage_at_every_entry_change_nothing() -> None:
    _, ours, theirs = together()
    assert ours.circle is not None
    for size in (0, 1, 40, 65536, 98304, 200_000):
        for number, content in enumerate((garbage(size, size), bytes(size), b"\xff" * size)):
            for address, source in ours.circle.live.sources.items():
                if not source.seal_key:
                    continue  # a closed invitation's: everything there is deleted unread
                assert changes_nothing(ours, mail(ours, address, content))
                if size <= 65536:
                    sealed = seal_deposit(source.seal_key, Frame(content), SeededEntropy(number))
                    assert changes_nothing(ours, mail(ours, address, sealed))
            assert changes_nothing(ours, m.FramesArrived(theirs.id, (content,)))
            assert changes_nothing(ours, mail(ours, Address(bytes(16)), content))


def test_ten_thousand_garbage_mails_cost_little_and_change_nothing() -> None:
    _, ours, theirs = together()
    address = a_mailbox(ours, theirs.id)
    began = time.perf_counter()
    for batch in range(100):
        mails = tuple(
            m.Mail(address, 100 * batch + number, garbage(number, 1176)) for number in range(100)
        )
        assert changes_nothing(ours, m.MailArrived(ours.world.relay.address, mails))
    assert time.perf_counter() - began < 10


def test_points_of_low_order_in_an_opening_are_refused(lying: list[Lying]) -> None:
    for person, address, _, frame in lying:
        if not isinstance(frame, Opening):
            continue
        for point in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
            flight = frame.flight[:5] + point + frame.flight[37:]
            assert changes_nothing(
                person, delivered(person, address, encode_frame(Opening(flight)))
            )


# ---- numbers


@pytest.mark.parametrize("seq", [MAX_BEYOND + 50, 2**32 - 1, 2**63 - 1, 2**64 - 1])
def test_an_item_far_ahead_is_refused_and_kept_nowhere(seq: int) -> None:
    _, ours, theirs = together()
    frame = sends(theirs, ours.id, Declined(), seq=seq, through=0)
    address = a_mailbox(ours, theirs.id)
    assert changes_nothing(ours, delivered(ours, address, frame))
    assert changes_nothing(ours, m.FramesArrived(theirs.id, (frame,)))


@pytest.mark.parametrize("number", [50, 2**32 - 1, 2**64 - 1])
@pytest.mark.parametrize("is_range", [False, True])
def test_an_acknowledgement_of_what_was_never_given_drops_nothing(
    number: int, *, is_range: bool
) -> None:
    world, ours, theirs = together()
    world.disconnect(theirs)
    ours.say("owed")
    note, through = (Ack(((40, number),)), 0) if is_range else (Ack(), number)
    frame = sends(theirs, ours.id, note, seq=0, through=through)
    began = time.perf_counter()
    ours.feed(delivered(ours, a_mailbox(ours, theirs.id), frame))
    assert time.perf_counter() - began < 1
    assert [row.mid for row in ours.disk.owed[theirs.id].values()] == [ours.said[-1][0]]


def a_content(person: Person, **changes: Any) -> bytes:
    assert person.circle is not None
    log = person.circle.log
    head = log.heads.get(Stream(person.id, Audience.CIRCLE))
    content = Content(
        circle_id=person.circle.cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + 1 if head else 1,
        prev_own=head.mid if head else None,
        parents=(),
        view=person.view,
        lamport=1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=encode_text(TextBody("from the attacker", 1_800_000_000)),
    )
    return encode_content(evolve(content, **changes))


def speaks(person: Person, to: Person, plain: bytes, *, seed: int = 1) -> MessageId:
    """A member sends content of their own making in the true session."""
    key = ContentKey(SeededEntropy(seed).draw(32))
    common = seal_content(plain, key, author=person.id)
    mid = message_id(common)
    acts(person, lambda draft: owe_message(draft, to.id, mid=mid, key=key, common=common))
    person.world.run_for(5)
    return mid


def test_an_author_from_the_future_moves_our_count_by_one_step_at_most() -> None:
    _, ours, theirs = together()
    assert ours.circle is not None
    before = ours.circle.log.newest_for(Audience.CIRCLE).lamport
    speaks(theirs, ours, a_content(theirs, lamport=2**32 - 1))
    assert ours.circle.log.newest_for(Audience.CIRCLE).lamport <= before + LAMPORT_STEP
    assert ours.say("still able to speak") is not None


def test_an_author_who_counts_to_the_end_is_shown_after_a_gap_and_stops_nobody() -> None:
    world, ours, theirs = together()
    speaks(theirs, ours, a_content(theirs, author_seq=2**32 - 1))
    world.run_for(30)
    assert "from the attacker" in words(ours)
    ours.say("we go on")
    world.run_for(30)
    assert "we go on" in words(theirs)


def test_a_bomb_of_parents_is_refused() -> None:
    _, ours, theirs = together()
    plain = bytearray(a_content(theirs))
    plain[68] = 255  # the count of parents
    began = time.perf_counter()
    speaks(theirs, ours, bytes(plain) + bytes(50_000))
    assert time.perf_counter() - began < 5
    assert "from the attacker" not in words(ours)
    assert "unreadable" in told(ours)


def test_messages_with_forged_parents_fill_no_memory_and_are_shown_after_the_gap() -> None:
    world, ours, theirs = together()
    nobody = tuple(
        Parent(garbage(n, 8), Audience.CIRCLE, 5, MessageId(garbage(n, 32))) for n in range(32)
    )
    assert theirs.circle is not None
    head = theirs.circle.log.heads[Stream(theirs.id, Audience.CIRCLE)].seq
    for number in range(MAX_HELD + 40):
        key = ContentKey(garbage(number, 32))
        plain = a_content(theirs, parents=nobody, author_seq=head + 1 + number)
        common = seal_content(plain, key, author=theirs.id)
        mid = message_id(common)

        def owe(
            draft: Draft, mid: MessageId = mid, key: ContentKey = key, common: bytes = common
        ) -> None:
            owe_message(draft, ours.id, mid=mid, key=key, common=common)

        acts(theirs, owe)
        if number % 50 == 0:
            world.run_for(0.5)
            assert ours.circle is not None
            assert len(ours.circle.log.held) <= MAX_HELD
    world.run_for(10)
    assert ours.circle is not None
    assert len(ours.circle.log.held) <= MAX_HELD


def test_two_stories_under_one_number_are_both_shown_and_the_author_is_marked() -> None:
    _, ours, theirs = together()
    one = a_content(theirs, body=encode_text(TextBody("to your face", 1_800_000_000)))
    other = a_content(theirs, body=encode_text(TextBody("behind your back", 1_800_000_000)))
    speaks(theirs, ours, one, seed=1)
    speaks(theirs, ours, other, seed=2)
    assert {"to your face", "behind your back"} <= set(words(ours))
    assert "fork_seen" in told(ours)


# ---- membership


def third() -> tuple[MemberId, Addition, bytes]:
    made = a_persona(33)
    keys, charter = made.card.keys, bytes(32)
    voucher = sign_voucher(made.persona, circle=CircleId(bytes(32)), charter=charter)
    return made.member_id, Addition(keys, charter, voucher), encode_card(made.card)


def an_addition(person: Person, *, signer: PersonaSecrets) -> Operation:
    """An add of a third one who did ask to come in, signed by whoever."""
    assert person.circle is not None
    made, charter = a_persona(33), bytes(32)
    circle = person.circle.cold.id
    voucher = sign_voucher(made.persona, circle=circle, charter=charter)
    body = encode_act(Addition(made.card.keys, charter, voucher))
    parents = person.view
    return sign_operation(
        OperationKind.ADD, circle=circle, parents=parents, body=body, author=signer
    )


def announces(person: Person, to: Person, operation: Operation) -> None:
    body = encode_announcement(Announcement(operation))
    speaks(person, to, a_content(person, type=ContentKind.OPERATION, body=body))


def test_a_member_who_may_not_cannot_add_anybody() -> None:
    _, ours, theirs = together()
    assert ours.circle is not None and theirs.circle is not None
    before = ours.circle.cold.operations
    member, _, _ = third()
    announces(theirs, ours, an_addition(theirs, signer=theirs.circle.cold.persona))
    ours.world.run_for(10)
    assert ours.circle.cold.operations == before
    assert member not in ours.circle.cold.peers
    assert "unreadable" in told(ours)


@pytest.mark.parametrize("author", ["nobody's signature", "a stranger's signature"])
def test_an_operation_that_its_author_did_not_sign_is_refused(author: str) -> None:
    _, ours, theirs = together()
    assert ours.circle is not None and theirs.circle is not None
    before = theirs.circle.cold.operations
    made = an_addition(ours, signer=a_persona(44).persona)
    forged = evolve(made, author=ours.id)
    if author.startswith("nobody"):
        forged = evolve(forged, signature=Signature(bytes(64)))
    announces(ours, theirs, forged)
    ours.world.run_for(10)
    assert theirs.circle.cold.operations == before
    assert "unreadable" in told(theirs)


@pytest.mark.parametrize("what", ["a voucher for another circle", "an add of another circle"])
def test_nobody_is_added_to_a_circle_they_did_not_ask_to_come_into(what: str) -> None:
    _, ours, theirs = together()
    assert ours.circle is not None and theirs.circle is not None
    before = theirs.circle.cold.operations
    _, elsewhere, _ = third()
    circle = ours.circle.cold.id if what.startswith("a voucher") else CircleId(bytes(32))
    made = sign_operation(
        OperationKind.ADD,
        circle=circle,
        parents=ours.view,
        body=encode_act(elsewhere),
        author=ours.circle.cold.persona,
    )
    announces(ours, theirs, made)
    ours.world.run_for(10)
    assert theirs.circle.cold.operations == before


def test_a_member_who_may_not_cannot_introduce_anybody() -> None:
    _, ours, theirs = together()
    member, _, card = third()
    note = Introduction(Acquaintance(card, "accomplice", bytes(32)))
    acts(theirs, lambda draft: owe_note(draft, ours.id, note))
    ours.world.run_for(10)
    assert ours.circle is not None
    assert member not in ours.circle.cold.peers


def test_whoever_stands_at_the_door_sees_no_member_and_cannot_speak_to_any() -> None:
    world, ours, theirs = together()
    stranger = world.person("stranger")
    link = world.invite(ours)
    world.run_for(2)
    world.knock(stranger, link, ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    world.run_for(10)
    assert stranger.circle is not None and ours.circle is not None
    assert set(stranger.circle.cold.peers) == {ours.id}
    assert stranger.circle.log.heads == {}
    assert not any(bytes(theirs.id) in blob for blob in stranger.disk.blobs.values())
    assert ours.circle.cold.peers[stranger.id].standing is Standing.WAITING
    assert stranger.id not in (theirs.circle.cold.peers if theirs.circle else {})
    stranger.circle = evolve(stranger.circle, cold=evolve(stranger.circle.cold, stage=Stage.ACTIVE))
    speaks(stranger, ours, a_content(stranger))
    assert "from the attacker" not in words(ours)


def test_a_stolen_link_brings_a_few_people_to_the_door_and_nobody_in() -> None:
    world = World(8)
    ours = world.person("نورس")
    world.found(ours, is_direct=False)
    world.run_for(1)
    link = world.invite(ours)
    world.run_for(1)
    for number in range(MAX_AT_DOOR + 3):
        world.knock(world.person(f"thief {number}"), link, ours)
    world.run_for(60)
    assert ours.circle is not None
    assert len(ours.circle.cold.peers) == MAX_AT_DOOR
    assert all(peer.standing is Standing.WAITING for peer in ours.circle.cold.peers.values())


def test_an_opening_recorded_and_played_again_begins_nothing() -> None:
    world = World(9)
    ours, theirs = world.person("نورس"), world.person("Salma")
    world.found(ours, is_direct=False)
    world.run_for(1)
    link = world.invite(ours)
    world.run_for(1)
    world.disconnect(ours)
    world.knock(theirs, link, ours)
    world.run_for(3)
    recorded = next(
        (address, deposit)
        for address, deposit, frame in waiting_for(ours)
        if isinstance(frame, Opening)
    )
    world.reconnect(ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    assert changes_nothing(ours, mail(ours, *recorded))
    ours.feed(m.Admitted(theirs.id))
    world.run_for(30)
    assert ours.circle is not None
    before = ours.circle.pairs
    ours.feed(mail(ours, *recorded))
    assert ours.circle.pairs == before


def test_somebody_elses_card_is_not_taken_for_a_members_newer_one() -> None:
    _, ours, theirs = together()
    assert ours.circle is not None
    before = ours.circle.cold.peers[theirs.id].card
    _, _, card = third()
    acts(theirs, lambda draft: owe_note(draft, ours.id, NewCard(card)))
    ours.world.run_for(5)
    assert ours.circle.cold.peers[theirs.id].card == before


def test_our_own_count_is_moved_by_nobody_who_was_not_asked() -> None:
    _, ours, theirs = together()
    assert ours.circle is not None
    before = ours.circle.log.heads[Stream(ours.id, Audience.CIRCLE)]
    note = YourHead(Audience.CIRCLE, before.seq + 100, MessageId(bytes(32)))
    acts(theirs, lambda draft: owe_note(draft, ours.id, note))
    ours.world.run_for(5)
    assert ours.circle.log.heads[Stream(ours.id, Audience.CIRCLE)] == before


def test_a_name_that_turns_the_line_around_comes_out_clean_or_not_at_all() -> None:
    world, ours, theirs = together()
    member, _, card = third()
    for name in ("Sal\u202ema", "\u2066\u200fxyz\u2069", "a\u0000b\u0007"):
        note = Introduction(Acquaintance(card, name, bytes(32)))
        acts(ours, lambda draft, note=note: owe_note(draft, theirs.id, note))  # type: ignore[misc]
        world.run_for(5)
        assert theirs.circle is not None
        shown = theirs.circle.cold.peers.get(member)
        assert shown is None or not set(shown.name) & set("\u202e\u2066\u2069\u200f\u0000\u0007")


# ---- links


def test_a_relay_can_neither_change_an_offer_of_a_link_nor_make_one() -> None:
    """Fingerprint and candidates are inside the session: what is changed is no offer."""
    _, ours, theirs = together(seed=3, is_direct=True)
    offers = []
    for person, other in ((ours, theirs), (theirs, ours)):
        frame = sends(other, person.id, _offer(), seq=0, through=0)
        offers.append((person, delivered(person, a_mailbox(person, other.id), frame)))
    opened = 0
    for person, event in offers:
        opened += any(isinstance(e, m.PrepareLink) for e in decide(person, event).effects)
        [sealed] = event.mail
        for place in range(0, len(sealed.frame), 3):
            changed = bytearray(sealed.frame)
            changed[place] ^= 0x10
            assert changes_nothing(person, mail(person, sealed.address, bytes(changed)))
    assert opened == 1, "the untouched one is taken, by the one who answers"


def _offer() -> AnyNote:
    return LinkOffer(b"a" * 16, b"s" * 32, b"blob")


# ---- bounds and what stays


def test_grants_without_end_fill_no_memory() -> None:
    _, ours, theirs = together()
    for number in range(1, 40):
        grants = tuple(
            Grant(number * 16 + n, one.kind, one.relay, one.address, one.token, one.seal_key)
            for n in range(8)
            for one in GRANTS
        )
        acts(theirs, lambda draft, g=grants: owe_note(draft, ours.id, Granted(g)))  # type: ignore[misc]
        ours.world.run_for(1)
    assert ours.circle is not None
    assert len(ours.circle.cold.peers[theirs.id].grants) <= 64


def test_what_is_deposited_has_one_of_a_few_sizes_and_shows_no_word() -> None:
    world, ours, theirs = together()
    for size in (1, 100, 700, 3000, 12_000):
        ours.say("كلمة" * (size // 8 + 1))
        world.run_for(2)
    sizes = {bucket + 40 for bucket in DEPOSIT_BUCKETS} | set(INVITATION_SIZES)
    assert {len(frame) for frame in world.relay.seen} <= sizes
    for frame in world.relay.seen:
        assert b"hello" not in frame
        assert bytes(ours.id) not in frame and bytes(theirs.id) not in frame
        assert "كلمة".encode() not in frame


def test_a_vault_seized_now_opens_no_frame_that_was_recorded_before() -> None:
    """The sessions on both disks hold no key that was used. What was read is in the vault itself."""
    world, ours, theirs = together()
    recorded: list[tuple[Person, Person, AnyFrame]] = []
    for turn in range(6):
        reader, writer = (ours, theirs) if turn % 2 else (theirs, ours)
        world.disconnect(reader)
        writer.say(f"in confidence {turn}")
        world.run_for(2)
        recorded += [(reader, writer, frame) for _, _, frame in waiting_for(reader)]
        world.reconnect(reader)
        world.run_for(5)
    assert len(recorded) >= 6
    for reader, writer, frame in recorded:
        for person, other in ((reader, writer), (writer, reader)):
            session = person.disk.load().pairs[other.id].session
            assert session is not None
            assert not _opens(session, frame, person)


def _opens(session: Session, frame: AnyFrame, person: Person) -> bool:
    if isinstance(frame, Envelope):
        sealed, associated = frame.wrap, bytes(message_id(frame.common))
    elif isinstance(frame, Note):
        sealed, associated = frame.sealed, b"note"
    else:
        return False
    try:
        open_message(session, sealed, associated, entropy=SeededEntropy(1), now=person.wall)
    except RemoteError:
        return False
    return True


def test_our_card_proves_nothing_about_what_we_said() -> None:
    """No signature of ours but cards and operations is ever made: messages carry none."""
    _, ours, _ = together()
    assert ours.circle is not None
    card = make_card(ours.circle.cold.persona, ours.circle.cold.prekeys[-1])
    for entry in ours.disk.entries.values():
        assert bytes(card.signature) not in entry.common
