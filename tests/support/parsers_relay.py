"""The relay's parsers, on both sides, for the fuzz entry point."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.turn_client import send_indication
from tests.support.turn_hall import Hall
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
    MESSAGE_INTEGRITY_SHA256,
    StunMessage,
    answer_binding,
    binding_request,
    decode_error_code,
    decode_stun,
    decode_xor_address,
)
from toheal_protocol.wire.stun_integrity import check_integrity, sign_stun
from toheal_protocol.wire.turn import (
    LIFETIME,
    REQUESTED_TRANSPORT,
    Method,
    decode_channel_data,
    decode_channel_number,
    decode_lifetime,
    decode_requested_transport,
    encode_channel_data,
    split_stream,
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
ALLOCATE = StunMessage(
    0x0003, bytes(12), ((REQUESTED_TRANSPORT, b"\x11" + bytes(3)), (LIFETIME, bytes(4)))
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


def parse_signed_stun(frame: bytes) -> object:
    return check_integrity(decode_stun(frame), b"key")


TURN_GUEST = Hall().guest()
TURN_GUEST.allocate()


def parse_at_the_turn_server(frame: bytes) -> object:
    hall = TURN_GUEST.hall
    TURN_GUEST.inbox.clear()
    hall.arrive(TURN_GUEST.relayed[1], ("5.5.5.5", 5), frame)
    hall.turn.relay(TURN_GUEST.client.key, [frame], hall.now)
    return hall.turn.receive(TURN_GUEST.client, frame, now=hall.now)


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
    ("stun integrity", parse_signed_stun),
    ("stun error code", decode_error_code),
    ("turn channel number", decode_channel_number),
    ("turn lifetime", decode_lifetime),
    ("turn transport", decode_requested_transport),
    ("turn channel data", decode_channel_data),
    ("turn stream", split_stream),
    ("turn server", parse_at_the_turn_server),
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
    sign_stun(ALLOCATE, b"key"),
    sign_stun(ALLOCATE, b"key", kind=MESSAGE_INTEGRITY_SHA256, fingerprint=True),
    encode_channel_data(0x4000, b"packet", is_stream=True),
    send_indication("5.5.5.5", 5, b"packet"),
    TURN_GUEST.turn.write(Method.REFRESH, (LIFETIME, bytes(4)), transaction=bytes(12)),
)
