"""What one circle is on this device: its cold part, its log, its pairs, and what lives only now.

| part | class | written when | kept in |
|---|---|---|---|
| cold | `Cold` | membership, names, mailboxes or invitations change | `PutCircle` |
| log | `Log` | a message is accepted | `PutLog` |
| pairs | `Pair`, one per peer | a frame is sealed or opened | `PutPair` |
| live | `Live` | never: it means nothing after a restart | |

Everything is frozen; a step returns the next one.

Spec: docs/protocol/circle.md, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from toheal_protocol.crypto import SealKey, SigningSeed
from toheal_protocol.identity import PersonaKeys, PersonaSecrets, PrekeySecrets
from toheal_protocol.machines.courier_state import Courier as Courier
from toheal_protocol.machines.courier_state import LinkAttempt as LinkAttempt
from toheal_protocol.machines.courier_state import LinkStep as LinkStep
from toheal_protocol.machines.courier_state import OpenLink as OpenLink
from toheal_protocol.machines.door_said import DoorSaid
from toheal_protocol.machines.fetch_state import Fetch, Serving
from toheal_protocol.machines.lan_kept import LanSecretKept
from toheal_protocol.machines.lifetime import DEFAULT_TTL
from toheal_protocol.machines.shares import Share
from toheal_protocol.machines.silences import Return, Silenced, Unjudged
from toheal_protocol.machines.streams import Held as Held
from toheal_protocol.machines.streams import Log as Log
from toheal_protocol.machines.streams import Newest as Newest
from toheal_protocol.machines.streams import Position as Position
from toheal_protocol.machines.streams import Stream as Stream
from toheal_protocol.machines.streams import Taken
from toheal_protocol.machines.sync_parts import Sync
from toheal_protocol.machines.talk_state import Talk
from toheal_protocol.messages.grants import Grant
from toheal_protocol.messages.notes import DirectChoice
from toheal_protocol.model import (
    Address,
    Audience,
    CircleId,
    DepositToken,
    Instant,
    MemberId,
    MessageId,
    OperationId,
    Role,
    WallTime,
)
from toheal_protocol.ratchet import Session
from toheal_protocol.wire.relay_address import RelayAddress


class Stage(StrEnum):
    """Where we stand with this circle."""

    KNOCKING = "knocking"
    ACTIVE = "active"
    DECLINED = "declined"
    LEFT = "left"
    REMOVED = "removed"


class Standing(StrEnum):
    """Where a peer stands in this circle, as we see it."""

    HOST = "host"
    """Who let us an invitation; not yet a member to us, because we are not in."""
    AT_DOOR = "at_door"
    """Opened our invitation; the handshake is not confirmed yet."""
    WAITING = "waiting"
    """Stands at our door, confirmed, with a name."""
    EXPECTED = "expected"
    """Introduced to us; the operation that adds them has not come yet."""
    MEMBER = "member"
    DECLINED = "declined"
    GONE = "gone"
    """Was in, and left or was removed."""


@frozen
class OurMailbox:
    """A mailbox we read; one sender knows it."""

    number: int
    kind: int
    relay: RelayAddress
    address: Address
    read_seed: SigningSeed = field(repr=False)
    token: DepositToken = field(repr=False)
    seal_key: SealKey = field(repr=False)


@frozen
class Calling:
    """We started a handshake and wait for its second flight."""

    purpose: bytes
    secret: bytes = field(repr=False)
    started: bytes = field(repr=False)
    opening: bytes = field(repr=False)


@frozen
class Listening:
    """We wait for a handshake's first flight in the reply mailbox of this secret."""

    purpose: bytes
    secret: bytes = field(repr=False)
    prekey_id: int
    is_again: bool = False
    """They are in already, and what we have with them stays until they have called."""


@frozen
class Move:
    """Where one of a pair said it reads from now on, and whether the other deposits there."""

    serial: int
    relays: tuple[RelayAddress, ...]
    is_followed: bool = False


@frozen(slots=False)
class Peer:
    """One peer of this circle: what changes seldom.

    Attributes:
        card: their encoded card as we got it last; handed on in a welcome.
        invitation: id of the invitation they came by, empty otherwise.
        grants: where we may deposit for them.
        using: number of the grants we deposit into now, since `using_since`.
        mailboxes: where they may deposit for us.
        opened: ephemeral key and our second flight, to answer a repeated first flight.
        continuity: 32 bytes only the two of us know, for a reset.
        next_continuity: the same of a reset we answered, until its caller confirmed it.
        resets_seen: ephemeral keys of the resets we answered under this continuity, newest last.
        quiet_through: mailboxes up to this number may bring frames of a session that is over.
        is_forked: two copies of a home were seen since the session began.
        reset_at: when a session with them was begun anew; 0: never.
        our_direct, their_direct: what each of us said about connecting directly; None: nothing yet.
        said_yes: hash of the charter they knocked with, and their signature under it; 96 bytes.
        silences: what was done about their voice.
        returns: from where on their words know that such an act is over; kept for the case that it
            is void now and stands again later.
        unjudged: their words under views that are not known yet, to be judged when they are.
        gone_at: when we learned that they are not in any more; 0: they are.
        bundles: the newest bundles they made for us: what names each, and its head.
        met_by: secret of the call by which we met them again: it is answered once.
        our_move, their_move: where each of us said last that it reads; None: as the grants say.
    """

    keys: PersonaKeys
    card: bytes = field(repr=False)
    name: str = field(repr=False)
    standing: Standing
    role: Role
    since: WallTime
    invitation: bytes = b""
    grants: tuple[Grant, ...] = field(default=(), repr=False)
    using: int = 1
    using_since: WallTime = WallTime(0)
    mailboxes: tuple[OurMailbox, ...] = field(default=(), repr=False)
    calling: Calling | None = None
    listening: Listening | None = None
    opened: tuple[bytes, bytes] | None = field(default=None, repr=False)
    continuity: bytes = field(default=b"", repr=False)
    next_continuity: bytes = field(default=b"", repr=False)
    resets_seen: tuple[bytes, ...] = ()
    quiet_through: int = 0
    is_forked: bool = False
    reset_at: WallTime = WallTime(0)
    our_direct: DirectChoice | None = None
    their_direct: DirectChoice | None = None
    said_yes: bytes = field(default=b"", repr=False)
    silences: tuple[Silenced, ...] = ()
    returns: tuple[Return, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()
    gone_at: WallTime = WallTime(0)
    door_words: tuple[DoorSaid, ...] = field(default=(), repr=False)
    bundles: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    met_by: bytes = field(default=b"", repr=False)
    our_move: Move | None = None
    their_move: Move | None = None


class Seat(StrEnum):
    """What became of an invitation."""

    OPEN = "open"
    USED = "used"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@frozen
class Invitation:
    """A seat we offered: one use, with an end."""

    id: bytes
    secret: bytes = field(repr=False)
    relay: RelayAddress | None
    """Where it lies; None: at no relay, it is handed over in the room."""
    expires: WallTime
    prekey_id: int
    digest: bytes
    """16 bytes of the content's hash, as the link carries it."""
    sealed: bytes = field(repr=False)
    seat: Seat = Seat.OPEN
    is_notice: bool = False
    """Many may knock with it, and nobody comes in by it."""


@frozen(slots=False)
class Cold:
    """Everything of a circle that changes seldom.

    Attributes:
        operations: the membership operations in the order in which they came.
        texts: what operations name by a hash: reasons and charters.
        came_by: secret of the invitation we stand at the door with.
        porch_of: id of the circle for whose notice this is the door; nobody comes in here.
        for_talk: id of the conversation that this circle of two is for.
        welcome: the welcome that waits for operations it names, as it came.
        relays: where we read.
        allowed: where we deposit for others beside that.
        shares: what was asked to be shown outside, by us and of us.
        unheard: who has not told us yet, since we came out of a backup, how far they have read us.
        leaps: of each of our streams, up to which number the lost device may have used it.
        met: who was a member when we came out of a backup: what they said is for us from its beginning.
        disappear: seconds for which what we say stays with its readers; 0: for ever.
        mutes: when this device took each mute that stands and is not over.
        hidden: whose words our person does not want to read. Nobody is told.
    """

    id: CircleId
    stage: Stage
    persona: PersonaSecrets = field(repr=False)
    prekeys: tuple[PrekeySecrets, ...] = field(repr=False)
    name: str = field(repr=False)
    my_name: str = field(repr=False)
    my_role: Role
    charter: str = field(repr=False)
    relays: tuple[RelayAddress, ...]
    is_direct: bool
    allowed: tuple[RelayAddress, ...] = ()
    operations: tuple[bytes, ...] = field(default=(), repr=False)
    texts: Mapping[bytes, str] = field(factory=dict, repr=False)
    welcome: bytes = field(default=b"", repr=False)
    disappear: int = DEFAULT_TTL
    shares: tuple[Share, ...] = ()
    peers: Mapping[MemberId, Peer] = field(factory=dict)
    invitations: tuple[Invitation, ...] = ()
    lan_secrets: tuple[LanSecretKept, ...] = ()
    talks: tuple[Talk, ...] = ()
    for_talk: bytes = b""
    porch_of: bytes = b""
    came_by: bytes = field(default=b"", repr=False)
    mutes: Mapping[OperationId, WallTime] = field(factory=dict)
    hidden: frozenset[MemberId] = frozenset()
    unheard: tuple[MemberId, ...] = ()
    met: tuple[MemberId, ...] = ()
    leaps: Mapping[Audience, int] = field(factory=dict)


@frozen(slots=False)
class Pair:
    """Our session with one peer and the count of what we owe each other.

    Attributes:
        generation: counts sessions with this peer; what was sealed under an earlier one is
            sealed again.
        base: items up to this number were owed in an earlier session. On the wire an item has
            its number minus `base`, so every session counts from 1.
        next_seq: number of the next item we will owe them.
        acked_through, acked_beyond: what their device has stored.
        received_through, received_beyond: what ours has, in this session's count.
    """

    session: Session | None = None
    generation: int = 0
    base: int = 0
    next_seq: int = 1
    acked_through: int = 0
    acked_beyond: frozenset[int] = frozenset()
    received_through: int = 0
    received_beyond: frozenset[int] = frozenset()


@frozen
class Ticket:
    """A deposit that the relay has not answered yet; `through`: what it acknowledges, if it does."""

    member: MemberId | None
    seq: int
    boot: bytes
    kind: int = 0
    through: int = 0


@frozen
class Source:
    """Whose mailbox an address is: a peer's, or the reply mailbox of an invitation.

    `is_for_renewal`: where a peer we call may leave its present card instead of an answer.
    """

    member: MemberId | None
    invitation: bytes
    seal_key: SealKey = field(repr=False)
    read_seed: SigningSeed = field(repr=False)
    number: int = 0
    is_for_renewal: bool = False


@frozen(slots=False)
class Live:
    """What means nothing after a restart.

    Attributes:
        boots: the relays that answer, with the run each is in.
        silent: those of them that owe an answer for too long.
        up_at: when we started, or a relay began to answer: what lay in mailboxes comes just then.
        unsaid: messages of ours that were taken back in this run, and what is owed in their place.
        is_ending: the program is about to end: nothing waits for long any more.
    """

    boots: Mapping[RelayAddress, bytes] = field(factory=dict)
    silent: frozenset[RelayAddress] = frozenset()
    couriers: Mapping[MemberId, Courier] = field(factory=dict)
    tickets: Mapping[int, Ticket] = field(factory=dict)
    next_ticket: int = 1
    sources: Mapping[Address, Source] = field(factory=dict)
    watched: Mapping[Address, RelayAddress] = field(factory=dict)
    repeat_at: Instant | None = None
    is_ending: bool = False
    up_at: Instant = Instant(0)
    unsaid: Mapping[MessageId, bytes] = field(factory=dict, repr=False)
    sync: Sync = field(factory=Sync)
    asked: frozenset[tuple[MemberId, OperationId]] = frozenset()
    """Who was asked for which operations since the process began."""
    unmet: Mapping[MemberId, bytes] = field(factory=dict, repr=False)
    """Whom our backup did not have, with the secret we will call them by."""
    asked_about: frozenset[tuple[MemberId, MemberId]] = frozenset()
    """Who was asked for whom of these."""
    brought: Mapping[tuple[MemberId, MemberId], int] = field(factory=dict)
    """How often a restored member was brought together with another by us."""
    fetches: Mapping[MessageId, Fetch] = field(factory=dict)
    serving: Mapping[MemberId, Serving] = field(factory=dict)
    told_out: Mapping[MemberId, int] = field(factory=dict)
    """Who was told that they are out, and what we knew then (a set of operations, by number)."""
    taken: Mapping[MemberId, Taken] = field(factory=dict)
    """How much was taken from each member today, and written by us."""
    passed: Mapping[MemberId, Taken] = field(factory=dict)
    """How much of what others wrote was taken from each."""


@frozen(slots=False)
class Circle:
    """One circle on this device."""

    cold: Cold
    log: Log = field(factory=Log)
    pairs: Mapping[MemberId, Pair] = field(factory=dict)
    live: Live = Live()
