"""Stories: which of several messages with one number its author stood by.

Spec: docs/protocol/sync.md, sections 4 and 6.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.envelope import Content
from toheal_protocol.machines.counting import MAX_BEYOND
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.holes import gap_around
from toheal_protocol.machines.missing import ask_soon
from toheal_protocol.machines.records import ConfirmEntries
from toheal_protocol.machines.state import Position, Stream
from toheal_protocol.machines.streams import is_leap
from toheal_protocol.machines.sync_events import FindStories, StoriesFound
from toheal_protocol.model import MemberId, MessageId

MAX_STORIES: Final = 64
"""Stories asked for in a run of the program: a liar who names ever new ones gets no further."""


def want_story(draft: Draft, stream: Stream, mid: MessageId) -> None:
    """Ask for a message that a member says has a number we have another one of."""
    sync = draft.live.sync
    if mid in sync.wanted or sync.stories >= MAX_STORIES:
        return
    wanted = {**sync.wanted, mid: stream}
    draft.set_live(sync=changed(sync, wanted=wanted, stories=sync.stories + 1))
    ask_soon(draft)


def forget_wanted(draft: Draft, mid: MessageId) -> None:
    """A story that was asked for has come."""
    sync = draft.live.sync
    wanted = {one: kept for one, kept in sync.wanted.items() if one != mid}
    draft.set_live(sync=changed(sync, wanted=wanted))


def is_due(draft: Draft, stream: Stream, content: Content, mid: MessageId) -> bool:
    """Say whether a message that somebody passes on can be one that is missing here."""
    seq, head = content.author_seq, draft.log.heads.get(stream)
    at = head.seq if head is not None else 0
    if seq > at:
        is_near = seq <= at + MAX_BEYOND or is_leap(at, seq, content.prev_own)
        return stream.author != draft.our_id and is_near
    return mid in draft.live.sync.wanted or gap_around(draft, stream, seq) is not None


def look_below(
    draft: Draft, stream: Stream, seq: int, mid: MessageId | None, teller: MemberId
) -> None:
    """Have it looked up whether the message that another one names before itself is here."""
    if mid is not None and seq > 0:
        draft.ask(FindStories(stream.author, stream.audience, seq, mid, teller))


def confirm_through(draft: Draft, stream: Stream, mid: MessageId | None) -> None:
    """Note that the author stood by a message, and so by all before it in its stream."""
    if mid is None or stream not in draft.log.unsure:
        return
    draft.write(ConfirmEntries(draft.cold.id, mid))
    draft.ask(Tell("confirmed", stream.author))
    head = draft.log.heads.get(stream)
    if head is not None and head.mid == mid:
        be_sure(draft, stream)


def be_sure(draft: Draft, stream: Stream) -> None:
    """The newest message of a stream is its author's own."""
    if stream in draft.log.unsure:
        unsure = {one: first for one, first in draft.log.unsure.items() if one != stream}
        draft.log = changed(draft.log, unsure=unsure)


def be_unsure(draft: Draft, stream: Stream, seq: int) -> None:
    """From this number on a stream is what somebody passed on."""
    if stream not in draft.log.unsure:
        draft.log = changed(draft.log, unsure={**draft.log.unsure, stream: seq})


def tell_differing(draft: Draft, author: MemberId) -> None:
    """Say once that there are two messages with one number; nobody knows by whose doing."""
    sync = draft.live.sync
    if author not in sync.differing and author != draft.our_id:
        draft.set_live(sync=changed(sync, differing=sync.differing | {author}))
        draft.ask(Tell("stories_differ", author))


def show_fork(draft: Draft, author: MemberId) -> None:
    """Two messages with one number: another copy of the author runs, or it told two stories."""
    peer = draft.cold.peers.get(author)
    if peer is not None and not peer.is_forked:
        draft.change_peer(author, is_forked=True)
        draft.ask(Tell("fork_seen", author))


def take_stories(draft: Draft, event: StoriesFound) -> None:
    """Compare a message with the others that have its number."""
    asked = event.asked
    stream = Stream(asked.author, asked.audience)
    others = [one for one in event.stories if one.mid != asked.mid]
    if asked.is_by_author:
        _compare_own_copy(draft, stream, asked, [one.passed_on_by for one in others])
    elif len(others) == len(event.stories):
        if others:  # with nothing there it is a hole like any other
            want_story(draft, stream, asked.mid)
    elif asked.told_by == asked.author:
        confirm_through(draft, stream, asked.mid)


def _compare_own_copy(
    draft: Draft, stream: Stream, asked: FindStories, passers: list[MemberId | None]
) -> None:
    """The author's own copy came after others: what has its number beside it is another story."""
    if not passers:
        return
    if None in passers:
        show_fork(draft, stream.author)
        return
    tell_differing(draft, stream.author)
    if asked.seq >= draft.log.unsure.get(stream, asked.seq + 1):
        heads = {**draft.log.heads, stream: Position(asked.seq, asked.mid)}
        draft.log = changed(draft.log, heads=heads)
        be_sure(draft, stream)
