"""Membership operations: the only things of a circle that are signed.

```
operation = 01 || kind[1] || circle id[32] || author id[32] || count[1] || parent[32]... ||
            length[2] || body || signature[64]
create    = nonce[32] || keys[1248] || flags[1] || charter hash[32]      (circle id is zero)
add       = keys[1248]
leave     = (nothing)
```
The circle's id is the hash of its `create` operation.

Spec: docs/protocol/circle.md, section 6.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    ED_SIZE,
    KEM_PUBLIC_SIZE,
    SIGNATURE_SIZE,
    DhPublicKey,
    KemPublicKey,
    Signature,
    VerifyKey,
    hash_parts,
    length_prefixed,
    sign,
    verify,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.identity import PersonaKeys, PersonaSecrets
from toheal_protocol.model import ID_SIZE, CircleId, MemberId
from toheal_protocol.wire.codec import Reader, prefixed16, u8

VERSION: Final = 1
"""First byte of an operation."""

MAX_PARENTS: Final = 32
"""Parents one operation can name."""

MAX_BODY_SIZE: Final = 2048
"""Bytes of an operation's body: a persona's keys and some room."""

_KEYS_SIZE: Final = ED_SIZE + DH_SIZE + KEM_PUBLIC_SIZE

DIRECT_ALLOWED: Final = 1
"""Flag of `create`: members may connect to each other directly, showing their addresses."""


class OperationKind(IntEnum):
    """What an operation does."""

    CREATE = 1
    ADD = 2
    LEAVE = 3


@frozen
class Operation:
    """One signed act, with everything that is signed."""

    kind: OperationKind
    circle: CircleId
    author: MemberId
    parents: tuple[bytes, ...]
    body: bytes = field(repr=False)
    signature: Signature = field(repr=False)

    @property
    def id(self) -> bytes:
        """32 bytes that name this operation."""
        return hash_parts("th1/op", encode_operation(self))


@frozen
class Foundation:
    """What a `create` operation says."""

    nonce: bytes
    founder: PersonaKeys
    is_direct: bool
    charter_hash: bytes


def sign_operation(
    kind: OperationKind,
    *,
    circle: CircleId,
    parents: tuple[bytes, ...],
    body: bytes,
    author: PersonaSecrets,
) -> Operation:
    """Make an operation of ours."""
    author_id = author.keys.member_id
    signature = sign(author.signing, _signed_part(kind, circle, author_id, parents, body))
    return Operation(kind, circle, author_id, parents, body, signature)


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
    parents = tuple(reader.take(32) for _ in range(count))
    body = reader.prefixed16(MAX_BODY_SIZE)
    signature = Signature(reader.take(SIGNATURE_SIZE))
    reader.end()
    return Operation(kind, circle, author, parents, body, signature)


def circle_id_of(create: Operation) -> CircleId:
    """Return the id of the circle that this operation founds."""
    return CircleId(hash_parts("th1/create", encode_operation(create)))


def encode_foundation(foundation: Foundation) -> bytes:
    """Write the body of `create`."""
    flags = DIRECT_ALLOWED if foundation.is_direct else 0
    return foundation.nonce + encode_keys(foundation.founder) + u8(flags) + foundation.charter_hash


def decode_foundation(body: bytes) -> Foundation:
    """Read the body of `create`."""
    reader = Reader(body)
    nonce, founder, flags = reader.take(32), take_keys(reader), reader.u8()
    charter_hash = reader.take(32)
    reader.end()
    if flags & ~DIRECT_ALLOWED:
        raise MalformedFrame("a policy we do not know")
    return Foundation(nonce, founder, bool(flags & DIRECT_ALLOWED), charter_hash)


def encode_keys(keys: PersonaKeys) -> bytes:
    """Write a persona's public keys: `Ed25519[32] || X25519[32] || ML-KEM-768[1184]`."""
    return keys.verify + keys.dh + keys.kem


def decode_keys(encoded: bytes) -> PersonaKeys:
    """Read a persona's public keys."""
    reader = Reader(encoded)
    keys = take_keys(reader)
    reader.end()
    return keys


def take_keys(reader: Reader) -> PersonaKeys:
    """Take a persona's public keys out of a larger layout."""
    return PersonaKeys(
        VerifyKey(reader.take(ED_SIZE)),
        DhPublicKey(reader.take(DH_SIZE)),
        KemPublicKey(reader.take(KEM_PUBLIC_SIZE)),
    )


def _signed_part(
    kind: OperationKind,
    circle: CircleId,
    author: MemberId,
    parents: tuple[bytes, ...],
    body: bytes,
) -> bytes:
    return length_prefixed(
        b"th1/opsig", bytes([VERSION, kind]), circle, author, b"".join(parents), body
    )
