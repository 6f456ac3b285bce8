"""The relay's parsers, on both sides, for the fuzz entry point."""

from __future__ import annotations

from collections.abc import Callable

from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.crypto.certificates import key_fingerprint
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import Address, DepositToken, Instant
from toheal_protocol.wire.mailbox import (
    Binding,
    Delete,
    ItemId,
    MailboxKind,
    Open,
    Opening,
    check_signatures,
    decode_command,
    encode_ask_turn,
    encode_credit,
    encode_deposit,
    encode_hail,
    encode_unwatch,
    sign_delete,
    sign_open,
)
from toheal_protocol.wire.mailbox_answers import (
    DONE,
    Hello,
    decode_answer,
    encode_hello,
    encode_mail,
    encode_reply,
    encode_turn,
)
from toheal_protocol.wire.relay_address import parse_relay_address
from toheal_protocol.wire.stun import (
    answer_binding,
    binding_request,
    decode_stun,
    decode_xor_address,
)
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer, TurnTransport
from toheal_relay.desk import Desk
from toheal_relay.limits import Limits
from toheal_relay.server.websocket import WebSocketOpening

BINDING = Binding(b"\x01" * 32, b"\x02" * 32)
SEED = SigningSeed(b"\x03" * 32)
GRANT = TurnGrant(
    9,
    3600,
    "1800000000:name",
    "password",
    (TurnServer(TurnTransport.UDP, "", 3478), TurnServer(TurnTransport.TLS, "turn.example", 443)),
)
OPENING = Opening(verify_key(SEED), token_of(bytes(16)), MailboxKind.MAIL, 60)


def parse_address_text(frame: bytes) -> object:
    try:
        text = frame.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedFrame("not text") from None
    return parse_relay_address(text)


def parse_and_check_command(frame: bytes) -> object:
    command = decode_command(frame)
    if isinstance(command, Open | Delete):
        check_signatures(command, BINDING)
    return command


def parse_at_the_desk(frame: bytes) -> object:
    desk = Desk(Limits(), fingerprint=bytes(32), draw=bytes)
    visitor = desk.enter("192.0.2.1", now=Instant(0.0))
    assert visitor is not None
    return desk.receive(visitor, frame, now=Instant(0.0))


def parse_binding_request(frame: bytes) -> object:
    return answer_binding(frame, "192.0.2.1", 1)


def parse_xor_address(frame: bytes) -> object:
    return decode_xor_address(frame, bytes(12))


def parse_websocket_opening(frame: bytes) -> object:
    return WebSocketOpening().receive(frame)


def parse_websocket(frame: bytes) -> object:
    return open_websocket().receive(frame)


REQUEST = (
    b"GET /th1 HTTP/1.1\r\nHost: 192.0.2.1:3478\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def open_websocket():  # type: ignore[no-untyped-def]
    opened = WebSocketOpening().receive(REQUEST)
    assert opened is not None
    return opened[1]


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("relay address", parse_address_text),
    ("relay command", parse_and_check_command),
    ("relay answer", decode_answer),
    ("relay desk", parse_at_the_desk),
    ("relay certificate", key_fingerprint),
    ("relay websocket request", parse_websocket_opening),
    ("relay websocket", parse_websocket),
    ("stun message", decode_stun),
    ("stun binding", parse_binding_request),
    ("stun address", parse_xor_address),
)

SEEDS: tuple[bytes, ...] = (
    sign_open(1, [(SEED, OPENING)], BINDING),
    encode_deposit(2, Address(bytes(16)), DepositToken(bytes(16)), b"frame"),
    sign_delete(3, SEED, [ItemId(1), ItemId(2)], BINDING),
    encode_unwatch(4, [Address(bytes(16))]),
    encode_credit(5),
    encode_hail(6),
    encode_ask_turn(9),
    encode_turn(GRANT),
    encode_hello(Hello(bytes(32), bytes(16))),
    encode_reply(7, [DONE, DONE]),
    encode_mail(Address(bytes(16)), ItemId(8), b"frame"),
    binding_request(bytes(12)),
    binding_request(bytes(12), answer_fits=False),
    REQUEST,
)
