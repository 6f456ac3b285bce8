"""Spreading: what is owed to several who are away leaves for one after the other, in no order.

A relay that sees one burst into five mailboxes has counted five members of one circle. So each
member who is away has a turn of its own, drawn at random; until then what is owed waits in the
vault, unsealed.

```
  away: [owed] --plan--> waits until `leave_at` --turn--> everything owed by then, in one go
  there: at once, and as soon as a sign of life comes
```
A member counts as there from a sign of life on: a word that they are here, or an acknowledgement
of what left in this run. They are away again when what was deposited for them is not acknowledged
within `AWAY_AFTER`. What lay in a mailbox says nothing of who is there now.

Spec: docs/protocol/circle.md, section 8.2.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.state import Standing
from toheal_protocol.model import Instant, MemberId

TURN_EACH: Final = 4.0
"""Seconds of the span in which turns are drawn, for each member that is reached by a relay."""

TURN_LONGEST: Final = 60.0
"""Seconds that span has at most: what it costs somebody who opens their program in just that minute."""

URGENT_EACH: Final = 0.5
"""The same seconds for notes to facilitators and for whoever asks for help."""

URGENT_LONGEST: Final = 5.0
"""Seconds an urgent word waits at most."""

GREETING_EACH: Final = 0.25
"""The same seconds for saying that we are here: whoever is there hears of it after that."""

GREETING_LONGEST: Final = 3.0
"""Seconds a greeting waits at most."""

ENDING_SPAN: Final = 1.0
"""Seconds of the span when the program is about to end: better a burst than words that stay here."""

AWAY_AFTER: Final = 15.0
"""Seconds without an acknowledgement of a deposit after which somebody counts as away."""

BACKLOG: Final = 5.0
"""Seconds after a relay answers in which a greeting may be an old one that lay there; a signal lives
ten minutes. Whoever is there answers ours; an answer from before ours counts as little."""

_FRACTIONS: Final = 1 << 32


def waits_for_turn(draft: Draft, member: MemberId) -> bool:
    """Say whether what is owed to a member leaves at their turn only."""
    courier, pair = draft.courier(member), draft.pair(member)
    if courier.has_link or courier.is_present or pair.acked_through < pair.base:
        return False
    peer = draft.cold.peers.get(member)
    is_member = peer is not None and peer.standing is Standing.MEMBER
    return is_member and _reached_by_relay(draft) > 1


def may_be_old(draft: Draft, member: MemberId, *, is_reply: bool) -> bool:
    """Say whether a greeting just now may have lain in its mailbox since before we came."""
    courier = draft.courier(member)
    is_answer = is_reply and courier.is_greeted
    is_early = draft.now < draft.live.up_at + BACKLOG
    is_greeting = courier.is_greeted or courier.here_at is not None
    return is_early and is_greeting and not is_answer and waits_for_turn(draft, member)


def plan_turn(draft: Draft, member: MemberId, *, is_urgent: bool = False) -> None:
    """Draw a turn for a member, or an earlier one for urgent words."""
    if draft.live.is_ending:
        span = ENDING_SPAN
    elif is_urgent:
        span = _span(draft, URGENT_EACH, URGENT_LONGEST)
    else:
        span = _span(draft, TURN_EACH, TURN_LONGEST)
    planned = draft.courier(member).leave_at
    if planned is None or (is_urgent and planned > draft.now + span):
        draft.change_courier(member, leave_at=draw_instant(draft, span))


def greet_at(draft: Draft, member: MemberId) -> Instant:
    """Return when to tell a member that we are here: at once, unless others are told as well."""
    if not waits_for_turn(draft, member):
        return draft.now
    return draw_instant(draft, _span(draft, GREETING_EACH, GREETING_LONGEST))


def acknowledge_at(draft: Draft, member: MemberId, delay: float) -> Instant:
    """Return when to acknowledge what lay in a mailbox: after a moment, or among the turns."""
    if not waits_for_turn(draft, member):
        return Instant(draft.now + delay)
    return draw_instant(draft, _span(draft, TURN_EACH, TURN_LONGEST))


def end(draft: Draft) -> None:
    """Let everybody's turn come now: the program ends."""
    draft.set_live(is_ending=True)
    for member, present in draft.live.couriers.items():
        if present.leave_at is not None:
            draft.change_courier(member, leave_at=draw_instant(draft, ENDING_SPAN))


def draw_instant(draft: Draft, span: float) -> Instant:
    """Return an instant within so many seconds, any of them as likely as another."""
    drawn = int.from_bytes(draft.entropy.draw(4), "big") / _FRACTIONS
    return Instant(draft.now + drawn * span)


def _span(draft: Draft, each: float, longest: float) -> float:
    return min(longest, each * _reached_by_relay(draft))


def _reached_by_relay(draft: Draft) -> int:
    """Return how many members a relay carries for: those to whom no link is open."""
    return sum(
        1
        for member, peer in draft.cold.peers.items()
        if peer.standing is Standing.MEMBER and not draft.courier(member).has_link
    )
