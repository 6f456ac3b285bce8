"""Unsaying: words that are taken back before they left are never sent.

What was never sealed has never left this device. Its place in what is owed is taken by a note,
`Unsaid`, so that no number is missing to the reader: neither of what is owed nor of the stream.

Spec: docs/protocol/circle.md, section 7.3.
"""

from __future__ import annotations

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.errors import ForgedMessage, TooFarAhead
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import OwedFrame
from toheal_protocol.machines.holes import fill, gap_around
from toheal_protocol.machines.log import is_member, release_held
from toheal_protocol.machines.pair import unsealed_note
from toheal_protocol.machines.records import UnsayOwed, has_never_left
from toheal_protocol.machines.state import Position, Stream
from toheal_protocol.messages.unsaid import Unsaid
from toheal_protocol.model import Audience, Frame, MemberId


def unsay(draft: Draft, note: Unsaid) -> None:
    """Owe the note in the place of a message of ours, to whom that has not left."""
    item = unsealed_note(note)
    draft.write(UnsayOwed(draft.cold.id, note.mid, item))
    draft.set_live(unsaid={**draft.live.unsaid, note.mid: item})


def without_unsaid(draft: Draft, owed: OwedFrame) -> OwedFrame:
    """Return what was loaded just before it was taken back as what is owed since."""
    item = draft.live.unsaid.get(owed.mid) if owed.mid is not None else None
    if item is None or not has_never_left(owed.item):
        return owed
    return evolve(owed, mid=None, item=item, frame=Frame(b""))


def take_unsaid(draft: Draft, member: MemberId, note: Unsaid) -> None:
    """Learn that a number of a member's stream has no message: what follows it follows.

    Raises:
        ForgedMessage: not of a member.
        TooFarAhead: what comes before it is not here yet; it has to come again.
    """
    if not is_member(draft, member):
        raise ForgedMessage("about a message by somebody who is not a member")
    stream = Stream(member, note.audience)
    head = draft.log.heads.get(stream)
    at = head.seq if head is not None else 0
    gap = gap_around(draft, stream, note.seq)
    if gap is not None:
        fill(draft, stream, gap, note.seq, None, note.mid, is_own=True)
    elif note.seq > at:
        _move_head(draft, stream, note, follows=note.seq == at + 1)
    release_held(draft)


def _move_head(draft: Draft, stream: Stream, note: Unsaid, *, follows: bool) -> None:
    log = draft.log
    begins = stream not in log.anchored or note.audience is Audience.FACILITATORS
    if not follows and (not begins or draft.pair(stream.author).received_beyond):
        raise TooFarAhead("a number whose predecessors are not here yet")
    readers = {stream: frozenset({stream.author}), **log.readers}
    draft.log = changed(
        log,
        heads={**log.heads, stream: Position(note.seq, note.mid)},
        anchored=log.anchored | {stream},
        readers=log.readers if note.audience is Audience.CIRCLE else readers,
    )
