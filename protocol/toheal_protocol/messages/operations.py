"""Membership operations: the only things of a circle that are signed.

```
operation = 01 || kind[1] || circle id[32] || author id[32] || count[1] || parent[32]... ||
            length[2] || body || signature[64]
```
What the bodies say is in `acts`; what follows from operations together is in `membership`. The
circle's id is the hash of its `create` operation.

Spec: docs/protocol/membership.md, section 2.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    SIGNATURE_SIZE,
    Signature,
    VerifyKey,
    hash_parts,
    length_prefixed,
    sign,
    verify,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.identity import PersonaSecrets
from toheal_protocol.model import ID_SIZE, CircleId, MemberId, OperationId
from toheal_protocol.wire.codec import Reader, prefixed16, u8

VERSION: Final = 1
"""First byte of an operation."""

MAX_PARENTS: Final = 32
"""Parents one operation can name: one per member (24) leaves room."""

MAX_BODY_SIZE: Final = 2048
"""Bytes of an operation's body: a persona's keys and some room."""

MAX_OPERATION_SIZE: Final = 4096
"""Bytes of an operation: all parents and the longest body fit."""

NO_CIRCLE: Final = CircleId(bytes(ID_SIZE))
"""What `create` names: the circle's id is only made by it."""


class OperationKind(IntEnum):
    """What an operation does."""

    CREATE = 1
    ADD = 2
    LEAVE = 3
    REMOVE = 4
    ROLE = 5
    POLICY = 6
    CHARTER = 7
    SECOND = 8
    ACCEPT = 9
    TERM = 10
    MUTE = 11
    UNMUTE = 12


@frozen
class Operation:
    """One signed act, with everything that is signed."""

    kind: OperationKind
    circle: CircleId
    author: MemberId
    parents: tuple[OperationId, ...]
    body: bytes = field(repr=False)
    signature: Signature = field(repr=False)

    @cached_property
    def id(self) -> OperationId:
        """32 bytes that name this operation."""
        return OperationId(hash_parts("th1/op", encode_operation(self)))


def sign_operation(
    kind: OperationKind,
    *,
    circle: CircleId,
    parents: tuple[OperationId, ...],
    body: bytes,
    author: PersonaSecrets,
) -> Operation:
    """Make an operation of ours. The parents may come in any order."""
    author_id, rising = author.keys.member_id, tuple(sorted(set(parents)))
    signature = sign(author.signing, _signed_part(kind, circle, author_id, rising, body))
    return Operation(kind, circle, author_id, rising, body, signature)


def verify_operation(operation: Operation, key: VerifyKey) -> None:
    """Return if its author signed it.

    Raises:
        ForgedMessage: the signature does not fit.
    """
    signed = _signed_part(
        operation.kind, operation.circle, operation.author, operation.parents, operation.body
    )
    verify(key, signed, operation.signature)


def encode_operation(operation: Operation) -> bytes:
    """Write an operation."""
    return (
        u8(VERSION)
        + u8(operation.kind)
        + operation.circle
        + operation.author
        + u8(len(operation.parents))
        + b"".join(operation.parents)
        + prefixed16(operation.body)
        + operation.signature
    )


def decode_operation(encoded: bytes) -> Operation:
    """Read an operation. Its signature is not looked at: that needs the author's key.

    Raises:
        MalformedFrame: not the layout.
    """
    reader = Reader(encoded)
    if reader.u8() != VERSION:
        raise MalformedFrame("an operation of another version")
    try:
        kind = OperationKind(reader.u8())
    except ValueError:
        raise MalformedFrame("an operation of no kind we know") from None
    circle, author = CircleId(reader.take(ID_SIZE)), MemberId(reader.take(ID_SIZE))
    count = reader.u8()
    if count > MAX_PARENTS:
        raise MalformedFrame("too many parents")
    parents = tuple(OperationId(reader.take(ID_SIZE)) for _ in range(count))
    if not all(before < after for before, after in pairwise(parents)):
        raise MalformedFrame("parents that do not rise")
    if (kind is OperationKind.CREATE) != (not parents):
        raise MalformedFrame("a create with parents, or another act without")
    body = reader.prefixed16(MAX_BODY_SIZE)
    signature = Signature(reader.take(SIGNATURE_SIZE))
    reader.end()
    return Operation(kind, circle, author, parents, body, signature)


def circle_id_of(create: Operation) -> CircleId:
    """Return the id of the circle that this operation founds."""
    return CircleId(hash_parts("th1/create", encode_operation(create)))


def _signed_part(
    kind: OperationKind,
    circle: CircleId,
    author: MemberId,
    parents: tuple[OperationId, ...],
    body: bytes,
) -> bytes:
    return length_prefixed(
        b"th1/opsig", bytes([VERSION, kind]), circle, author, b"".join(parents), body
    )
