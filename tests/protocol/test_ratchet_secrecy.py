"""What somebody learns who copies a state, and for how long."""

from __future__ import annotations

import pytest

from tests.support.ratchet_pair import Side, make_pair, make_talking_pair
from toheal_protocol.crypto import SharedSecret, diffie_hellman
from toheal_protocol.errors import RemoteError
from toheal_protocol.ratchet import encode_session, offer_kem_next
from toheal_protocol.ratchet.header import split_sealed
from toheal_protocol.ratchet.keys import HeaderKey, advance_chain, take_root_step
from toheal_protocol.ratchet.state import Answering, Sending


def message_keys(side: Side, count: int) -> list[bytes]:
    """Return the keys of the next messages of the side's present chain."""
    assert isinstance(side.session.ours, Sending)
    chain_key, keys = side.session.ours.chain_key, []
    for _ in range(count):
        chain_key, key = advance_chain(chain_key)
        keys.append(bytes(key))
    return keys


def cannot_read(thief: Side, sealed: bytes) -> None:
    with pytest.raises(RemoteError):
        thief.open(sealed)


def test_a_state_holds_no_key_of_a_message_that_was_opened() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    keys = message_keys(ours, 12)
    sealed = [ours.seal() for _ in range(12)]
    for i in (4, 0, 9, 3, 1):
        theirs.open(sealed[i])
        stored = encode_session(theirs.session)
        assert keys[i] not in stored
    opened = {4, 0, 9, 3, 1}
    for i in range(9):
        assert (keys[i] in stored) == (i not in opened)
    assert all(key not in encode_session(ours.session) for key in keys)


def test_a_copied_state_opens_nothing_that_was_opened_before() -> None:
    ours, theirs = make_talking_pair()
    recorded = []
    for _ in range(4):
        for _ in range(3):
            recorded.append(ours.seal(b"said in confidence"))
            theirs.open(recorded[-1])
        ours.open(theirs.seal())
    thief = theirs.copy(seed=9)
    for sealed in recorded:
        cannot_read(thief, sealed)


def test_a_copied_state_shows_nothing_of_what_its_owner_sent() -> None:
    ours, theirs = make_talking_pair()
    recorded = []
    for _ in range(4):
        recorded.append(ours.seal(b"said in confidence"))
        theirs.open(recorded[-1])
        ours.open(theirs.seal())
    thief = ours.copy(seed=9)
    for sealed in recorded:
        cannot_read(thief, sealed)


def test_a_state_copied_while_its_owner_sends_is_worth_one_chain_of_the_peer() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    thief = ours.copy(seed=9)  # it has our ratchet secret that waits for their step
    reply = theirs.seal(b"the last it reads")
    assert thief.open(reply) == b"the last it reads"
    ours.open(reply)
    theirs.open(ours.seal())
    healed = theirs.seal()
    ours.open(healed)
    cannot_read(thief, healed)
    cannot_read(thief, ours.seal())


def test_a_state_copied_before_its_owner_answers_heals_with_that_answer() -> None:
    ours, theirs = make_talking_pair()
    assert isinstance(ours.session.ours, Answering)
    thief = ours.copy(seed=9)
    same_chain = theirs.seal(b"still the same chain")
    assert thief.open(same_chain) == b"still the same chain"
    theirs.open(ours.seal())
    healed = theirs.seal()
    cannot_read(thief, healed)
    assert ours.open(healed) == b""


def test_both_states_copied_heal_after_one_round_trip() -> None:
    ours, theirs = make_talking_pair()
    thieves = [ours.copy(seed=8), theirs.copy(seed=9)]
    theirs.open(ours.seal())
    ours.open(theirs.seal())
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sealed = sender.seal(b"healed")
        for thief in thieves:
            cannot_read(thief, sealed)
        assert receiver.open(sealed) == b"healed"


def test_after_an_mlkem_step_a_copy_and_a_broken_x25519_are_not_enough() -> None:
    """Somebody has a copy of one state and computes every X25519 secret of recorded traffic."""
    ours, theirs = make_talking_pair()
    ours.session = offer_kem_next(ours.session)
    stolen = theirs.session  # before the offer arrives
    assert isinstance(stolen.ours, Sending)
    offer = ours.seal()
    theirs.open(offer)
    answer = theirs.seal()

    # their view: the root in the copy, and every agreement that follows
    assert isinstance(ours.session.ours, Sending)
    assert isinstance(theirs.session.ours, Sending)
    first = diffie_hellman(stolen.ours.secret, ours.session.ours.dh)
    second = diffie_hellman(theirs.session.ours.secret, ours.session.ours.dh)
    root, chain_key, _ = take_root_step(stolen.root, first, None)
    assert ours.session.receiving is not None
    assert theirs.session.receiving is not None
    assert advance_chain(chain_key)[0] == theirs.session.receiving.chain_key  # so far they follow

    guessed_root, guessed_chain, guessed_header = take_root_step(root, second, None)
    ours.open(answer)
    assert guessed_root != theirs.session.root == ours.session.root
    assert advance_chain(guessed_chain)[0] != theirs.session.ours.chain_key
    theirs.open(ours.seal())
    assert not opens(guessed_header, theirs.seal())
    assert opens(ours.session.next_to_receive, theirs.copy(7).seal())


def opens(key: HeaderKey, sealed: bytes) -> bool:
    return split_sealed(sealed, b"").try_header(key) is not None


def test_the_copy_of_the_side_that_offered_heals_by_the_other_sides_offer() -> None:
    """Whoever copies the state that holds the offer's secret follows that step, but not the next."""
    ours, theirs = make_pair()
    thief = ours.copy(seed=9)
    theirs.open(ours.seal())
    theirs.session = offer_kem_next(theirs.session)
    answer = theirs.seal(b"with their offer")
    assert thief.open(answer) == b"with their offer"
    ours.open(answer)
    theirs.open(ours.seal())
    cannot_read(thief, theirs.seal())


def test_a_root_step_depends_on_each_of_its_inputs() -> None:
    ours, _ = make_pair()
    root, agreed = ours.session.root, SharedSecret(b"a" * 32)
    results = {
        take_root_step(root, agreed, None),
        take_root_step(root, agreed, SharedSecret(b"k" * 32)),
        take_root_step(root, SharedSecret(b"b" * 32), None),
        take_root_step(root, SharedSecret(b"k" * 32), SharedSecret(b"a" * 32)),
        take_root_step(type(root)(b"r" * 32), agreed, None),
    }
    assert len(results) == 5
    assert len({key for result in results for key in result}) == 15


def test_headers_of_two_messages_share_no_visible_byte_run() -> None:
    """Numbers and keys are under a seal: a relay cannot count or link the messages of a chain."""
    ours, _ = make_talking_pair()
    first, second = ours.seal(b"k" * 32), ours.seal(b"k" * 32)
    same = [at for at in range(1, 129) if first[at] == second[at]]
    assert len(same) < 8
