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

from toheal_protocol.crypto import Entropy, Signature
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.identity import (
    PREKEY_LIFE,
    PersonaKeys,
    draw_persona,
    encode_card,
)
from toheal_protocol.machines import calls, seats
from toheal_protocol.machines.addressing import MAX_RELAYS, draw_mailboxes
from toheal_protocol.machines.cards import fresh_prekey
from toheal_protocol.machines.charters import was_ever_ours
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.lan_secrets import first_secret
from toheal_protocol.machines.lifetime import DEFAULT_TTL
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import (
    Circle,
    Cold,
    Invitation,
    Peer,
    Seat,
    Stage,
    Standing,
)
from toheal_protocol.machines.welcome import bring_in, has_room
from toheal_protocol.membership import check_foundation
from toheal_protocol.messages.acts import (
    HASH_SIZE,
    Addition,
    Foundation,
    charter_hash,
    encode_act,
    sign_voucher,
    verify_voucher,
)
from toheal_protocol.messages.invitation import (
    InvitationContent,
)
from toheal_protocol.messages.notes import (
    Declined,
    Knock,
)
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    OperationKind,
    circle_id_of,
    decode_operation,
    encode_operation,
    sign_operation,
)
from toheal_protocol.model import DEFAULT_TERM, MemberId, Role, WallTime
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

MAX_AT_DOOR: Final = 4
"""People who may stand at the door with one invitation: a stolen link must not fill the page."""

MAX_KNOCKS: Final = 16
"""People who may have come by one invitation at all. Who was declined leaves their place to others, or
four strangers with a stolen link could keep out the one it was meant for."""

MAX_AT_PORCH: Final = 8
"""People who may wait for an answer to a notice at one time: more could not be listened to."""

MAX_A_DAY: Final = 12
"""People who may come by a notice in 24 hours: a flood costs a day, and not the circle's peace."""

MAX_CAME_TO_PORCH: Final = 48
"""People who may come by one notice in its life; then it is time for a new one."""

DAY: Final = 24 * 3600


def found_circle(
    *,
    name: str,
    my_name: str,
    charter: str,
    relays: tuple[RelayAddress, ...],
    is_direct: bool,
    entropy: Entropy,
    wall_now: WallTime,
    for_talk: bytes = b"",
    porch_of: bytes = b"",
    disappear: int = DEFAULT_TTL,
) -> Circle:
    """Found a circle of one. The names are already clean.

    Args:
        porch_of: id of the circle for whose notice this is the door, if it is.
        for_talk: id of the conversation of two it is for, if it is.
    """
    persona = draw_persona(entropy)
    foundation = Foundation(
        entropy.draw(32),
        persona.keys,
        is_direct,
        charter_hash(charter),
        bool(for_talk),
        until=0 if for_talk or porch_of else wall_now + DEFAULT_TERM,
    )
    create = sign_operation(
        OperationKind.CREATE,
        circle=NO_CIRCLE,
        parents=(),
        body=encode_act(foundation),
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
            texts={charter_hash(charter): charter},
            for_talk=for_talk,
            porch_of=porch_of,
            lan_secrets=(first_secret(persona.keys.member_id, entropy=entropy, wall_now=wall_now),),
            disappear=disappear,
        )
    )


def is_direct(content: InvitationContent) -> bool:
    """Say whether members of the circle behind an invitation see each other's addresses.

    A foundation that does not fit counts as direct: the careful answer; `knock_at` refuses it.
    """
    try:
        return _foundation(content).is_direct
    except RemoteError:
        return True


def _foundation(content: InvitationContent) -> Foundation:
    create = decode_operation(content.create_operation)
    return check_foundation(create, circle=content.circle_id)


def knock_at(
    link: InvitationLink,
    content: InvitationContent,
    *,
    my_name: str,
    entropy: Entropy,
    wall_now: WallTime,
    for_talk: bytes = b"",
) -> Circle:
    """Take an invitation: a circle that is only a door so far. Commit it, then start it.

    Args:
        for_talk: id of the conversation of two it is to lead to, if it is.

    Raises:
        ForgedMessage, MalformedFrame: the circle's foundation does not fit the invitation.
    """
    foundation = _foundation(content)
    if foundation.is_for_two is not bool(for_talk):
        raise MalformedFrame("a conversation of two where a circle was expected, or the reverse")
    persona = draw_persona(entropy)
    host = Peer(
        keys=content.inviter.keys,
        card=encode_card(content.inviter),
        name=content.inviter_name,
        standing=Standing.HOST,
        role=Role.FACILITATOR,
        since=wall_now,
    )
    first = () if link.relay is None else (link.relay,)
    relays = (*first, *(relay for relay in content.relays if relay not in first))
    cold = Cold(
        id=content.circle_id,
        stage=Stage.KNOCKING,
        persona=persona,
        prekeys=(fresh_prekey((), entropy, wall_now),),
        name=content.circle_name,
        my_name=my_name,
        my_role=Role.MEMBER,
        charter=content.charter,
        relays=relays[:MAX_RELAYS],
        allowed=relays[MAX_RELAYS:],
        is_direct=foundation.is_direct,
        operations=(content.create_operation,),
        texts={charter_hash(content.charter): content.charter},
        for_talk=for_talk,
        came_by=link.secret,
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
    if not was_ever_ours(draft, knock.charter_hash):
        raise MalformedFrame("a knock with another charter")
    said_yes = Addition(peer.keys, knock.charter_hash, knock.voucher)
    verify_voucher(said_yes, circle=draft.cold.id)
    draft.change_peer(
        member,
        standing=Standing.WAITING,
        name=name,
        said_yes=knock.charter_hash + knock.voucher,
    )
    draft.ask(Tell("waiting", member))


def knock_of(cold: Cold) -> Knock:
    """Say who we are at the door, and sign that we said yes to the charter we were shown."""
    charter = charter_hash(cold.charter)
    voucher = sign_voucher(cold.persona, circle=cold.id, charter=charter)
    return Knock(cold.my_name, charter, voucher)


def admit(draft: Draft, member: MemberId) -> None:
    """Let somebody in: tell the members, welcome the newcomer.

    Nothing happens if they do not wait any more, there is no room, or it is not ours to do.
    """
    newcomer = draft.peer(member)
    may_admit = draft.cold.my_role is Role.FACILITATOR and has_room(draft.cold)
    if newcomer.standing is not Standing.WAITING or not may_admit:
        return
    charter, voucher = newcomer.said_yes[:HASH_SIZE], Signature(newcomer.said_yes[HASH_SIZE:])
    if bring_in(draft, member, Addition(newcomer.keys, charter, voucher)):
        seats.close_invitation(draft, newcomer.invitation, Seat.USED)
        _turn_away_others(draft, newcomer.invitation)


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
    draft.change_peer(member, standing=Standing.DECLINED, door_words=())
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


def tidy_gone(draft: Draft) -> None:
    """Close the mailboxes between us and who is out, once nothing of before can come any more.

    Until then a taking that turns out void, or an appeal, finds the way as it was.
    """
    for member, peer in draft.cold.peers.items():
        is_long_gone = peer.gone_at and draft.wall_now - peer.gone_at > PREKEY_LIFE
        if peer.standing is Standing.GONE and is_long_gone and (peer.mailboxes or peer.grants):
            draft.change_peer(
                member, mailboxes=(), grants=(), calling=None, listening=None, opened=None
            )


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
    most_here, most = MAX_AT_DOOR, MAX_KNOCKS
    if invitation.is_notice:
        most_here, most = MAX_AT_PORCH, MAX_CAME_TO_PORCH
        if sum(draft.wall_now - peer.since < DAY for peer in came) >= MAX_A_DAY:
            return None
    if here >= most_here or len(came) >= most:
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
