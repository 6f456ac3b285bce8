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
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.identity import (
    PREKEY_LIFE,
    PersonaKeys,
    clean_name,
    decode_card,
    draw_persona,
    encode_card,
)
from toheal_protocol.machines import calls, seats
from toheal_protocol.machines.addressing import draw_mailboxes
from toheal_protocol.machines.cards import fresh_prekey, turn_prekeys
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
)
from toheal_protocol.messages.notes import (
    MAX_OPERATIONS,
    Acquaintance,
    Declined,
    Head,
    Introduction,
    Knock,
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

MAX_AT_DOOR: Final = 4
"""People who may stand at the door with one invitation: a stolen link must not fill the page."""

MAX_KNOCKS: Final = 16
"""People who may have come by one invitation at all. Who was declined leaves their place to others, or
four strangers with a stolen link could keep out the one it was meant for."""


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
            prekeys=(fresh_prekey((), entropy, wall_now),),
            name=name,
            my_name=my_name,
            my_role=Role.FACILITATOR,
            charter=charter,
            relays=relays,
            is_direct=is_direct,
            operations=(encode_operation(create),),
        )
    )


def is_direct(content: InvitationContent) -> bool:
    """Say whether members of the circle behind an invitation see each other's addresses.

    A foundation that does not fit counts as direct: the careful answer; `knock_at` refuses it.
    """
    try:
        return check_foundation(content.create_operation, circle=content.circle_id)[1].is_direct
    except RemoteError:
        return True


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
        prekeys=(fresh_prekey((), entropy, wall_now),),
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


def take_knock(draft: Draft, member: MemberId, knock: Knock, *, name: str) -> None:
    """Show somebody at the door."""
    peer = draft.peer(member)
    if peer.standing is not Standing.AT_DOOR:
        return
    if knock.charter_hash != charter_hash(draft.cold.charter):
        raise MalformedFrame("a knock with another charter")
    draft.change_peer(member, standing=Standing.WAITING, name=name)
    draft.ask(Tell("waiting", member))


def has_room(cold: Cold) -> bool:
    """Say whether somebody more can be let in, and a welcome would still hold everybody."""
    present = sum(peer.standing is Standing.MEMBER for peer in cold.peers.values()) + 1
    return present < MAX_MEMBERS and len(cold.operations) < MAX_OPERATIONS


def admit(draft: Draft, member: MemberId) -> None:
    """Let somebody in: tell the members, welcome the newcomer.

    Nothing happens if they do not wait any more, there is no room, or it is not ours to do.
    """
    newcomer = draft.peer(member)
    may_admit = draft.cold.my_role is Role.FACILITATOR and has_room(draft.cold)
    if newcomer.standing is not Standing.WAITING or not may_admit:
        return
    seats.close_invitation(draft, newcomer.invitation, Seat.USED)
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
        owe_note(draft, other, Introduction(known, is_yours_to_call=False))
    write_message(
        draft,
        ContentKind.OPERATION,
        encode_operation(add),
        leave_out=member,
    )
    draft.change_peer(member, standing=Standing.MEMBER)
    _turn_away_others(draft, newcomer.invitation)
    heads = tuple(
        Head(author, position.seq, position.mid) for author, position in draft.log.heads.items()
    )
    owe_note(draft, member, Welcome(draft.cold.operations, heads))
    for other in others:
        peer = draft.peer(other)
        known = Acquaintance(peer.card, peer.name, secrets[other])
        owe_note(draft, member, Introduction(known, is_yours_to_call=True))


def decline(draft: Draft, member: MemberId) -> None:
    """Say no to somebody at the door; the seat stays open for whom it was meant."""
    if draft.peer(member).standing is not Standing.WAITING:
        return
    _turn_away(draft, member)


def _turn_away_others(draft: Draft, invitation: bytes) -> None:
    """One seat, one person: whoever else came by this invitation is told no."""
    for member, peer in draft.cold.peers.items():
        if peer.invitation == invitation and peer.standing in (Standing.AT_DOOR, Standing.WAITING):
            _turn_away(draft, member)


def _turn_away(draft: Draft, member: MemberId) -> None:
    draft.change_peer(member, standing=Standing.DECLINED)
    owe_note(draft, member, Declined())


def tidy_door(draft: Draft) -> None:
    """Close the mailboxes of those who were sent away and know it, or never came to hear it."""
    for member, peer in draft.cold.peers.items():
        if peer.standing is not Standing.DECLINED or not peer.mailboxes:
            continue
        pair = draft.pair(member)
        is_over = draft.wall_now - peer.since > PREKEY_LIFE
        if is_over or pair.acked_through == pair.next_seq - 1:
            draft.change_peer(member, mailboxes=(), grants=(), listening=None, opened=None)


def take_welcome(draft: Draft, host: MemberId, welcome: Welcome) -> None:
    """Come in: check the membership, and read on from where the host has read.

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
    draft.ask(Tell("admitted", host))


def take_introduction(draft: Draft, host: MemberId, introduction: Introduction) -> None:
    """Get to know somebody: call them, or expect their call.

    Raises:
        MalformedFrame: whoever introduces is no facilitator, or the card is none.
    """
    if draft.peer(host).role is not Role.FACILITATOR:
        raise MalformedFrame("an introduction by somebody who may not")
    roles = check_operations(draft.cold.operations, circle=draft.cold.id)
    member, secret = _meet(draft, introduction.known, roles=roles), introduction.known.secret
    peer = draft.peer(member)
    if peer.calling or peer.listening or peer.continuity:
        return  # we know each other, or are about to
    if introduction.is_yours_to_call:
        calls.call(draft, member, purpose=calls.MEET, secret=secret)
    else:
        turn_prekeys(draft)
        listening = Listening(calls.MEET, secret, draft.cold.prekeys[-1].id)
        draft.change_peer(member, listening=listening)


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
    came = [p for p in draft.cold.peers.values() if p.invitation == invitation.id]
    here = sum(peer.standing is not Standing.DECLINED for peer in came)
    if member in draft.cold.peers or member == draft.our_id:
        return None
    if here >= MAX_AT_DOOR or len(came) >= MAX_KNOCKS:
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
                name=clean_name(known.name),
                standing=Standing.MEMBER,
                role=roles.get(member, Role.MEMBER),
                since=draft.wall_now,
            ),
        )
    return member
