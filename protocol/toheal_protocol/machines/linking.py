"""Linking: opening a data channel to a peer who is there, beside what the relay already carries.

```
 the one with the lower id                         the other
 PREPARING --LinkPrepared--> LinkOffer  ----->     PREPARING
 OFFERED                                 <-----    LinkAnswer <--LinkPrepared--
 CONNECTING  <===== data channel, proved by the link's keys =====>  CONNECTING
```
Offer and answer travel inside the ratchet, so a relay can swap neither fingerprint nor address.
A failed attempt is tried again later and later; meanwhile everything goes through the relay.

Spec: docs/protocol/link.md; docs/protocol/circle.md, section 10.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.machines import courier
from toheal_protocol.machines.addressing import choose_grant
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import CloseLink, ConnectLink, LinkWay, PrepareLink
from toheal_protocol.machines.membership import our_view, unknown, want
from toheal_protocol.machines.pair import ack_soon, pass_note
from toheal_protocol.machines.state import LinkAttempt, LinkStep, Stage, Standing
from toheal_protocol.messages.grants import SIGNAL
from toheal_protocol.messages.notes import ATTEMPT_SIZE, Here, LinkAnswer, LinkOffer
from toheal_protocol.model import Instant, MemberId
from toheal_protocol.wire.link_record import derive_link_keys

ATTEMPT_LIFE: Final = 12.0
"""Seconds an attempt may take, from the first preparation to the open channel."""

RETRY_FIRST: Final = 3.0
"""Seconds after a failed attempt until the next; doubles each time."""

RETRY_LONGEST: Final = 300.0
"""Seconds between attempts at most."""

FAILURES_BEFORE_DOUBT: Final = 4
"""Failed attempts in a row after which the peer has to be heard again before the next one: each costs
a frame that may be lost for ever, and a peer bridges 500 of them."""


def say_here(draft: Draft, member: MemberId, *, is_reply: bool) -> None:
    """Tell a peer that we are here. It answers once, and links may follow.

    Who is out, or was not let in, says nothing any more, and to them nothing is said.
    """
    if draft.cold.stage not in (Stage.ACTIVE, Stage.KNOCKING):
        return
    if draft.peer(member).standing is Standing.GONE:
        return
    is_member = draft.peer(member).standing is Standing.MEMBER
    pass_note(draft, member, Here(is_reply, view=our_view(draft) if is_member else ()))


def take_here(draft: Draft, member: MemberId, note: Here) -> None:
    """Learn that a peer is here: answer, expect acknowledgements, perhaps open a link."""
    if not note.is_reply:
        say_here(draft, member, is_reply=True)
    courier.hear(draft, member)
    if draft.peer(member).standing is Standing.MEMBER:
        want(draft, member, unknown(draft, note.view))
    open_if_wanted(draft, member)


def open_if_wanted(draft: Draft, member: MemberId) -> None:
    """Start an attempt where this circle allows it and it is ours to start."""
    if not _is_wanted(draft, member) or draft.courier(member).link_after > draft.now:
        return
    attempt = LinkAttempt(
        attempt=draft.entropy.draw(ATTEMPT_SIZE),
        is_ours=True,
        step=LinkStep.PREPARING,
        our_secret=draft.entropy.draw(32),
        give_up_at=Instant(draft.now + ATTEMPT_LIFE),
    )
    draft.change_courier(member, attempt=attempt)
    draft.ask(PrepareLink(member, attempt.attempt, is_controlling=True, way=LinkWay.DIRECT))


def take_prepared(draft: Draft, member: MemberId, attempt_id: bytes, blob: bytes) -> None:
    """Our side is ready: offer it, or answer with it and connect."""
    attempt = _present(draft, member, attempt_id)
    if attempt is None or attempt.step is not LinkStep.PREPARING:
        return
    kind = LinkOffer if attempt.is_ours else LinkAnswer
    if not pass_note(draft, member, kind(attempt_id, attempt.our_secret, blob)):
        draft.ask(CloseLink(member, attempt_id))  # no way to say it now: a later attempt may
        take_closed(draft, member, attempt_id)
    elif attempt.is_ours:
        draft.change_courier(member, attempt=evolve(attempt, step=LinkStep.OFFERED))
    else:
        _connect(draft, member, attempt)


def take_offer(draft: Draft, member: MemberId, offer: LinkOffer) -> None:
    """A peer offers a link. A newer offer replaces an older one."""
    peer, present = draft.peer(member), draft.courier(member)
    is_active = draft.cold.stage is Stage.ACTIVE  # who has left shows nobody an address any more
    if not (draft.cold.is_direct and is_active and peer.standing is Standing.MEMBER):
        return
    if draft.our_id < member:
        return
    if present.attempt is not None:
        if present.attempt.attempt == offer.attempt:
            return
        draft.ask(CloseLink(member, present.attempt.attempt))
    if present.is_linked:
        _unlink(draft, member)
    attempt = LinkAttempt(
        attempt=offer.attempt,
        is_ours=False,
        step=LinkStep.PREPARING,
        our_secret=draft.entropy.draw(32),
        their_secret=offer.secret,
        their_blob=offer.blob,
        give_up_at=Instant(draft.now + ATTEMPT_LIFE),
    )
    draft.change_courier(member, attempt=attempt, is_here=True)
    draft.ask(PrepareLink(member, attempt.attempt, is_controlling=False, way=LinkWay.DIRECT))


def take_answer(draft: Draft, member: MemberId, answer: LinkAnswer) -> None:
    """The peer answered our offer: connect."""
    attempt = _present(draft, member, answer.attempt)
    if attempt is None or attempt.step is not LinkStep.OFFERED:
        return
    theirs = evolve(attempt, their_secret=answer.secret, their_blob=answer.blob)
    _connect(draft, member, theirs)


def take_opened(draft: Draft, member: MemberId, attempt_id: bytes) -> None:
    """The channel is open and proved: it takes over from the relay."""
    if _present(draft, member, attempt_id) is None:
        draft.ask(CloseLink(member, attempt_id))
        return
    draft.change_courier(member, is_linked=True, is_here=True, link_failures=0)
    attempt = draft.courier(member).attempt
    if attempt is not None:
        draft.change_courier(member, attempt=evolve(attempt, give_up_at=Instant(0)))
    ack_soon(draft, member, over_link=True)
    courier.start_over(draft, member)


def take_closed(draft: Draft, member: MemberId, attempt_id: bytes) -> None:
    """A channel or an attempt is over: back to the relay, and later another try."""
    if _present(draft, member, attempt_id) is None:
        return
    present = draft.courier(member)
    failures = 0 if present.is_linked else present.link_failures + 1
    wait = min(RETRY_LONGEST, RETRY_FIRST * 2 ** min(failures, 8))
    was_linked = present.is_linked
    _unlink(draft, member)
    draft.change_courier(
        member,
        link_failures=failures,
        link_after=Instant(draft.now + wait),
        is_here=not was_linked and present.is_here and failures < FAILURES_BEFORE_DOUBT,
    )
    if was_linked:
        say_here(draft, member, is_reply=False)


def close_if_over(draft: Draft, member: MemberId) -> None:
    """Close the link to somebody we share no circle with any more, once nothing is owed."""
    present, pair = draft.courier(member), draft.pair(member)
    is_out = draft.cold.stage in (Stage.LEFT, Stage.REMOVED)
    is_over = is_out or draft.peer(member).standing is Standing.GONE
    if is_over and present.attempt is not None and pair.acked_through == pair.next_seq - 1:
        draft.ask(CloseLink(member, present.attempt.attempt))
        _unlink(draft, member)


def give_up_if_due(draft: Draft, member: MemberId) -> None:
    """End an attempt that took too long; start one whose wait is over."""
    attempt = draft.courier(member).attempt
    if attempt is None:
        open_if_wanted(draft, member)
    elif attempt.give_up_at and attempt.give_up_at <= draft.now:
        draft.ask(CloseLink(member, attempt.attempt))
        take_closed(draft, member, attempt.attempt)


def next_instant(draft: Draft, member: MemberId) -> Instant | None:
    """Return when `give_up_if_due` has something to do."""
    present = draft.courier(member)
    if present.attempt is not None:
        return present.attempt.give_up_at or None
    return present.link_after or None if _is_wanted(draft, member) else None


def _is_wanted(draft: Draft, member: MemberId) -> bool:
    """Say whether a link is missing here and ours to start, once its time has come."""
    present, peer = draft.courier(member), draft.peer(member)
    return (
        draft.cold.is_direct
        and draft.cold.stage is Stage.ACTIVE
        and peer.standing is Standing.MEMBER
        and draft.our_id < member
        and present.is_here
        and not present.is_linked
        and present.attempt is None
        and choose_grant(draft, member, SIGNAL) is not None
    )


def _connect(draft: Draft, member: MemberId, attempt: LinkAttempt) -> None:
    ours, theirs = attempt.our_secret, attempt.their_secret
    first, second = (ours, theirs) if attempt.is_ours else (theirs, ours)
    keys = derive_link_keys(first, second, is_controlling=attempt.is_ours)
    draft.change_courier(member, attempt=evolve(attempt, step=LinkStep.CONNECTING))
    draft.ask(
        ConnectLink(
            member=member,
            attempt=attempt.attempt,
            their_blob=attempt.their_blob,
            keys=keys,
        )
    )


def _unlink(draft: Draft, member: MemberId) -> None:
    was_linked = draft.courier(member).is_linked
    draft.change_courier(member, attempt=None, is_linked=False, resend_wait=0.0)
    if was_linked:
        courier.start_over(draft, member)


def _present(draft: Draft, member: MemberId, attempt_id: bytes) -> LinkAttempt | None:
    attempt = draft.courier(member).attempt
    return attempt if attempt is not None and attempt.attempt == attempt_id else None
