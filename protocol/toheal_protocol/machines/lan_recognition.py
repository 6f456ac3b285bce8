"""Recognition: two who connect on a local network find out whether they know each other.

```
  Begun ---their nonce---> Tagged ---their tags---> Matched ---their seal---> Recognised
                                        |
                                        +---> Strange: nobody we know; random bytes, and the end
```
Each step returns what to send next. To whoever shares no key with us it is random bytes of the same
sizes, whatever we think of them.

Spec: docs/protocol/lan.md, section 4. Vectors: tests/vectors/lan.json.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    NONCE_SIZE,
    TAG_SIZE,
    DhPublicKey,
    DhSecretKey,
    Entropy,
    SealKey,
    derive_keys,
    dh_public_key,
    diffie_hellman,
    open_sealed,
    prf,
    seal,
)
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.machines.lan_keys import KnownPeer, PairKey
from toheal_protocol.machines.lan_names import INSTANCE_SIZE
from toheal_protocol.model import MemberId
from toheal_protocol.wire.codec import Reader, u8
from toheal_protocol.wire.link_record import LinkKeys, derive_link_keys

HELLO_SIZE: Final = 32
"""Bytes of the first message: a nonce."""

MARK_SIZE: Final = 16
"""Bytes of one tag: nobody meets one by chance."""

MARKS: Final = 64
"""Tags in the second message: two keys for each of 23 peers, and room."""

MARKS_SIZE: Final = MARKS * MARK_SIZE
"""Bytes of the second message."""

_DH_SIZE: Final = 32

PROOF_SIZE: Final = _DH_SIZE + INSTANCE_SIZE + TAG_SIZE
"""Bytes of the third message."""


class Role(IntEnum):
    """Which side of the connection somebody is."""

    CALLER = 0
    LISTENER = 1

    @property
    def other(self) -> Role:
        """The other side."""
        return Role(1 - self)


@frozen
class Begun:
    """We connected, or were connected to."""

    role: Role
    ours: MemberId
    nonce: bytes = field(repr=False)


@frozen
class Tagged:
    """Both nonces are known."""

    role: Role
    ours: MemberId
    nonces: bytes = field(repr=False)
    """The caller's, then the listener's."""
    known: tuple[KnownPeer, ...] = field(repr=False)


@frozen
class Matched:
    """They showed a tag that only one we know could make."""

    role: Role
    ours: MemberId
    nonces: bytes = field(repr=False)
    them: KnownPeer
    ephemeral: DhSecretKey = field(repr=False)
    sealed: bytes = field(repr=False)


@frozen
class Strange:
    """Nobody we know."""


@frozen
class Recognised:
    """A member of the circle is at the other end, and has proved it.

    Attributes:
        instance: under which name they announce themselves here.
        exporter: 32 bytes that both have for this connection only.
    """

    member: MemberId
    instance: str
    keys: LinkKeys = field(repr=False)
    exporter: bytes = field(repr=False)
    invitation: bytes = b""
    """Id of the invitation whose link they hold, where that is all they have shown."""


def begin(role: Role, *, ours: MemberId, entropy: Entropy) -> tuple[Begun, bytes]:
    """Return the first message: 32 bytes."""
    nonce = entropy.draw(HELLO_SIZE)
    return Begun(role, ours, nonce), nonce


def take_hello(
    begun: Begun, hello: bytes, *, known: tuple[KnownPeer, ...], entropy: Entropy
) -> tuple[Tagged, bytes]:
    """Take their nonce; return the second message, our tags among random bytes.

    Raises:
        MalformedFrame: not 32 bytes.
    """
    if len(hello) != HELLO_SIZE:
        raise MalformedFrame("not a nonce")
    ours_first = begun.role is Role.CALLER
    nonces = begun.nonce + hello if ours_first else hello + begun.nonce
    tagged = Tagged(begun.role, begun.ours, nonces, known[:MARKS])
    marks = [_mark(nonces, one.key, begun.role, begun.ours) for one in tagged.known]
    marks += [entropy.draw(MARK_SIZE) for _ in range(MARKS - len(marks))]
    order = sorted((entropy.draw(8), place) for place in range(MARKS))
    return tagged, b"".join(marks[place] for _, place in order)


def take_marks(
    tagged: Tagged, marks: bytes, *, instance: str, entropy: Entropy
) -> tuple[Matched | Strange, bytes]:
    """Take their tags; return whom they may be, and the third message.

    Raises:
        MalformedFrame: not 1024 bytes.
    """
    if len(marks) != MARKS_SIZE:
        raise MalformedFrame("not as many tags as there are")
    shown = {marks[at : at + MARK_SIZE] for at in range(0, MARKS_SIZE, MARK_SIZE)}
    role, ours, nonces = tagged.role, tagged.ours, tagged.nonces
    found = [one for one in tagged.known if _mark(nonces, one.key, role.other, one.member) in shown]
    if not found:
        return Strange(), entropy.draw(PROOF_SIZE)
    is_caller = role is Role.CALLER
    them = min(
        found,
        key=lambda one: _mark(nonces, one.key, Role.CALLER, ours if is_caller else one.member),
    )
    ephemeral = DhSecretKey(entropy.draw(_DH_SIZE))
    plain = dh_public_key(ephemeral) + instance.encode("ascii")
    sealed = seal(_seal_key(nonces, them.key, role, ours), bytes(NONCE_SIZE), plain)
    return Matched(role, ours, nonces, them, ephemeral, sealed), sealed


def take_proof(matched: Matched, sealed: bytes) -> Recognised:
    """Take their ephemeral key, and derive what this connection is sealed with.

    Raises:
        ForgedMessage, MalformedFrame: they have not the key that their tag was made with.
    """
    them = matched.them
    key = _seal_key(matched.nonces, them.key, matched.role.other, them.member)
    if len(sealed) != PROOF_SIZE:
        raise MalformedFrame("not a sealed key")
    reader = Reader(open_sealed(key, bytes(NONCE_SIZE), sealed))
    theirs = DhPublicKey(reader.take(_DH_SIZE))
    instance = reader.rest().decode("ascii", errors="replace")
    is_caller = matched.role is Role.CALLER
    proofs = matched.sealed + sealed if is_caller else sealed + matched.sealed
    first, second, exporter = derive_keys(
        matched.nonces + proofs,
        diffie_hellman(matched.ephemeral, theirs) + them.key,
        "th1/lan-wire",
        count=3,
    )
    keys = derive_link_keys(first, second, is_controlling=is_caller)
    return Recognised(them.member, instance, keys, exporter, them.invitation)


def _mark(nonces: bytes, key: PairKey, role: Role, sender: MemberId) -> bytes:
    return prf(key, "th1/lan-tag", *_said_by(nonces, role, sender))[:MARK_SIZE]


def _seal_key(nonces: bytes, key: PairKey, role: Role, sender: MemberId) -> SealKey:
    return SealKey(prf(key, "th1/lan-seal", *_said_by(nonces, role, sender)))


def _said_by(nonces: bytes, role: Role, sender: MemberId) -> tuple[bytes, ...]:
    """Tie it to this connection, this side and this persona: a copy of our own home is not them."""
    return u8(role), nonces[:HELLO_SIZE], nonces[HELLO_SIZE:], sender
