"""What a client tells a relay: open and watch, deposit, delete; and ask for TURN.

Only the reader of a mailbox has its read key. What only the reader may do is signed with it, over
the relay's fingerprint and the nonce of this one connection, so that a signature is worth nothing
anywhere else. A depositor shows a token and can do nothing but deposit.

What a relay answers is in `mailbox_answers`.

Spec: docs/protocol/mailboxes.md, sections 3 and 4. Vectors: tests/vectors/mailboxes.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NewType, TypeAlias

from attrs import field, frozen

from toheal_protocol.crypto import (
    ED_SIZE,
    SIGNATURE_SIZE,
    Signature,
    SigningSeed,
    VerifyKey,
    hash_parts,
    length_prefixed,
    sign,
    verify,
    verify_key,
)
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.model import (
    ADDRESS_SIZE,
    MAX_FRAME_SIZE,
    TOKEN_SIZE,
    Address,
    DepositToken,
)
from toheal_protocol.wire.codec import Reader, u8, u16, u32, u64

ItemId = NewType("ItemId", int)
"""How a reader names one stored frame: below 2**63, and meaningless after the relay's restart."""

ITEM_SIZE: Final = 8
"""Bytes of an `ItemId`."""

TOKEN_HASH_SIZE: Final = 32
"""Bytes of `token_of(token)`: all that a relay keeps of a deposit token."""

MAX_BATCH: Final = 64
"""Mailboxes in one `Open` or `Unwatch`: one signature each, about 5 ms of the relay's time."""

MAX_DELETED: Final = 512
"""Items in one `Delete`: 4 kB."""

MAX_DEPOSIT_SIZE: Final = MAX_FRAME_SIZE + 4096
"""Bytes of one deposit: the largest frame, with room for its padding and its seal."""

MAX_COMMAND_SIZE: Final = MAX_DEPOSIT_SIZE + 64
"""Bytes of any command, so that a relay can refuse before it collects."""

_LABEL: Final = b"th1/mbx"


class MailboxKind(IntEnum):
    """How long a mailbox and what lies in it may live."""

    MAIL = 1
    SIGNAL = 2


LONGEST_LIFE: Final = {MailboxKind.SIGNAL: 6 * 3600, MailboxKind.MAIL: 14 * 86400}
"""Seconds an item may be kept: one epoch of signals, two epochs of mail."""


class _Tag(IntEnum):
    OPEN = 0x01
    DEPOSIT = 0x02
    DELETE = 0x03
    UNWATCH = 0x04
    CREDIT = 0x05
    HAIL = 0x06
    ASK_TURN = 0x07


@frozen
class Binding:
    """What ties a signature to one relay and one connection to it."""

    relay: bytes
    """32 bytes: the relay's fingerprint."""
    nonce: bytes
    """32 bytes: what the relay drew for this connection."""


@frozen
class Opening:
    """One mailbox that its reader wants to exist.

    `ttl` is how many seconds an item is kept; a relay caps it. With `watch` everything in the
    mailbox, and all that comes, is pushed to this connection.
    """

    read_key: VerifyKey
    token_hash: bytes = field(repr=False)
    kind: MailboxKind
    ttl: int
    watch: bool = True


@frozen
class Open:
    """Open, or open again, up to 64 mailboxes; each signed by its own read key."""

    number: int
    openings: tuple[Opening, ...]
    signed: bytes = field(repr=False)
    signatures: tuple[Signature, ...] = field(repr=False)


@frozen
class Deposit:
    """Put one frame into a mailbox."""

    number: int
    address: Address
    token: DepositToken = field(repr=False)
    frame: bytes = field(repr=False)


@frozen
class Delete:
    """Delete up to 512 items of one mailbox; signed by its read key."""

    number: int
    read_key: VerifyKey
    items: tuple[ItemId, ...]
    signed: bytes = field(repr=False)
    signature: Signature = field(repr=False)


@frozen
class Unwatch:
    """Stop pushing what arrives in these mailboxes to this connection. They go on existing."""

    number: int
    addresses: tuple[Address, ...]


@frozen
class Credit:
    """So many bytes of pushed frames were taken over: as many more may be pushed. No reply."""

    amount: int


@frozen
class Hail:
    """Is anybody there? The reply is all it asks for."""

    number: int


@frozen
class AskTurn:
    """Which TURN servers may I use, and as whom? Answered by a `TurnGrant`, or by a `Reply`."""

    number: int


Command: TypeAlias = Open | Deposit | Delete | Unwatch | Credit | Hail | AskTurn


def address_of(read_key: VerifyKey) -> Address:
    """Return the 16-byte address of the mailbox that this key reads."""
    return Address(hash_parts("th1/address", read_key)[:ADDRESS_SIZE])


def sign_open(
    number: int, wanted: Sequence[tuple[SigningSeed, Opening]], binding: Binding
) -> bytes:
    """Write an `Open` of 1 to 64 mailboxes: `body || signature[64] each`.

    Spec: docs/protocol/mailboxes.md, section 4.1.
    """
    if not 1 <= len(wanted) <= MAX_BATCH:
        raise LocalError("one Open takes 1 to 64 mailboxes")
    openings = b"".join(_encode_opening(opening) for _, opening in wanted)
    body = u8(_Tag.OPEN) + u32(number) + u8(len(wanted)) + openings
    message = _signed_bytes(body, binding)
    return body + b"".join(sign(seed, message) for seed, _ in wanted)


def encode_deposit(number: int, address: Address, token: DepositToken, frame: bytes) -> bytes:
    """Write a `Deposit`. Spec: docs/protocol/mailboxes.md, section 4.2."""
    check_deposit(address, token, frame)
    return u8(_Tag.DEPOSIT) + u32(number) + address + token + frame


def check_deposit(address: Address, token: DepositToken, frame: bytes) -> None:
    """Raise `LocalError` if no `Deposit` can be written with these."""
    if len(address) != ADDRESS_SIZE or len(token) != TOKEN_SIZE:
        raise LocalError("a deposit takes a 16-byte address and a 16-byte token")
    if not 1 <= len(frame) <= MAX_DEPOSIT_SIZE:
        raise LocalError("a deposit takes a frame of at most MAX_DEPOSIT_SIZE bytes")


def sign_delete(number: int, seed: SigningSeed, items: Sequence[ItemId], binding: Binding) -> bytes:
    """Write a `Delete` of 1 to 512 items. Spec: docs/protocol/mailboxes.md, section 4.3."""
    if not 1 <= len(items) <= MAX_DELETED:
        raise LocalError("one Delete takes 1 to 512 items")
    names = b"".join(map(u64, items))
    body = u8(_Tag.DELETE) + u32(number) + verify_key(seed) + u16(len(items)) + names
    return body + sign(seed, _signed_bytes(body, binding))


def encode_unwatch(number: int, addresses: Sequence[Address]) -> bytes:
    """Write an `Unwatch` of 1 to 64 mailboxes. Spec: docs/protocol/mailboxes.md, section 4.4."""
    if not 1 <= len(addresses) <= MAX_BATCH:
        raise LocalError("one Unwatch takes 1 to 64 mailboxes")
    return u8(_Tag.UNWATCH) + u32(number) + u8(len(addresses)) + b"".join(addresses)


def encode_credit(amount: int) -> bytes:
    """Write a `Credit`. Spec: docs/protocol/mailboxes.md, section 4.5."""
    return u8(_Tag.CREDIT) + u32(amount)


def encode_hail(number: int) -> bytes:
    """Write a `Hail`. Spec: docs/protocol/mailboxes.md, section 4.6."""
    return u8(_Tag.HAIL) + u32(number)


def encode_ask_turn(number: int) -> bytes:
    """Write an `AskTurn`. Spec: docs/protocol/mailboxes.md, section 4.7."""
    return u8(_Tag.ASK_TURN) + u32(number)


def decode_command(frame: bytes) -> Command:
    """Read any command. Its signatures are not checked yet: see `check_signatures`.

    Raises:
        MalformedFrame: no command has these bytes.
    """
    if len(frame) > MAX_COMMAND_SIZE:
        raise MalformedFrame("longer than any command")
    reader = Reader(frame)
    tag = reader.u8()
    match tag:
        case _Tag.DEPOSIT:
            command: Command = _read_deposit(reader)
        case _Tag.OPEN:
            command = _read_open(reader, frame)
        case _Tag.DELETE:
            command = _read_delete(reader, frame)
        case _Tag.UNWATCH:
            command = _read_unwatch(reader)
        case _Tag.CREDIT:
            command = Credit(reader.u32())
        case _Tag.HAIL:
            command = Hail(reader.u32())
        case _Tag.ASK_TURN:
            command = AskTurn(reader.u32())
        case _:
            raise MalformedFrame("an unknown command")
    reader.end()
    return command


def check_signatures(command: Open | Delete, binding: Binding) -> None:
    """Return if every mailbox in the command is named by somebody who holds its read key.

    Raises:
        ForgedMessage: one signature or more does not fit.
    """
    message = _signed_bytes(command.signed, binding)
    match command:
        case Open(openings=openings, signatures=signatures):
            for opening, signature in zip(openings, signatures, strict=True):
                verify(opening.read_key, message, signature)
        case Delete(read_key=read_key, signature=signature):
            verify(read_key, message, signature)


def _signed_bytes(body: bytes, binding: Binding) -> bytes:
    return length_prefixed(_LABEL, binding.relay, binding.nonce, body)


def _encode_opening(opening: Opening) -> bytes:
    if len(opening.token_hash) != TOKEN_HASH_SIZE:
        raise LocalError("the hash of a deposit token has 32 bytes")
    return (
        opening.read_key
        + opening.token_hash
        + u8(opening.kind)
        + u32(opening.ttl)
        + u8(opening.watch)
    )


def _read_open(reader: Reader, frame: bytes) -> Open:
    number = reader.u32()
    openings = tuple(_read_opening(reader) for _ in range(_read_count(reader)))
    signed = frame[: len(frame) - reader.left]
    signatures = tuple(Signature(reader.take(SIGNATURE_SIZE)) for _ in openings)
    return Open(number, openings, signed, signatures)


def _read_opening(reader: Reader) -> Opening:
    read_key, token_hash = VerifyKey(reader.take(ED_SIZE)), reader.take(TOKEN_HASH_SIZE)
    kind, ttl, watch = reader.u8(), reader.u32(), reader.u8()
    if kind not in LONGEST_LIFE or ttl == 0 or watch > 1:
        raise MalformedFrame("an opening outside its rules")
    return Opening(read_key, token_hash, MailboxKind(kind), ttl, bool(watch))


def _read_deposit(reader: Reader) -> Deposit:
    number = reader.u32()
    address, token = Address(reader.take(ADDRESS_SIZE)), DepositToken(reader.take(TOKEN_SIZE))
    if not 1 <= reader.left <= MAX_DEPOSIT_SIZE:
        raise MalformedFrame("a deposit of no size or too large")
    return Deposit(number, address, token, reader.rest())


def _read_delete(reader: Reader, frame: bytes) -> Delete:
    number, read_key, count = reader.u32(), VerifyKey(reader.take(ED_SIZE)), reader.u16()
    if not 1 <= count <= MAX_DELETED:
        raise MalformedFrame("a batch of no size or too large")
    items = tuple(ItemId(reader.u64()) for _ in range(count))
    signed = frame[: len(frame) - reader.left]
    return Delete(number, read_key, items, signed, Signature(reader.take(SIGNATURE_SIZE)))


def _read_unwatch(reader: Reader) -> Unwatch:
    number = reader.u32()
    count = _read_count(reader)
    return Unwatch(number, tuple(Address(reader.take(ADDRESS_SIZE)) for _ in range(count)))


def _read_count(reader: Reader) -> int:
    count = reader.u8()
    if not 1 <= count <= MAX_BATCH:
        raise MalformedFrame("a batch of no size or too large")
    return count
