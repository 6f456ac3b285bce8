"""What is missing here, and whom to ask for it: one member at a time.

Spec: docs/protocol/sync.md, section 3.1.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.envelope import MARK_SIZE
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.holes import content_of
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.state import Stage, Standing, Stream
from toheal_protocol.machines.sync_parts import Ask, Tried
from toheal_protocol.messages.asking import (
    MAX_MIDS_ASKED,
    MAX_RANGES_ASKED,
    Answered,
    Asked,
    Range,
)
from toheal_protocol.model import Audience, Instant, MemberId, MessageId

ASK_AFTER: Final = 3.0
"""Seconds from missing something until somebody is asked: most of it is on its way."""

AUTHOR_TIME: Final = 12.0
"""Seconds more for an author who is there: its own copy is worth more than another's word."""

WAIT_LINK: Final = 10.0
"""Seconds without anything of an answer over a link, until the next member is asked."""

WAIT_RELAY: Final = 60.0
"""The same of a member who is there behind a relay."""

WAIT_ABSENT: Final = 3600.0
"""The same of one who is not there: a mailbox keeps the question."""

ASK_AGAIN: Final = 3600.0
"""Seconds after which who is there is asked once more for what it did not bring: the question may
have been lost, or the answer."""

MAX_ASKS: Final = (1 << 32) - 1


def ask_soon(draft: Draft) -> None:
    """Look in a moment what is missing and whom to ask.

    A question that waits for somebody who is not there keeps nobody from asking those who are.
    """
    sync = draft.live.sync
    if sync.ask is None or not _is_there(draft, sync.ask.member):
        at = Instant(draft.now + ASK_AFTER)
        at = min(at, sync.ask_at) if sync.ask_at is not None else at
        draft.set_live(sync=changed(sync, ask_at=at))


def forget_tried(draft: Draft, member: MemberId) -> None:
    """Whoever says anew that they are here may have more than before, or never heard our question."""
    sync = draft.live.sync
    tried = {key: one for key, one in sync.tried.items() if key[0] != member}
    if len(tried) < len(sync.tried):
        sync = changed(sync, tried=tried)
    if sync.ask is not None and sync.ask.member == member:
        sync = changed(sync, ask=evolve(sync.ask, ranges=(), mids=()))
    draft.set_live(sync=sync)


def next_ask_instant(draft: Draft) -> Instant | None:
    """Return when `ask_if_due` has something to do."""
    sync = draft.live.sync
    if sync.ask is None or sync.ask_at is None:
        return sync.ask_at if sync.ask is None else sync.ask.until
    return min(sync.ask.until, sync.ask_at)


def ask_if_due(draft: Draft) -> None:
    """Ask the next member, if it is time; give one up that does not answer."""
    sync = draft.live.sync
    if sync.ask is not None and sync.ask.until <= draft.now:
        _end_ask(draft, sync.ask)
        _ask_somebody(draft)
    elif sync.ask_at is not None and sync.ask_at <= draft.now:
        _ask_somebody(draft)


def note_gain(draft: Draft, member: MemberId) -> None:
    """Note that somebody we asked brought something new."""
    sync = draft.live.sync
    if sync.ask is not None and sync.ask.member == member:
        until = Instant(draft.now + _patience(draft, member))
        ask = evolve(sync.ask, has_gained=True, until=until)
        draft.set_live(sync=changed(sync, ask=ask))


def take_answered(draft: Draft, member: MemberId, note: Answered) -> None:
    """The answer is over: go on with this member, or see whom else to ask."""
    ask = draft.live.sync.ask
    if ask is None or ask.member != member or ask.number != note.ask:
        return
    goes_on = note.has_more and ask.has_gained
    if goes_on:
        draft.set_live(sync=changed(draft.live.sync, ask=None))
    else:
        _end_ask(draft, ask)
    if not draft.courier(member).has_link:  # a relay lets the end overtake what came before it
        at = Instant(draft.now + ASK_AFTER)
        draft.set_live(sync=changed(draft.live.sync, ask_at=at, is_patient=True))
    elif not (goes_on and _ask(draft, member)):
        _ask_somebody(draft)


def _end_ask(draft: Draft, ask: Ask) -> None:
    sync = draft.live.sync
    until = Instant(draft.now + ASK_AGAIN)
    tried = dict(sync.tried)
    for one in ask.ranges:
        key = (ask.member, Stream(one.author, one.audience))
        before = tried.get(key)
        tried[key] = Tried(max(one.last, before.last if before is not None else 0), until)
    tried |= {(ask.member, mid): Tried(0, until) for mid in ask.mids}
    draft.set_live(sync=changed(sync, ask=None, tried=tried))


def _ask_somebody(draft: Draft) -> None:
    """Ask the member who is best reached and may have something; else wait for who is there."""
    _forget_old_tries(draft)
    sync = draft.live.sync
    draft.set_live(sync=changed(sync, ask_at=None, is_patient=False))
    if draft.cold.stage is not Stage.ACTIVE:
        return
    everybody = [
        member for member, peer in draft.cold.peers.items() if peer.standing is Standing.MEMBER
    ]
    everybody.sort(key=lambda member: (_patience(draft, member), member))
    for member in everybody:
        may_be_asked = _is_there(draft, member) or (sync.is_patient and sync.ask is None)
        if may_be_asked and _ask(draft, member, is_patient=sync.is_patient):
            return
    if not sync.is_patient and any(any(_wishes(draft, member)) for member in everybody):
        at = Instant(draft.now + AUTHOR_TIME)
        draft.set_live(sync=changed(draft.live.sync, ask_at=at, is_patient=True))
    else:
        tries = [one.until for key, one in sync.tried.items() if _is_there(draft, key[0])]
        draft.set_live(sync=changed(draft.live.sync, ask_at=min(tries, default=None)))


def _forget_old_tries(draft: Draft) -> None:
    """Let those who are there be asked again in the end; who is not has the question still."""
    sync = draft.live.sync
    tried = {
        key: one
        for key, one in sync.tried.items()
        if one.until > draft.now or not _is_there(draft, key[0])
    }
    draft.set_live(sync=changed(sync, tried=tried))


def _ask(draft: Draft, member: MemberId, *, is_patient: bool = True) -> bool:
    ranges, mids = _wishes(draft, member)
    if not is_patient:
        ranges = tuple(
            one for one in ranges if one.author == member or not _is_there(draft, one.author)
        )
    sync = draft.live.sync
    number = sync.asks % MAX_ASKS + 1
    if not (ranges or mids) or not pass_note(draft, member, Asked(number, ranges, mids)):
        return False
    if sync.ask is not None:  # who was asked before is not there
        _end_ask(draft, sync.ask)
    until = Instant(draft.now + _patience(draft, member))
    ask = Ask(member, number, until, ranges, mids)
    draft.set_live(sync=changed(draft.live.sync, ask=ask, asks=number, ask_at=None))
    return True


def _is_there(draft: Draft, member: MemberId) -> bool:
    courier = draft.courier(member)
    return courier.has_link or courier.is_here


def _patience(draft: Draft, member: MemberId) -> float:
    courier = draft.courier(member)
    if courier.has_link:
        return WAIT_LINK
    return WAIT_RELAY if courier.is_here else WAIT_ABSENT


def _wishes(draft: Draft, member: MemberId) -> tuple[tuple[Range, ...], tuple[MessageId, ...]]:
    """Return what a member can be asked for and was not asked in vain."""
    sync = draft.live.sync
    found: dict[Stream, list[tuple[int, int]]] = defaultdict(list)
    for stream, position in sync.told.get(member, {}).items():
        found[stream].append((_here(draft, stream) + 1, position.seq))
    for stream, first, last in _named_but_missing(draft):
        if _may_ask_of(draft, stream, member):
            found[stream].append((first, last))
    ranges = tuple(
        Range(stream.author, stream.audience, first, last)
        for stream, spans in found.items()
        for first, last in _joined(spans)
        if (tried := sync.tried.get((member, stream))) is None or last > tried.last
    )
    mids = tuple(
        mid
        for mid, stream in sync.wanted.items()
        if (member, mid) not in sync.tried and _may_ask_of(draft, stream, member)
    )
    return ranges[:MAX_RANGES_ASKED], mids[:MAX_MIDS_ASKED]


def _here(draft: Draft, stream: Stream) -> int:
    head = draft.log.heads.get(stream)
    return head.seq if head is not None else 0


def _named_but_missing(draft: Draft) -> list[tuple[Stream, int, int]]:
    """Return the holes, and what messages that are held need."""
    found = [
        (stream, first, last)
        for stream, gaps in draft.log.gaps.items()
        for gap in gaps
        for first, last in gap.missing
    ]
    for held in draft.log.held.values():
        content = content_of(held)
        own = Stream(held.author, content.audience)
        found.append((own, _here(draft, own) + 1, content.author_seq - 1))
        for parent in content.parents:
            for stream in _streams_marked(draft, parent.author_mark, parent.audience):
                found.append((stream, _here(draft, stream) + 1, parent.author_seq))
    return found


def _streams_marked(draft: Draft, mark: bytes, audience: Audience) -> list[Stream]:
    return [Stream(one, audience) for one in draft.cold.peers if one[:MARK_SIZE] == mark]


def _may_ask_of(draft: Draft, stream: Stream, member: MemberId) -> bool:
    """Say whether a member may know that we ask for this stream."""
    if stream.audience is Audience.CIRCLE or stream.author == member:
        return True
    return member in draft.log.readers.get(stream, ())


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the same numbers in ranges that rise and do not touch."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if first > last:
            continue
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
