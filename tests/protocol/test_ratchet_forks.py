"""Two running copies of one home: what the peer notices, and what a stranger cannot stage."""

from __future__ import annotations

import pytest

from tests.support.ratchet_pair import Side, make_pair, make_talking_pair
from toheal_protocol.errors import ForgedMessage, RemoteError, ReplayedMessage
from toheal_protocol.ratchet import ForkedSession
from toheal_protocol.ratchet.past import MAX_SEEN


def turn(ours: Side, theirs: Side) -> None:
    """One message each way."""
    theirs.open(ours.seal())
    ours.open(theirs.seal())


def refuse_as_fork(side: Side, sealed: bytes) -> None:
    before = side.session
    with pytest.raises(ForkedSession):
        side.open(sealed)
    assert side.session is before


def test_two_copies_that_go_on_in_one_chain_are_noticed_at_their_second_message() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    theirs.open(ours.seal(b"the original"))
    refuse_as_fork(theirs, twin.seal(b"the copy"))


def test_two_copies_are_noticed_whichever_comes_first() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    assert theirs.open(twin.seal(b"the copy")) == b"the copy"
    refuse_as_fork(theirs, ours.seal(b"the original"))


def test_two_copies_saying_the_same_are_noticed_too() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    theirs.open(ours.seal(b"same", b"same"), b"same")
    with pytest.raises(ForkedSession):
        theirs.open(twin.seal(b"same", b"same"), b"same")


def test_two_copies_that_each_take_a_step_are_noticed() -> None:
    """They draw different ratchet keys under one header key."""
    ours, theirs = make_talking_pair()
    twin = ours.copy(seed=9)
    theirs.open(ours.seal())
    refuse_as_fork(theirs, twin.seal())
    theirs.open(ours.seal())


def test_a_copy_that_stepped_is_noticed_by_a_number_nobody_used_yet() -> None:
    ours, theirs = make_talking_pair()
    twin = ours.copy(seed=9)
    theirs.open(ours.seal())
    twin.seal()
    refuse_as_fork(theirs, twin.seal())


def test_a_copy_that_stepped_is_noticed_by_a_number_that_is_still_awaited() -> None:
    ours, theirs = make_talking_pair()
    twin = ours.copy(seed=9)
    awaited = ours.seal(b"late")
    theirs.open(ours.seal())
    of_the_copy = twin.seal()
    refuse_as_fork(theirs, of_the_copy)
    turn(theirs, ours)
    theirs.open(ours.seal())
    refuse_as_fork(theirs, of_the_copy)
    assert theirs.open(awaited) == b"late"


def test_a_copy_that_steps_is_noticed_though_the_chain_is_over() -> None:
    ours, theirs = make_talking_pair()
    twin = ours.copy(seed=9)
    for _ in range(5):
        turn(ours, theirs)
    refuse_as_fork(theirs, twin.seal())


def test_a_copy_that_goes_on_in_a_chain_the_original_has_ended_is_noticed() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    turn(theirs, ours)
    theirs.open(ours.seal(b"a new chain"))
    refuse_as_fork(theirs, twin.seal(b"the old one"))


def test_a_step_that_denies_messages_we_have_read_is_noticed() -> None:
    """The copy wrote more in the old chain than the original says it has."""
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    for _ in range(3):
        theirs.open(twin.seal(b"the copy"))
    ours.open(theirs.seal())
    refuse_as_fork(theirs, ours.seal(b"the original's new chain"))


def test_an_old_vault_put_back_is_noticed() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    backup = ours.copy(seed=9)
    for _ in range(10):
        theirs.open(ours.seal())
    refuse_as_fork(theirs, backup.seal(b"back from the past"))


def test_a_fork_over_a_message_that_came_late_is_noticed() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    late = ours.seal(b"late")
    for _ in range(3):
        theirs.open(ours.seal())
    theirs.open(late)
    refuse_as_fork(theirs, twin.seal(b"with the same number"))


def test_a_fork_over_a_late_message_of_an_old_chain_is_noticed() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    late = ours.seal(b"late")
    theirs.open(ours.seal())
    for _ in range(3):
        ours.open(theirs.seal())
        theirs.open(ours.seal())
    theirs.open(late)
    refuse_as_fork(theirs, twin.seal(b"with the same number"))


def test_a_fork_survives_a_restart_of_the_peer() -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    theirs.open(ours.seal())
    theirs.restart()
    refuse_as_fork(theirs, twin.seal())


def test_what_a_copy_says_into_a_gap_is_accepted_and_the_original_is_then_the_fork() -> None:
    """The honest limit: the first of two is taken, and only the second shows that there are two."""
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    delayed = ours.seal(b"delayed")
    theirs.open(ours.seal())
    assert theirs.open(twin.seal(b"the copy")) == b"the copy"
    refuse_as_fork(theirs, delayed)


def test_a_fork_older_than_the_memory_looks_like_a_repeat() -> None:
    """The second honest limit, and why the memory is not one message long."""
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    twin = ours.copy(seed=9)
    for _ in range(MAX_SEEN):
        theirs.open(ours.seal())
    refuse_as_fork(theirs, twin.copy(seed=10).seal())
    theirs.open(ours.seal())
    with pytest.raises(ReplayedMessage):
        theirs.open(twin.seal())


def test_a_peer_that_follows_one_copy_leaves_the_other_outside() -> None:
    ours, theirs = make_talking_pair()
    twin = ours.copy(seed=9)
    theirs.open(twin.seal())
    reply = theirs.seal(b"to the copy")
    ours.seal()
    with pytest.raises(ForgedMessage):
        ours.open(reply)
    assert twin.open(reply) == b"to the copy"


def test_copies_of_a_home_never_seal_with_one_key_and_nonce(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = make_talking_pair()
    theirs.open(ours.seal())
    used = record_seals(monkeypatch)
    twin = ours.copy(seed=9)
    for _ in range(20):
        ours.seal()
        twin.seal()
    keys = {key for key, _ in used}
    assert len(keys) == 21  # they do use the same keys: one header key and twenty message keys
    assert len(set(used)) == len(used) == 80


def test_no_key_and_nonce_is_used_twice_in_a_long_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    used = record_seals(monkeypatch)
    ours, theirs = make_pair()
    for i in range(60):
        sealed = [ours.seal(b"%d" % i) for _ in range(1 + i % 3)]
        for message in reversed(sealed):
            theirs.open(message)
        ours.restart()
        ours, theirs = theirs, ours
    assert len(set(used)) == len(used) == 2 * 120


def record_seals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """Write down the key and nonce of everything the ratchet seals."""
    from toheal_protocol.ratchet import header

    used: list[tuple[bytes, bytes]] = []
    real = header.seal

    def recording(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
        used.append((key, nonce))
        return real(key, nonce, plain, associated)  # type: ignore[arg-type]

    monkeypatch.setattr(header, "seal", recording)
    return used


def test_a_stranger_cannot_stage_a_fork() -> None:
    """Every change to a message, used or not, is a forgery and never a fork."""
    ours, theirs = make_talking_pair()
    used, unused = ours.seal(b"k" * 32), ours.seal(b"l" * 32)
    theirs.open(used)
    for sealed in (used, unused):
        for at in range(len(sealed)):
            mauled = sealed[:at] + bytes([sealed[at] ^ 0x10]) + sealed[at + 1 :]
            with pytest.raises(RemoteError) as refused:
                theirs.open(mauled)
            assert not isinstance(refused.value, ForkedSession | ReplayedMessage)
