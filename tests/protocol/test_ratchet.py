"""The pair session in ordinary life: order, loss, gaps, time, and what a message costs."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.ratchet_pair import DAY, HOUR, START, Side, make_pair, make_talking_pair
from toheal_protocol.crypto import DhPublicKey, DhSecretKey
from toheal_protocol.errors import (
    ForgedMessage,
    LocalError,
    MalformedFrame,
    ReplayedMessage,
    TooFarAhead,
)
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet import (
    MAX_PLAIN_SIZE,
    MAX_SKIP,
    MAX_SKIPPED_KEYS,
    SEALED_OVERHEAD,
    SKIPPED_LIFE,
    begin_as_initiator,
    begin_as_responder,
    encode_session,
    forget_expired_keys,
    offer_kem_next,
)
from toheal_protocol.ratchet.header import ANSWERS, OFFERS
from toheal_protocol.ratchet.past import MAX_PAST_CHAINS, MAX_SEEN, PAST_WITHOUT_KEYS, serials
from toheal_protocol.ratchet.state import (
    KEM_AFTER_MESSAGES,
    KEM_AFTER_TIME,
    KEM_REST,
    Answering,
    Sending,
)


def flags_of(side: Side) -> int:
    """Seal a message nobody gets, and tell what its header carries."""
    return side.copy(seed=77).seal()[0]


@given(
    talk=st.lists(st.tuples(st.booleans(), st.binary(max_size=200), st.binary(max_size=40))),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50)
def test_what_is_sealed_opens_at_the_other_side(
    talk: list[tuple[bool, bytes, bytes]], seed: int
) -> None:
    ours, theirs = make_pair(seed)
    theirs.open(ours.seal())
    for is_ours, plain, associated in talk:
        sender, receiver = (ours, theirs) if is_ours else (theirs, ours)
        assert receiver.open(sender.seal(plain, associated), associated) == plain


def test_a_wrap_of_a_content_key_is_129_bytes() -> None:
    ours, _ = make_talking_pair()
    assert len(ours.seal(bytes(32), bytes(32))) == 129 == 32 + SEALED_OVERHEAD


def test_a_message_with_both_mlkem_parts_costs_2272_bytes_more() -> None:
    ours, theirs = make_pair()
    theirs.open(ours.seal())
    theirs.session = offer_kem_next(theirs.session)
    assert len(ours.seal()) == SEALED_OVERHEAD + 1184
    assert len(theirs.seal()) == SEALED_OVERHEAD + 1184 + 1088


def test_the_largest_message_fits_and_one_byte_more_is_our_bug() -> None:
    ours, theirs = make_pair()
    plain = bytes(MAX_PLAIN_SIZE)
    assert theirs.open(ours.seal(plain)) == plain
    with pytest.raises(LocalError):
        ours.seal(plain + b"\x00")


def test_a_responder_sends_only_after_the_first_message_came() -> None:
    ours, theirs = make_pair()
    assert ours.session.can_send
    assert not theirs.session.can_send
    with pytest.raises(LocalError):
        theirs.seal()
    theirs.open(ours.seal())
    assert theirs.session.can_send


def test_each_side_is_confirmed_by_the_first_message_of_the_other() -> None:
    ours, theirs = make_pair()
    assert not ours.session.is_confirmed
    assert not theirs.session.is_confirmed
    theirs.open(ours.seal())
    assert theirs.session.is_confirmed
    assert not ours.session.is_confirmed
    ours.open(theirs.seal())
    assert ours.session.is_confirmed


def test_a_side_owes_a_step_from_their_new_chain_to_its_next_message() -> None:
    ours, theirs = make_talking_pair()
    assert ours.session.owes_step
    assert not theirs.session.owes_step
    ours.seal()
    assert not ours.session.owes_step


def test_every_order_of_arrival_works() -> None:
    ours, theirs = make_talking_pair()
    sealed = [ours.seal(b"%d" % i) for i in range(8)]
    for i in (3, 0, 7, 1, 2, 6, 5, 4):
        assert theirs.open(sealed[i]) == b"%d" % i
    assert len(theirs.session.skipped) == 0


def test_a_message_of_an_earlier_chain_opens_after_later_ones() -> None:
    ours, theirs = make_talking_pair()
    late = ours.seal(b"late")
    theirs.open(ours.seal())
    for _ in range(PAST_WITHOUT_KEYS + 5):
        ours.open(theirs.seal())
        theirs.open(ours.seal())
    assert theirs.open(late) == b"late"


def test_the_last_message_of_a_chain_opens_after_the_next_chain_began() -> None:
    ours, theirs = make_talking_pair()
    first, last = ours.seal(b"first"), ours.seal(b"last")
    theirs.open(first)
    ours.open(theirs.seal())
    assert theirs.open(ours.seal(b"new")) == b"new"
    assert theirs.open(last) == b"last"


def test_a_repeat_is_told_apart_and_changes_nothing() -> None:
    ours, theirs = make_talking_pair()
    sealed = [ours.seal(b"%d" % i) for i in range(3)]
    theirs.open(sealed[2])
    theirs.open(sealed[0])
    before = theirs.session
    for opened in (sealed[2], sealed[0]):
        with pytest.raises(ReplayedMessage):
            theirs.open(opened)
    assert theirs.session == before
    assert theirs.open(sealed[1]) == b"1"


def test_a_repeat_from_an_earlier_chain_is_told_apart_for_eight_chains() -> None:
    ours, theirs = make_talking_pair()
    sealed = ours.seal()
    theirs.open(sealed)
    for _ in range(PAST_WITHOUT_KEYS):
        ours.open(theirs.seal())
        theirs.open(ours.seal())
        with pytest.raises(ReplayedMessage):
            theirs.open(sealed)
    ours.open(theirs.seal())
    theirs.open(ours.seal())
    with pytest.raises(ForgedMessage):
        theirs.open(sealed)


def test_a_repeat_older_than_the_memory_is_still_a_repeat() -> None:
    ours, theirs = make_talking_pair()
    first = ours.seal()
    theirs.open(first)
    for _ in range(MAX_SEEN + 5):
        theirs.open(ours.seal())
    with pytest.raises(ReplayedMessage):
        theirs.open(first)


def test_other_associated_data_opens_nothing() -> None:
    ours, theirs = make_talking_pair()
    sealed = ours.seal(b"plain", b"message id")
    before = encode_session(theirs.session)
    for associated in (b"", b"message i", b"message id\x00", b"other id!!"):
        with pytest.raises(ForgedMessage):
            theirs.open(sealed, associated)
    assert encode_session(theirs.session) == before
    assert theirs.open(sealed, b"message id") == b"plain"


def test_a_gap_of_500_is_bridged_and_one_of_501_is_not() -> None:
    ours, theirs = make_talking_pair()
    sealed = [ours.seal() for _ in range(MAX_SKIP + 2)]
    with pytest.raises(TooFarAhead):
        theirs.open(sealed[MAX_SKIP + 1])
    theirs.open(sealed[MAX_SKIP])
    assert len(theirs.session.skipped) == MAX_SKIP
    theirs.open(sealed[0])
    theirs.open(sealed[MAX_SKIP + 1])


@pytest.mark.parametrize("lost", [MAX_SKIP, MAX_SKIP + 1])
def test_the_end_of_the_chain_before_may_be_500_messages_away(lost: int) -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    for _ in range(lost):
        ours.seal()
    ours.open(theirs.seal())
    sealed = ours.seal(b"new chain")
    if lost > MAX_SKIP:
        before = theirs.session
        with pytest.raises(TooFarAhead):
            theirs.open(sealed)
        assert theirs.session == before
    else:
        assert theirs.open(sealed) == b"new chain"


def test_the_store_of_skipped_keys_is_bounded_and_the_oldest_go_first() -> None:
    ours, theirs = make_talking_pair()
    gaps = []
    for _ in range(3):
        gaps.append([ours.seal() for _ in range(400)])
        theirs.open(ours.seal())
        assert len(theirs.session.skipped) <= MAX_SKIPPED_KEYS
    assert len(theirs.session.skipped) == MAX_SKIPPED_KEYS
    with pytest.raises(ForgedMessage):
        theirs.open(gaps[0][0])
    theirs.open(gaps[0][200])
    theirs.open(gaps[2][0])


def test_one_message_with_two_full_gaps_loses_no_key() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    old = [ours.seal() for _ in range(MAX_SKIP)]
    ours.open(theirs.seal())
    new = [ours.seal() for _ in range(MAX_SKIP + 1)]
    theirs.open(new[-1])
    for sealed in (*old, *new[:-1]):
        theirs.open(sealed)
    assert len(theirs.session.skipped) == 0


def test_skipped_keys_die_after_14_days() -> None:
    ours, theirs = make_talking_pair()
    late, later = ours.seal(b"late"), ours.seal()
    theirs.open(ours.seal())
    theirs.now = WallTime(START + SKIPPED_LIFE - 1)
    assert theirs.open(late) == b"late"
    theirs.now = WallTime(START + SKIPPED_LIFE)
    with pytest.raises(ForgedMessage):
        theirs.open(later)
    theirs.open(ours.seal())
    assert len(theirs.session.skipped) == 0


def test_a_message_whose_key_died_is_never_taken_for_a_repeat() -> None:
    """A repeat is acknowledged again; an acknowledged message that nobody read would be lost."""
    ours, theirs = make_talking_pair()
    lost, read = ours.seal(), ours.seal()
    theirs.open(read)
    theirs.now = WallTime(START + 15 * DAY)
    theirs.open(ours.seal())
    with pytest.raises(ForgedMessage):
        theirs.open(lost)
    with pytest.raises(ReplayedMessage):
        theirs.open(read)


def test_an_idle_session_can_be_swept() -> None:
    ours, theirs = make_talking_pair()
    ours.seal()
    theirs.open(ours.seal())
    swept = forget_expired_keys(theirs.session, now=WallTime(START + SKIPPED_LIFE))
    assert len(swept.skipped) == 0
    assert forget_expired_keys(theirs.session, now=START) == theirs.session


def test_the_number_of_past_chains_is_bounded_even_if_each_misses_a_message() -> None:
    ours, theirs = make_talking_pair()
    late = []
    for _ in range(MAX_PAST_CHAINS + 10):
        late.append(ours.seal(b"late"))
        theirs.open(ours.seal())
        ours.open(theirs.seal())
    assert len(serials(theirs.session.past)) == MAX_PAST_CHAINS
    assert len(theirs.session.skipped) <= MAX_PAST_CHAINS + 1
    with pytest.raises(ForgedMessage):
        theirs.open(late[0])
    assert theirs.open(late[20]) == b"late"


def test_past_chains_that_miss_nothing_are_forgotten_after_eight_more() -> None:
    _, theirs = make_talking_pair(turns=40)
    assert len(serials(theirs.session.past)) == PAST_WITHOUT_KEYS


# ---- ML-KEM now and then


def test_the_first_step_offers_mlkem_and_the_answer_rides_on_every_message_of_its_chain() -> None:
    ours, theirs = make_pair()
    sealed = [ours.seal() for _ in range(3)]
    assert {message[0] for message in sealed} == {OFFERS}
    theirs.open(sealed[2])
    answers = [theirs.seal() for _ in range(3)]
    assert {message[0] for message in answers} == {ANSWERS}
    ours.open(answers[1])
    assert ours.seal()[0] == 0


def test_an_offer_is_made_on_request_with_the_next_step() -> None:
    ours, theirs = make_talking_pair()
    theirs.session = offer_kem_next(theirs.session)
    assert flags_of(theirs) == 0
    theirs.open(ours.seal())
    assert flags_of(theirs) == OFFERS
    ours.open(theirs.seal())
    theirs.open(ours.seal())
    assert flags_of(theirs) == 0


def test_an_offer_is_made_after_24_hours() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    theirs.now = WallTime(START + KEM_AFTER_TIME - 1)
    assert flags_of(theirs) == 0
    theirs.now = WallTime(START + KEM_AFTER_TIME)
    assert flags_of(theirs) == OFFERS


def test_a_step_that_answers_offers_only_on_request() -> None:
    """ML-KEM goes into the root with the answer already, so neither age nor count ask for more."""
    ours, theirs = make_pair()
    theirs.open(ours.seal())
    theirs.now = WallTime(START + 30 * DAY)
    assert flags_of(theirs) == ANSWERS
    theirs.session = offer_kem_next(theirs.session)
    assert flags_of(theirs) == ANSWERS | OFFERS


def test_an_offer_is_made_when_the_clock_went_backwards() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    theirs.now = WallTime(START - HOUR)
    assert flags_of(theirs) == OFFERS


def test_an_offer_is_made_after_50_messages() -> None:
    ours, theirs = make_talking_pair()
    theirs.now = WallTime(START + KEM_REST)
    while theirs.session.kem_age < KEM_AFTER_MESSAGES - 1:
        theirs.open(ours.seal())
    assert flags_of(theirs) == 0
    theirs.open(ours.seal())
    assert flags_of(theirs) == OFFERS
    assert theirs.session.kem_age == KEM_AFTER_MESSAGES


def test_a_burst_of_messages_makes_no_offer_before_its_time() -> None:
    ours, theirs = make_talking_pair()
    for _ in range(3 * KEM_AFTER_MESSAGES):
        theirs.open(ours.seal())
    theirs.now = WallTime(START + KEM_REST - 1)
    assert flags_of(theirs) == 0
    theirs.now = WallTime(START + KEM_REST)
    assert flags_of(theirs) == OFFERS


def test_an_answer_starts_the_count_again_on_both_sides() -> None:
    ours, theirs = make_talking_pair()
    theirs.session = offer_kem_next(theirs.session)
    theirs.open(ours.seal())
    ours.open(theirs.seal())
    later = WallTime(START + HOUR)
    ours.now = theirs.now = later
    theirs.open(ours.seal())
    assert ours.session.kem_at == theirs.session.kem_at == later
    assert ours.session.kem_age == theirs.session.kem_age == 1


def test_an_answered_offer_and_a_used_step_leave_no_secret_behind() -> None:
    ours, theirs = make_pair()
    theirs.open(ours.seal())
    reply = theirs.seal()
    assert isinstance(ours.session.ours, Sending)
    offered, secret = bytes(ours.session.ours.offered or b""), bytes(ours.session.ours.secret)
    assert offered
    assert offered in encode_session(ours.session)
    ours.open(reply)
    assert isinstance(ours.session.ours, Answering)
    assert offered not in encode_session(ours.session)
    assert secret not in encode_session(ours.session)


# ---- misuse, and what a repr tells


@pytest.mark.parametrize("name", ["root", "header_initiator", "header_responder"])
def test_a_handshake_key_of_another_size_is_our_bug(name: str) -> None:
    keys = dict.fromkeys(("root", "header_initiator", "header_responder"), bytes(32)) | {
        name: bytes(31)
    }
    secret = DhSecretKey(b"s" * 32)
    with pytest.raises(LocalError):
        begin_as_responder(**keys, our_ratchet_secret=secret, now=START)
    with pytest.raises(LocalError):
        begin_as_initiator(
            **keys,
            their_ratchet_key=DhPublicKey(b"\x09" + bytes(31)),
            entropy=SeededEntropy(1),
            now=START,
        )


def test_a_ratchet_secret_of_another_size_is_our_bug() -> None:
    keys = dict.fromkeys(("root", "header_initiator", "header_responder"), bytes(32))
    with pytest.raises(LocalError):
        begin_as_responder(**keys, our_ratchet_secret=DhSecretKey(bytes(31)), now=START)


def test_a_ratchet_key_of_low_order_from_the_handshake_is_refused() -> None:
    keys = dict.fromkeys(("root", "header_initiator", "header_responder"), bytes(32))
    with pytest.raises(MalformedFrame):
        begin_as_initiator(
            **keys,
            their_ratchet_key=DhPublicKey(bytes(32)),
            entropy=SeededEntropy(1),
            now=START,
        )


def test_a_chain_that_is_full_is_our_bug_and_not_a_key_used_twice() -> None:
    ours, _ = make_pair()
    assert isinstance(ours.session.ours, Sending)
    ours.session = evolve(ours.session, ours=evolve(ours.session.ours, number=2**32 - 1))
    with pytest.raises(LocalError):
        ours.seal()


def test_a_repr_of_a_session_shows_no_secret() -> None:
    ours, theirs = make_talking_pair()
    ours.seal()
    theirs.open(ours.seal())
    for side in (ours, theirs):
        text = repr(side.session)
        for secret in secrets_of(side):
            assert repr(secret)[2:-1] not in text


def secrets_of(side: Side) -> list[bytes]:
    session = side.session
    found: list[bytes] = [session.root, session.next_to_send, session.next_to_receive]
    if session.receiving is not None:
        found += [session.receiving.chain_key, session.receiving.header_key]
    if isinstance(session.ours, Sending):
        found += [session.ours.chain_key, session.ours.header_key, session.ours.secret]
    found += [side.session.skipped.records] if len(side.session.skipped) else []
    return found
