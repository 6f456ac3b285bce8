"""What membership operations say: one class for each kind's body.

```
create  = nonce[32] || keys[1248] || policy[1] || charter hash[32] || until[8]
add     = keys[1248] || charter hash[32] || voucher[64]
leave   = (nothing)
remove  = target id[32] || heard[4] || category[1] || text hash[32]
role    = target id[32] || role[1] || until[8] || heard[4] || category[1] || text hash[32]
policy  = policy[1]
charter = charter hash[32]
second  = operation id[32] || heard[4]
accept  = charter hash[32]
term    = target id[32] || until[8]
mute    = target id[32] || until[8] || heard[4] || category[1] || text hash[32]
unmute  = target id[32]
```

Spec: docs/protocol/membership.md, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
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
from toheal_protocol.messages.operations import Operation, OperationKind
from toheal_protocol.model import ID_SIZE, CircleId, MemberId, OperationId, Role
from toheal_protocol.wire.codec import Reader, u8, u32, u64

DIRECT_ALLOWED: Final = 1
"""Flag of a policy: members may connect to each other directly, showing their addresses."""

FOR_TWO: Final = 2
"""Flag of a foundation: a conversation of two. Nobody else comes in, and neither puts the other out."""

HASH_SIZE: Final = 32
"""Bytes of a hash of a charter or of a reason's text."""

TIME_LIMIT: Final = 1 << 40
"""No time in an operation reaches this many seconds since 1970: so a bound holds before it is shown."""

NO_TEXT: Final = bytes(HASH_SIZE)
"""The hash that stands for no text."""

ROLE_BYTES: Final = {Role.FACILITATOR: 1, Role.MEMBER: 2, Role.LISTENER: 3}
"""How a role is written."""

_ROLES: Final = {value: role for role, value in ROLE_BYTES.items()}


class ReasonCategory(IntEnum):
    """Why somebody is removed or given another role, in one word of a fixed list."""

    OTHER = 0
    CONFIDENCE = 1
    HARM = 2
    PRESSURE = 3
    IMPOSTOR = 4
    ABSENT = 5
    REQUEST = 6
    TERM = 7


@frozen
class Reason:
    """Why: a category, and the hash of a text that travels beside the operation."""

    category: ReasonCategory = ReasonCategory.OTHER
    text_hash: bytes = NO_TEXT


@frozen
class Foundation:
    """What a `create` operation says. `until`: as in `RoleChange`, for the founder."""

    nonce: bytes
    founder: PersonaKeys
    is_direct: bool
    charter_hash: bytes
    is_for_two: bool = False
    until: int = 0


@frozen
class Addition:
    """Somebody comes in, having said yes to this charter."""

    keys: PersonaKeys
    charter_hash: bytes
    voucher: Signature = field(repr=False)


@frozen
class Leaving:
    """The author goes."""


@frozen
class Removal:
    """Somebody is to go. `heard`: the count of their newest message its author had."""

    target: MemberId
    heard: int
    reason: Reason


@frozen
class RoleChange:
    """Somebody is to have another role.

    `until`: when a facilitator's term ends, in seconds since 1970; 0: nothing was said. No merge
    reads it: what ends is said by another operation.
    """

    target: MemberId
    role: Role
    heard: int
    reason: Reason
    until: int = 0


@frozen
class PolicyChange:
    """The circle is to have another policy."""

    is_direct: bool


@frozen
class CharterChange:
    """The circle is to have another charter."""

    charter_hash: bytes


@frozen
class Second:
    """The author supports what this operation proposes."""

    subject: OperationId
    heard: int = 0


@frozen
class Acceptance:
    """The author says yes to this charter."""

    charter_hash: bytes


@frozen
class Term:
    """Somebody who facilitates is to go on until then, in seconds since 1970."""

    target: MemberId
    until: int


@frozen
class Muting:
    """Somebody's words to the circle are not to be shown for a while.

    `until`: when it should be over, in seconds since 1970. It is over with an `Unmuting`.
    `heard`: as in a removal.
    """

    target: MemberId
    until: int
    heard: int
    reason: Reason


@frozen
class Unmuting:
    """Every mute of somebody that its author knows is over."""

    target: MemberId


Act = (
    Foundation
    | Addition
    | Leaving
    | Removal
    | RoleChange
    | PolicyChange
    | CharterChange
    | Second
    | Acceptance
    | Term
    | Muting
    | Unmuting
)

_KINDS: Final[dict[type[Act], OperationKind]] = {
    Foundation: OperationKind.CREATE,
    Addition: OperationKind.ADD,
    Leaving: OperationKind.LEAVE,
    Removal: OperationKind.REMOVE,
    RoleChange: OperationKind.ROLE,
    PolicyChange: OperationKind.POLICY,
    CharterChange: OperationKind.CHARTER,
    Second: OperationKind.SECOND,
    Acceptance: OperationKind.ACCEPT,
    Term: OperationKind.TERM,
    Muting: OperationKind.MUTE,
    Unmuting: OperationKind.UNMUTE,
}


def kind_of(act: Act) -> OperationKind:
    """Return the kind of operation that says this."""
    return _KINDS[type(act)]


def encode_act(act: Act) -> bytes:
    """Write an operation's body."""
    match act:
        case Foundation(nonce, founder, is_direct, charter_hash, is_for_two, until):
            flags = (DIRECT_ALLOWED if is_direct else 0) | (FOR_TWO if is_for_two else 0)
            return nonce + encode_keys(founder) + u8(flags) + charter_hash + u64(until)
        case Addition(keys, charter_hash, voucher):
            return encode_keys(keys) + charter_hash + voucher
        case Leaving():
            return b""
        case PolicyChange(is_direct):
            return _policy(is_direct)
        case Second(subject, heard):
            return subject + u32(heard)
        case CharterChange(charter_hash) | Acceptance(charter_hash):
            return charter_hash
        case _:
            return _encode_about(act)


def _encode_about(act: Removal | RoleChange | Term | Muting | Unmuting) -> bytes:
    match act:
        case Removal(target, heard, reason):
            return target + u32(heard) + _reason(reason)
        case RoleChange(target, role, heard, reason, until):
            return target + u8(ROLE_BYTES[role]) + u64(until) + u32(heard) + _reason(reason)
        case Term(target, until):
            return target + u64(until)
        case Muting(target, until, heard, reason):
            return target + u64(until) + u32(heard) + _reason(reason)
        case Unmuting(target):
            return target


def decode_act(operation: Operation) -> Act:
    """Read an operation's body.

    Raises:
        MalformedFrame: not the layout of its kind.
    """
    reader = Reader(operation.body)
    act = _TAKERS[operation.kind](reader)
    reader.end()
    return act


def text_hash(text: str) -> bytes:
    """Return 32 bytes that name a reason's text; zeros where there is none."""
    return hash_parts("th1/optext", text.encode()) if text else NO_TEXT


def charter_hash(charter: str) -> bytes:
    """Return 32 bytes that name a charter's text."""
    return hash_parts("th1/charter", charter.encode())


def sign_voucher(persona: PersonaSecrets, *, circle: CircleId, charter: bytes) -> Signature:
    """Say for ourselves that we ask to come into this circle and said yes to this charter.

    Args:
        charter: the hash of its text, 32 bytes.
    """
    return sign(persona.signing, _vouched(circle, persona.keys.member_id, charter))


def verify_voucher(addition: Addition, *, circle: CircleId) -> None:
    """Return if the newcomer asked to come in.

    Raises:
        ForgedMessage: the newcomer did not sign that.
    """
    keys = addition.keys
    verify(keys.verify, _vouched(circle, keys.member_id, addition.charter_hash), addition.voucher)


def encode_keys(keys: PersonaKeys) -> bytes:
    """Write a persona's public keys: `Ed25519[32] || X25519[32] || ML-KEM-768[1184]`."""
    return keys.verify + keys.dh + keys.kem


def take_keys(reader: Reader) -> PersonaKeys:
    """Take a persona's public keys out of a larger layout."""
    return PersonaKeys(
        VerifyKey(reader.take(ED_SIZE)),
        DhPublicKey(reader.take(DH_SIZE)),
        KemPublicKey(reader.take(KEM_PUBLIC_SIZE)),
    )


def _vouched(circle: CircleId, member: MemberId, charter: bytes) -> bytes:
    return length_prefixed(b"th1/voucher", circle, member, charter)


def _policy(is_direct: bool) -> bytes:
    return u8(DIRECT_ALLOWED if is_direct else 0)


def _take_policy(reader: Reader) -> bool:
    flags = reader.u8()
    if flags & ~DIRECT_ALLOWED:
        raise MalformedFrame("a policy we do not know")
    return bool(flags & DIRECT_ALLOWED)


def _reason(reason: Reason) -> bytes:
    return u8(reason.category) + reason.text_hash


def _take_reason(reader: Reader) -> Reason:
    value = reader.u8()
    known = value in ReasonCategory.__members__.values()
    return Reason(ReasonCategory(value) if known else ReasonCategory.OTHER, reader.take(HASH_SIZE))


def _take_foundation(reader: Reader) -> Foundation:
    nonce, founder, flags = reader.take(32), take_keys(reader), reader.u8()
    if flags & ~(DIRECT_ALLOWED | FOR_TWO):
        raise MalformedFrame("a policy we do not know")
    is_direct, is_for_two = bool(flags & DIRECT_ALLOWED), bool(flags & FOR_TWO)
    charter = reader.take(HASH_SIZE)
    return Foundation(nonce, founder, is_direct, charter, is_for_two, _take_until(reader))


def _take_addition(reader: Reader) -> Addition:
    keys = take_keys(reader)
    return Addition(keys, reader.take(HASH_SIZE), Signature(reader.take(SIGNATURE_SIZE)))


def _take_removal(reader: Reader) -> Removal:
    return Removal(MemberId(reader.take(ID_SIZE)), reader.u32(), _take_reason(reader))


def _take_role(reader: Reader) -> RoleChange:
    target, role = MemberId(reader.take(ID_SIZE)), _ROLES.get(reader.u8())
    if role is None:
        raise MalformedFrame("a role we do not know")
    until = _take_until(reader)
    if until and role is not Role.FACILITATOR:
        raise MalformedFrame("a term for who does not facilitate")
    return RoleChange(target, role, reader.u32(), _take_reason(reader), until)


def _take_term(reader: Reader) -> Term:
    return Term(MemberId(reader.take(ID_SIZE)), _take_until(reader))


def _take_muting(reader: Reader) -> Muting:
    target, until = MemberId(reader.take(ID_SIZE)), _take_until(reader)
    return Muting(target, until, reader.u32(), _take_reason(reader))


def _take_until(reader: Reader) -> int:
    until = reader.u64()
    if until >= TIME_LIMIT:
        raise MalformedFrame("a time beyond all clocks")
    return until


_TAKERS: Final[dict[OperationKind, Callable[[Reader], Act]]] = {
    OperationKind.CREATE: _take_foundation,
    OperationKind.ADD: _take_addition,
    OperationKind.LEAVE: lambda _reader: Leaving(),
    OperationKind.REMOVE: _take_removal,
    OperationKind.ROLE: _take_role,
    OperationKind.POLICY: lambda reader: PolicyChange(_take_policy(reader)),
    OperationKind.CHARTER: lambda reader: CharterChange(reader.take(HASH_SIZE)),
    OperationKind.SECOND: lambda reader: Second(OperationId(reader.take(ID_SIZE)), reader.u32()),
    OperationKind.ACCEPT: lambda reader: Acceptance(reader.take(HASH_SIZE)),
    OperationKind.TERM: _take_term,
    OperationKind.MUTE: _take_muting,
    OperationKind.UNMUTE: lambda reader: Unmuting(MemberId(reader.take(ID_SIZE))),
}
