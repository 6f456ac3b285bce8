"""Following a stream: what of it is here, what is missing before a message, how far it is read.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.envelope import MARK_SIZE, Content, Parent
from toheal_protocol.machines.counting import MAX_BEYOND
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.holes import open_gap
from toheal_protocol.machines.ledgers import roll_in, unknown
from toheal_protocol.machines.state import Newest, Position, Stream
from toheal_protocol.machines.streams import is_leap
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Audience, MemberId, MessageId, Role

MAX_PARENTS: Final = 32
"""Parents a message names."""

LAMPORT_STEP: Final = 1 << 16
"""How far one message may move our counter: nobody can carry it to its end."""

_AS_NARROW: Final = {
    audience: tuple(one for one in Audience if one >= audience) for audience in Audience
}
"""Each audience, and those that are no wider."""


def misses_something(draft: Draft, author: MemberId, content: Content, *, is_own: bool) -> bool:
    """Say whether something the author knew is not here yet.

    Args:
        is_own: the author itself brought it. Of what others pass on the beginning may come later.
    """
    stream = Stream(author, content.audience)
    head = draft.log.heads.get(stream)
    at = head.seq if head else 0
    follows = content.author_seq == at + 1 or is_leap(at, content.author_seq, content.prev_own)
    if not follows and not (is_own and _starts_here(draft, stream)):
        return True
    if unknown(draft, content.view):
        return True
    # of an author's own notes the count says what is missing; the one before may not be for us
    is_note = stream.audience is Audience.FACILITATORS
    for parent in content.parents:
        if not (is_note and _is_of(parent, stream)) and not _is_here(draft, parent):
            return True
    return False


def _starts_here(draft: Draft, stream: Stream) -> bool:
    """Say whether this is where an author began to write for us, or began again.

    Until then its messages were not for us, so their absence is no gap. It holds when nothing
    it owes us is missing before this. To the circle an author begins once; to facilitators it
    may leave us out and take us in again, as our role changes.
    """
    if _is_followed(draft, stream):
        return False
    return not draft.pair(stream.author).received_beyond


def _is_followed(draft: Draft, stream: Stream) -> bool:
    """Say whether everything of a stream is for us: we have read some of it, or another device may have."""
    is_known = stream in draft.log.anchored or stream.author in draft.cold.met
    return is_known and stream.audience is Audience.CIRCLE


def _is_here(draft: Draft, parent: Parent) -> bool:
    for stream, position in draft.log.heads.items():
        if position.seq >= parent.author_seq and _is_of(parent, stream):
            return True
    return False


def _is_of(parent: Parent, stream: Stream) -> bool:
    return stream.audience is parent.audience and stream.author[:MARK_SIZE] == parent.author_mark


def show_gaps(draft: Draft, author: MemberId, content: Content, *, is_own: bool) -> None:
    """Show what is missing before a message: of its author, and of those it had read.

    What others said to facilitators may never have been meant for us, so nothing of it is shown
    as missing on their word.

    Args:
        is_own: the author itself brought it.
    """
    stream = Stream(author, content.audience)
    at = draft.log.heads.get(stream)
    first = at.seq + 1 if at is not None else 1
    leaps = is_leap(first - 1, content.author_seq, content.prev_own)
    if not _is_followed(draft, stream) and not leaps:
        # what it wrote before it knew of us is no gap
        shown = max(first, content.author_seq - _missing_items(draft, author))
        # ... unless an older disk was put back, ours or the author's: what was owed before a session
        # was begun anew nobody knows any more, and some of it may have been for us. Nor does who
        # passes something on say where the author began
        peer = draft.peer(author)
        if not is_own or peer.reset_at or peer.next_continuity:
            above = content.prev_own if shown == content.author_seq else None
            open_gap(draft, stream, first, shown - 1, above=above, is_quiet=True)
        first = shown
    open_gap(
        draft, stream, first, content.author_seq - 1, above=content.prev_own if is_own else None
    )
    for parent in content.parents:
        for other, position in draft.log.heads.items():
            if position.seq >= parent.author_seq:
                continue  # a circle of 24 has hundreds of pairs of parent and stream
            is_theirs = other.author != author and _is_of(parent, other)
            # What somebody says of another's count is hearsay: a wild claim shows nothing.
            is_near = parent.author_seq <= position.seq + MAX_BEYOND
            if is_theirs and is_near and other.audience is Audience.CIRCLE:
                open_gap(draft, other, position.seq + 1, parent.author_seq)


def _missing_items(draft: Draft, author: MemberId) -> int:
    pair = draft.pair(author)
    beyond = pair.received_beyond
    return max(beyond) - pair.received_through - len(beyond) if beyond else 0


def move_heads(draft: Draft, author: MemberId, content: Content, mid: MessageId) -> None:
    """Note that a message is read: the next one to its audience, or to a narrower one, follows it.

    Nothing follows a request but what its author says: it may be about a facilitator, who was
    left out and must not find it named in what the others write.
    """
    stream = Stream(author, content.audience)
    read = Parent(author[:MARK_SIZE], content.audience, content.author_seq, mid)
    log, newest = draft.log, draft.log.newest
    if content.type != ContentKind.REQUEST:
        behind = {content.prev_own, *[parent.mid for parent in content.parents]}
        moved: dict[Audience, Newest] = {}
        before = after = Newest()
        for audience in _AS_NARROW[content.audience]:
            at = log.newest_for(audience)
            if not moved or at != before:  # mostly they are one for all audiences
                before, after = at, _moved(at, content.lamport, behind, read)
            moved[audience] = after
        newest = {**newest, **moved}
    draft.log = changed(
        log,
        heads={**log.heads, stream: Position(content.author_seq, mid)},
        newest=newest,
        anchored=log.anchored if stream in log.anchored else log.anchored | {stream},
    )
    if content.audience is not Audience.CIRCLE:
        readers = {**log.readers, stream: _readers(draft, author, content)}
        draft.log = changed(draft.log, readers=readers)


def _readers(draft: Draft, author: MemberId, content: Content) -> frozenset[MemberId]:
    """Return whom a message of a narrower stream was for: they alone may hear of it."""
    if unknown(draft, content.view) or content.type == ContentKind.REQUEST:
        return frozenset({author})  # a request may leave out the facilitator it is about
    roll = roll_in(draft, content.view)
    leading = (one for one, place in roll.items() if place.role is Role.FACILITATOR)
    return frozenset({author, *leading})


def _moved(newest: Newest, lamport: int, behind: set[MessageId | None], read: Parent) -> Newest:
    mark, audience = read.author_mark, read.audience
    kept = [
        one
        for one in newest.frontier
        if one.mid not in behind and (one.author_mark != mark or one.audience is not audience)
    ]
    lamport = max(newest.lamport, min(lamport, newest.lamport + LAMPORT_STEP))
    return Newest((*kept[-MAX_PARENTS + 1 :], read), lamport)
