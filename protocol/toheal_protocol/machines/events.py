"""What can happen to a circle, and what it asks of the world."""

from __future__ import annotations

from enum import IntEnum

from attrs import field, frozen

from toheal_protocol.crypto import SigningSeed
from toheal_protocol.machines.acted import Acted as Acted
from toheal_protocol.machines.acted import Readmitted as Readmitted
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.model import (
    Address,
    DepositToken,
    Frame,
    Instant,
    MemberId,
    MessageId,
)
from toheal_protocol.wire.link_record import LinkKeys
from toheal_protocol.wire.relay_address import RelayAddress

# ---- events: it happened


@frozen
class Started:
    """The process came up; state was read from the vault."""


@frozen
class Submitted:
    """The person wrote something."""

    text: str = field(repr=False)
    notes: tuple[str, ...] = ()


@frozen
class Invited:
    """The person offers a seat."""

    lifetime: int
    relay: RelayAddress


@frozen
class InvitationWithdrawn:
    """The person takes an offered seat back."""

    id: bytes


@frozen
class Admitted:
    """The person said yes to somebody at the door."""

    member: MemberId


@frozen
class Refused:
    """The person said no to somebody at the door."""

    member: MemberId


@frozen
class Left:
    """The person leaves the circle."""


@frozen
class ResetAsked:
    """The session with a peer has to be begun anew: our vault is older than what we sent."""

    member: MemberId


@frozen
class DirectChosen:
    """The person said whether a direct connection with a member is all right."""

    member: MemberId
    is_allowed: bool


@frozen
class NetworkChanged:
    """This machine has other addresses or another route, or it slept: no link can be trusted."""


@frozen
class Mail:
    """One frame out of a mailbox of ours."""

    address: Address
    item: int
    frame: bytes = field(repr=False)


@frozen
class MailArrived:
    """A relay pushed what lay in our mailboxes."""

    relay: RelayAddress
    mail: tuple[Mail, ...]


@frozen
class FramesArrived:
    """A link brought frames."""

    member: MemberId
    frames: tuple[bytes, ...] = field(repr=False)


@frozen
class RelayUp:
    """A relay answers. `boot` names this run of it: another one has forgotten everything."""

    relay: RelayAddress
    boot: bytes


@frozen
class RelayDown:
    """A relay is out of reach."""

    relay: RelayAddress


@frozen
class Deposited:
    """The relay took a deposit."""

    ticket: int


@frozen
class DepositRefused:
    """The relay did not take a deposit, or the connection broke before it answered."""

    ticket: int
    retry_after: float


@frozen
class OwedFrame:
    """One owed frame as the vault has it."""

    seq: int
    mid: MessageId | None
    item: bytes = field(repr=False)
    frame: bytes = field(repr=False)
    boot: bytes


@frozen
class OwedLoaded:
    """What `LoadOwed` asked for: rising seqs, not all have to be there any more."""

    member: MemberId
    upto: int
    is_complete: bool
    frames: tuple[OwedFrame, ...]


@frozen
class LinkPrepared:
    """Our side of a data channel is ready; `blob` is what the peer needs to reach it."""

    member: MemberId
    attempt: bytes
    blob: bytes = field(repr=False)


@frozen
class LinkOpened:
    """A data channel to a peer is open and proved."""

    member: MemberId
    attempt: bytes


@frozen
class LinkAging:
    """What a link rests on ends in a few minutes."""

    member: MemberId
    attempt: bytes


@frozen
class LinkClosed:
    """A data channel, or the attempt to open one, is over."""

    member: MemberId
    attempt: bytes


@frozen
class LanMet:
    """A member was recognised on the local network; `wire` numbers the connection, from 1."""

    member: MemberId
    wire: int


@frozen
class LanArrived:
    """A wire brought frames."""

    member: MemberId
    frames: tuple[bytes, ...] = field(repr=False)


@frozen
class LanParted:
    """A wire is over."""

    member: MemberId
    wire: int


@frozen
class Woke:
    """The alarm rang."""


Event = (
    Started
    | Submitted
    | Invited
    | InvitationWithdrawn
    | Admitted
    | Refused
    | Acted
    | Readmitted
    | Left
    | ResetAsked
    | DirectChosen
    | NetworkChanged
    | MailArrived
    | FramesArrived
    | RelayUp
    | RelayDown
    | Deposited
    | DepositRefused
    | OwedLoaded
    | LinkPrepared
    | LinkOpened
    | LinkAging
    | LinkClosed
    | LanMet
    | LanArrived
    | LanParted
    | Woke
)


# ---- effects: please do


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
class LoadOwed:
    """Read owed frames with `after < seq <= upto` from the vault; at most `limit`."""

    member: MemberId
    after: int
    upto: int
    limit: int


@frozen
class PrepareLink:
    """Prepare our side of a data channel and tell with `LinkPrepared`."""

    member: MemberId
    attempt: bytes
    is_controlling: bool
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
class CloseLan:
    """End the wire to a member."""

    member: MemberId
    wire: int


@frozen
class WakeAt:
    """Ring the alarm then; a later one replaces an earlier one. None: no alarm."""

    instant: Instant | None


@frozen
class Show:
    """A message is accepted: show it."""

    entry: PutEntry


@frozen
class Tell:
    """Something happened that a person should be told. `what` is one of `TELLINGS`."""

    what: str
    member: MemberId | None = None
    text: str = field(default="", repr=False)


TELLINGS = (
    "admitted",
    "back",
    "declined",
    "fork_seen",
    "fork_told",
    "invitation_made",
    "joined",
    "left",
    "removed",
    "session_reset",
    "unreadable",
    "waiting",
)
"""What `Tell` can say."""

Effect = (
    Watch
    | Unwatch
    | Deposit
    | DeleteMail
    | SendFrames
    | LoadOwed
    | PrepareLink
    | ConnectLink
    | CloseLink
    | ProbeLink
    | CloseLan
    | WakeAt
    | Show
    | Tell
)
