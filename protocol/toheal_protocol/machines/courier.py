"""The courier: how what we owe to one peer gets there.

Everything owed has a number and lies in the vault until the peer's device acknowledged it. The
courier only remembers how far it has handed things over on the present route:

```
      wire or link open                        no link, a relay of theirs up
  [cursor] ----------> frames over the link    [cursor] ------> deposits, marked when taken
     ^  link closed, or no ack for a while         ^   relay restarted (another boot)
     +---- back to what is acknowledged            +---- back to what is acknowledged
```
Going back repeats frames, never loses one: receivers accept repeats. So nothing here is stored.

Who is there gets everything at once, through one relay. Who is away gets a copy at each relay where
they read, and several who are away get theirs one after the other (`spreading`).

Spec: docs/protocol/circle.md, sections 8 to 8.2.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.machines import spreading
from toheal_protocol.machines.addressing import (
    choose_grant,
    grants_in_reach,
)
from toheal_protocol.machines.doubts import LINK_DOUBT, look_after
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import (
    LoadOwed,
    OwedFrame,
    ProbeLink,
    SendFrames,
)
from toheal_protocol.machines.placing import (
    DEPOSIT_RETRY,
    deposit_at,
    relays_for,
    turn_elsewhere,
    where_missing,
)
from toheal_protocol.machines.records import DropOwed, MarkAtRelay
from toheal_protocol.machines.state import Courier, Ticket
from toheal_protocol.messages.grants import MAIL, SIGNAL, Grant
from toheal_protocol.model import Frame, Instant, MemberId

LINK_WINDOW: Final = 384
"""Frames handed to a link and not acknowledged: fewer than the 400 that are sealed ahead, and than the
ratchet's 500 skipped keys."""

DEPOSIT_WINDOW: Final = 64
"""Deposits the relay has not answered."""

LOAD_LIMIT: Final = 64
"""Owed frames read from the vault at once."""

LINK_RESEND: Final = 4.0
"""Seconds without an acknowledgement after which a link's frames go out again."""

RELAY_RESEND: Final = 15.0
"""The same for frames at a relay when the peer was heard from."""

RESEND_LONGEST: Final = 300.0
"""Seconds a resend waits at most: each one in vain doubles the wait. After that a peer behind a relay
counts as gone until it is heard again: each resend lies there as another copy."""

SEALED_ANEW: Final = 64
"""Frames sealed anew at once when a peer who is there does not take them: it may have lost the keys
of what was sealed before. Few, because each one that is lost is one more that the peer must skip."""

CALL_REPEAT_FIRST: Final = 1.0
"""Seconds until an unanswered first flight goes out again; each one in vain doubles it."""

CALL_REPEAT_LONGEST: Final = 3600.0
"""Seconds between two first flights at most. Each one lies at the relay as another copy; one that
the relay did not take, or forgot, goes out again without this wait."""


def push(draft: Draft, member: MemberId, seq: int, frame: Frame) -> None:
    """Hand over a frame that was just sealed, if it is next and there is room; else pump."""
    courier = draft.courier(member)
    is_next = courier.cursor == seq - 1 and not courier.is_loading and _room(draft, member) > 0
    if is_next and not spreading.waits_for_turn(draft, member):
        _hand_over(draft, member, seq, frame, relays_for(draft, member))
    else:
        pump(draft, member)


def pump(draft: Draft, member: MemberId) -> None:
    """Ask the vault for what comes next, if there is a route and room."""
    courier, pair = draft.courier(member), draft.pair(member)
    if pair.session is None or not pair.session.can_send or courier.is_loading:
        return
    after = max(courier.cursor, pair.acked_through)
    upto = pair.next_seq - 1
    room = _room(draft, member)
    if after >= upto or room <= 0:
        return
    if spreading.waits_for_turn(draft, member) and upto > courier.leave_through:
        spreading.plan_turn(draft, member)
        upto = courier.leave_through
        if after >= upto:
            return
    draft.change_courier(member, is_loading=True)
    draft.ask(LoadOwed(member, after, upto, min(room, LOAD_LIMIT)))


def take_loaded(
    draft: Draft, member: MemberId, frames: tuple[OwedFrame, ...], *, upto: int
) -> None:
    """Hand over what the vault gave, all of it sealed under the present session.

    Args:
        upto: everything up to it has been looked at, even where nothing was owed any more.
    """
    draft.change_courier(member, is_loading=False)
    for owed in frames:
        if _room(draft, member) <= 0:
            break
        grants = where_missing(draft, member, owed)
        if is_acked(draft, member, owed.seq) or not (grants or draft.courier(member).has_link):
            _move_cursor(draft, member, owed.seq)
        else:
            _hand_over(draft, member, owed.seq, Frame(owed.frame), grants)
    else:
        _move_cursor(draft, member, upto)
    pump(draft, member)


def start_over(draft: Draft, member: MemberId, *, ignore_marks: bool = False) -> None:
    """Go back to what is acknowledged and hand the rest over again.

    Deposits that nobody answered are no longer waited for: a relay that takes and never answers
    would fill the window for ever.
    """
    tickets = draft.live.tickets
    if any(ticket.member == member for ticket in tickets.values()):
        kept = {number: one for number, one in tickets.items() if one.member != member}
        draft.set_live(tickets=kept)
    draft.change_courier(
        member,
        deposits=0,
        cursor=draft.pair(member).acked_through,
        leave_through=draft.pair(member).acked_through,
        is_ignoring_marks=ignore_marks,
        resend_at=None,
        retry_at=None,
    )
    pump(draft, member)


def copy_again(draft: Draft, member: MemberId, *, in_turn: bool = True) -> None:
    """Look through what is owed to somebody away: a relay that has no copy of it may take one now."""
    present, acked = draft.courier(member), draft.pair(member).acked_through
    if present.has_link or present.is_present:
        return
    through = acked if in_turn else present.leave_through
    draft.change_courier(member, cursor=acked, leave_through=through)
    pump(draft, member)


def leaves_now(draft: Draft, member: MemberId) -> bool:
    """Say whether what is owed to a member from now on would be handed over at once."""
    if draft.courier(member).has_link:
        return True
    has_way = choose_grant(draft, member, MAIL) is not None
    return has_way and not spreading.waits_for_turn(draft, member)


def hurry(draft: Draft, member: MemberId) -> None:
    """Let what waits for a member's turn leave soon: somebody asks for help."""
    if spreading.waits_for_turn(draft, member) and choose_grant(draft, member, MAIL) is not None:
        spreading.plan_turn(draft, member, is_urgent=True)


def leave_if_due(draft: Draft, member: MemberId) -> None:
    """Hand over what is owed to a member whose turn has come."""
    present = draft.courier(member)
    if present.leave_at is not None and present.leave_at <= draft.now:
        through = draft.pair(member).next_seq - 1
        draft.change_courier(member, leave_at=None, leave_through=through)
        pump(draft, member)
    if present.copy_at is not None and present.copy_at <= draft.now:
        draft.change_courier(member, copy_at=None)
        copy_again(draft, member, in_turn=False)
    if present.away_at is not None and present.away_at <= draft.now:
        draft.change_courier(member, is_present=present.has_link, away_at=None)
        copy_again(draft, member)


def see(draft: Draft, member: MemberId) -> None:
    """Learn that a member is there now: nothing waits for a turn."""
    present = draft.courier(member)
    if not present.is_present or present.away_at or present.leave_at:
        draft.change_courier(member, is_present=True, away_at=None, leave_at=None)
    if not present.is_present:
        pump(draft, member)


def take_ack(
    draft: Draft, member: MemberId, *, through: int, ranges: tuple[tuple[int, int], ...] | None
) -> None:
    """Note what the peer's device has stored.

    Args:
        through: every seq up to it. One we never gave out is ignored.
        ranges: what else, or None when the note did not say.
    """
    pair = draft.pair(member)
    if through >= pair.next_seq:
        return
    through = max(through, pair.acked_through)
    beyond = {seq for seq in pair.acked_beyond if seq > through}
    fresh: set[int] = set()
    for first, last in ranges or ():
        last = min(last, pair.next_seq - 1)
        if last - first <= LINK_WINDOW * 16:
            fresh.update(seq for seq in range(max(first, through + 1), last + 1))
    fresh -= beyond
    beyond |= fresh
    while through + 1 in beyond:
        through += 1
        beyond.discard(through)
    if through == pair.acked_through and not fresh:
        return
    draft.set_pair(member, changed(pair, acked_through=through, acked_beyond=frozenset(beyond)))
    draft.write(DropOwed(draft.cold.id, member, through, tuple(sorted(fresh))))
    if pair.acked_through < draft.courier(member).handed_through:
        see(draft, member)  # what left in this run arrived in this run
    courier = draft.courier(member)
    courier = draft.change_courier(
        member, cursor=max(courier.cursor, through), is_looked_after=False
    )
    if through == pair.next_seq - 1:
        draft.change_courier(member, resend_wait=0.0, resend_at=None)
    elif through > pair.acked_through or courier.resend_at is None:
        at = _resend_instant(draft, courier, 0.0)
        draft.change_courier(member, resend_wait=0.0, resend_at=at)
    # else something is missing before what arrived: talk that goes on must not put it off
    pump(draft, member)


def take_deposit_answer(draft: Draft, number: int, *, retry_after: float | None) -> None:
    """Note that the relay took a deposit (`retry_after` None), or when to try again."""
    ticket = draft.live.tickets.get(number)
    if ticket is None:
        return
    is_elsewhere = False
    if retry_after is not None:
        retry_after = min(retry_after, RESEND_LONGEST)  # a relay may not silence us for years
        is_elsewhere = turn_elsewhere(draft, ticket, retry_after)
    draft.set_live(tickets={k: v for k, v in draft.live.tickets.items() if k != number})
    if ticket.member is None or ticket.member not in draft.cold.peers:
        return
    if ticket.seq == 0:
        if retry_after is not None:
            _take_passing_refused(
                draft, ticket.member, ticket, retry_after, is_elsewhere=is_elsewhere
            )
        elif ticket.through:
            draft.change_courier(ticket.member, told_through=ticket.through, told_boot=ticket.boot)
        return
    if is_elsewhere and draft.courier(ticket.member).is_present:
        start_over(draft, ticket.member)
        return
    courier = draft.change_courier(
        ticket.member, deposits=max(0, draft.courier(ticket.member).deposits - 1)
    )
    if retry_after is None:
        draft.write(MarkAtRelay(draft.cold.id, ticket.member, (ticket.seq,), ticket.boot))
        pump(draft, ticket.member)
        return
    again = Instant(draft.now + (retry_after or DEPOSIT_RETRY))
    if is_elsewhere:
        draft.change_courier(ticket.member, copy_at=_earlier(courier.copy_at, again))
        copy_again(draft, ticket.member, in_turn=False)
        return
    draft.change_courier(
        ticket.member,
        cursor=min(courier.cursor, ticket.seq - 1),
        retry_at=_earlier(courier.retry_at, again),
    )


def retry_if_due(draft: Draft, member: MemberId) -> None:
    """Hand over again what a relay refused, once it may be asked again."""
    retry_at = draft.courier(member).retry_at
    if retry_at is not None and retry_at <= draft.now:
        draft.change_courier(member, retry_at=None)
        pump(draft, member)


def plan_call(draft: Draft, member: MemberId) -> None:
    """Let the first flight that just went out be repeated, later and later."""
    wait = draft.courier(member).call_wait or CALL_REPEAT_FIRST
    draft.change_courier(
        member, call_at=Instant(draft.now + wait), call_wait=min(CALL_REPEAT_LONGEST, 2 * wait)
    )


def _take_passing_refused(
    draft: Draft, member: MemberId, ticket: Ticket, retry_after: float, *, is_elsewhere: bool
) -> None:
    """The relay did not take something without a number: a flight of a handshake, or a note.

    A second flight goes out again when the first one comes again.
    """
    if draft.peer(member).calling is not None:
        wait = 0.0 if is_elsewhere else retry_after or CALL_REPEAT_FIRST
        draft.change_courier(member, call_at=Instant(draft.now + wait))
    elif ticket.kind == SIGNAL:
        wait = 0.0 if is_elsewhere else max(retry_after, DEPOSIT_RETRY)
        draft.change_courier(member, here_at=Instant(draft.now + wait))
    elif ticket.through:
        wait = 0.0 if is_elsewhere else max(retry_after, DEPOSIT_RETRY)
        again = Instant(draft.now + wait)
        draft.change_courier(member, ack_at=_earlier(draft.courier(member).ack_at, again))


def hear(draft: Draft, member: MemberId) -> None:
    """Learn that a peer is there: what it does not acknowledge is worth sending again."""
    courier, pair = draft.courier(member), draft.pair(member)
    if not courier.is_here:
        courier = draft.change_courier(member, is_here=True)
    if courier.resend_at is None and pair.acked_through < pair.next_seq - 1:
        draft.change_courier(member, resend_at=_resend_instant(draft, courier, courier.resend_wait))


def resend_if_due(draft: Draft, member: MemberId) -> None:
    """Start over when the peer is there and has been silent about our frames for too long."""
    courier = draft.courier(member)
    if courier.resend_at is None or courier.resend_at > draft.now:
        return
    if courier.link is not None and not courier.is_looked_after:
        look_after(draft, member)
        resend_at = Instant(draft.now + LINK_RESEND - LINK_DOUBT)
        draft.change_courier(member, is_looked_after=True, resend_at=resend_at)
        return
    if courier.resend_wait >= RESEND_LONGEST and not courier.has_link:
        draft.change_courier(
            member, is_here=False, resend_at=None, resend_wait=0.0, is_ignoring_marks=False
        )
        pump(draft, member)  # what the relay refused lies nowhere yet, whoever is there or not
        return
    if courier.link is not None:
        draft.ask(ProbeLink(member, courier.link.attempt))
    wait = min(RESEND_LONGEST, 2 * (courier.resend_wait or _first_wait(courier)))
    is_in_vain = courier.resend_wait > 0 and (courier.is_here or courier.has_link)
    draft.change_courier(member, is_sealing_anew=is_in_vain)
    if not courier.has_link:
        _try_another_relay(draft, member)
    start_over(draft, member, ignore_marks=courier.is_here)
    if draft.pair(member).acked_through < draft.pair(member).next_seq - 1:
        draft.change_courier(
            member, resend_wait=wait, resend_at=_resend_instant(draft, courier, wait)
        )


def is_acked(draft: Draft, member: MemberId, seq: int) -> bool:
    """Say whether the peer's device has stored this one."""
    pair = draft.pair(member)
    return seq <= pair.acked_through or seq in pair.acked_beyond


def _room(draft: Draft, member: MemberId) -> int:
    """Return how many frames the present route would take now; 0 without a route."""
    courier, pair = draft.courier(member), draft.pair(member)
    if courier.has_link:
        return LINK_WINDOW - (courier.cursor - pair.acked_through)
    is_to_wait = courier.retry_at is not None and courier.retry_at > draft.now
    if is_to_wait or choose_grant(draft, member, MAIL) is None:
        return 0
    return DEPOSIT_WINDOW - courier.deposits


def _try_another_relay(draft: Draft, member: MemberId) -> None:
    """Use the next relay: a peer who does not answer may not reach the one used so far."""
    present = choose_grant(draft, member, MAIL)
    relays = [grant.relay for grant in grants_in_reach(draft, member, MAIL)]
    if present is not None and len(relays) > 1:
        following = relays[(relays.index(present.relay) + 1) % len(relays)]
        draft.change_courier(member, relay=following)


def _hand_over(
    draft: Draft, member: MemberId, seq: int, frame: Frame, grants: tuple[Grant, ...]
) -> None:
    if draft.courier(member).has_link:
        draft.ask(SendFrames(member, (frame,)))
    for grant in grants:
        deposit_at(draft, member, grant, frame, seq=seq)
    present = draft.courier(member)
    resend_at, away_at = present.resend_at, present.away_at
    if resend_at is None:
        resend_at = _resend_instant(draft, present, present.resend_wait)
    if grants and present.is_present and away_at is None:
        away_at = Instant(draft.now + spreading.AWAY_AFTER)
    draft.set_courier(
        member,
        changed(
            present,
            cursor=max(present.cursor, seq),
            handed_through=max(present.handed_through, seq),
            deposits=present.deposits + len(grants),
            relay=grants[0].relay if grants else present.relay,
            resend_at=resend_at,
            away_at=away_at,
        ),
    )


def _move_cursor(draft: Draft, member: MemberId, seq: int) -> None:
    courier = draft.courier(member)
    if seq > courier.cursor:
        draft.change_courier(member, cursor=seq)


def _resend_instant(draft: Draft, courier: Courier, wait: float) -> Instant | None:
    if not (courier.has_link or courier.is_here):
        return None
    is_fresh = courier.is_linked and not courier.is_looked_after
    return Instant(draft.now + (LINK_DOUBT if is_fresh else wait or _first_wait(courier)))


def _first_wait(courier: Courier) -> float:
    return LINK_RESEND if courier.has_link else RELAY_RESEND


def _earlier(one: Instant | None, other: Instant) -> Instant:
    return other if one is None else min(one, other)
