"""Calls: handshakes between two peers of a circle, carried by mailboxes.

```
  caller                                       listener
  start_call: F1 ready, kept                   an invitation, or an introduction
  F1 into the reply mailbox of the secret  ->  take_opening: F2, session not confirmed
  take_answer: session, can send           <-  F2 into the caller's own mailbox
  first note (F3) into the reply mailbox   ->  session confirmed, Granted
```
F1 is repeated until F2 came; a repeated F1 gets the same F2 again.

Spec: docs/protocol/circle.md, section 9; docs/protocol/handshake.md.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.crypto import Entropy, SealKey
from toheal_protocol.errors import ForgedMessage, RemoteError, UnknownSession
from toheal_protocol.handshake import (
    Opened,
    Purpose,
    answer_opening,
    decode_started,
    encode_started,
    finish_handshake,
    read_opening,
    start_handshake,
)
from toheal_protocol.identity import (
    PersonaKeys,
    decode_card,
    encode_card,
    make_card,
)
from toheal_protocol.machines import courier, placing
from toheal_protocol.machines.addressing import (
    NUMBERS_AHEAD,
    address_of,
    draw_mailboxes,
    grants_of,
)
from toheal_protocol.machines.counting import fresh_pair
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Deposit
from toheal_protocol.machines.meetings import meeting_grants
from toheal_protocol.machines.state import (
    Calling,
    Cold,
    Invitation,
    OurMailbox,
    Ticket,
)
from toheal_protocol.messages.frames import Answer, Opening, encode_frame
from toheal_protocol.messages.grants import MAIL, Grant, encode_grants, take_grants
from toheal_protocol.messages.invitation import invitation_mailbox, reply_mailbox
from toheal_protocol.model import MemberId, WallTime
from toheal_protocol.ratchet import begin_as_initiator, begin_as_responder
from toheal_protocol.wire.codec import Reader

JOIN: Final = Purpose.JOIN.value
MEET: Final = Purpose.MEET.value
RESET: Final = Purpose.RESET.value

NUMBERS_AT_FIRST: Final = 1
"""Numbers of mailboxes in F1: its payload is short. More follow inside the session."""

NUMBERS_KEPT: Final = 4 * NUMBERS_AHEAD
"""Numbers before a fresh session's that stay open: who begins anew again and again adds no more."""


def start_call(
    cold: Cold,
    member: MemberId,
    *,
    purpose: bytes,
    secret: bytes,
    introduce: bool,
    entropy: Entropy,
    wall_now: WallTime,
) -> Cold:
    """Prepare a call to a peer whose card we have; nothing is sent yet."""
    peer = cold.peers[member]
    mailboxes = peer.mailboxes or draw_mailboxes(
        cold.relays, entropy, first=1, count=NUMBERS_AT_FIRST
    )
    started, flight = start_handshake(
        circle_id=cold.id,
        purpose=Purpose(purpose),
        psk=secret,
        ours=cold.persona,
        our_card=make_card(cold.persona, cold.prekeys[-1]),
        their_card=decode_card(peer.card),
        introduce=introduce,
        payload=encode_grants(grants_of(mailboxes)),
        entropy=entropy,
    )
    calling = Calling(purpose, secret, encode_started(started), flight)
    called = evolve(
        peer,
        calling=calling,
        mailboxes=mailboxes,
        grants=_call_grants(cold, purpose, secret),
        using=0,
        using_since=wall_now,
    )
    return evolve(cold, peers={**cold.peers, member: called})


def call(draft: Draft, member: MemberId, *, purpose: bytes, secret: bytes) -> None:
    """Call a peer who knows us, with a secret that both have."""
    draft.cold = start_call(
        draft.cold,
        member,
        purpose=purpose,
        secret=secret,
        introduce=False,
        entropy=draft.entropy,
        wall_now=draft.wall_now,
    )
    repeat_call(draft, member)


def repeat_call(draft: Draft, member: MemberId) -> None:
    """Deposit an unanswered F1 (again)."""
    calling = draft.peer(member).calling
    if calling is not None:
        frame = encode_frame(Opening(calling.opening))
        if placing.deposit(draft, member, frame, kind=MAIL):
            courier.plan_call(draft, member)


def take_opening(
    draft: Draft,
    flight: bytes,
    *,
    purpose: bytes,
    secret: bytes,
    known: PersonaKeys | None,
) -> tuple[Opened, bytes]:
    """Read an F1 with whichever of our prekeys it was made for.

    Returns:
        The opened flight, and the caller's encoded card (empty where we know the caller).

    Raises:
        RemoteError: it is none for us.
    """

    def find(member: MemberId) -> PersonaKeys | None:
        return known if known is not None and known.member_id == member else None

    for prekey in reversed(draft.cold.prekeys):
        if prekey.not_after <= draft.wall_now:
            continue
        try:
            opened = read_opening(
                flight,
                circle_id=draft.cold.id,
                purpose=Purpose(purpose),
                psk=secret,
                ours=draft.cold.persona,
                prekey=prekey,
                our_card=make_card(draft.cold.persona, prekey),
                known=find,
            )
        except RemoteError:
            continue
        card = b"" if opened.initiator is None else encode_card(opened.initiator)
        return opened, card
    raise ForgedMessage("an opening that fits none of our prekeys")


def grants_in(opened: Opened) -> tuple[Grant, ...]:
    """Return the mailboxes an F1 names for our answer.

    Raises:
        MalformedFrame: its payload is no list of them.
    """
    reader = Reader(opened.payload)
    grants = take_grants(reader)
    reader.end()
    return grants


def answer_call(draft: Draft, member: MemberId, opened: Opened, *, is_reset: bool = False) -> None:
    """Answer an F1: a session that is confirmed by the caller's first note."""
    grants = grants_in(opened)
    answered = answer_opening(opened, entropy=draft.entropy)
    session = begin_as_responder(
        root=answered.secrets.root,
        header_initiator=answered.secrets.header_initiator,
        header_responder=answered.secrets.header_responder,
        our_ratchet_secret=answered.ratchet_secret,
        now=draft.wall_now,
    )
    draft.set_pair(member, evolve(fresh_pair(draft.pair(member)), session=session))
    peer, continuity = draft.peer(member), answered.secrets.continuity
    draft.change_peer(
        member,
        opened=(opened.ephemeral, answered.f2),
        continuity=peer.continuity if is_reset else continuity,
        next_continuity=continuity if is_reset else b"",
        grants=grants,
        using=min((grant.number for grant in grants), default=1),
        using_since=draft.wall_now,
        mailboxes=peer.mailboxes or _first_mailboxes(draft),
    )
    _deposit_answer(draft, member, answered.f2)


def repeat_answer(draft: Draft, member: MemberId, ephemeral: bytes) -> bool:
    """Send the same F2 again for a repeated F1; False when this F1 is a new one."""
    opened = draft.peer(member).opened
    if opened is None or opened[0] != ephemeral:
        return False
    if not draft.pair(member).received_through:
        _deposit_answer(draft, member, opened[1])
    return True


def take_answer(draft: Draft, member: MemberId, flight: bytes) -> None:
    """Finish our call: from here on we can send.

    Raises:
        UnknownSession: we are not calling them.
        ForgedMessage, MalformedFrame: not the answer to our call.
    """
    calling = draft.peer(member).calling
    if calling is None:
        raise UnknownSession("an answer to no call of ours")
    finished = finish_handshake(decode_started(calling.started), flight)
    session = begin_as_initiator(
        root=finished.secrets.root,
        header_initiator=finished.secrets.header_initiator,
        header_responder=finished.secrets.header_responder,
        their_ratchet_key=finished.their_ratchet_key,
        entropy=draft.entropy,
        now=draft.wall_now,
    )
    draft.set_pair(member, evolve(fresh_pair(draft.pair(member)), session=session))
    draft.change_peer(member, calling=None, continuity=finished.secrets.continuity)


def deposit_invitation(draft: Draft, invitation: Invitation) -> None:
    """Put an invitation's sealed content where its link points."""
    relay = invitation.relay
    boot = None if relay is None else draft.live.boots.get(relay)
    if relay is None or boot is None:
        return
    read_seed, token = invitation_mailbox(invitation.secret)
    number = draft.live.next_ticket
    draft.set_live(
        next_ticket=number + 1, tickets={**draft.live.tickets, number: Ticket(None, 0, boot)}
    )
    draft.ask(Deposit(number, relay, address_of(read_seed), token, invitation.sealed))


def confirm_mailboxes(draft: Draft, member: MemberId) -> tuple[Grant, ...]:
    """Draw the mailboxes a peer gets inside a fresh session; return them as grants."""
    peer = draft.peer(member)
    newest = max((box.number for box in peer.mailboxes), default=0)
    known = tuple(box for box in peer.mailboxes if box.number > peer.quiet_through)
    wanted = NUMBERS_AHEAD - len({box.number for box in known})
    fresh = draw_mailboxes(draft.cold.relays, draft.entropy, first=newest + 1, count=max(0, wanted))
    kept = tuple(box for box in peer.mailboxes if box.number > newest - NUMBERS_KEPT)
    draft.change_peer(member, mailboxes=(*kept, *fresh))
    read = tuple(box for box in (*known, *fresh) if box.relay in draft.cold.relays)
    return grants_of(read)


def _first_mailboxes(draft: Draft) -> tuple[OurMailbox, ...]:
    return draw_mailboxes(draft.cold.relays, draft.entropy, first=1, count=NUMBERS_AT_FIRST)


def _deposit_answer(draft: Draft, member: MemberId, flight: bytes) -> None:
    placing.deposit(draft, member, encode_frame(Answer(flight)), kind=MAIL)


def _call_grants(cold: Cold, purpose: bytes, secret: bytes) -> tuple[Grant, ...]:
    """Return where a call with this secret goes, as grants with number 0: until real ones come."""
    if purpose != JOIN:
        return meeting_grants(cold, secret, caller=None)
    if not cold.relays:
        return ()  # it goes over a wire in the room, or nowhere
    read_seed, token, seal_key = reply_mailbox(secret)
    relay = cold.relays[0]
    return (Grant(0, MAIL, relay, address_of(read_seed), token, SealKey(seal_key)),)


def repeat_unconfirmed(draft: Draft, member: MemberId) -> None:
    """Deposit an F2 again that nobody has confirmed: a crash may have come before its deposit."""
    opened, session = draft.peer(member).opened, draft.pair(member).session
    if opened is not None and session is not None and not session.can_send:
        _deposit_answer(draft, member, opened[1])
