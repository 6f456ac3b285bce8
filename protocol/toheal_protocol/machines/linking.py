"""Linking: opening a data channel to a peer who is there, beside what the relay already carries.

```
 the one with the lower id                         the other
 PREPARING --LinkPrepared--> LinkOffer  ----->     WAITING (if the last one was just before)
 OFFERED                                           PREPARING
 CONNECTING                              <-----    LinkAnswer <--LinkPrepared-- CONNECTING
     |       <===== data channel, proved by the link's keys =====>       |
   link                                                                 link
```
Offer and answer travel inside the ratchet, so a relay can swap neither fingerprint nor address.
A failed attempt is tried again later and later; meanwhile everything goes through the relay.

An attempt runs beside an open link: when the network changes, or what the two said about direct
connections, the new link takes over and the old one drains. Which way a side takes is its own
decision alone (`way_to`); an offer cannot ask for another.

Spec: docs/protocol/link.md; docs/protocol/circle.md, section 10.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.machines import comparing, courier, greeting, spreading
from toheal_protocol.machines.addressing import choose_grant
from toheal_protocol.machines.carrying import tell_who_is_out, want
from toheal_protocol.machines.doubts import look_after
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import (
    CloseLink,
    ConnectLink,
    ExpectLink,
    LinkWay,
    PrepareLink,
    ProbeLink,
)
from toheal_protocol.machines.ledgers import unknown
from toheal_protocol.machines.pair import ack_if_untold, ack_soon, pass_note
from toheal_protocol.machines.state import (
    LinkAttempt,
    LinkStep,
    OpenLink,
    Stage,
    Standing,
)
from toheal_protocol.machines.ways import way_to
from toheal_protocol.messages.grants import SIGNAL
from toheal_protocol.messages.notes import ATTEMPT_SIZE, AskLink, Here, LinkAnswer, LinkOffer
from toheal_protocol.model import Instant, MemberId
from toheal_protocol.wire.link_record import derive_link_keys

ATTEMPT_LIFE: Final = 12.0
"""Seconds an attempt may take, from the first preparation to the open channel."""

PACE: Final = 3.0
"""Seconds between two preparations for one member, whoever asked for them: a hostile one must not
keep our sockets busy, nor have us send to address after address."""

RETRY_FIRST: Final = 3.0
"""Seconds after a failed attempt until the next; doubles each time."""

RETRY_LONGEST: Final = 300.0
"""Seconds between attempts at most."""

FAILURES_BEFORE_DOUBT: Final = 4
"""Failed attempts in a row after which the peer has to be heard again before the next one: each costs
a frame that may be lost for ever, and a peer bridges 500 of them."""


PARTING: Final = 60
"""Seconds a link to somebody who is out may stay for them to acknowledge what they are owed."""


def take_here(draft: Draft, member: MemberId, note: Here) -> None:
    """Learn that a peer is here: answer, expect acknowledgements, perhaps open a link.

    One that may have lain there for minutes is answered in turn, and is no sign of who is there now.
    """
    if spreading.may_be_old(draft, member, is_reply=note.is_reply):
        courier.hear(draft, member)
        if not note.is_reply:
            draft.change_courier(member, answer_at=spreading.greet_at(draft, member))
        return
    if not note.is_reply:
        greeting.say_here(draft, member, is_reply=True)
        look_after(draft, member)  # their end of the link may be gone
    courier.hear(draft, member)
    courier.see(draft, member)
    match draft.peer(member).standing:
        case Standing.MEMBER:
            want(draft, member, unknown(draft, note.view))
        case Standing.GONE:
            tell_who_is_out(draft, member, note.view)
    comparing.take_digest(draft, member, note.digest)
    open_if_wanted(draft, member)
    _expect_offer(draft, member)


def open_if_wanted(draft: Draft, member: MemberId) -> None:
    """Start an attempt where one is missing and it is ours to start."""
    if not _is_wanted(draft, member) or draft.courier(member).link_after > draft.now:
        return
    attempt = LinkAttempt(
        attempt=draft.entropy.draw(ATTEMPT_SIZE),
        is_ours=True,
        way=way_to(draft, member),
        step=LinkStep.PREPARING,
        our_secret=draft.entropy.draw(32),
        give_up_at=Instant(draft.now + ATTEMPT_LIFE),
    )
    draft.change_courier(member, attempt=attempt, link_after=Instant(draft.now + PACE))
    draft.ask(PrepareLink(member, attempt.attempt, is_controlling=True, way=attempt.way))


def _expect_offer(draft: Draft, member: MemberId) -> None:
    """Have sockets opened where the peer will offer a link now: its offer takes as long to come as they do."""
    present = draft.courier(member)
    if (
        draft.our_id > member
        and present.attempt is None
        and not present.lan
        and present.expect_after <= draft.now
        and _may_link(draft, member)
        and _lacks_link(draft, member)
    ):
        draft.change_courier(member, expect_after=Instant(draft.now + PACE))
        draft.ask(ExpectLink(member, way_to(draft, member)))


def take_prepared(draft: Draft, member: MemberId, attempt_id: bytes, blob: bytes) -> None:
    """Our side is ready: offer it, or answer with it and connect."""
    attempt = _present(draft, member, attempt_id)
    if attempt is None or attempt.step is not LinkStep.PREPARING:
        return
    attempt = evolve(attempt, our_blob=blob)
    if not _tell_peer(draft, member, attempt):
        _give_up(draft, member)  # no way to say it now: a later attempt may
    elif attempt.is_ours:
        draft.change_courier(member, attempt=evolve(attempt, step=LinkStep.OFFERED))
    else:
        _connect(draft, member, attempt)


def take_offer(draft: Draft, member: MemberId, offer: LinkOffer) -> None:
    """A peer offers a link. A newer offer replaces an older one; an open link stays meanwhile."""
    present = draft.courier(member)
    if not (_may_link(draft, member) and draft.our_id > member):
        return
    known = (present.attempt, present.link)
    if any(one is not None and one.attempt == offer.attempt for one in known):
        return
    if present.attempt is not None:
        draft.ask(CloseLink(member, present.attempt.attempt))
    start_at = max(draft.now, present.offer_after)
    attempt = LinkAttempt(
        attempt=offer.attempt,
        is_ours=False,
        way=way_to(draft, member),
        step=LinkStep.WAITING,
        our_secret=draft.entropy.draw(32),
        their_secret=offer.secret,
        their_blob=offer.blob,
        start_at=start_at,
        give_up_at=Instant(start_at + ATTEMPT_LIFE),
    )
    draft.change_courier(member, attempt=attempt, is_here=True)
    _prepare_answer(draft, member)


def take_answer(draft: Draft, member: MemberId, answer: LinkAnswer) -> None:
    """The peer answered our offer: connect, unless they are out by now."""
    attempt = _present(draft, member, answer.attempt)
    if attempt is None or attempt.step is not LinkStep.OFFERED or not _may_link(draft, member):
        return
    theirs = evolve(attempt, their_secret=answer.secret, their_blob=answer.blob)
    _connect(draft, member, theirs)


def take_opened(draft: Draft, member: MemberId, attempt_id: bytes) -> None:
    """The channel is open and proved: it takes over, from the relay or from an older link."""
    attempt = _present(draft, member, attempt_id)
    if attempt is None:
        draft.ask(CloseLink(member, attempt_id))
        return
    older = draft.courier(member).link
    courier.see(draft, member)
    draft.change_courier(
        member,
        link=OpenLink(attempt_id, attempt.way),
        attempt=None,
        is_here=True,
        is_link_stale=False,
        is_looked_after=False,
        link_failures=0,
    )
    ack_soon(draft, member, over_link=True)
    courier.start_over(draft, member)
    greeting.say_here(draft, member, is_reply=True)
    if older is not None:
        draft.ask(CloseLink(member, older.attempt, drains=True))


def take_closed(draft: Draft, member: MemberId, attempt_id: bytes) -> None:
    """A channel or an attempt is over: back to the relay, and later another try."""
    present = draft.courier(member)
    if present.link is not None and present.link.attempt == attempt_id:
        _unlink(draft, member)
        comparing.unsay(draft, member)
        draft.change_courier(
            member,
            is_here=False,
            is_present=True,
            away_at=Instant(draft.now + spreading.AWAY_AFTER),
        )
        greeting.say_here(draft, member, is_reply=False)
        ack_if_untold(draft, member)
        return
    attempt = _present(draft, member, attempt_id)
    if attempt is None:
        return
    failures = present.link_failures + 1
    wait = min(RETRY_LONGEST, RETRY_FIRST * 2 ** min(failures - 1, 8))
    was_told = bool(attempt.our_blob)
    is_doubtful = was_told and failures >= FAILURES_BEFORE_DOUBT and not present.is_linked
    draft.change_courier(
        member,
        attempt=None,
        link_failures=failures,
        link_after=Instant(draft.now + wait),
        is_here=present.is_here and not is_doubtful,
    )


def take_aging(draft: Draft, member: MemberId, attempt_id: bytes) -> None:
    """A link will end soon: have another one before."""
    link = draft.courier(member).link
    if link is not None and link.attempt == attempt_id:
        draft.change_courier(member, is_link_stale=True)
        _renew(draft, member)


def take_network_changed(draft: Draft) -> None:
    """Our addresses are others now: every member gets a new link beside the one it has."""
    for member, present in draft.live.couriers.items():
        if member not in draft.cold.peers:
            continue
        if present.attempt is not None:
            draft.ask(CloseLink(member, present.attempt.attempt))
        draft.change_courier(
            member,
            attempt=None,
            link_failures=0,
            link_after=draft.now,
            is_link_stale=present.is_linked,
        )
        doubt_link(draft, member)
        _renew(draft, member)


def take_asked(draft: Draft, member: MemberId) -> None:
    """The peer's addresses are others now. What it answered before that leads nowhere."""
    present = draft.courier(member)
    if not draft.our_id < member:
        return
    if present.attempt is not None and present.attempt.step is LinkStep.CONNECTING:
        draft.ask(CloseLink(member, present.attempt.attempt))
        draft.change_courier(member, attempt=None)
    after = min(present.link_after, Instant(draft.now + PACE))
    draft.change_courier(member, is_link_stale=present.is_linked, link_after=after, link_failures=0)
    open_if_wanted(draft, member)


def relay_is_up(draft: Draft, member: MemberId) -> None:
    """Say again what a relay that was lost may not have passed on."""
    attempt = draft.courier(member).attempt
    if attempt is not None and attempt.our_blob:
        _tell_peer(draft, member, attempt)
    elif draft.courier(member).is_link_stale:
        _renew(draft, member)


def doubt_link(draft: Draft, member: MemberId) -> None:
    """Have the open link looked after, if there is one."""
    link = draft.courier(member).link
    if link is not None:
        draft.ask(ProbeLink(member, link.attempt))


def close_if_over(draft: Draft, member: MemberId) -> None:
    """Close the link to somebody we share no circle with any more."""
    is_out = draft.cold.stage in (Stage.LEFT, Stage.REMOVED)
    is_over = is_out or draft.peer(member).standing is Standing.GONE
    if is_over and has_parted(draft, member):
        close_links(draft, member)


def has_parted(draft: Draft, member: MemberId) -> bool:
    """Say whether nothing is owed to somebody any more, or they are out and had time to hear it.

    What they did not acknowledge then, as a hostile one would not, waits for them at a relay.
    """
    pair, gone_at = draft.pair(member), draft.peer(member).gone_at
    had_time = bool(gone_at) and draft.wall_now - gone_at >= PARTING
    return had_time or pair.acked_through == pair.next_seq - 1


def close_links(draft: Draft, member: MemberId, *, way: LinkWay | None = None) -> None:
    """Close what is open or being opened to a member; with `way` only what goes that way."""
    present = draft.courier(member)
    if present.attempt is not None and way in (None, present.attempt.way):
        draft.ask(CloseLink(member, present.attempt.attempt))
        draft.change_courier(member, attempt=None)
    if present.link is not None and way in (None, present.link.way):
        draft.ask(CloseLink(member, present.link.attempt))
        _unlink(draft, member)


def give_up_if_due(draft: Draft, member: MemberId) -> None:
    """End an attempt that took too long; start one whose wait is over."""
    attempt = draft.courier(member).attempt
    if attempt is None:
        open_if_wanted(draft, member)
    elif attempt.give_up_at <= draft.now:
        _give_up(draft, member)
    else:
        _prepare_answer(draft, member)


def next_instant(draft: Draft, member: MemberId) -> Instant | None:
    """Return when `give_up_if_due` has something to do."""
    present = draft.courier(member)
    if present.attempt is not None:
        is_waiting = present.attempt.step is LinkStep.WAITING
        return present.attempt.start_at if is_waiting else present.attempt.give_up_at
    return present.link_after or None if _is_wanted(draft, member) else None


def _is_wanted(draft: Draft, member: MemberId) -> bool:
    """Say whether a link is missing here and ours to start, once its time has come."""
    present = draft.courier(member)
    return (
        present.is_here  # what is quick to say comes first: every step asks this
        and not present.lan
        and present.attempt is None
        and draft.our_id < member
        and _may_link(draft, member)
        and _lacks_link(draft, member)
        and choose_grant(draft, member, SIGNAL) is not None
    )


def _lacks_link(draft: Draft, member: MemberId) -> bool:
    present = draft.courier(member)
    if present.link is None or present.is_link_stale:
        return True
    return present.link.way not in (LinkWay.LAN, way_to(draft, member))


def _renew(draft: Draft, member: MemberId) -> None:
    """Begin a new link, or ask the peer to, if that is for it to do."""
    present = draft.courier(member)
    if draft.our_id < member:
        open_if_wanted(draft, member)
    elif (present.is_here or present.is_linked) and _may_link(draft, member):
        pass_note(draft, member, AskLink())


def _prepare_answer(draft: Draft, member: MemberId) -> None:
    """Prepare for an offer, unless the one before was just now."""
    attempt = draft.courier(member).attempt
    if attempt is None or attempt.step is not LinkStep.WAITING or attempt.start_at > draft.now:
        return
    draft.change_courier(
        member,
        attempt=evolve(attempt, step=LinkStep.PREPARING),
        offer_after=Instant(draft.now + PACE),
    )
    draft.ask(PrepareLink(member, attempt.attempt, is_controlling=False, way=attempt.way))


def _may_link(draft: Draft, member: MemberId) -> bool:
    """Say whether both of us are in: nobody else opens a socket here or is told an address."""
    is_active = draft.cold.stage is Stage.ACTIVE
    return is_active and draft.peer(member).standing is Standing.MEMBER


def _tell_peer(draft: Draft, member: MemberId, attempt: LinkAttempt) -> bool:
    if not _may_link(draft, member):
        return False
    kind = LinkOffer if attempt.is_ours else LinkAnswer
    return pass_note(draft, member, kind(attempt.attempt, attempt.our_secret, attempt.our_blob))


def _give_up(draft: Draft, member: MemberId) -> None:
    attempt = draft.courier(member).attempt
    if attempt is not None:
        draft.ask(CloseLink(member, attempt.attempt))
        take_closed(draft, member, attempt.attempt)


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
    draft.change_courier(
        member,
        link=None,
        is_link_stale=False,
        is_looked_after=False,
        resend_wait=0.0,
        link_after=Instant(draft.now + RETRY_FIRST),
    )
    courier.start_over(draft, member)
    ack_if_untold(draft, member)


def _present(draft: Draft, member: MemberId, attempt_id: bytes) -> LinkAttempt | None:
    attempt = draft.courier(member).attempt
    return attempt if attempt is not None and attempt.attempt == attempt_id else None
