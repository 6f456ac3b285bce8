"""TURN credentials on the mailbox connection: the layout and its limits."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.mailbox_answers import decode_answer, encode_turn
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer, TurnTransport

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
servers = st.builds(
    TurnServer,
    st.sampled_from(TurnTransport),
    st.sampled_from(["", "turn.example", "192.0.2.1", "2001:db8::1"]),
    st.integers(1, 65535),
)
grants = st.builds(
    TurnGrant,
    st.integers(0, 2**32 - 1),
    st.integers(1, 2**32 - 1),
    names,
    names,
    st.lists(servers, min_size=1, max_size=4).map(tuple),
)

GRANT = TurnGrant(5, 3600, "1:a", "secret-word", (TurnServer(TurnTransport.UDP, "", 3478),))


@given(grant=grants)
def test_a_grant_is_read_as_it_was_written(grant: TurnGrant) -> None:
    assert decode_answer(encode_turn(grant)) == grant


def test_a_grant_cut_short_or_longer_is_malformed() -> None:
    written = encode_turn(GRANT)
    for length in range(len(written)):
        with pytest.raises(MalformedFrame):
            decode_answer(written[:length])
    with pytest.raises(MalformedFrame):
        decode_answer(written + b"\x00")


@pytest.mark.parametrize(
    "wrong",
    [
        {"life": 0},
        {"username": ""},
        {"username": "a b"},
        {"password": "x" * 256},
        {"password": "\u00e4"},
        {"servers": ()},
        {"servers": GRANT.servers * 5},
    ],
    ids=str,
)
def test_a_grant_outside_its_rules_is_not_written(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        encode_turn(evolve(GRANT, **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (slice(5, 9), bytes(4)),  # life
        (slice(10, 11), b" "),  # a space in the username
        (slice(10, 11), b"\x80"),  # not ASCII
        (slice(25, 26), b"\x00"),  # no server
        (slice(25, 26), b"\x05"),  # five servers
        (slice(26, 27), b"\x03"),  # no such transport
        (slice(27, 29), bytes(2)),  # port 0
    ],
)
def test_a_grant_outside_its_rules_is_not_read(place: slice, wrong: bytes) -> None:
    written = bytearray(encode_turn(GRANT))
    written[place] = wrong
    with pytest.raises(MalformedFrame):
        decode_answer(bytes(written))


@pytest.mark.parametrize("host", ["Turn.example", "127.1", "a b", "turn.example:1", "[::1]"])
def test_a_server_has_a_proper_host(host: str) -> None:
    with pytest.raises(LocalError):
        TurnServer(TurnTransport.TLS, host, 443)
    written = encode_turn(GRANT)[:-1] + bytes([len(host)]) + host.encode()
    with pytest.raises(MalformedFrame):
        decode_answer(written)


@pytest.mark.parametrize("port", [0, 65536])
def test_a_server_has_a_port(port: int) -> None:
    with pytest.raises(LocalError):
        TurnServer(TurnTransport.UDP, "", port)


def test_credentials_are_not_shown() -> None:
    assert GRANT.password not in repr(GRANT)
    assert GRANT.username not in repr(GRANT)
