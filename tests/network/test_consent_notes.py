"""Asking for consent between machines: what a liar at the other end can and cannot do."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.network.test_removal import gather, state, told
from tests.network.test_whose_words import acts
from tests.support.world import Person, World
from toheal_protocol.crypto import Signature
from toheal_protocol.machines import events as m
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.shares import Share, ShareState
from toheal_protocol.machines.sharing import MAX_OF_ONE, receipt_of, standing_receipt
from toheal_protocol.machines.storing import decode_cold, encode_cold
from toheal_protocol.messages.consent import LONGEST_CONSENT, sign_receipt
from toheal_protocol.messages.share_notes import ShareAnswer, ShareAsk, ShareNote, ShareWithdrawn
from toheal_protocol.model import MessageId, WallTime

MID = MessageId(b"m" * 32)
WORDS = "what helped me"


def asked(seed: int) -> tuple[World, Person, Person, Person]:
    world, (reader, author, other) = gather(seed, 3)
    ask(reader, author)
    world.run_for(30)
    return world, reader, author, other


def ask(reader: Person, author: Person, days: int = 30) -> None:
    until = WallTime(reader.wall + days * 24 * 3600)
    reader.feed(m.ShareRequested(author.id, MID, WORDS, "a friend", "comfort", until))


def shares(person: Person) -> tuple[Share, ...]:
    return state(person).cold.shares


def tells(liar: Person, victim: Person, note: ShareNote) -> None:
    acts(liar, lambda draft: owe_note(draft, victim.id, note))
    liar.world.run_for(30)


def test_a_yes_is_checked_and_kept_through_a_restart_and_taken_back() -> None:
    world, reader, author, other = asked(1)
    [mine], [theirs] = shares(reader), shares(author)
    assert "share_asked" in told(author) and shares(other) == ()
    author.feed(m.ShareAnswered(theirs.serial, is_granted=True))
    world.run_for(30)
    for person in (reader, author):
        assert decode_cold(encode_cold(state(person).cold)) == state(person).cold
        world.kill(person)
        world.start(person)
    [mine] = shares(reader)
    assert mine.state is ShareState.GRANTED
    receipt = standing_receipt(state(reader).cold, mine, wall_now=reader.wall)
    assert receipt.key == state(author).cold.persona.keys.verify
    author.feed(m.ShareTakenBack(theirs.serial))
    world.run_for(60)
    assert [
        (one.state, one.excerpt, one.signature) for one in (*shares(reader), *shares(author))
    ] == [(ShareState.WITHDRAWN, "", b"")] * 2


def test_a_no_erases_the_excerpt_on_both_sides() -> None:
    world, reader, author, _ = asked(2)
    author.feed(m.ShareAnswered(shares(author)[0].serial, is_granted=False))
    author.feed(m.ShareAnswered(shares(author)[0].serial, is_granted=True))
    world.run_for(30)
    for person in (reader, author):
        assert [(one.state, one.excerpt) for one in shares(person)] == [(ShareState.REFUSED, "")]


def test_a_yes_without_the_authors_signature_is_refused() -> None:
    _, reader, author, other = asked(3)
    [mine] = shares(reader)
    tells(author, reader, ShareAnswer(mine.serial, Signature(bytes(64))))
    persona = state(other).cold.persona
    by_other = sign_receipt(
        receipt_of(state(reader).cold, mine, persona.keys.verify), persona.signing
    )
    tells(author, reader, ShareAnswer(mine.serial, by_other.signature))
    longer = evolve(
        receipt_of(state(reader).cold, mine, state(author).cold.persona.keys.verify),
        purpose="anything",
    )
    signed = sign_receipt(longer, state(author).cold.persona.signing)
    tells(author, reader, ShareAnswer(mine.serial, signed.signature))
    assert told(reader).count("unreadable") == 3
    assert [one.state for one in shares(reader)] == [ShareState.ASKED]


def test_nobody_answers_or_ends_what_was_asked_of_somebody_else() -> None:
    world, reader, author, other = asked(4)
    [mine] = shares(reader)
    tells(other, reader, ShareAnswer(mine.serial, None))
    author.feed(m.ShareAnswered(mine.serial, is_granted=True))
    world.run_for(30)
    tells(other, reader, ShareWithdrawn(mine.serial))
    assert [one.state for one in shares(reader)] == [ShareState.GRANTED]
    tells(author, reader, ShareAnswer(mine.serial, None))
    assert [one.state for one in shares(reader)] == [ShareState.GRANTED]


def test_askings_are_bounded_and_none_lasts_for_ever() -> None:
    world, (reader, author, _) = gather(5, 3)
    for _ in range(MAX_OF_ONE + 5):
        ask(reader, author)
    world.run_for(60)
    assert len(shares(reader)) == len(shares(author)) == MAX_OF_ONE
    for number in range(3):
        serial = bytes([number]) * 16
        until = WallTime(author.wall + LONGEST_CONSENT + 3600)
        tells(reader, author, ShareAsk(serial, MID, until, "x", "y", "z"))
    assert len(shares(author)) == MAX_OF_ONE
    for one in shares(author)[:3]:
        author.feed(m.ShareAnswered(one.serial, is_granted=False))
    world.run_for(30)
    ask(reader, author)
    world.run_for(30)
    assert len(shares(author)) == MAX_OF_ONE
    assert sum(one.state is ShareState.ASKED for one in shares(author)) == MAX_OF_ONE - 2


@pytest.mark.parametrize("is_granted", [False, True])
def test_nothing_is_asked_of_who_is_out(*, is_granted: bool) -> None:
    world, reader, author, _ = asked(6)
    author.feed(m.Left())
    world.run_for(30)
    ask(reader, author)
    author.feed(m.ShareAnswered(shares(author)[0].serial, is_granted))
    world.run_for(60)
    assert len(shares(reader)) == 1
