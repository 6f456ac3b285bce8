from __future__ import annotations

import ipaddress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.wire.connection_blob import (
    MAX_BLOB_SIZE,
    MAX_CANDIDATES,
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
    is_usable,
)

BLOB = ConnectionBlob(
    ufrag="abcd",
    password="p+/0" * 6,
    fingerprint=bytes(range(32)),
    candidates=(
        Candidate(CandidateKind.REFLEXIVE, "203.0.113.7", 40000),
        Candidate(CandidateKind.HOST, "192.168.1.20", 50000),
        Candidate(CandidateKind.HOST, "2001:470:1::5", 50001),
    ),
)

ice_text = st.text("ABCxyz019+/", min_size=4, max_size=32)
candidates = st.builds(
    Candidate,
    st.sampled_from(CandidateKind),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
    st.integers(1024, 65535),
).filter(is_usable)
blobs = st.builds(
    ConnectionBlob,
    ice_text,
    st.text("ABCxyz019+/", min_size=22, max_size=64),
    st.binary(min_size=32, max_size=32),
    st.lists(candidates, min_size=1, max_size=MAX_CANDIDATES).map(tuple),
)


@given(blobs)
def test_a_blob_reads_back_as_it_was_written(blob):
    frame = encode_blob(blob)
    assert len(frame) <= 284
    assert decode_blob(frame) == blob


@given(st.binary(max_size=600))
def test_any_bytes_are_a_blob_or_refused(frame):
    try:
        blob = decode_blob(frame)
    except RemoteError:
        return
    assert encode_blob(blob) == frame


@given(st.data())
def test_a_mauled_blob_is_another_blob_or_refused(data):
    frame = bytearray(encode_blob(BLOB))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    try:
        assert decode_blob(bytes(frame)) != BLOB
    except RemoteError:
        pass


def test_every_shorter_or_longer_blob_is_refused():
    frame = encode_blob(BLOB)
    for cut in range(len(frame)):
        with pytest.raises(MalformedFrame):
            decode_blob(frame[:cut])
    with pytest.raises(MalformedFrame):
        decode_blob(frame + b"\x00")
    with pytest.raises(MalformedFrame):
        decode_blob(frame.ljust(MAX_BLOB_SIZE + 1, b"\x00"))


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("0.0.0.0", 4000),
        ("0.1.2.3", 4000),
        ("224.0.0.251", 5353),
        ("239.255.255.250", 1900),
        ("255.255.255.255", 4000),
        ("240.0.0.1", 4000),
        ("::", 4000),
        ("ff02::fb", 5353),
        ("fe80::1", 4000),
        ("::ffff:10.0.0.1", 4000),
        ("10.0.0.1", 53),
        ("10.0.0.1", 0),
        ("10.0.0.1", 1023),
    ],
)
def test_a_candidate_that_no_machine_can_have_is_refused(host, port):
    candidate = Candidate(CandidateKind.HOST, host, port)
    assert not is_usable(candidate)
    packed = ipaddress.ip_address(host).packed
    kind = b"\x00" if len(packed) == 4 else b"\x04"
    frame = encode_blob(evolve(BLOB, candidates=BLOB.candidates[:1]))
    with pytest.raises(MalformedFrame):
        decode_blob(frame[:-7] + kind + packed + port.to_bytes(2, "big"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "169.254.7.7", "8.8.8.8", "::1", "fd00::7", "2a00:1450::1"]
)
def test_the_addresses_machines_do_have_are_usable(host):
    assert is_usable(Candidate(CandidateKind.HOST, host, 1024))


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": ()},
        {"candidates": BLOB.candidates * 3},
        {"candidates": (Candidate(CandidateKind.HOST, "peer.example", 4000),)},
        {"ufrag": "abc"},
        {"ufrag": "ab cd"},
        {"password": "short"},
        {"fingerprint": bytes(31)},
    ],
)
def test_we_write_no_blob_that_a_peer_would_refuse(wrong):
    with pytest.raises(LocalError):
        encode_blob(evolve(BLOB, **wrong))


@pytest.mark.parametrize("kind", [3, 7, 8, 0x10, 0x80, 0xFF])
def test_a_candidate_of_a_kind_nobody_knows_is_refused(kind):
    frame = encode_blob(evolve(BLOB, candidates=BLOB.candidates[:1]))
    with pytest.raises(MalformedFrame):
        decode_blob(frame[:-7] + bytes([kind]) + frame[-6:])


def test_the_password_is_not_shown():
    assert BLOB.password not in repr(BLOB)


def test_the_layout_is_the_one_of_the_specification():
    frame = encode_blob(evolve(BLOB, candidates=BLOB.candidates[1:]))
    assert frame == bytes.fromhex(
        "01"
        "04" + b"abcd".hex() + "18" + (b"p+/0" * 6).hex() + bytes(range(32)).hex() + "02"
        "00" "c0a80114" "c350"
        "04" "20010470000100000000000000000005" "c351"
    )  # fmt: skip
