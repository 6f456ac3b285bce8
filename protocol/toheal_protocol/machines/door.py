"""The door: how a circle begins, a seat is offered, somebody knocks and is let in.

```
  facilitator                                newcomer
  Invited      -> seals what the link opens, deposits it
                                             opens the link, reads the charter, says yes
               <- F1 (reply mailbox)         calling
  at the door  -> F2 (their mailbox)
               <- F3 = Knock (reply mailbox) session confirmed
  waiting      -> Granted
  Admitted     -> `add` to the members, Welcome to the newcomer
                                             active
```
Until the welcome the newcomer talks with this facilitator only and learns of nobody else.

Spec: docs/protocol/circle.md, section 9; docs/protocol/invitation.md.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.crypto import Entropy, hash_parts
from toheal_protocol.envelope import MARK_SIZE, MAX_PARENTS, Parent
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame
from toheal_protocol.identity import (
    PREKEY_LIFE,
    PREKEY_TURNOVER,
    PersonaKeys,
    PrekeySecrets,
    decode_card,
    draw_persona,
    draw_prekey,
    encode_card,
    make_card,
)
from toheal_protocol.machines import calls
from toheal_protocol.machines.addressing import draw_mailboxes
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.log import write_message
from toheal_protocol.machines.membership import check_foundation, check_operations, members
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import (
    Circle,
    Cold,
    Invitation,
    Listening,
    Peer,
    Position,
    Role,
    Seat,
    Stage,
    Standing,
)
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.messages.invitation import (
    InvitationContent,
    InvitationEnd,
    seal_invitation,
    seal_invitation_end,
)
from toheal_protocol.messages.notes import (
    Acquaintance,
    Declined,
    Head,
    Introduction,
    Knock,
    NewCard,
    Welcome,
)
from toheal_protocol.messages.operations import (
    Foundation,
    OperationKind,
    circle_id_of,
    encode_foundation,
    encode_keys,
    encode_operation,
    sign_operation,
)
from toheal_protocol.model import MAX_MEMBERS, CircleId, MemberId, WallTime
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

MAX_AT_DOOR: Final = 4
"""People who may stand at the door with one invitation: a stolen link must not fill the page."""


def charter_hash(charter: str) -> bytes:
    """Return 32 bytes that name a charter's text."""
    return hash_parts("th1/charter", charter.encode())


def found_circle(
    *,
    name: str,
    my_name: str,
    charter: str,
    relays: tuple[RelayAddress, ...],
    is_direct: bool,
    entropy: Entropy,
    wall_now: WallTime,
) -> Circle:
    """Found a circle of one. The names are already clean."""
    persona = draw_persona(entropy)
    foundation = Foundation(entropy.draw(32), persona.keys, is_direct, charter_hash(charter))
    create = sign_operation(
        OperationKind.CREATE,
        circle=CircleId(bytes(32)),
        parents=(),
        body=encode_foundation(foundation),
        author=persona,
    )
    return Circle(
        Cold(
            id=circle_id_of(create),
            stage=Stage.ACTIVE,
            persona=persona,
            prekeys=(_fresh_prekey((), entropy, wall_now),),
            name=name,
            my_name=my_name,
            my_role=Role.FACILITATOR,
            charter=charter,
            relays=relays,
            is_direct=is_direct,
            operations=(encode_operation(create),),
        )
    )


def knock_at(
    link: InvitationLink,
    content: InvitationContent,
    *,
    my_name: str,
    entropy: Entropy,
    wall_now: WallTime,
) -> Circle:
    """Take an invitation: a circle that is only a door so far. Commit it, then start it.

    Raises:
        ForgedMessage, MalformedFrame: the circle's foundation does not fit the invitation.
    """
    _, foundation = check_foundation(content.create_operation, circle=content.circle_id)
    if foundation.charter_hash != charter_hash(content.charter):
        raise MalformedFrame("another charter than the one the circle was founded on")
    persona = draw_persona(entropy)
    host = Peer(
        keys=content.inviter.keys,
        card=encode_card(content.inviter),
        name=content.inviter_name,
        standing=Standing.HOST,
        role=Role.FACILITATOR,
        since=wall_now,
    )
    relays = (link.relay, *(relay for relay in content.relays if relay != link.relay))
    cold = Cold(
        id=content.circle_id,
        stage=Stage.KNOCKING,
        persona=persona,
        prekeys=(_fresh_prekey((), entropy, wall_now),),
        name=content.circle_name,
        my_name=my_name,
        my_role=Role.MEMBER,
        charter=content.charter,
        relays=relays,
        is_direct=foundation.is_direct,
        operations=(content.create_operation,),
        peers={content.inviter.keys.member_id: host},
    )
    called = calls.start_call(
        cold,
        content.inviter.keys.member_id,
        purpose=calls.JOIN,
        secret=link.secret,
        introduce=True,
        entropy=entropy,
        wall_now=wall_now,
    )
    return Circle(called)


def invite(draft: Draft, *, lifetime: int, relay: RelayAddress) -> None:
    """Offer a seat: the sealed content is deposited, the link goes out by `Tell`."""
    _turn_prekeys(draft)
    cold, prekey = draft.cold, draft.cold.prekeys[-1]
    expires = WallTime(draft.wall_now + lifetime)
    content = InvitationContent(
        circle_id=cold.id,
        inviter=make_card(cold.persona, prekey),
        relays=cold.relays,
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


def take_knock(draft: Draft, member: MemberId, knock: Knock, *, name: str) -> None:
    """Show somebody at the door."""
    peer = draft.peer(member)
    if peer.standing is not Standing.AT_DOOR:
        return
    if knock.charter_hash != charter_hash(draft.cold.charter):
        raise MalformedFrame("a knock with another charter")
    draft.change_peer(member, standing=Standing.WAITING, name=name)
    draft.ask(Tell("waiting", member))


def admit(draft: Draft, member: MemberId) -> None:
    """Let somebody in: tell the members, welcome the newcomer. Repeats change nothing."""
    newcomer = draft.peer(member)
    if newcomer.standing is not Standing.WAITING:
        return
    if len(members(draft)) >= MAX_MEMBERS:
        raise LocalError("the circle is full")
    close_invitation(draft, newcomer.invitation, Seat.USED)
    others = tuple(other for other in members(draft) if other != draft.our_id)
    add = sign_operation(
        OperationKind.ADD,
        circle=draft.cold.id,
        parents=(),
        body=encode_keys(newcomer.keys),
        author=draft.cold.persona,
    )
    secrets = {other: draft.entropy.draw(32) for other in others}
    for other in others:
        known = Acquaintance(newcomer.card, newcomer.name, secrets[other])
        owe_note(draft, other, Introduction(known))
    write_message(
        draft,
        ContentKind.OPERATION,
        encode_operation(add),
        leave_out=member,
    )
    draft.change_peer(member, standing=Standing.MEMBER)
    heads = tuple(
        Head(author, position.seq, position.mid) for author, position in draft.log.heads.items()
    )
    acquaintances = tuple(
        Acquaintance(draft.peer(other).card, draft.peer(other).name, secrets[other])
        for other in others
    )
    owe_note(draft, member, Welcome(draft.cold.operations, acquaintances, heads))


def decline(draft: Draft, member: MemberId) -> None:
    """Say no to somebody at the door; the seat stays open for whom it was meant."""
    if draft.peer(member).standing is not Standing.WAITING:
        return
    draft.change_peer(member, standing=Standing.DECLINED)
    owe_note(draft, member, Declined())


def take_welcome(draft: Draft, host: MemberId, welcome: Welcome) -> None:
    """Come in: check the membership, know the others, call each of them.

    Raises:
        MalformedFrame, ForgedMessage: the welcome's operations do not add up.
    """
    if draft.cold.stage is not Stage.KNOCKING or draft.peer(host).standing is not Standing.HOST:
        return
    roles = check_operations(welcome.operations, circle=draft.cold.id)
    if draft.our_id not in roles or roles.get(host) is not Role.FACILITATOR:
        raise MalformedFrame("a welcome without us or without its author as facilitator")
    heads = {head.author: Position(head.seq, head.mid) for head in welcome.heads}
    draft.set_cold(stage=Stage.ACTIVE, operations=welcome.operations, my_role=roles[draft.our_id])
    draft.log = evolve(
        draft.log,
        heads={**heads, **draft.log.heads},
        frontier=tuple(
            Parent(head.author[:MARK_SIZE], head.seq, head.mid) for head in welcome.heads
        )[-MAX_PARENTS:],
    )
    draft.change_peer(host, standing=Standing.MEMBER, role=Role.FACILITATOR)
    for known in welcome.members:
        member = _meet(draft, known, roles=roles)
        draft.cold = calls.start_call(
            draft.cold,
            member,
            purpose=calls.MEET,
            secret=known.secret,
            introduce=False,
            entropy=draft.entropy,
            wall_now=draft.wall_now,
        )
        calls.repeat_call(draft, member)
    draft.ask(Tell("admitted", host))


def take_introduction(draft: Draft, host: MemberId, introduction: Introduction) -> None:
    """Expect a newcomer's call.

    Raises:
        MalformedFrame: whoever introduces is no facilitator, or the card is none.
    """
    if draft.peer(host).role is not Role.FACILITATOR:
        raise MalformedFrame("an introduction by somebody who may not")
    member = _meet(draft, introduction.newcomer, roles={})
    _turn_prekeys(draft)
    listening = Listening(calls.MEET, introduction.newcomer.secret, draft.cold.prekeys[-1].id)
    draft.change_peer(member, listening=listening)


def renew_card(draft: Draft) -> None:
    """Draw a new prekey when it is time, and give every member the card to call us with."""
    before = draft.cold.prekeys
    _turn_prekeys(draft)
    if draft.cold.prekeys is before or draft.cold.stage is not Stage.ACTIVE:
        return
    card = encode_card(make_card(draft.cold.persona, draft.cold.prekeys[-1]))
    for member in members(draft)[1:]:
        owe_note(draft, member, NewCard(card))


def take_new_card(draft: Draft, member: MemberId, encoded: bytes) -> None:
    """Keep a peer's newer card.

    Raises:
        MalformedFrame, ForgedMessage: it is none, or somebody else's.
    """
    card, peer = decode_card(encoded), draft.peer(member)
    if card.keys != peer.keys:
        raise ForgedMessage("somebody else's card")
    if card.not_after > decode_card(peer.card).not_after:
        draft.change_peer(member, card=encoded)


def take_declined(draft: Draft, host: MemberId) -> None:
    """Hear that it is no."""
    if draft.cold.stage is Stage.KNOCKING and draft.peer(host).standing is Standing.HOST:
        draft.set_cold(stage=Stage.DECLINED)
        draft.ask(Tell("declined", host))


def welcome_at_door(
    draft: Draft, invitation: Invitation, keys: PersonaKeys, card: bytes
) -> MemberId | None:
    """Make room at the door for somebody with this invitation; None when there is none."""
    member = keys.member_id
    here = [p for p in draft.cold.peers.values() if p.invitation == invitation.id]
    if member in draft.cold.peers or member == draft.our_id or len(here) >= MAX_AT_DOOR:
        return None
    draft.set_peer(
        member,
        Peer(
            keys=keys,
            card=card,
            name="",
            standing=Standing.AT_DOOR,
            role=Role.MEMBER,
            since=draft.wall_now,
            invitation=invitation.id,
            mailboxes=draw_mailboxes(
                draft.cold.relays, draft.entropy, first=1, count=calls.NUMBERS_AT_FIRST
            ),
        ),
    )
    return member


def _meet(draft: Draft, known: Acquaintance, *, roles: dict[MemberId, Role]) -> MemberId:
    card = decode_card(known.card)
    member = card.keys.member_id
    if member == draft.our_id:
        raise MalformedFrame("an introduction to ourselves")
    if member not in draft.cold.peers:
        draft.set_peer(
            member,
            Peer(
                keys=card.keys,
                card=known.card,
                name=known.name,
                standing=Standing.MEMBER,
                role=roles.get(member, Role.MEMBER),
                since=draft.wall_now,
            ),
        )
    return member


def _turn_prekeys(draft: Draft) -> None:
    """Draw a new prekey when the newest was handed out long enough; forget the dead ones."""
    living = tuple(key for key in draft.cold.prekeys if key.not_after > draft.wall_now)
    newest = living[-1] if living else None
    if newest is None or newest.not_after - draft.wall_now < PREKEY_LIFE - PREKEY_TURNOVER:
        fresh = _fresh_prekey(draft.cold.prekeys, draft.entropy, draft.wall_now)
        draft.set_cold(prekeys=(*living, fresh))


def _fresh_prekey(
    known: tuple[PrekeySecrets, ...], entropy: Entropy, wall_now: WallTime
) -> PrekeySecrets:
    newest = max((key.id for key in known), default=0)
    return draw_prekey(entropy, id=newest + 1, not_after=WallTime(wall_now + PREKEY_LIFE))
