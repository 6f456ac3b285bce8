"""The relay's side of WebSocket: limits that hold before anything is collected."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import CLIENT, Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from tests.support.parsers_relay import REQUEST
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.wire.mailbox import MAX_COMMAND_SIZE
from toheal_relay.server.websocket import MAX_REQUEST_SIZE, WebSocket, WebSocketOpening


def opened() -> WebSocket:
    result = WebSocketOpening().receive(REQUEST)
    assert result is not None
    answer, websocket = result
    assert answer.startswith(b"HTTP/1.1 101 ")
    return websocket


def written(*events: BytesMessage | TextMessage | Ping | CloseConnection) -> bytes:
    client = Connection(CLIENT)
    return b"".join(client.send(event) for event in events)


def takes(reader: WebSocket | WebSocketOpening, part: bytes) -> int:
    """Feed the same bytes until they are refused; return how often they were not."""
    for times in range(10_000):
        try:
            reader.receive(part)
        except MalformedFrame:
            return times
    raise AssertionError("never refused")


def test_a_request_may_come_byte_by_byte() -> None:
    opening = WebSocketOpening()
    results = [opening.receive(REQUEST[at : at + 1]) for at in range(len(REQUEST))]
    assert results[:-1] == [None] * (len(REQUEST) - 1)
    assert results[-1] is not None


@pytest.mark.parametrize(
    "change",
    [
        (b"GET", b"POST"),
        (b"/th1", b"/"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"Connection: Upgrade", b"Connection: close"),
        (b"Version: 13", b"Version: 12"),
        (b"Sec-WebSocket-Key", b"X-Key"),
        (b"192.0.2.1:3478", b"\xff\xfe"),
        (b"192.0.2.1:3478", b"xn--\xe2\x82\xac"),
        (b"HTTP/1.1", b"HTTP/3"),
    ],
)
def test_any_other_request_is_malformed(change: tuple[bytes, bytes]) -> None:
    assert change[0] in REQUEST
    with pytest.raises(MalformedFrame):
        WebSocketOpening().receive(REQUEST.replace(*change))


def test_a_request_has_a_limit() -> None:
    opening = WebSocketOpening()
    opening.receive(b"GET /th1 HTTP/1.1\r\n")
    line = b"X: yyyyyyyy\r\n"
    assert takes(opening, line) * len(line) <= MAX_REQUEST_SIZE


@given(messages=st.lists(st.binary(max_size=300), max_size=10), sizes=st.integers(1, 50))
def test_messages_come_out_whole_however_the_bytes_arrive(
    messages: list[bytes], sizes: int
) -> None:
    stream = written(*(BytesMessage(data=message) for message in messages))
    websocket, found = opened(), []
    for at in range(0, len(stream), sizes):
        found += websocket.receive(stream[at : at + sizes])
    assert found == messages


@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_a_message_in_fragments_is_one_message(parts: list[bytes]) -> None:
    last = len(parts) - 1
    stream = written(
        *(BytesMessage(data=part, message_finished=at == last) for at, part in enumerate(parts))
    )
    assert opened().receive(stream) == [b"".join(parts)]


def test_a_message_that_will_be_too_long_is_refused_before_it_is_collected() -> None:
    websocket = opened()
    header = bytes([0x82, 0xFF]) + struct.pack("!Q", 2**40) + bytes(4)
    websocket.receive(header)
    assert takes(websocket, bytes(16_384)) * 16_384 <= MAX_COMMAND_SIZE


def test_endless_small_fragments_are_refused() -> None:
    websocket = opened()
    fragment = written(BytesMessage(data=bytes(1_000), message_finished=False))
    more = bytes([0x00]) + fragment[1:]
    websocket.receive(fragment)
    assert takes(websocket, more) * 1_000 <= MAX_COMMAND_SIZE


def test_a_ping_is_answered_and_a_flood_of_them_only_so_far() -> None:
    websocket = opened()
    assert websocket.receive(written(Ping(payload=b"hello"))) == []
    assert websocket.answers.endswith(b"hello")
    websocket.receive(written(*[Ping(payload=bytes(100))] * 1_000))
    assert len(websocket.answers) < 5_000


def test_a_close_is_answered() -> None:
    websocket = opened()
    websocket.receive(written(CloseConnection(code=CloseReason.NORMAL_CLOSURE)))
    assert websocket.is_closed
    assert websocket.answers
    assert websocket.close(CloseReason.GOING_AWAY) == b""


def test_text_is_malformed() -> None:
    with pytest.raises(MalformedFrame):
        opened().receive(written(TextMessage(data="hello")))


@given(part=st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_remote_error(part: bytes) -> None:
    for first in (b"", b"\x82\x85", b"\x02\x80", b"\x88\x82"):
        try:
            opened().receive(first + part)
        except RemoteError:
            pass
