"""What one side tells the other so that they can connect: names, secrets and addresses for ICE.

It takes the place of SDP: a fixed layout of at most 284 bytes, so that no text parser faces a
peer. It carries IP addresses and therefore travels inside ratchet messages only.

Spec: docs/protocol/link.md, section 2.
"""

from __future__ import annotations

import ipaddress
import string
from enum import IntEnum
from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u16

BLOB_VERSION: Final = 1
"""The first byte. Another layout is another number."""
MAX_BLOB_SIZE: Final = 512
"""Bytes: more is refused unread. The longest blob this layout allows is 284."""
MAX_CANDIDATES: Final = 8
"""Addresses of one side. Each pair of addresses is checked, so a longer list costs its square."""
FINGERPRINT_SIZE: Final = 32
"""Bytes of a certificate's SHA-256."""

_SMALLEST_PORT: Final = 1024
"""Nobody's data channel sits on a system port, but a name server does: we send nothing there."""
_UFRAG_SIZES: Final = (4, 32)
"""Characters; the lower one is RFC 8839's."""
_PASSWORD_SIZES: Final = (22, 64)
"""Characters; the lower one is RFC 8839's (about 128 bits)."""
_ICE_CHARACTERS: Final = frozenset((string.ascii_letters + string.digits + "+/").encode("ascii"))
_IPV6: Final = 4
"""Added to the kind of a candidate whose address has 16 bytes."""


class CandidateKind(IntEnum):
    """How a peer came to know this address of its own."""

    HOST = 0
    """An interface of its machine has it."""
    REFLEXIVE = 1
    """A relay saw it: the outer side of a NAT."""
    RELAYED = 2
    """A relay lent it and forwards what arrives there: it says nothing of where the machine is."""


_KINDS: Final = {int(kind): kind for kind in CandidateKind}


@frozen
class Candidate:
    """One address at which a side may be reached over UDP. `host` is numeric and canonical."""

    kind: CandidateKind
    host: str
    port: int


@frozen
class ConnectionBlob:
    """One side's half of a connection, made fresh for each connection."""

    ufrag: str
    """Names the connection in connectivity checks."""
    password: str = field(repr=False)
    """Authenticates connectivity checks; not what the link's secrecy rests on."""
    fingerprint: bytes
    """32 bytes: SHA-256 of the DTLS certificate."""
    candidates: tuple[Candidate, ...]
    """One to eight addresses, the most promising first."""


def encode_blob(blob: ConnectionBlob) -> bytes:
    """Write a blob of ours.

    Raises:
        LocalError: it is one that `decode_blob` would refuse.
    """
    try:
        encoded = _layout(blob)
        decode_blob(encoded)
    except (MalformedFrame, ValueError) as wrong:
        raise LocalError(f"not a blob a peer would take: {wrong}") from None
    return encoded


def decode_blob(frame: bytes) -> ConnectionBlob:
    """Read a peer's blob.

    Raises:
        MalformedFrame: another version or layout, no or too many candidates, or a candidate that
            `is_usable` refuses.
    """
    if len(frame) > MAX_BLOB_SIZE:
        raise MalformedFrame("a connection blob longer than its limit")
    reader = Reader(frame)
    if reader.u8() != BLOB_VERSION:
        raise MalformedFrame("a connection blob of an unknown version")
    ufrag = _take_text(reader, _UFRAG_SIZES)
    password = _take_text(reader, _PASSWORD_SIZES)
    fingerprint = reader.take(FINGERPRINT_SIZE)
    count = reader.u8()
    if not 1 <= count <= MAX_CANDIDATES:
        raise MalformedFrame("a connection blob with no candidate or too many")
    candidates = tuple(_take_candidate(reader) for _ in range(count))
    reader.end()
    return ConnectionBlob(ufrag, password, fingerprint, candidates)


def is_usable(candidate: Candidate) -> bool:
    """Tell whether an address can be one machine's UDP address outside the system ports.

    Loopback passes: whether it makes sense is for whoever connects to decide.
    """
    if not _SMALLEST_PORT <= candidate.port <= 0xFFFF:
        return False
    try:
        address = ipaddress.ip_address(candidate.host)
    except ValueError:
        return False
    if address.is_unspecified or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not address.is_reserved and address.packed[0] != 0
    if address.is_loopback:
        return True
    is_scoped = address.is_link_local or address.scope_id is not None
    return not is_scoped and not address.is_reserved and address.ipv4_mapped is None


def _layout(blob: ConnectionBlob) -> bytes:
    ufrag, password = blob.ufrag.encode("ascii"), blob.password.encode("ascii")
    return b"".join(
        (
            u8(BLOB_VERSION),
            u8(len(ufrag)),
            ufrag,
            u8(len(password)),
            password,
            blob.fingerprint,
            u8(len(blob.candidates)),
            *map(_write_candidate, blob.candidates),
        )
    )


def _write_candidate(candidate: Candidate) -> bytes:
    address = ipaddress.ip_address(candidate.host)
    kind = candidate.kind | (_IPV6 if address.version == 6 else 0)
    return u8(kind) + address.packed + u16(candidate.port)


def _take_candidate(reader: Reader) -> Candidate:
    number = reader.u8()
    kind = _KINDS.get(number & ~_IPV6)
    if kind is None:
        raise MalformedFrame("a candidate of an unknown kind")
    packed = reader.take(16 if number & _IPV6 else 4)
    host = str(ipaddress.ip_address(packed))
    candidate = Candidate(kind, host, reader.u16())
    if not is_usable(candidate):
        raise MalformedFrame("a candidate that is no machine's address")
    return candidate


def _take_text(reader: Reader, sizes: tuple[int, int]) -> str:
    fewest, most = sizes
    length = reader.u8()
    if not fewest <= length <= most:
        raise MalformedFrame("an ICE name or password of the wrong length")
    text = reader.take(length)
    if not _ICE_CHARACTERS.issuperset(text):
        raise MalformedFrame("an ICE name or password with other characters")
    return text.decode("ascii")
