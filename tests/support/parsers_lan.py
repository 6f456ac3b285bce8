"""What comes from a local network, for the fuzz entry point: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.entropy import SeededEntropy
from toheal_protocol.machines import lan_recognition as recognition
from toheal_protocol.machines.lan_keys import KnownPeer, PairKey
from toheal_protocol.model import MemberId

INSTANCE = "abcdefghijklmnop"
OURS, THEIRS = MemberId(b"o" * 32), MemberId(b"t" * 32)
KNOWN = (KnownPeer(THEIRS, PairKey(b"k" * 32)),)


def _tagged(seed: int) -> recognition.Tagged:
    entropy = SeededEntropy(seed)
    begun, _ = recognition.begin(recognition.Role.CALLER, ours=OURS, entropy=entropy)
    return recognition.take_hello(begun, b"h" * 32, known=KNOWN, entropy=entropy)[0]


def _take_hello(hello: bytes) -> object:
    entropy = SeededEntropy(1)
    begun, _ = recognition.begin(recognition.Role.LISTENER, ours=THEIRS, entropy=entropy)
    return recognition.take_hello(begun, hello, known=KNOWN, entropy=entropy)


def _take_marks(marks: bytes) -> object:
    return recognition.take_marks(_tagged(2), marks, instance=INSTANCE, entropy=SeededEntropy(3))


def matched() -> recognition.Matched:
    """Somebody whose tag fitted and who has not proved more."""
    entropy = SeededEntropy(4)
    begun, hello = recognition.begin(recognition.Role.LISTENER, ours=THEIRS, entropy=entropy)
    ours = _tagged(2)
    us = (KnownPeer(OURS, KNOWN[0].key),)
    _, marks = recognition.take_hello(begun, ours.nonces[:32], known=us, entropy=SeededEntropy(5))
    again = recognition.Tagged(ours.role, ours.ours, ours.nonces[:32] + hello, ours.known)
    found, _ = recognition.take_marks(again, marks, instance=INSTANCE, entropy=entropy)
    assert isinstance(found, recognition.Matched)
    return found


def _take_proof(sealed: bytes) -> object:
    return recognition.take_proof(matched(), sealed)


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("take_hello", _take_hello),
    ("take_marks", _take_marks),
    ("take_proof", _take_proof),
)

SEEDS: tuple[bytes, ...] = (
    bytes(recognition.HELLO_SIZE),
    bytes(recognition.MARKS_SIZE),
    bytes(recognition.PROOF_SIZE),
)
