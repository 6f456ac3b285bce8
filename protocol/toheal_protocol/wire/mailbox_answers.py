"""What a relay tells a client: who it is today, how a command went, what arrived, where TURN is.

Spec: docs/protocol/mailboxes.md, section 5. Vectors: tests/vectors/mailboxes.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeAlias

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import ADDRESS_SIZE, Address
from toheal_protocol.wire.codec import Reader, u8, u32, u64
from toheal_protocol.wire.mailbox import (
    MAX_BATCH,
    MAX_COMMAND_SIZE,
    MAX_DEPOSIT_SIZE,
    ItemId,
)
from toheal_protocol.wire.turn_grant import TurnGrant, encode_turn_grant, read_turn_grant

VERSION: Final = 1
"""The one version of these layouts. Another one is another protocol."""

NONCE_SIZE: Final = 32
"""Bytes a relay draws for each connection."""

BOOT_SIZE: Final = 16
"""Bytes a relay draws when it starts: another boot means that everything it held is gone."""

WINDOW: Final = 256 * 1024
"""Bytes of frames a relay pushes before it waits for `Credit`: about 0.2 s of a 10 Mbit/s line,
and all that a client has to have room for. The last push may exceed it by its own length."""

MAX_ANSWER_SIZE: Final = MAX_COMMAND_SIZE
"""Bytes of any answer, so that a client can refuse before it collects."""


class _Tag(IntEnum):
    HELLO = 0x81
    REPLY = 0x82
    MAIL = 0x83
    TURN = 0x84


class Code(IntEnum):
    """How a command went. More than this a relay tells nobody."""

    DONE = 0
    FULL = 1
    REFUSED = 2


@frozen
class Outcome:
    """How one part of a command went.

    `value` is, for `FULL` and `REFUSED`, after how many seconds another try makes sense (0 if
    none does); for a mailbox that was opened, how many items wait in it; otherwise 0.
    """

    code: Code
    value: int = 0


DONE: Final = Outcome(Code.DONE)


@frozen
class Hello:
    """The first answer on every connection, before any command."""

    nonce: bytes
    boot: bytes


@frozen
class Reply:
    """The answer to the command with this number: one outcome, or one for each mailbox."""

    number: int
    outcomes: tuple[Outcome, ...]


@frozen
class Mail:
    """One stored frame, pushed. It stays stored until the reader deletes it or its time is over."""

    address: Address
    item: ItemId
    frame: bytes = field(repr=False)


Answer: TypeAlias = Hello | Reply | Mail | TurnGrant


def encode_hello(hello: Hello) -> bytes:
    """Write `81 || version[1] || nonce[32] || boot[16]`."""
    if len(hello.nonce) != NONCE_SIZE or len(hello.boot) != BOOT_SIZE:
        raise LocalError("a hello has a 32-byte nonce and a 16-byte boot id")
    return u8(_Tag.HELLO) + u8(VERSION) + hello.nonce + hello.boot


def encode_reply(number: int, outcomes: Sequence[Outcome]) -> bytes:
    """Write `82 || number[4] || count[1] || count * (code[1] || value[4])`."""
    parts = b"".join(u8(outcome.code) + u32(outcome.value) for outcome in outcomes)
    return u8(_Tag.REPLY) + u32(number) + u8(len(outcomes)) + parts


def encode_mail(address: Address, item: ItemId, frame: bytes) -> bytes:
    """Write `83 || address[16] || item[8] || frame`."""
    return u8(_Tag.MAIL) + address + u64(item) + frame


def encode_turn(grant: TurnGrant) -> bytes:
    """Write `84 || grant`, the answer to an `AskTurn`."""
    return u8(_Tag.TURN) + encode_turn_grant(grant)


def decode_answer(frame: bytes) -> Answer:
    """Read any answer.

    Raises:
        MalformedFrame: no answer has these bytes, or it is of another version.
    """
    if len(frame) > MAX_ANSWER_SIZE:
        raise MalformedFrame("longer than any answer")
    reader = Reader(frame)
    tag = reader.u8()
    match tag:
        case _Tag.MAIL:
            answer: Answer = _read_mail(reader)
        case _Tag.REPLY:
            answer = _read_reply(reader)
        case _Tag.HELLO:
            answer = _read_hello(reader)
        case _Tag.TURN:
            answer = read_turn_grant(reader)
        case _:
            raise MalformedFrame("an unknown answer")
    reader.end()
    return answer


def _read_hello(reader: Reader) -> Hello:
    if reader.u8() != VERSION:
        raise MalformedFrame("a relay of another version")
    return Hello(reader.take(NONCE_SIZE), reader.take(BOOT_SIZE))


def _read_reply(reader: Reader) -> Reply:
    number, count = reader.u32(), reader.u8()
    if not 1 <= count <= MAX_BATCH:
        raise MalformedFrame("a batch of no size or too large")
    return Reply(number, tuple(_read_outcome(reader) for _ in range(count)))


def _read_outcome(reader: Reader) -> Outcome:
    code, value = reader.u8(), reader.u32()
    if code > Code.REFUSED:
        raise MalformedFrame("an unknown code")
    return Outcome(Code(code), value)


def _read_mail(reader: Reader) -> Mail:
    address, item = Address(reader.take(ADDRESS_SIZE)), ItemId(reader.u64())
    if not 1 <= reader.left <= MAX_DEPOSIT_SIZE:
        raise MalformedFrame("mail of no size or too large")
    return Mail(address, item, reader.rest())
