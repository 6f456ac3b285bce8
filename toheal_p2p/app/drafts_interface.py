"""What an application offers for words that were typed and not sent."""

from __future__ import annotations

from typing import Protocol


class DraftsInterface(Protocol):
    """Seals words that are not said yet, and opens them again."""

    async def seal(self, circle: str, words: bytes) -> bytes:
        """Seal what was typed in a circle. Raises `Refused` where the key cannot be kept."""
        ...

    def open(self, circle: str, sealed: bytes) -> bytes | None:
        """Return what was typed; None where it is of another circle or another profile."""
        ...
