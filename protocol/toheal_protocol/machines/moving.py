"""Moving: a member changes the relays it reads at, and the others follow where they can.

```
  reader                                             writer
  RelayAdded   -> more mailboxes -- Granted -->       uses whichever relay answers
  RelayDropped -> no new ones    -- Moved ----->      a listed relay answers: hands over there all that
  closes the old mailboxes      <-- Followed ---      is not acknowledged, and drops the old grants
```
Nobody is made to contact a relay: a writer deposits at relays it reads at itself in this circle, and
at those its person allowed. What a peer names beyond that is kept, and not used.

Spec: docs/protocol/circle.md, section 4.1.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.machines import courier
from toheal_protocol.machines.addressing import (
    MAX_RELAYS,
    NUMBERS_AHEAD,
    draw_mailboxes,
    grants_of,
)
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Cold, Move, OurMailbox, Peer, Stage, Standing
from toheal_protocol.messages.grants import MAX_GRANTS
from toheal_protocol.messages.notes import Followed, Granted, Moved
from toheal_protocol.model import MemberId
from toheal_protocol.wire.relay_address import RelayAddress

MAX_ALLOWED: Final = 4
"""Relays beside our own at which a circle may deposit: each sees our address, and when we write."""

_IN_TOUCH: Final = (Standing.MEMBER, Standing.HOST, Standing.AT_DOOR, Standing.WAITING)


def relays_in_use(cold: Cold) -> tuple[RelayAddress, ...]:
    """Return the relays that a circle contacts. It contacts no other."""
    boxes = [box.relay for peer in cold.peers.values() for box in peer.mailboxes]
    offered = [one.relay for one in cold.invitations if one.sealed and one.relay is not None]
    named = {grant.relay for peer in cold.peers.values() for grant in peer.grants}
    is_awaiting = any(peer.calling or peer.listening for peer in cold.peers.values())
    allowed = [relay for relay in cold.allowed if is_awaiting or relay in named]
    return tuple(dict.fromkeys((*cold.relays, *boxes, *offered, *allowed)))


def unreached(cold: Cold, peer: Peer) -> tuple[RelayAddress, ...]:
    """Return the relays a peer reads at, if we may deposit at none of them."""
    may_use = {*cold.relays, *cold.allowed}
    wanted = peer.their_move.relays if peer.their_move else ()
    named = wanted or tuple(dict.fromkeys(grant.relay for grant in peer.grants))
    is_present = peer.standing in _IN_TOUCH
    return () if not is_present or any(relay in may_use for relay in named) else named


def add_relay(draft: Draft, relay: RelayAddress) -> None:
    """Read at one relay more; the other members get mailboxes there."""
    cold = draft.cold
    if cold.stage is not Stage.ACTIVE or relay in cold.relays or len(cold.relays) >= MAX_RELAYS:
        return
    allowed = tuple(one for one in cold.allowed if one != relay)
    draft.set_cold(relays=(*cold.relays, relay), allowed=allowed)
    settle_all(draft)
    follow_all(draft)


def drop_relay(draft: Draft, relay: RelayAddress) -> None:
    """Read at a relay no more, or, said of one where we only deposit, do that no more.

    The last one stays: without any, nobody who is not in the same room reaches us.
    """
    cold = draft.cold
    if relay in cold.allowed:
        draft.set_cold(allowed=tuple(one for one in cold.allowed if one != relay))
    elif relay in cold.relays and len(cold.relays) > 1:
        kept = tuple(one for one in cold.relays if one != relay)
        # others may read there on: who has read at a relay may well deposit there
        draft.set_cold(relays=kept, allowed=(*cold.allowed, relay)[-MAX_ALLOWED:])
        settle_all(draft)


def allow_relay(draft: Draft, relay: RelayAddress) -> None:
    """Let what we owe be deposited at a relay that others read at."""
    cold = draft.cold
    is_known = relay in cold.relays or relay in cold.allowed
    if not is_known and len(cold.allowed) < MAX_ALLOWED:
        draft.set_cold(allowed=(*cold.allowed, relay))


def settle_all(draft: Draft) -> None:
    """Bring every peer's mailboxes in line with where we read. Doing it again does nothing."""
    if draft.cold.stage is Stage.ACTIVE:
        for member in draft.cold.peers:
            _settle(draft, member)


def _settle(draft: Draft, member: MemberId) -> None:
    peer, session = draft.peer(member), draft.pair(member).session
    if peer.standing not in _IN_TOUCH or session is None or not session.can_send:
        return
    ours = draft.cold.relays
    _grant_where_missing(draft, member)
    move, has_left_some = peer.our_move, any(box.relay not in ours for box in peer.mailboxes)
    if move is None and not has_left_some:
        return
    if move is None or move.relays != ours:
        told = Move(1 if move is None else move.serial + 1, ours)
        draft.change_peer(member, our_move=told)
        owe_note(draft, member, Moved(told.serial, ours))
    elif move.is_followed:
        kept = tuple(box for box in draft.peer(member).mailboxes if box.relay in ours)
        draft.change_peer(member, mailboxes=kept)


def _grant_where_missing(draft: Draft, member: MemberId) -> None:
    """Draw mailboxes of the present numbers at the relays where there are none yet."""
    peer = draft.peer(member)
    newest = max((box.number for box in peer.mailboxes), default=0)
    present = {(box.number, box.relay) for box in peer.mailboxes if box.number > peer.quiet_through}
    numbers = sorted({number for number, _ in present})
    fresh = tuple(
        box
        for number in numbers or range(newest + 1, newest + 1 + NUMBERS_AHEAD)
        for relay in draft.cold.relays
        if (number, relay) not in present
        for box in draw_mailboxes((relay,), draft.entropy, first=number, count=1)
    )
    if not fresh:
        return
    draft.change_peer(member, mailboxes=(*peer.mailboxes, *fresh))
    _owe_grants(draft, member, fresh)


def _owe_grants(draft: Draft, member: MemberId, mailboxes: tuple[OurMailbox, ...]) -> None:
    grants = grants_of(mailboxes)
    for first in range(0, len(grants), MAX_GRANTS):
        owe_note(draft, member, Granted(grants[first : first + MAX_GRANTS]))


def take_moved(draft: Draft, member: MemberId, moved: Moved) -> None:
    """Learn where a peer reads from now on. An older word that comes late changes nothing."""
    known = draft.peer(member).their_move
    if known is None or known.serial < moved.serial:
        draft.change_peer(member, their_move=Move(moved.serial, moved.relays))
        follow(draft, member)


def take_followed(draft: Draft, member: MemberId, followed: Followed) -> None:
    """Learn that a peer deposits at the relays we named last: nothing comes to the others any more.

    It dropped what it had elsewhere. A relay may have been left and taken again meanwhile, so it gets
    once more what there is for it; what it has already stays as it is.
    """
    move = draft.peer(member).our_move
    if move is not None and move.serial == followed.serial and not move.is_followed:
        draft.change_peer(member, our_move=evolve(move, is_followed=True))
        _settle(draft, member)
        peer = draft.peer(member)
        _owe_grants(
            draft,
            member,
            tuple(
                box
                for box in peer.mailboxes
                if box.number > peer.quiet_through and box.relay in draft.cold.relays
            ),
        )


def follow_all(draft: Draft) -> None:
    """Follow whoever moved to a relay that answers now."""
    for member in draft.cold.peers:
        follow(draft, member)


def follow(draft: Draft, member: MemberId) -> None:
    """Use the relays a peer has moved to, once one of them answers; until then the old ones do.

    What lies at the old ones may be closed unread, so all that is not acknowledged goes out again.
    """
    peer = draft.peer(member)
    move = peer.their_move
    if move is None or move.is_followed:
        return
    kept = tuple(grant for grant in peer.grants if grant.relay in move.relays)
    if not any(one.number == peer.using and one.relay in draft.live.boots for one in kept):
        return
    draft.change_peer(member, grants=kept, their_move=evolve(move, is_followed=True))
    owe_note(draft, member, Followed(move.serial))
    if not draft.courier(member).has_link:
        courier.start_over(draft, member, ignore_marks=True)
