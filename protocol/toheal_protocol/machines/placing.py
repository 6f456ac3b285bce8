"""Placing: into which mailboxes what is owed goes, and into which it went already.

Who is there gets one copy through one relay, and acknowledges it. Who is away gets one at each
relay where they read: when one of these is gone, the other has it.

Spec: docs/protocol/circle.md, section 8.2.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines.addressing import (
    choose_grant,
    fails_now,
    grants_in_reach,
    seal_deposit,
)
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Deposit, OwedFrame, SendFrames
from toheal_protocol.machines.records import MARK_SIZE
from toheal_protocol.machines.state import Ticket
from toheal_protocol.messages.grants import MAIL, Grant
from toheal_protocol.model import Frame, Instant, MemberId
from toheal_protocol.wire.relay_address import RelayAddress

COPIES: Final = 2
"""Relays at which what is owed to somebody away lies: when one is gone, the other has it."""

DEPOSIT_RETRY: Final = 5.0
"""Seconds until a refused deposit is tried again when the relay names no time."""


def deposit(draft: Draft, member: MemberId, frame: Frame, *, kind: int, through: int = 0) -> bool:
    """Put what is not owed into a mailbox of the peer's, or on the wire; False: no way just now.

    Args:
        through: what the frame acknowledges, if that is what it is for.
    """
    if draft.courier(member).lan:  # what is not owed, a handshake's flight say, takes the wire too
        draft.ask(SendFrames(member, (frame,)))
        return True
    grant = choose_grant(draft, member, kind)
    if grant is None:
        return False
    if draft.courier(member).relay != grant.relay:
        draft.change_courier(member, relay=grant.relay)
    deposit_at(draft, member, grant, frame, through=through)
    return True


def deposit_at(
    draft: Draft, member: MemberId, grant: Grant, frame: Frame, *, seq: int = 0, through: int = 0
) -> None:
    """Put a frame into this very mailbox, if its relay can be reached."""
    boot = draft.live.boots.get(grant.relay)
    if boot is None:
        return
    number = draft.live.next_ticket
    ticket = Ticket(member, seq, boot, grant.kind, through)
    draft.set_live(next_ticket=number + 1, tickets={**draft.live.tickets, number: ticket})
    sealed = seal_deposit(grant.seal_key, frame, draft.entropy)
    draft.ask(Deposit(number, grant.relay, grant.address, grant.token, sealed))


def relays_for(draft: Draft, member: MemberId) -> tuple[Grant, ...]:
    """Return the mailboxes that what is owed goes into: one of who is there, else one at each relay.

    Of relays that fail just now only the best is used, where all do. None beside a link.
    """
    courier = draft.courier(member)
    best = None if courier.has_link else choose_grant(draft, member, MAIL)
    if best is None:
        return ()
    if courier.is_present:
        return (best,)
    others = (
        grant
        for grant in grants_in_reach(draft, member, MAIL)
        if grant.relay != best.relay and not fails_now(draft, member, grant.relay)
    )
    return (best, *others)[:COPIES]


def where_missing(draft: Draft, member: MemberId, owed: OwedFrame) -> tuple[Grant, ...]:
    """Return the mailboxes that an owed frame should lie in and does not."""
    grants = relays_for(draft, member)
    if not grants or draft.courier(member).is_ignoring_marks:
        return grants
    lying = _lies_at(draft, member, owed)
    if len(grants) == 1 and any(
        fails_now(draft, member, grants[0].relay) or not fails_now(draft, member, relay)
        for relay in lying
    ):
        return ()  # it lies where we would not deposit it now, and no worse
    return tuple(one for one in grants if one.relay not in lying)


def _lies_at(draft: Draft, member: MemberId, owed: OwedFrame) -> frozenset[RelayAddress]:
    """Return the relays of a member's that have an owed frame, or are about to answer for it."""
    read = {grant.relay for grant in draft.peer(member).grants}  # elsewhere they read no more
    boots = {owed.boot[at : at + MARK_SIZE] for at in range(0, len(owed.boot), MARK_SIZE)}
    boots |= {
        ticket.boot
        for ticket in draft.live.tickets.values()
        if ticket.member == member and ticket.seq == owed.seq
    }
    return frozenset(
        relay for relay, boot in draft.live.boots.items() if boot in boots and relay in read
    )


def relay_in(draft: Draft, boot: bytes) -> RelayAddress | None:
    """Return the relay that is in this run, if it answers."""
    return next((relay for relay, known in draft.live.boots.items() if known == boot), None)


def turn_elsewhere(draft: Draft, ticket: Ticket, retry_after: float) -> bool:
    """Note that a relay refused a peer's mail; say whether another one may take it now.

    A refusal that is over soon is waited for. Elsewhere everything has to be handed over that is
    not acknowledged: a reader who got the end of it first could not make sense of it.
    """
    if ticket.member is None or 0 < retry_after <= DEPOSIT_RETRY:
        return False
    relay = relay_in(draft, ticket.boot)
    if relay is None or ticket.member not in draft.cold.peers:
        return False
    until = Instant(draft.now + (retry_after or DEPOSIT_RETRY))
    refused = {**draft.courier(ticket.member).refused, relay: until}
    draft.change_courier(ticket.member, refused=refused)
    grant = choose_grant(draft, ticket.member, ticket.kind)
    return grant is not None and not fails_now(draft, ticket.member, grant.relay)
