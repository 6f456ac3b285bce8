from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.links import key_pair
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.model import MAX_FRAME_SIZE
from toheal_protocol.wire.link_record import (
    MAX_PIECE_SIZE,
    MAX_RECORD_SIZE,
    Credit,
    Drain,
    Drained,
    Opening,
    Piece,
    Ping,
    Pong,
    cut_pieces,
    decode_record,
    derive_link_keys,
    encode_record,
    open_record,
    opening_proof,
    read_stream,
    seal_record,
    write_stream,
)

records = st.one_of(
    st.builds(Opening, st.binary(min_size=32, max_size=32)),
    st.builds(Piece, st.binary(min_size=1, max_size=200)),
    st.builds(Credit, st.integers(0, 2**64 - 1)),
    st.builds(Ping, st.integers(0, 2**32 - 1)),
    st.builds(Pong, st.integers(0, 2**32 - 1)),
    st.just(Drain()),
    st.just(Drained()),
)


@given(records)
def test_a_record_reads_back_as_it_was_written(record):
    assert decode_record(encode_record(record)) == record


@given(st.binary(max_size=80))
def test_any_bytes_are_a_record_or_refused(plain):
    try:
        record = decode_record(plain)
    except RemoteError:
        return
    assert encode_record(record) == plain


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 70))
def test_a_stream_cut_anywhere_gives_the_same_frames(frames, cut):
    stream = write_stream(frames)
    taken, rest = [], b""
    for at in range(0, len(stream), cut):
        some, rest = read_stream(rest + stream[at : at + cut])
        taken += some
    assert (taken, rest) == (frames, b"")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_stream_or_refused(stream):
    try:
        frames, rest = read_stream(stream)
    except RemoteError:
        return
    assert write_stream(frames) + rest == stream
    assert all(frames)


@pytest.mark.parametrize("size", [0, MAX_FRAME_SIZE + 1, 2**32 - 1])
def test_a_frame_of_no_lawful_length_is_refused_at_its_length(size):
    with pytest.raises(MalformedFrame):
        read_stream(size.to_bytes(4, "big"))


def test_pieces_fill_records_and_no_more():
    frames = (bytes(MAX_FRAME_SIZE),)
    pieces = list(cut_pieces(write_stream(frames)))
    key = key_pair()[0].send
    sealed = [seal_record(key, number, piece) for number, piece in enumerate(pieces)]
    assert [len(record) for record in sealed[:-1]] == [MAX_RECORD_SIZE] * (len(sealed) - 1)
    stream = b""
    for number, record in enumerate(sealed):
        opened = open_record(key, number, record)
        assert isinstance(opened, Piece)
        assert len(opened.stream) <= MAX_PIECE_SIZE
        stream += opened.stream
    assert read_stream(stream) == (frames, b"")


def test_a_record_beyond_the_limit_is_refused_unopened():
    with pytest.raises(MalformedFrame):
        open_record(key_pair()[0].send, 0, bytes(MAX_RECORD_SIZE + 1))


def test_what_one_side_seals_the_other_opens():
    ours, theirs = key_pair()
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sealed = seal_record(sender.send, 7, encode_record(Ping(1)))
        assert open_record(receiver.receive, 7, sealed) == Ping(1)
        for key, number in ((receiver.receive, 8), (sender.receive, 7)):
            with pytest.raises(ForgedMessage):
                open_record(key, number, sealed)


def test_both_sides_of_each_connection_have_keys_of_their_own():
    ours, theirs = key_pair(1)
    again, _ = key_pair(2)
    assert ours.send == theirs.receive
    assert ours.receive == theirs.send
    assert ours.binding == theirs.binding
    assert (
        len({ours.send, ours.receive, ours.binding, again.send, again.receive, again.binding}) == 6
    )


def test_either_side_alone_makes_the_keys_fresh():
    keys = {
        derive_link_keys(bytes([first]) * 32, bytes([second]) * 32, is_controlling=True).send
        for first in range(3)
        for second in range(3)
    }
    assert len(keys) == 9


def test_a_link_secret_of_the_wrong_size_is_our_bug():
    with pytest.raises(LocalError):
        derive_link_keys(bytes(31), bytes(32), is_controlling=True)


def test_a_proof_fits_one_side_of_one_channel_of_one_connection():
    ours, theirs = key_pair()
    exporter = bytes(32)
    proof = opening_proof(ours, exporter, by_controlling=True)
    assert proof == opening_proof(theirs, exporter, by_controlling=True)
    assert proof != opening_proof(ours, exporter, by_controlling=False)
    assert proof != opening_proof(ours, b"\x01" + bytes(31), by_controlling=True)
    assert proof != opening_proof(key_pair(7)[0], exporter, by_controlling=True)


def test_keys_are_not_shown():
    keys = key_pair()[0]
    shown = repr(keys)
    for secret in (keys.send, keys.receive, keys.binding):
        assert repr(secret) not in shown
