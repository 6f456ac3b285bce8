"""One frame as it lies in a relay's memory."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.crypto import hash_parts
from toheal_protocol.model import Address, Instant
from toheal_protocol.wire.mailbox import ITEM_SIZE, ItemId
from toheal_relay.limits import ITEM_COST
from toheal_relay.shares import Source


@frozen
class Item:
    """A frame, whose budget it uses, and when its time is over."""

    frame: bytes = field(repr=False)
    depositor: Source
    expires_at: Instant

    @property
    def cost(self) -> int:
        """What it is charged, in bytes."""
        return cost_of(self.frame)


def cost_of(frame: bytes) -> int:
    """Return what a frame is charged: its size and what its objects take."""
    return len(frame) + ITEM_COST


def name_item(secret: bytes, address: Address, token_hash: bytes, frame: bytes) -> ItemId:
    """Name a frame by what it is, so that the same deposit twice is one item.

    `secret` is drawn at the relay's start: a name means nothing after a restart, so a late delete
    cannot hit another frame, and nobody outside can search for two frames with one name. Should
    two in one mailbox ever share one (once in 2**39 full mailboxes), the second counts as stored
    already, and its author, who gets no answer from the reader, deposits it again later.
    """
    digest = hash_parts("th1/item", secret, address, token_hash, frame)
    return ItemId(int.from_bytes(digest[:ITEM_SIZE], "big") >> 1)
