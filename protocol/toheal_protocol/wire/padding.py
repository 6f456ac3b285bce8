"""Padding: a length says little when there are only a few of them.

A padded part is `plain || 0x80 || 0x00...` up to a bucket's size, so it is never ambiguous and
always at least one byte longer than the plain part.

Spec: docs/protocol/conventions.md, section 5.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import LocalError, MalformedFrame

BUCKETS: Final = (256, 512, 896, 2048, 4096, 8192, 16384, 32768, 65536)
"""Sizes in bytes that a sealed common part can have inside (897 B with wrap and framing fit one SCTP chunk)."""


DEPOSIT_BUCKETS: Final = (512, 1152, 2560, 4608, 8704, 16896, 33280, 66560, 99328)
"""Sizes in bytes of a deposit or a bundle's part before its seal: each holds a bucket above with its wrap."""


def pad_to_bucket(plain: bytes, *, buckets: tuple[int, ...] = BUCKETS) -> bytes:
    """Pad to the smallest bucket that holds it.

    Raises:
        LocalError: it is larger than the largest bucket: the caller checks limits before.
    """
    for bucket in buckets:
        if len(plain) < bucket:
            return pad_to(plain, bucket)
    raise LocalError("larger than the largest bucket")


def pad_to(plain: bytes, size: int) -> bytes:
    """Pad to exactly `size` bytes, at least one more than `plain` has."""
    if len(plain) >= size:
        raise LocalError("no room for padding")
    return plain + b"\x80" + bytes(size - len(plain) - 1)


def unpad(padded: bytes) -> bytes:
    """Return what was padded.

    Raises:
        MalformedFrame: it does not end in the padding's mark.
    """
    plain = padded.rstrip(b"\x00")
    if not plain.endswith(b"\x80"):
        raise MalformedFrame("padding without its mark")
    return plain[:-1]
