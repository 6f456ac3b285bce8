"""What a circle asks for on the ways to others: at relays, on links, and on wires in one room.

All of it is part of `events.Effect` and is imported from there.
"""

from __future__ import annotations

from enum import IntEnum

from attrs import field, frozen

from toheal_protocol.crypto import SigningSeed
from toheal_protocol.model import Address, DepositToken, Frame, MemberId
from toheal_protocol.wire.link_record import LinkKeys
from toheal_protocol.wire.relay_address import RelayAddress


class LinkWay(IntEnum):
    """Over which addresses a link to a member may go."""

    TURN = 0
    """Addresses at relays only: neither side learns the other's."""
    DIRECT = 1
    """The machines' own addresses too, and what STUN shows of them: both said yes to it."""
    LAN = 2
    """The machines' own addresses on the network where the two met, and no server at all."""


@frozen
class WatchedMailbox:
    """A mailbox to open and watch; `is_watched` False only opens it for deposits."""

    read_seed: SigningSeed = field(repr=False)
    token: DepositToken = field(repr=False)
    kind: int
    address: Address
    is_watched: bool = True


@frozen
class Watch:
    """Open these mailboxes at a relay and have their frames pushed, across reconnects."""

    relay: RelayAddress
    mailboxes: tuple[WatchedMailbox, ...]


@frozen
class Unwatch:
    """These mailboxes are not needed any more."""

    relay: RelayAddress
    addresses: tuple[Address, ...]


@frozen
class Deposit:
    """Put a frame into a mailbox and tell with `Deposited` or `DepositRefused`."""

    ticket: int
    relay: RelayAddress
    address: Address
    token: DepositToken = field(repr=False)
    frame: bytes = field(repr=False)


@frozen
class DeleteMail:
    """What lay there is stored here: it can be deleted."""

    relay: RelayAddress
    read_seed: SigningSeed = field(repr=False)
    items: tuple[int, ...]


@frozen
class SendFrames:
    """Send frames over the wire or the open link to a member, in order."""

    member: MemberId
    frames: tuple[Frame, ...] = field(repr=False)


@frozen
class PrepareLink:
    """Prepare our side of a data channel and tell with `LinkPrepared`."""

    member: MemberId
    attempt: bytes
    is_controlling: bool
    way: LinkWay


@frozen
class ExpectLink:
    """Open sockets for a link that a member is about to offer: `PrepareLink` follows within seconds, or
    never. Nothing is told of it.
    """

    member: MemberId
    way: LinkWay


@frozen
class ConnectLink:
    """Connect a prepared data channel."""

    member: MemberId
    attempt: bytes
    their_blob: bytes = field(repr=False)
    keys: LinkKeys = field(repr=False)


@frozen
class CloseLink:
    """Close a data channel or give up opening it.

    With `drains` another one has taken over, and what is on the way may still arrive.
    """

    member: MemberId
    attempt: bytes
    drains: bool = False


@frozen
class ProbeLink:
    """Find out soon whether a link is still alive, and tell with `LinkClosed` if it is not."""

    member: MemberId
    attempt: bytes


@frozen
class HailRelay:
    """Have a relay say that it is there; `RelaySilent` follows if it does not."""

    relay: RelayAddress


@frozen
class CloseLan:
    """End the wire to a member."""

    member: MemberId
    wire: int


@frozen
class NameLan:
    """A wire that led to nobody yet leads to this person: they said who they are."""

    wire: int
    member: MemberId
