"""Following a stream: what of it is here, what is missing before a message, how far it is read.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.crypto import hash_parts
from toheal_protocol.envelope import MARK_SIZE, Content, Parent
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Show
from toheal_protocol.machines.ledgers import unknown
from toheal_protocol.machines.pair import MAX_BEYOND
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.state import Newest, Position, Stream
from toheal_protocol.model import Audience, MemberId, MessageId
from toheal_protocol.wire.codec import u8, u32

MAX_PARENTS: Final = 32
"""Parents a message names."""

LAMPORT_STEP: Final = 1 << 16
"""How far one message may move our counter: nobody can carry it to its end."""


def misses_something(draft: Draft, author: MemberId, content: Content) -> bool:
    """Say whether something the author knew is not here yet."""
    stream = Stream(author, content.audience)
    head = draft.log.heads.get(stream)
    follows = content.author_seq == (head.seq if head else 0) + 1
    if not follows and not _starts_here(draft, stream):
        return True
    if unknown(draft, content.view):
        return True
    return any(not _is_here(draft, parent) for parent in content.parents)


def _starts_here(draft: Draft, stream: Stream) -> bool:
    """Say whether this is where an author began to write for us, or began again.

    Until then its messages were not for us, so their absence is no gap. It holds when nothing
    it owes us is missing before this. To the circle an author begins once; to facilitators it
    may leave us out and take us in again, as our role changes.
    """
    if stream in draft.log.anchored and stream.audience is Audience.CIRCLE:
        return False
    return not draft.pair(stream.author).received_beyond


def _is_here(draft: Draft, parent: Parent) -> bool:
    return any(
        position.seq >= parent.author_seq
        for stream, position in draft.log.heads.items()
        if _is_of(parent, stream)
    )


def _is_of(parent: Parent, stream: Stream) -> bool:
    return stream.audience is parent.audience and stream.author[:MARK_SIZE] == parent.author_mark


def show_gaps(draft: Draft, author: MemberId, content: Content) -> None:
    """Show what is missing before a message: of its author, and of those it had read.

    What others said to facilitators may never have been meant for us, so nothing of it is shown
    as missing on their word.
    """
    stream = Stream(author, content.audience)
    at = draft.log.heads.get(stream)
    first = at.seq + 1 if at is not None else 1
    if stream not in draft.log.anchored or stream.audience is Audience.FACILITATORS:
        # what it wrote before it knew of us is no gap
        first = max(first, content.author_seq - _missing_items(draft, author))
    _show_gap(draft, stream, first, content.author_seq - 1)
    for parent in content.parents:
        for other, position in draft.log.heads.items():
            is_theirs = other.author != author and _is_of(parent, other)
            # What somebody says of another's count is hearsay: a wild claim shows nothing.
            is_near = parent.author_seq <= position.seq + MAX_BEYOND
            if is_theirs and is_near and other.audience is Audience.CIRCLE:
                _show_gap(draft, other, position.seq + 1, parent.author_seq)


def _missing_items(draft: Draft, author: MemberId) -> int:
    pair = draft.pair(author)
    beyond = pair.received_beyond
    return max(beyond) - pair.received_through - len(beyond) if beyond else 0


def _show_gap(draft: Draft, stream: Stream, first: int, last: int) -> None:
    """Show that messages with these numbers are missing, if there are any.

    What was shown as missing before is not counted a second time.
    """
    first = max(first, draft.log.gaps_shown.get(stream, 0) + 1)
    if first > last:
        return
    draft.log = changed(draft.log, gaps_shown={**draft.log.gaps_shown, stream: last})
    named = (draft.cold.id, stream.author, u8(stream.audience), u32(first), u32(last))
    gap = PutEntry(
        circle=draft.cold.id,
        mid=MessageId(hash_parts("th1/gap", *named)),
        author=stream.author,
        audience=stream.audience,
        author_seq=first,
        kind="gap",
        text=str(last - first + 1),
        sent_at=draft.wall_now,
        received_at=draft.wall_now,
        is_mine=False,
        notes=(),
        key=b"",
        common=b"",
        recipients=(),
        passed_on_by=None,
        parents=(),
    )
    draft.write(gap)
    draft.ask(Show(gap))


def move_heads(draft: Draft, author: MemberId, content: Content, mid: MessageId) -> None:
    """Note that a message is read: the next one to its audience, or to a narrower one, follows it."""
    stream = Stream(author, content.audience)
    ours = Parent(author[:MARK_SIZE], content.audience, content.author_seq, mid)
    log, newest = draft.log, dict(draft.log.newest)
    for audience in Audience:
        if audience >= content.audience:
            newest[audience] = _moved(log.newest_for(audience), content, ours)
    draft.log = changed(
        log,
        heads={**log.heads, stream: Position(content.author_seq, mid)},
        newest=newest,
        anchored=log.anchored if stream in log.anchored else log.anchored | {stream},
    )


def _moved(newest: Newest, content: Content, read: Parent) -> Newest:
    behind = {content.prev_own, *(parent.mid for parent in content.parents)}
    of_stream = (read.author_mark, read.audience)
    kept = [
        one
        for one in newest.frontier
        if one.mid not in behind and (one.author_mark, one.audience) != of_stream
    ]
    lamport = max(newest.lamport, min(content.lamport, newest.lamport + LAMPORT_STEP))
    return Newest((*kept[-MAX_PARENTS + 1 :], read), lamport)
