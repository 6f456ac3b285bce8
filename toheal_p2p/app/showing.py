"""From what the machines know to what a door shows."""

from __future__ import annotations

from collections.abc import Set

from toheal_p2p.app import interface as views
from toheal_p2p.app.names import short
from toheal_p2p.app.vocabulary import CircleState
from toheal_p2p.ports.vault import DeliveryRow, EntryRow
from toheal_protocol.machines.door import is_direct
from toheal_protocol.machines.state import Cold, Invitation, Stage, Standing
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.model import MemberId
from toheal_protocol.wire.invitation_link import InvitationLink

_STATES: dict[Stage, CircleState] = {
    Stage.KNOCKING: "waiting_at_door",
    Stage.ACTIVE: "active",
    Stage.DECLINED: "declined",
    Stage.LEFT: "left",
}


def circle_view(cold: Cold) -> views.CircleView:
    """Show one circle."""
    return views.CircleView(
        id=cold.id.hex(),
        name=cold.name,
        my_name=cold.my_name,
        state=_STATES[cold.stage],
        members=1 + len(others(cold)),
        relays=tuple(str(relay) for relay in cold.relays),
        direct=cold.is_direct,
    )


def others(cold: Cold) -> tuple[MemberId, ...]:
    """Return the other members; at the door, the one who let us knock."""
    shown = (Standing.MEMBER, Standing.HOST)
    return tuple(member for member, peer in cold.peers.items() if peer.standing in shown)


def member_views(cold: Cold, *, forked: Set[MemberId]) -> tuple[views.MemberView, ...]:
    """Show the members, ourselves first.

    Args:
        forked: of whom two copies were seen, ourselves perhaps among them.
    """
    our_id = cold.persona.keys.member_id
    me = views.MemberView(our_id.hex(), cold.my_name, cold.my_role.value, True, our_id in forked)
    return (
        me,
        *(
            views.MemberView(
                member.hex(),
                cold.peers[member].name,
                cold.peers[member].role.value,
                False,
                member in forked,
            )
            for member in others(cold)
        ),
    )


def waiting_views(cold: Cold) -> tuple[views.WaitingView, ...]:
    """Show who stands at the door, longest first."""
    waiting = [
        views.WaitingView(member.hex(), peer.name, peer.since)
        for member, peer in cold.peers.items()
        if peer.standing is Standing.WAITING
    ]
    return tuple(sorted(waiting, key=lambda one: one.since))


def invitation_content_view(
    content: InvitationContent, link: InvitationLink
) -> views.InvitationContentView:
    """Show what an invitation says before anything is answered."""
    return views.InvitationContentView(
        circle_name=content.circle_name,
        inviter_name=content.inviter_name,
        charter=content.charter,
        expires_at=link.expires,
        direct=is_direct(content),
    )


def invitation_view(invitation: Invitation) -> views.InvitationView:
    """Show an offered seat with its link."""
    link = InvitationLink(
        invitation.relay, invitation.secret, invitation.digest, invitation.expires
    )
    return views.InvitationView(invitation.id.hex(), str(link), invitation.expires)


def entry_view(cold: Cold, row: EntryRow) -> views.EntryView:
    """Show one entry of the log."""
    text = row.text
    if row.kind in ("joined", "left"):
        text = name_of(cold, MemberId(bytes.fromhex(row.text)))
    passed_on_by = None if row.passed_on_by is None else name_of(cold, row.passed_on_by)
    return views.EntryView(
        position=row.position,
        id=row.mid.hex(),
        circle=cold.id.hex(),
        author=row.author.hex(),
        author_name=name_of(cold, row.author),
        mine=row.is_mine,
        kind=row.kind,
        text=text,
        sent_at=row.sent_at,
        received_at=row.received_at,
        notes=row.notes,
        passed_on_by=passed_on_by,
    )


def delivery_view(cold: Cold, row: DeliveryRow) -> views.DeliveryView:
    """Show where one message of ours is, for one member."""
    return views.DeliveryView(row.mid.hex(), row.member.hex(), name_of(cold, row.member), row.state)


def name_of(cold: Cold, member: MemberId) -> str:
    """Return what a member is called; the start of the id where we know no name."""
    if member == cold.persona.keys.member_id:
        return cold.my_name
    peer = cold.peers.get(member)
    return peer.name if peer is not None and peer.name else short(member)
