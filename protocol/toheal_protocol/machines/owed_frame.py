"""What is owed to one peer, as the vault gives it back."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import MessageId


@frozen
class OwedFrame:
    """One owed frame as the vault has it."""

    seq: int
    mid: MessageId | None
    item: bytes = field(repr=False)
    frame: bytes = field(repr=False)
    boot: bytes
