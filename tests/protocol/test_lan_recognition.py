"""Recognition: two who share a key find it out, both of them; anybody else learns nothing."""

from __future__ import annotations

from itertools import product

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from toheal_protocol.crypto import prf
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.machines import lan_recognition as r
from toheal_protocol.machines.lan_keys import KnownPeer, PairKey
from toheal_protocol.model import MAX_MEMBERS, MemberId

OURS, THEIRS = MemberId(b"o" * 32), MemberId(b"t" * 32)
OUR_NAME, THEIR_NAME = "a" * 16, "b" * 16


def key(name: str) -> PairKey:
    return PairKey(prf(name.encode(), "th1/lan-pair"))


def somebody(member: MemberId, *keys: str) -> tuple[KnownPeer, ...]:
    return tuple(KnownPeer(member, key(name)) for name in keys)


def crowd(count: int) -> tuple[KnownPeer, ...]:
    return tuple(KnownPeer(MemberId(bytes([n]) * 32), key(f"crowd {n}")) for n in range(count))


Message = tuple[bytes, bytes]


def exchange(
    ours: tuple[KnownPeer, ...],
    theirs: tuple[KnownPeer, ...],
    *,
    seed: int = 0,
    our_id: MemberId = OURS,
    their_id: MemberId = THEIRS,
) -> tuple[list[Message], r.Matched | r.Strange, r.Matched | r.Strange]:
    """Let a caller and a listener meet; return what each said, and what each thinks after the tags."""
    one, other = SeededEntropy(seed), SeededEntropy(seed + 1)
    caller, hello = r.begin(r.Role.CALLER, ours=our_id, entropy=one)
    listener, their_hello = r.begin(r.Role.LISTENER, ours=their_id, entropy=other)
    tagged, marks = r.take_hello(caller, their_hello, known=ours, entropy=one)
    their_tagged, their_marks = r.take_hello(listener, hello, known=theirs, entropy=other)
    matched, proof = r.take_marks(tagged, their_marks, instance=OUR_NAME, entropy=one)
    their_matched, their_proof = r.take_marks(
        their_tagged, marks, instance=THEIR_NAME, entropy=other
    )
    said = [(hello, their_hello), (marks, their_marks), (proof, their_proof)]
    return said, matched, their_matched


def met(
    ours: tuple[KnownPeer, ...],
    theirs: tuple[KnownPeer, ...],
    *,
    seed: int = 0,
    their_id: MemberId = THEIRS,
) -> tuple[r.Recognised, r.Recognised]:
    said, matched, their_matched = exchange(ours, theirs, seed=seed, their_id=their_id)
    assert isinstance(matched, r.Matched)
    assert isinstance(their_matched, r.Matched)
    return r.take_proof(matched, said[2][1]), r.take_proof(their_matched, said[2][0])


def test_two_members_recognise_each_other_and_share_keys_of_this_connection() -> None:
    ours, theirs = met(
        (*crowd(20), *somebody(THEIRS, "pair")), (*somebody(OURS, "pair"), *crowd(3)[:0])
    )
    assert (ours.member, theirs.member) == (THEIRS, OURS)
    assert (ours.instance, theirs.instance) == (THEIR_NAME, OUR_NAME)
    assert ours.exporter == theirs.exporter
    assert ours.keys.send == theirs.keys.receive
    assert ours.keys.receive == theirs.keys.send
    assert ours.keys.controlling is not theirs.keys.controlling
    again, _ = met(somebody(THEIRS, "pair"), somebody(OURS, "pair"), seed=7)
    assert again.exporter != ours.exporter


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (("old",), ("old", "new")),
        (("new",), ("old", "new")),
        (("old", "new"), ("new", "old")),
        (("introduced",), ("continuity", "introduced")),
    ],
)
def test_a_pair_between_two_sessions_agrees_on_one_key(
    ours: tuple[str, ...], theirs: tuple[str, ...]
) -> None:
    for seed in range(5):
        one, other = met(somebody(THEIRS, *ours), somebody(OURS, *theirs), seed=seed * 10)
        assert one.exporter == other.exporter


def test_two_keys_for_each_of_the_largest_circle_find_room() -> None:
    known = tuple(KnownPeer(MemberId(bytes([n % 23]) * 32), key(str(n))) for n in range(46))
    assert len({one.member for one in known}) == MAX_MEMBERS - 1
    for name in ("0", "45"):
        they = known[int(name)].member
        ours, _ = met(known, somebody(OURS, name), their_id=they)
        assert ours.member == they


def test_strangers_get_random_bytes_of_the_same_sizes() -> None:
    sizes = set()
    for ours, theirs in product([(), crowd(1), crowd(23)], [(), somebody(OURS, "other")]):
        said, matched, their_matched = exchange(ours, theirs)
        assert isinstance(matched, r.Strange)
        assert isinstance(their_matched, r.Strange)
        sizes.add(tuple(len(one) for message in said for one in message))
    said, *_ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    sizes.add(tuple(len(one) for message in said for one in message))
    assert sizes == {(32, 32, 1024, 1024, 64, 64)}


def test_tags_never_come_again_and_stand_in_no_order() -> None:
    seen: set[bytes] = set()
    places = set()
    for seed in range(30):
        (hello, marks, _), _, _ = exchange(somebody(THEIRS, "pair"), (), seed=100 + seed)
        shown = [marks[0][at : at + 16] for at in range(0, 1024, 16)]
        assert len(set(shown)) == 64
        assert not seen & set(shown)
        seen.update(shown)
        tag = r._mark(hello[0] + hello[1], key("pair"), r.Role.CALLER, OURS)
        places.add(shown.index(tag))
    assert len(places) > 15


def test_a_reflection_is_nobody() -> None:
    """A stranger who sends everything back as it came finds no one."""
    known = somebody(THEIRS, "pair")
    for role in r.Role:
        entropy = SeededEntropy(3)
        begun, hello = r.begin(role, ours=OURS, entropy=entropy)
        tagged, marks = r.take_hello(begun, hello, known=known, entropy=entropy)
        matched, _ = r.take_marks(tagged, marks, instance=OUR_NAME, entropy=entropy)
        assert isinstance(matched, r.Strange)


def test_a_recording_is_nobody() -> None:
    known = somebody(THEIRS, "pair")
    said, _, _ = exchange(known, somebody(OURS, "pair"))
    entropy = SeededEntropy(50)
    begun, _ = r.begin(r.Role.CALLER, ours=OURS, entropy=entropy)
    tagged, _ = r.take_hello(begun, said[0][1], known=known, entropy=entropy)
    matched, _ = r.take_marks(tagged, said[1][1], instance=OUR_NAME, entropy=entropy)
    assert isinstance(matched, r.Strange)


def test_a_proof_is_for_this_connection_and_this_side() -> None:
    said, matched, _ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    other, _, _ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"), seed=9)
    assert isinstance(matched, r.Matched)
    for proof in (said[2][0], other[2][1], other[2][0]):
        with pytest.raises(ForgedMessage):
            r.take_proof(matched, proof)


@given(place=st.integers(0, 64 * 8 - 1))
def test_no_bit_of_a_proof_can_be_changed(place: int) -> None:
    said, matched, _ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    assert isinstance(matched, r.Matched)
    proof = bytearray(said[2][1])
    proof[place // 8] ^= 1 << place % 8
    with pytest.raises(ForgedMessage):
        r.take_proof(matched, bytes(proof))


def test_a_member_cannot_pass_for_another() -> None:
    """Who shares a key with each of two, but not theirs, is recognised as itself or as nobody."""
    mallory = MemberId(b"m" * 32)
    known = (*somebody(THEIRS, "ours and theirs"), *somebody(mallory, "ours and mallory"))
    hers = (*somebody(OURS, "ours and mallory"), *somebody(THEIRS, "theirs and mallory"))
    ours, _ = met(known, hers, their_id=mallory)
    assert ours.member == mallory
    _, matched, _ = exchange(known, hers, their_id=THEIRS)
    assert isinstance(matched, r.Strange)


def test_a_copy_of_our_own_home_is_nobody() -> None:
    """It has every key we have, those of others with us included."""
    known = (*somebody(THEIRS, "pair"), *crowd(5))
    _, matched, their_matched = exchange(known, known, our_id=OURS, their_id=OURS)
    assert isinstance(matched, r.Strange)
    assert isinstance(their_matched, r.Strange)


def test_an_ephemeral_key_of_low_order_is_refused() -> None:
    said, matched, their_matched = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    assert isinstance(matched, r.Matched)
    assert isinstance(their_matched, r.Matched)
    from toheal_protocol.crypto import seal

    forged = seal(
        r._seal_key(matched.nonces, key("pair"), r.Role.LISTENER, THEIRS),
        bytes(24),
        bytes(32) + b"x" * 16,
    )
    with pytest.raises(MalformedFrame):
        r.take_proof(matched, forged)
    assert len(said) == 3


@given(st.binary(max_size=1100))
def test_messages_of_other_sizes_are_refused(some: bytes) -> None:
    _, matched, _ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    assert isinstance(matched, r.Matched)
    entropy = SeededEntropy(1)
    begun, _ = r.begin(r.Role.CALLER, ours=OURS, entropy=entropy)
    tagged = r.Tagged(r.Role.CALLER, OURS, bytes(64), ())
    if len(some) != 32:
        with pytest.raises(MalformedFrame):
            r.take_hello(begun, some, known=(), entropy=entropy)
    if len(some) != 1024:
        with pytest.raises(MalformedFrame):
            r.take_marks(tagged, some, instance=OUR_NAME, entropy=entropy)
    with pytest.raises(RemoteError):
        r.take_proof(matched, some)


def test_no_secret_is_shown() -> None:
    said, matched, _ = exchange(somebody(THEIRS, "pair"), somebody(OURS, "pair"))
    assert isinstance(matched, r.Matched)
    shown = repr((matched, r.take_proof(matched, said[2][1]), evolve(matched)))
    assert repr(key("pair"))[2:10] not in shown
    assert "key" not in shown.replace("keys", "")
