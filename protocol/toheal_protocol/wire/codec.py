"""Fixed layouts: a reader that checks before it takes, and small writers.

All integers are big endian. A reader never allocates more than the bytes it was given.

Spec: docs/protocol/conventions.md, section 2.
"""

from __future__ import annotations

from toheal_protocol.errors import LocalError, MalformedFrame


def u8(value: int) -> bytes:
    """Write one byte."""
    try:
        return value.to_bytes(1, "big")
    except OverflowError:
        raise _misfit(value, 1) from None


def u16(value: int) -> bytes:
    """Write two bytes."""
    try:
        return value.to_bytes(2, "big")
    except OverflowError:
        raise _misfit(value, 2) from None


def u32(value: int) -> bytes:
    """Write four bytes."""
    try:
        return value.to_bytes(4, "big")
    except OverflowError:
        raise _misfit(value, 4) from None


def u64(value: int) -> bytes:
    """Write eight bytes."""
    try:
        return value.to_bytes(8, "big")
    except OverflowError:
        raise _misfit(value, 8) from None


def prefixed(part: bytes) -> bytes:
    """Write `length[4] || part`."""
    return u32(len(part)) + part


def prefixed16(part: bytes) -> bytes:
    """Write `length[2] || part`."""
    return u16(len(part)) + part


class Reader:
    """Takes fixed layouts apart, front to back.

    Every method raises `MalformedFrame` when the bytes do not reach, and nothing else.
    """

    __slots__ = ("_at", "_bytes", "_end")

    def __init__(self, frame: bytes) -> None:
        self._bytes = frame
        self._at = 0
        self._end = len(frame)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self._end - self._at

    def take(self, size: int) -> bytes:
        """Take exactly `size` bytes."""
        upto = self._at + size
        if upto > self._end:
            raise MalformedFrame("shorter than its layout")
        part = self._bytes[self._at : upto]
        self._at = upto
        return part

    def u8(self) -> int:
        """Take one byte as a number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Take two bytes as a number."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Take four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Take eight bytes as a number."""
        return int.from_bytes(self.take(8), "big")

    def prefixed(self, most: int) -> bytes:
        """Take `length[4] || part`, refusing a length above `most` before taking anything."""
        return self._part(self.u32(), most)

    def prefixed16(self, most: int) -> bytes:
        """Take `length[2] || part`, refusing a length above `most` before taking anything."""
        return self._part(self.u16(), most)

    def rest(self) -> bytes:
        """Take everything that is left."""
        return self.take(self.left)

    def end(self) -> None:
        """Insist that nothing is left: one value has one encoding."""
        if self.left:
            raise MalformedFrame("longer than its layout")

    def _part(self, length: int, most: int) -> bytes:
        if length > most:
            raise MalformedFrame("a part longer than its limit")
        return self.take(length)


def _misfit(value: int, size: int) -> LocalError:
    return LocalError(f"{value} does not fit {size} bytes")
