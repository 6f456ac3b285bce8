"""What is remembered, while the program runs, of how one peer is reached.

Spec: docs/protocol/circle.md, sections 8 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from toheal_protocol.machines.events import LinkWay
from toheal_protocol.model import Instant
from toheal_protocol.wire.relay_address import RelayAddress


class LinkStep(StrEnum):
    """How far an attempt to open a link has come."""

    WAITING = "waiting"
    """A peer's offer that came too soon after its last one."""
    PREPARING = "preparing"
    OFFERED = "offered"
    CONNECTING = "connecting"


@frozen
class LinkAttempt:
    """One attempt to open a data channel to a peer."""

    attempt: bytes
    is_ours: bool
    way: LinkWay
    step: LinkStep
    our_secret: bytes = field(repr=False)
    our_blob: bytes = field(default=b"", repr=False)
    their_secret: bytes = field(default=b"", repr=False)
    their_blob: bytes = field(default=b"", repr=False)
    start_at: Instant = Instant(0)
    give_up_at: Instant = Instant(0)


@frozen
class OpenLink:
    """A data channel that carries frames, and the way our side took to it."""

    attempt: bytes
    way: LinkWay


@frozen(slots=False)
class Courier:
    """How we deliver to one peer just now.

    Attributes:
        link: the data channel that is open.
        lan: number of the wire to them on the local network; 0: there is none.
        is_here: we heard from them since we started: they will answer.
        cursor: the last seq handed over on the present route.
        is_loading: owed frames are on their way from the vault.
        deposits: deposits the relay has not answered yet.
        resend_at: when what is not acknowledged goes out again.
        resend_wait: seconds of the next such wait.
        is_looked_after: the link was put in doubt since anything was acknowledged.
        retry_at: until when nothing is deposited: a relay asked for time, and there is no other.
        ack_at: when our acknowledgement is due.
        told_through, told_boot: up to which of their items an acknowledgement of ours lies at a relay,
            and which run of it. What went over a link may be lost with it.
        is_ignoring_marks: what lies at the relay is deposited again as well.
        is_sealing_anew: the peer is there and did not take our frames as they were sealed.
        call_at, call_wait: when an unanswered first flight goes out again, and the next such wait.
        here_at: when we say again that we are here, because the relay did not take it.
        renewed_at: when we last sent or took a card in place of an answer.
        is_outdated: what is being loaded was asked for before the session began anew.
        unopened: frames in a row out of their mailbox that did not open.
        relay: the one their mail went to last: we stay there until it fails us.
        refused: relays that would not take mail for them, and until when that counts.
        attempt: the link that is being opened, beside the open one if there is one.
        is_link_stale: our network or theirs changed: a new link is wanted beside the open one.
        link_after: when the next attempt of ours may begin.
        link_failures: attempts in a row that failed.
        offer_after: when the next offer of theirs is prepared for.
        expect_after: when sockets are opened again for an offer that is expected.
        is_present: they gave a sign of life not long ago: what is for them leaves at once.
        is_greeted: we told them that we are here, in this run of the program.
        answer_at: when a greeting that may be an old one is answered.
        away_at: when they count as away unless they acknowledge something.
        leave_at: their turn, while something waits for it.
        leave_through: what their last turns let go, up to this seq.
        handed_through: the highest seq that was handed over in this run of the program.
        copy_at: when a relay that refused a copy may be asked again.
    """

    link: OpenLink | None = None
    is_here: bool = False
    cursor: int = 0
    is_loading: bool = False
    deposits: int = 0
    resend_at: Instant | None = None
    resend_wait: float = 0.0
    is_looked_after: bool = False
    retry_at: Instant | None = None
    ack_at: Instant | None = None
    told_through: int = 0
    told_boot: bytes = b""
    is_ignoring_marks: bool = False
    is_sealing_anew: bool = False
    call_at: Instant | None = None
    call_wait: float = 0.0
    here_at: Instant | None = None
    renewed_at: Instant | None = None
    is_outdated: bool = False
    unopened: int = 0
    relay: RelayAddress | None = None
    refused: Mapping[RelayAddress, Instant] = field(factory=dict)
    attempt: LinkAttempt | None = None
    is_link_stale: bool = False
    link_after: Instant = Instant(0)
    link_failures: int = 0
    offer_after: Instant = Instant(0)
    expect_after: Instant = Instant(0)
    lan: int = 0
    is_present: bool = False
    is_greeted: bool = False
    answer_at: Instant | None = None
    away_at: Instant | None = None
    leave_at: Instant | None = None
    leave_through: int = 0
    handed_through: int = 0
    copy_at: Instant | None = None

    @property
    def is_linked(self) -> bool:
        """Whether a data channel is open."""
        return self.link is not None

    @property
    def has_link(self) -> bool:
        """Say whether frames reach them without a relay now."""
        return self.is_linked or self.lan > 0
