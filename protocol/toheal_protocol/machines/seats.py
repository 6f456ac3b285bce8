"""Seats: what is offered to one person once, and what lies where an invitation's link points.

Spec: docs/protocol/circle.md, section 9; docs/protocol/invitation.md, sections 4 and 6.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.identity import make_card
from toheal_protocol.machines import calls
from toheal_protocol.machines.cards import turn_prekeys
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.state import Invitation, Seat
from toheal_protocol.messages.invitation import (
    MAX_INVITATION_RELAYS,
    InvitationContent,
    InvitationEnd,
    seal_invitation,
    seal_invitation_end,
)
from toheal_protocol.model import WallTime
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

END_KEPT: Final = 24 * 3600
"""Seconds after an invitation's time is over during which the note about its end stays: for those
whose clock is behind. To all others the link itself says that its time is over."""

_ENDS: Final = {
    Seat.USED: InvitationEnd.USED,
    Seat.WITHDRAWN: InvitationEnd.WITHDRAWN,
    Seat.EXPIRED: InvitationEnd.EXPIRED,
}


def invite(
    draft: Draft, *, lifetime: int, relay: RelayAddress | None, is_notice: bool = False
) -> None:
    """Offer a seat: the sealed content is deposited, the link goes out by `Tell`.

    Without a relay nothing is deposited: whoever hands the link over hands over the content, too.
    """
    turn_prekeys(draft)
    cold, prekey = draft.cold, draft.cold.prekeys[-1]
    expires = WallTime(draft.wall_now + lifetime)
    content = InvitationContent(
        circle_id=cold.id,
        inviter=make_card(cold.persona, prekey),
        relays=(*cold.relays, *cold.allowed)[:MAX_INVITATION_RELAYS],
        circle_name=cold.name,
        inviter_name=cold.my_name,
        charter=cold.charter,
        create_operation=cold.operations[0],
    )
    secret = draft.entropy.draw(32)
    sealed, digest = seal_invitation(content, secret=secret, entropy=draft.entropy)
    link = InvitationLink(relay, secret, digest, expires)
    invitation = Invitation(
        id=draft.entropy.draw(8),
        secret=secret,
        relay=relay,
        expires=expires,
        prekey_id=prekey.id,
        digest=digest,
        sealed=sealed,
        is_notice=is_notice,
    )
    draft.set_cold(invitations=(*cold.invitations, invitation))
    calls.deposit_invitation(draft, invitation)
    draft.ask(Tell("invitation_made", text=str(link)))


def close_invitation(draft: Draft, invitation_id: bytes, seat: Seat) -> None:
    """Take a seat from the offer: used, withdrawn or expired. Repeats change nothing.

    Whoever opens the link later finds out which: a note takes the content's place.
    """
    for invitation in draft.cold.invitations:
        if invitation.id == invitation_id and invitation.seat is Seat.OPEN:
            note = seal_invitation_end(_ENDS[seat], secret=invitation.secret, entropy=draft.entropy)
            closed = evolve(invitation, seat=seat, sealed=note)
            _put_invitation(draft, closed)
            calls.deposit_invitation(draft, closed)


def keeps_mailbox(invitation: Invitation, wall_now: WallTime) -> bool:
    """Say whether something has to lie where an invitation's link points."""
    return invitation.seat is Seat.OPEN or wall_now < invitation.expires + END_KEPT


def is_end_note(draft: Draft, invitation_id: bytes, frame: bytes) -> bool:
    """Say whether this is the note we left in place of an invitation's content."""
    return any(
        one.id == invitation_id and one.seat is not Seat.OPEN and one.sealed == frame
        for one in draft.cold.invitations
    )


def _put_invitation(draft: Draft, changed: Invitation) -> None:
    invitations = tuple(changed if one.id == changed.id else one for one in draft.cold.invitations)
    draft.set_cold(invitations=invitations)


def expire_invitations(draft: Draft) -> None:
    """Close what is over its time."""
    for invitation in draft.cold.invitations:
        if invitation.seat is Seat.OPEN and invitation.expires <= draft.wall_now:
            close_invitation(draft, invitation.id, Seat.EXPIRED)
        elif invitation.sealed and not keeps_mailbox(invitation, draft.wall_now):
            _put_invitation(draft, evolve(invitation, sealed=b""))
