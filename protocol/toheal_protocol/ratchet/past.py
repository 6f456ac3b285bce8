"""What is remembered of the peer's chains: enough to open latecomers, and to tell a repeat from a fork.

A *fork* is two running copies of one home (a copied vault, an old one put back). Both use the same
keys and the same numbers, so the peer sees what no single sender does: two messages with one
number, two keys under one header key, or a message behind the end of a chain.

Both memories are rows of bytes that the state's encoding holds as they are:
past chains `chain[4] || end[4] || header key[32] || dh[32]`, seen messages `chain[4] || number[4] || mark[8]`.

Spec: docs/protocol/ratchet.md, sections 6 and 7. Vectors: tests/vectors/ratchet.json.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NewType

from attrs import field, frozen

from toheal_protocol.crypto import DhPublicKey, SealKey
from toheal_protocol.errors import RemoteError
from toheal_protocol.ratchet.keys import HeaderKey
from toheal_protocol.ratchet.skipped import SkippedKeys

PastChains = NewType("PastChains", bytes)
"""A row of past chains, oldest first."""

SeenMessages = NewType("SeenMessages", bytes)
"""A row of opened messages in the order of their opening."""

PAST_WITHOUT_KEYS: Final = 8
"""Past chains kept though all their messages came: a repeat or a fork this late can still be named."""

MAX_PAST_CHAINS: Final = 64
"""Past chains kept at all. Bytes that fit no key are tried against each of them, 4 µs a try."""

MAX_SEEN: Final = 64
"""Opened messages remembered. Copies of one home speak soon after each other or not at all."""

_PAST: Final = struct.Struct(">II32s32s")
_SEEN: Final = struct.Struct(">II8s")

PAST_SIZE: Final = _PAST.size
"""Bytes of one past chain."""
SEEN_SIZE: Final = _SEEN.size
"""Bytes of one seen message."""


class ForkedSession(RemoteError):
    """Two copies of the peer's home use this session: both prove it, neither can be told to be the right one.

    The message is not accepted. The caller shows it to the person and lets the pair make a new
    session.
    """


@frozen
class PastChain:
    """One of the peer's chains that has ended.

    Attributes:
        serial: the how-manieth of the peer's chains it is, from 0.
        end: how many messages it has, as the next chain's header said.
        dh: the only X25519 key that belongs under its header key.
    """

    serial: int
    end: int
    header_key: HeaderKey = field(repr=False)
    dh: DhPublicKey


def newest_first(past: PastChains) -> Iterator[PastChain]:
    """Go through the past chains; a latecomer is seldom very late."""
    for at in range(len(past) - PAST_SIZE, -1, -PAST_SIZE):
        serial, end, header_key, dh = _PAST.unpack_from(past, at)
        yield PastChain(serial, end, HeaderKey(SealKey(header_key)), DhPublicKey(dh))


def end_chain(
    past: PastChains, skipped: SkippedKeys, ended: PastChain
) -> tuple[PastChains, SkippedKeys]:
    """Add a chain that has ended, and forget those that are no longer worth their bytes."""
    record = _PAST.pack(ended.serial, ended.end, ended.header_key, ended.dh)
    rows = [past[at : at + PAST_SIZE] for at in range(0, len(past), PAST_SIZE)] + [record]
    if len(rows) <= PAST_WITHOUT_KEYS:
        return PastChains(b"".join(rows)), skipped
    wanted = skipped.chains()
    older = [row for row in rows[:-PAST_WITHOUT_KEYS] if _serial(row) in wanted]
    rows = older + rows[-PAST_WITHOUT_KEYS:]
    excess = rows[:-MAX_PAST_CHAINS]
    if excess:
        skipped = skipped.without_chains(_serial(excess[-1]))
    return PastChains(b"".join(rows[-MAX_PAST_CHAINS:])), skipped


def remember(seen: SeenMessages, chain: int, number: int, mark: bytes) -> SeenMessages:
    """Note that a message was opened; the oldest note goes when there are too many."""
    return SeenMessages((seen + _SEEN.pack(chain, number, mark))[-MAX_SEEN * SEEN_SIZE :])


def mark_of(seen: SeenMessages, chain: int, number: int) -> bytes | None:
    """Return the mark of the message that was opened with this number, if it is remembered."""
    for at in range(len(seen) - SEEN_SIZE, -1, -SEEN_SIZE):
        seen_chain, seen_number, mark = _SEEN.unpack_from(seen, at)
        if (seen_chain, seen_number) == (chain, number):
            return bytes(mark)
    return None


def serials(past: PastChains) -> list[int]:
    """Return which chains a row holds, oldest first."""
    return [_serial(past[at:]) for at in range(0, len(past), PAST_SIZE)]


def _serial(row: bytes) -> int:
    return int.from_bytes(row[:4], "big")
