"""From what the machines know to what a door shows."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from toheal_p2p.app import interface as views
from toheal_p2p.app.names import short
from toheal_p2p.app.vocabulary import (
    ActKind,
    ActReason,
    ActState,
    Audience,
    CircleState,
    Role,
)
from toheal_p2p.ports.vault import DeliveryRow, EntryRow
from toheal_protocol.machines.charters import is_asked
from toheal_protocol.machines.door import is_direct
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.mutes import muted_until
from toheal_protocol.machines.state import Cold, Invitation, Stage, Standing
from toheal_protocol.machines.voice import is_silenced
from toheal_protocol.membership import Outcome
from toheal_protocol.membership import Standing as Outcomes
from toheal_protocol.messages.acts import (
    Acceptance,
    Addition,
    CharterChange,
    Foundation,
    Leaving,
    Muting,
    PolicyChange,
    Reason,
    ReasonCategory,
    Removal,
    RoleChange,
    Second,
    Term,
    Unmuting,
)
from toheal_protocol.messages.announcement import named_text
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.model import Audience as ForWhom
from toheal_protocol.model import MemberId, MessageId, OperationId, WallTime
from toheal_protocol.model import Role as MemberRole
from toheal_protocol.wire.invitation_link import InvitationLink

_STATES: dict[Stage, CircleState] = {
    Stage.KNOCKING: "waiting_at_door",
    Stage.ACTIVE: "active",
    Stage.DECLINED: "declined",
    Stage.LEFT: "left",
    Stage.REMOVED: "removed",
}

_ROLES: dict[MemberRole, Role] = {
    MemberRole.FACILITATOR: "facilitator",
    MemberRole.MEMBER: "member",
    MemberRole.LISTENER: "listener",
}

_AUDIENCES: dict[ForWhom, Audience] = {
    ForWhom.CIRCLE: "circle",
    ForWhom.FACILITATORS: "facilitators",
}

_REASONS: dict[ReasonCategory, ActReason] = {
    ReasonCategory.OTHER: "other",
    ReasonCategory.CONFIDENCE: "confidence",
    ReasonCategory.HARM: "harm",
    ReasonCategory.PRESSURE: "pressure",
    ReasonCategory.IMPOSTOR: "impostor",
    ReasonCategory.ABSENT: "absent",
    ReasonCategory.REQUEST: "request",
    ReasonCategory.TERM: "term",
}

_ACT_STATES: dict[Outcomes, ActState] = {
    Outcomes.STANDS: "stands",
    Outcomes.WAITS: "waits",
    Outcomes.VOID: "void",
    Outcomes.MOOT: "moot",
}

QUOTED = 80
"""Characters of a message that are shown beside an answer to it."""

OPERATION_KINDS = frozenset(
    {"joined", "left", "remove", "role", "policy", "charter", "second", "term", "mute", "unmute"}
)
"""Kinds of entries whose text is the id of an operation."""


def circle_view(cold: Cold, *, wall_now: WallTime) -> views.CircleView:
    """Show one circle."""
    muted = muted_until(cold, cold.persona.keys.member_id)
    return views.CircleView(
        id=cold.id.hex(),
        name=cold.name,
        my_name=cold.my_name,
        state=_STATES[cold.stage],
        members=1 + len(others(cold)),
        relays=tuple(str(relay) for relay in cold.relays),
        direct=cold.is_direct,
        charter_accepted=not is_asked(cold),
        is_talk=bool(cold.for_talk),
        disappear=cold.disappear,
        muted_until=muted if muted is not None and muted > wall_now else None,
    )


def others(cold: Cold) -> tuple[MemberId, ...]:
    """Return the other members; at the door, the one who let us knock."""
    shown = (Standing.MEMBER, Standing.HOST)
    return tuple(member for member, peer in cold.peers.items() if peer.standing in shown)


def member_views(
    cold: Cold,
    *,
    forked: Set[MemberId],
    wall_now: WallTime,
    differing: Set[MemberId] = frozenset(),
) -> tuple[views.MemberView, ...]:
    """Show the members, ourselves first.

    Args:
        forked: of whom two copies were seen, ourselves perhaps among them.
        differing: of whom two different messages have one number.
    """
    our_id = cold.persona.keys.member_id
    now = membership_of(cold.id, cold.operations)
    roles = {our_id: cold.my_role, **{member: cold.peers[member].role for member in others(cold)}}
    return tuple(
        views.MemberView(
            id=member.hex(),
            name=name_of(cold, member),
            role="member" if cold.for_talk else _ROLES[role],
            is_me=member == our_id,
            fork_seen=member in forked,
            stories_differ=member in differing,
            charter_accepted=member in now.accepted or cold.stage is Stage.KNOCKING,
            term_until=now.terms.get(member),
            term_over=0 < now.terms.get(member, 0) <= wall_now,
            muted_until=muted_until(cold, member),
            hidden=member in cold.hidden,
        )
        for member, role in roles.items()
    )


def waiting_views(cold: Cold, *, notice: str | None = None) -> tuple[views.WaitingView, ...]:
    """Show who stands at the door, longest first.

    Args:
        notice: the topic of the notice whose door it is.
    """
    waiting = [
        views.WaitingView(member.hex(), peer.name, peer.since, notice)
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


def entry_view(
    cold: Cold,
    row: EntryRow,
    about: Mapping[MessageId, EntryRow] = MappingProxyType({}),
    *,
    with_hidden: bool = False,
) -> views.EntryView:
    """Show one entry of the log.

    Args:
        about: messages that entries answer or change, as far as they are here.
        with_hidden: also the words of whom our person hides.
    """
    kind, text, act = row.kind, row.text, None
    target = None if row.reply is None else about.get(row.reply)
    if kind in OPERATION_KINDS or kind == "accept":
        kind, text, act = _shown_operation(cold, row)
    elif not row.is_mine and is_crossed(cold, row):
        kind, text = "crossed", ""
    elif is_hidden(cold, row) and not with_hidden:
        kind, text = "hidden", ""
    elif kind in ("edit", "retraction"):
        kind, text = _shown_change(row, target)
    has_words = kind not in ("crossed", "hidden")
    passed_on_by = None if row.passed_on_by is None else name_of(cold, row.passed_on_by)
    return views.EntryView(
        position=row.position,
        id=row.mid.hex(),
        circle=cold.id.hex(),
        author=row.author.hex(),
        author_name=name_of(cold, row.author),
        mine=row.is_mine,
        kind=kind,
        text=text,
        sent_at=row.sent_at,
        received_at=row.received_at,
        notes=row.notes if has_words else (),
        passed_on_by=passed_on_by,
        audience=_AUDIENCES[row.audience],
        reply_to=row.reply.hex() if row.reply is not None and has_words else None,
        quote=_quote(cold, row, target, with_hidden=with_hidden) if has_words else None,
        edited=row.is_edited and kind == "text",
        act=act,
        is_new=not row.is_shown,
        stays=row.stays,
        left=row.left,
    )


def is_crossed(cold: Cold, row: EntryRow) -> bool:
    """Say whether an entry's words do not count; that somebody took words back always does."""
    peer = cold.peers.get(row.author)
    is_word = row.kind not in ("retraction", "retracted", "gap")
    return is_word and is_silenced(peer, row.audience, row.author_seq)


def is_hidden(cold: Cold, row: EntryRow) -> bool:
    """Say whether our person does not want to read this. Who asks the facilitators is always heard."""
    is_word = row.kind in ("text", "attachment", "edit", "not_theirs")
    return is_word and row.author in cold.hidden and row.audience is ForWhom.CIRCLE


def _shown_change(row: EntryRow, target: EntryRow | None) -> tuple[str, str]:
    """Return the kind and text of what is said about a message.

    The new words are shown where the message is here: whoever came later was not meant to read it.
    """
    if target is None or target.kind == "retracted":
        return row.kind, ""
    if (target.author, target.audience) != (row.author, row.audience):
        return "not_theirs", ""
    return row.kind, row.text


def _quote(
    cold: Cold, row: EntryRow, target: EntryRow | None, *, with_hidden: bool
) -> views.QuoteView | None:
    """Return how the message begins that an entry is about, unless it is for fewer people."""
    if target is None or target.audience > row.audience or row.kind not in ("text", "request"):
        return None
    if target.kind != "text" or (not target.is_mine and is_crossed(cold, target)):
        return None
    if is_hidden(cold, target) and not with_hidden:
        return None
    first = " ".join(target.text.split())
    text = first if len(first) <= QUOTED else first[: QUOTED - 1] + "…"
    return views.QuoteView(name_of(cold, target.author), text, target.notes)


def _shown_operation(cold: Cold, row: EntryRow) -> tuple[str, str, views.ActView | None]:
    """Return an operation's kind of entry, its text, and what was done."""
    now = membership_of(cold.id, cold.operations)
    outcome = now.outcome(OperationId(bytes.fromhex(row.text)))
    match outcome.act if outcome is not None else None:
        case Addition(keys):
            return "joined", name_of(cold, keys.member_id), None
        case Leaving():
            return "left", name_of(cold, row.author), None
        case Second(subject):
            supported = now.outcome(subject)
            shown = None if supported is None else act_view(cold, supported)
            return "second", "", shown
        case None | Foundation() | Acceptance():
            return "unknown", "", None
        case _ if outcome is not None:
            return "act", "", act_view(cold, outcome)
        case _:
            return "unknown", "", None


def act_view(cold: Cold, outcome: Outcome) -> views.ActView:
    """Show one act."""
    kind, member, role, direct, reason = _said(outcome)
    until = outcome.act.until if isinstance(outcome.act, RoleChange | Term | Muting) else 0
    supporters = (outcome.author, *(m for m in outcome.supporters if m != outcome.author))
    waits = outcome.standing is Outcomes.WAITS
    return views.ActView(
        id=outcome.id.hex(),
        kind=kind,
        author=outcome.author.hex(),
        author_name=name_of(cold, outcome.author),
        member=None if member is None else member.hex(),
        member_name=None if member is None else name_of(cold, member),
        role=role,
        direct=direct,
        reason=None if reason is None else _REASONS[reason.category],
        text=cold.texts.get(named_text(outcome.act), ""),
        state=_ACT_STATES[outcome.standing],
        supporters=tuple(name_of(cold, member) for member in supporters),
        waiting_for=tuple(name_of(cold, m) for m in outcome.may_support) if waits else (),
        facilitators=outcome.facilitators,
        members=outcome.members,
        until=until or None,
        asks_us=waits and cold.persona.keys.member_id in outcome.may_support,
    )


def delivery_view(cold: Cold, row: DeliveryRow) -> views.DeliveryView:
    """Show where one message of ours is, for one member."""
    return views.DeliveryView(row.mid.hex(), row.member.hex(), name_of(cold, row.member), row.state)


_Said = tuple[ActKind, MemberId | None, Role | None, bool | None, Reason | None]


def _said(outcome: Outcome) -> _Said:
    match outcome.act:
        case Removal(target, _, reason):
            return "remove", target, None, None, reason
        case RoleChange(target, role, _, reason):
            return "role", target, _ROLES[role], None, reason
        case Addition(keys):
            return "add", keys.member_id, None, None, None
        case PolicyChange(is_direct):
            return "policy", None, None, is_direct, None
        case Term(target):
            return "term", target, None, None, None
        case Muting(target, _, _, reason):
            return "mute", target, None, None, reason
        case Unmuting(target):
            return "unmute", target, None, None, None
        case CharterChange():
            return "charter", None, None, None, None
        case Foundation(_, _, is_direct):
            return "create", None, None, is_direct, None
        case _:
            return "leave", None, None, None, None


def name_of(cold: Cold, member: MemberId) -> str:
    """Return what a member is called; the start of the id where we know no name."""
    if member == cold.persona.keys.member_id:
        return cold.my_name
    peer = cold.peers.get(member)
    return peer.name if peer is not None and peer.name else short(member)
