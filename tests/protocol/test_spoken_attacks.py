"""What somebody in between can do with a spoken code, who records, repeats, changes and guesses."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import elligator2
from tests.support.entropy import SeededEntropy
from tests.support.spoken_pair import CHANNEL, CODE, LINK, RELAY, WAY, WRONG, Inviter, Joiner
from toheal_protocol.crypto import CPaceSecret, CPaceShare, cpace_share, equal
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.identity import draw_positions, draw_spoken_code, parse_spoken_code
from toheal_protocol.machines.spoken_keys import (
    nameplate_mailbox,
    relay_channel,
    room_channel,
    spoken_generator,
    spoken_keys,
)
from toheal_protocol.machines.spoken_lookup import Found, TurnedAway
from toheal_protocol.machines.spoken_offer import SPOKEN_TRIES, Arrived, Stage, step
from toheal_protocol.messages.spoken import (
    SPOKEN_FRAME_SIZE,
    SpokenAnnouncement,
    SpokenAnswer,
    SpokenApproach,
    SpokenHandover,
    SpokenProof,
    SpokenRefusal,
    SpokenTurnedAway,
    Way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.model import Instant

LOW_ORDER = (bytes(32), bytes([1]) + bytes(31))


def recording(code=CODE) -> list[bytes]:
    """Return every frame of a run that succeeded, as a relay sees it."""
    inviter = Inviter()
    joiner = Joiner(inviter, code)
    said = [encode_spoken(inviter.announcement), joiner.first]
    said += inviter.hear(joiner.first)
    said += joiner.hear(said[-1])
    assert inviter.hear(said[-1]) == []
    said += inviter.make_seat()
    joiner.hear(said[-1])
    assert joiner.outcomes == [Found(LINK)]
    return said


# ---- who only listens


def test_no_guess_can_be_confirmed_from_a_recording() -> None:
    """Every candidate explains the recording as well as the true words do.

    For any words there are secrets that would have given exactly the shares that were sent: the
    scalars are unknown, and so is what they were multiplied with. What the proofs and the seal are
    made of takes one of those secrets, or the solution of a Diffie-Hellman problem. So with
    everything recorded, and the candidate in hand, whoever lacks both secrets computes keys that
    fit neither for the true words nor for any others.
    """
    announcement, first, second, proved, handed = map(decode_spoken, recording())
    assert isinstance(announcement, SpokenAnnouncement)
    assert isinstance(first, SpokenApproach)
    assert isinstance(second, SpokenAnswer)
    assert isinstance(proved, SpokenProof)
    assert isinstance(handed, SpokenHandover)
    entropy = SeededEntropy(77)
    candidates = [CODE] + [evolve(CODE, positions=draw_positions(entropy)) for _ in range(40)]
    for candidate in candidates:
        generator = spoken_generator(
            candidate.secret, channel=CHANNEL, offer=first.offer, run=first.run
        )
        for guess in (entropy.draw(32), bytes(32), first.share, second.share):
            ours = CPaceSecret(guess)
            assert cpace_share(ours, generator) not in (first.share, second.share)
            for theirs in (first.share, second.share, cpace_share(ours, generator)):
                keys = spoken_keys(
                    ours,
                    CPaceShare(theirs),
                    joiner=first.share,
                    inviter=second.share,
                    way=first.way,
                    offer=first.offer,
                    run=first.run,
                )
                assert not equal(keys.joiner_proof, proved.proof)
                assert not equal(keys.inviter_proof, handed.proof)


def test_every_share_is_in_the_one_group_of_prime_order_whatever_the_words() -> None:
    """Otherwise a share could be impossible for some words, and a recording would rule them out."""
    order = 2**252 + 27742317777372353535851937790883648493
    for seed in range(12):
        code = draw_spoken_code(SeededEntropy(seed), language="en")
        inviter = Inviter(code, entropy=SeededEntropy(seed + 100))
        joiner = Joiner(inviter, code, seed=seed + 200)
        [answer] = inviter.hear(joiner.first)
        message = decode_spoken(answer)
        assert isinstance(message, SpokenAnswer)
        for share in (joiner.lookup.approach.share, message.share):
            assert any(share)
            assert not any(elligator2.multiply(order, share))


def test_the_same_secrets_with_other_words_leave_frames_of_the_same_shape() -> None:
    """Only random-looking bytes depend on the words; sizes and everything else do not."""
    ours, theirs = recording(), recording()
    assert ours == theirs
    assert {len(frame) for frame in ours} == {SPOKEN_FRAME_SIZE}
    other = parse_spoken_code("7421 acacia banjo zebra")
    inviter = Inviter(other)
    joiner = Joiner(inviter, other)
    [answer] = inviter.hear(joiner.first)
    for frame, counterpart in ((joiner.first, ours[1]), (answer, ours[2])):
        message, before = decode_spoken(frame), decode_spoken(counterpart)
        assert isinstance(message, SpokenApproach | SpokenAnswer)
        assert isinstance(before, SpokenApproach | SpokenAnswer)
        assert message.share != before.share
        assert evolve(message, share=before.share) == before


def test_nothing_before_the_proof_depends_on_the_words_of_the_other_side() -> None:
    """The inviter says the same kind of thing to right and to wrong words until they are proved."""
    for code in (CODE, WRONG):
        inviter = Inviter()
        [answer] = inviter.hear(Joiner(inviter, code).first)
        assert isinstance(decode_spoken(answer), SpokenAnswer)
        assert inviter.offer.tries_left == SPOKEN_TRIES


def test_the_link_lies_open_in_no_frame() -> None:
    secret = str(LINK).rpartition(":")[2].encode()
    assert not any(secret in frame or LINK.secret in frame for frame in recording())


# ---- who takes part


def test_whoever_plays_the_inviter_needs_the_words() -> None:
    impostor = Inviter(WRONG)
    joiner = Joiner(impostor)
    [answer] = impostor.hear(joiner.first)
    [proof] = joiner.hear(answer)
    [refusal] = impostor.hear(proof)
    assert isinstance(decode_spoken(refusal), SpokenTurnedAway)
    forged = SpokenHandover(joiner.lookup.approach.run, bytes(32), bytes(100))
    before = joiner.lookup
    with pytest.raises(ForgedMessage):
        joiner.hear(encode_spoken(forged))
    assert joiner.lookup == before


def test_a_seal_that_opens_is_not_enough_without_the_proof() -> None:
    """A seal commits to no key; the proof does."""
    inviter = Inviter()
    joiner = Joiner(inviter)
    inviter.hear(joiner.prove())
    [frame] = inviter.make_seat()
    handover = decode_spoken(frame)
    assert isinstance(handover, SpokenHandover)
    with pytest.raises(ForgedMessage):
        joiner.hear(encode_spoken(evolve(handover, proof=bytes(32))))
    joiner.hear(frame)
    assert joiner.outcomes == [Found(LINK)]


def test_whoever_sits_between_two_with_the_words_gets_no_further_than_the_proof() -> None:
    """Two runs, one with each side, and shares of one's own in the middle."""
    inviter = Inviter()
    joiner = Joiner(inviter)
    middle = Inviter(WRONG)
    middle.offer = evolve(middle.offer, id=inviter.offer.id)
    [answer] = middle.hear(joiner.first)
    [proof] = joiner.hear(answer)
    inviter.hear(Joiner(inviter, WRONG, seed=8).first)
    with pytest.raises(RemoteError):
        inviter.hear(proof)  # a proof of a run it never answered
    [refusal] = inviter.hear(Joiner(inviter, WRONG, seed=9).prove())
    assert isinstance(decode_spoken(refusal), SpokenTurnedAway)
    assert inviter.seats_asked == 0


@pytest.mark.parametrize("share", LOW_ORDER)
def test_a_share_of_low_order_changes_nothing(share: bytes) -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    approach = evolve(joiner.lookup.approach, share=CPaceShare(share))
    with pytest.raises(MalformedFrame):
        inviter.hear(encode_spoken(approach))
    assert inviter.offer.runs == ()
    before = joiner.lookup
    with pytest.raises(MalformedFrame):
        joiner.hear(encode_spoken(SpokenAnswer(before.approach.run, CPaceShare(share))))
    assert joiner.lookup == before


def test_a_handover_before_an_answer_is_refused() -> None:
    joiner = Joiner(Inviter())
    with pytest.raises(RemoteError):
        joiner.hear(encode_spoken(SpokenHandover(joiner.lookup.approach.run, bytes(32), b"x")))


# ---- who repeats, sends back, exchanges


@pytest.mark.parametrize("place", range(5))
def test_a_recorded_frame_begins_nothing_at_another_offer(place: int) -> None:
    frame = recording()[place]
    other = Inviter(entropy=SeededEntropy(50))
    before = other.offer
    with pytest.raises(RemoteError):
        other.hear(frame)
    assert other.offer == before


def test_a_recorded_run_played_again_gets_nothing_new() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    [answer] = inviter.hear(joiner.first)
    [proof] = joiner.hear(answer)
    inviter.hear(proof)
    [handover] = inviter.make_seat()
    assert inviter.hear(joiner.first) == [handover]
    assert inviter.hear(proof) == [handover]  # sealed for whoever made the approach
    assert inviter.seats_asked == 1


@pytest.mark.parametrize("place", [2, 4])
def test_what_an_inviter_says_is_refused_when_it_is_sent_back(place: int) -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    frames = [b"", b"", *inviter.hear(joiner.first)]
    frames += joiner.hear(frames[2])
    inviter.hear(frames[3])
    frames += inviter.make_seat()
    before = inviter.offer
    with pytest.raises(RemoteError):
        inviter.hear(frames[place])
    assert inviter.offer == before


def test_what_a_joiner_says_is_refused_when_it_is_sent_back() -> None:
    joiner = Joiner(Inviter())
    for frame in (joiner.first, joiner.prove()):
        before = joiner.lookup
        with pytest.raises(RemoteError):
            joiner.hear(frame)
        assert joiner.lookup == before


def test_a_joiners_share_sent_back_as_an_answer_gives_no_key_to_anybody() -> None:
    joiner = Joiner(Inviter())
    approach = joiner.lookup.approach
    [proof] = joiner.hear(encode_spoken(SpokenAnswer(approach.run, approach.share)))
    message = decode_spoken(proof)
    assert isinstance(message, SpokenProof)
    with pytest.raises(ForgedMessage):  # a proof of one role is none of the other
        joiner.hear(encode_spoken(SpokenHandover(approach.run, message.proof, bytes(100))))


def test_a_changed_way_to_answer_spoils_the_run_and_leads_the_link_nowhere_else() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    diverted = evolve(joiner.lookup.approach, way=Way(bytes([7]) * 32))
    [answer] = inviter.hear(encode_spoken(diverted))
    [proof] = joiner.hear(answer)
    [refusal] = inviter.hear(proof)
    assert isinstance(decode_spoken(refusal), SpokenTurnedAway)
    assert inviter.seats_asked == 0


def test_two_approaches_of_one_run_are_refused() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    inviter.hear(joiner.first)
    before = inviter.offer
    with pytest.raises(RemoteError):
        inviter.hear(encode_spoken(evolve(joiner.lookup.approach, way=Way(b""))))
    assert inviter.offer == before


# ---- other places


@pytest.mark.parametrize(
    "elsewhere",
    [
        relay_channel(bytes(32), CODE.nameplate),
        relay_channel(RELAY.fingerprint, "7422"),
        room_channel(CODE.nameplate),
    ],
    ids=["another relay", "another number", "a room"],
)
def test_what_is_said_in_one_place_is_worth_nothing_in_another(elsewhere) -> None:
    inviter = Inviter()
    joiner = Joiner(inviter, channel=elsewhere)
    assert joiner.run() == [TurnedAway(SpokenRefusal.WRONG_WORDS, SPOKEN_TRIES - 1)]


def test_a_proof_counts_only_where_its_run_was_answered() -> None:
    inviter = Inviter()
    proof = Joiner(inviter).prove()
    with pytest.raises(RemoteError):
        inviter.hear(proof, channel=room_channel("7421"))
    assert inviter.offer.stage is Stage.OPEN


def test_the_same_words_in_the_other_language_are_other_words() -> None:
    same_positions = evolve(CODE, language="ar")
    inviter = Inviter()
    assert Joiner(inviter, same_positions).run()[0] == TurnedAway(SpokenRefusal.WRONG_WORDS, 2)


def test_a_nameplate_has_another_mailbox_at_every_relay() -> None:
    mailboxes = {
        nameplate_mailbox(fingerprint, number)
        for fingerprint in (bytes(32), RELAY.fingerprint)
        for number in ("7421", "7422")
    }
    assert len(mailboxes) == 4


# ---- who sends anything


@given(st.binary(max_size=SPOKEN_FRAME_SIZE), st.integers(0, 4), st.integers(0, 1400))
@settings(max_examples=150, deadline=None)
def test_a_changed_frame_is_refused_or_means_what_it_meant(noise, place, at) -> None:
    """Neither machine breaks, and nobody gets the link by changing bytes."""
    inviter, frames = Inviter(), recording()
    joiner = Joiner(inviter, seed=2)
    frame = frames[place]
    changed = frame[:at] + noise + frame[at + len(noise) :]
    for message in (joiner.first, changed):
        try:
            inviter.offer, _ = step(
                inviter.offer, Arrived(CHANNEL, message), now=Instant(1), entropy=SeededEntropy(5)
            )
            joiner.hear(changed)
        except RemoteError:
            pass
    assert inviter.seats_asked == 0
    assert all(isinstance(one, TurnedAway) for one in joiner.outcomes)


@pytest.mark.parametrize(
    "message",
    [
        SpokenAnnouncement(bytes(16), WAY),
        SpokenApproach(bytes(16), bytes(16), CPaceShare(bytes(32)), Way(bytes(64))),
        SpokenAnswer(bytes(16), CPaceShare(bytes([0x80]) * 32)),
        SpokenProof(bytes(16), bytes(32)),
        SpokenHandover(bytes(16), bytes(32), bytes(1040)),
        SpokenTurnedAway(bytes(16), SpokenRefusal.OVER, 0),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_read_as_it_was_written(message) -> None:
    frame = encode_spoken(message)
    assert len(frame) == SPOKEN_FRAME_SIZE
    assert decode_spoken(frame) == message
    for size in (0, SPOKEN_FRAME_SIZE - 1, SPOKEN_FRAME_SIZE + 1):
        with pytest.raises(MalformedFrame):
            decode_spoken((frame + b"\0")[:size])
