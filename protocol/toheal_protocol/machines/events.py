"""What can happen to a circle, and what it asks of the world."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.machines.file_effects import FileEvent, LoadChunks
from toheal_protocol.machines.lan_events import (
    LanArrived as LanArrived,
)
from toheal_protocol.machines.lan_events import (
    LanKnocked as LanKnocked,
)
from toheal_protocol.machines.lan_events import (
    LanMet as LanMet,
)
from toheal_protocol.machines.lan_events import (
    LanParted as LanParted,
)
from toheal_protocol.machines.owed_frame import OwedFrame as OwedFrame
from toheal_protocol.machines.pairing_events import PairingEvent
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.relay_events import (
    RelayAdded as RelayAdded,
)
from toheal_protocol.machines.relay_events import (
    RelayAllowed as RelayAllowed,
)
from toheal_protocol.machines.relay_events import (
    RelayDropped as RelayDropped,
)
from toheal_protocol.machines.route_effects import CloseLan as CloseLan
from toheal_protocol.machines.route_effects import CloseLink as CloseLink
from toheal_protocol.machines.route_effects import ConnectLink as ConnectLink
from toheal_protocol.machines.route_effects import DeleteMail as DeleteMail
from toheal_protocol.machines.route_effects import Deposit as Deposit
from toheal_protocol.machines.route_effects import ExpectLink as ExpectLink
from toheal_protocol.machines.route_effects import HailRelay as HailRelay
from toheal_protocol.machines.route_effects import LinkWay as LinkWay
from toheal_protocol.machines.route_effects import NameLan as NameLan
from toheal_protocol.machines.route_effects import PrepareLink as PrepareLink
from toheal_protocol.machines.route_effects import ProbeLink as ProbeLink
from toheal_protocol.machines.route_effects import SendFrames as SendFrames
from toheal_protocol.machines.route_effects import Unwatch as Unwatch
from toheal_protocol.machines.route_effects import Watch as Watch
from toheal_protocol.machines.route_effects import WatchedMailbox as WatchedMailbox
from toheal_protocol.machines.sync_events import SyncEffect, SyncEvent
from toheal_protocol.machines.talk_events import DisappearChosen as DisappearChosen
from toheal_protocol.machines.talk_events import Edited as Edited
from toheal_protocol.machines.talk_events import HelpAsked as HelpAsked
from toheal_protocol.machines.talk_events import HidingChosen as HidingChosen
from toheal_protocol.machines.talk_events import Retracted as Retracted
from toheal_protocol.machines.talk_events import ShareAnswered as ShareAnswered
from toheal_protocol.machines.talk_events import ShareRequested as ShareRequested
from toheal_protocol.machines.talk_events import ShareTakenBack as ShareTakenBack
from toheal_protocol.machines.talk_events import Submitted as Submitted
from toheal_protocol.machines.talk_events import SubmittedTogether as SubmittedTogether
from toheal_protocol.machines.talk_events import TalkEvent as TalkEvent
from toheal_protocol.machines.tellings import TELLINGS as TELLINGS
from toheal_protocol.machines.tellings import Tell as Tell
from toheal_protocol.messages.acts import Act
from toheal_protocol.model import (
    Address,
    Instant,
    MemberId,
)
from toheal_protocol.wire.relay_address import RelayAddress

# ---- events: it happened


@frozen
class Started:
    """The process came up; state was read from the vault."""


@frozen
class Invited:
    """The person offers a seat."""

    lifetime: int
    relay: RelayAddress | None
    is_notice: bool = False


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
class Acted:
    """The person signs an act of governance; what it is to know is filled in."""

    act: Act
    text: str = field(default="", repr=False)


@frozen
class Readmitted:
    """The person takes somebody back who was removed."""

    member: MemberId


@frozen
class Left:
    """The person leaves the circle."""


@frozen
class ResetAsked:
    """The session with a peer has to be begun anew: our vault is older than what we sent."""

    member: MemberId


@frozen
class Restored:
    """The circle came out of a backup: another device may have said more than is here."""


@frozen
class DirectChosen:
    """The person said whether a direct connection with a member is all right."""

    member: MemberId
    is_allowed: bool


@frozen
class Ending:
    """The program is about to end: what waits for somebody's turn leaves within a second."""


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
class RelaySilent:
    """A relay owes an answer for longer than a good line takes. It is not given up yet."""

    relay: RelayAddress


@frozen
class RelayHeard:
    """A relay that was silent said something."""

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
class Woke:
    """The alarm rang."""


CircleEvent = (
    Started
    | TalkEvent
    | Invited
    | InvitationWithdrawn
    | Admitted
    | Refused
    | Acted
    | Readmitted
    | Left
    | ResetAsked
    | Restored
    | DirectChosen
    | RelayAdded
    | RelayDropped
    | RelayAllowed
    | NetworkChanged
    | Ending
    | MailArrived
    | FramesArrived
    | RelayUp
    | RelayDown
    | RelaySilent
    | RelayHeard
    | Deposited
    | DepositRefused
    | OwedLoaded
    | SyncEvent
    | LinkPrepared
    | LinkOpened
    | LinkAging
    | LinkClosed
    | LanMet
    | LanKnocked
    | LanArrived
    | LanParted
    | FileEvent
    | Woke
)
"""What the circle's own step takes."""

Event = CircleEvent | PairingEvent


# ---- effects: please do


@frozen
class LoadOwed:
    """Read owed frames with `after < seq <= upto` from the vault; at most `limit`."""

    member: MemberId
    after: int
    upto: int
    limit: int


@frozen
class WakeAt:
    """Ring the alarm then; a later one replaces an earlier one. None: no alarm."""

    instant: Instant | None


@frozen
class Show:
    """A message is accepted: show it."""

    entry: PutEntry


Effect = (
    Watch
    | Unwatch
    | Deposit
    | DeleteMail
    | SendFrames
    | LoadOwed
    | LoadChunks
    | SyncEffect
    | ExpectLink
    | PrepareLink
    | ConnectLink
    | CloseLink
    | ProbeLink
    | HailRelay
    | CloseLan
    | NameLan
    | WakeAt
    | Show
    | Tell
)
