"""The circle's log: messages in an order that respects what each author had read.

A message names its author's previous one, and the newest ones the author knew. It is accepted
once all of these are here; until then it is held. What does not come within `GAP_SHOWN_AFTER` is
shown as a gap, and the held message after it: a gap is never hidden and never blocks for ever.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.crypto import hash_parts
from toheal_protocol.envelope import (
    MARK_SIZE,
    Content,
    ContentKey,
    Parent,
    decode_content,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import MalformedFrame, RemoteError, TooFarAhead
from toheal_protocol.machines.attachments import take_announcement_of_file
from toheal_protocol.machines.carrying import tell_who_is_out, want
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Show, Tell
from toheal_protocol.machines.ledgers import members, our_view, roll_in, unknown
from toheal_protocol.machines.membership import take_announcement
from toheal_protocol.machines.pair import MAX_BEYOND, owe_message
from toheal_protocol.machines.records import DropHeld, PutEntry, PutHeld
from toheal_protocol.machines.state import Held, Position, Stage, Standing
from toheal_protocol.machines.storing import encode_held
from toheal_protocol.machines.voice import check_voice, is_far_beyond_removal, note_return
from toheal_protocol.messages.announcement import decode_announcement
from toheal_protocol.messages.attachment import medium_of
from toheal_protocol.messages.bodies import ContentKind, decode_text
from toheal_protocol.model import Instant, MemberId, MessageId, WallTime
from toheal_protocol.wire.codec import u32

GAP_SHOWN_AFTER: Final = 20.0
"""Seconds a message waits for its parents before it is shown after a gap."""

MAX_HELD: Final = 512
"""Messages held at once in a circle; one more is refused and has to come again."""

MAX_PARENTS: Final = 32
"""Parents a message names."""

LAMPORT_STEP: Final = 1 << 16
"""How far one message may move our counter: nobody can carry it to its end."""

LAMPORT_LIMIT: Final = (1 << 32) - 1

DEFAULT_TTL: Final = 7 * 24 * 3600
"""Seconds after which a message is to disappear. Carried now, acted upon from a later version."""


def write_message(
    draft: Draft,
    kind: ContentKind,
    body: bytes,
    *,
    text: str = "",
    notes: tuple[str, ...] = (),
    leave_out: MemberId | None = None,
) -> MessageId:
    """Write a message of ours: seal it once, wrap it for every member, owe it to each."""
    log, our_id = draft.log, draft.our_id
    head = log.heads.get(our_id)
    lamport = min(log.lamport + 1, LAMPORT_LIMIT)
    content = Content(
        circle_id=draft.cold.id,
        author_seq=head.seq + 1 if head else 1,
        prev_own=head.mid if head else None,
        parents=log.frontier[-MAX_PARENTS:],
        view=our_view(draft),
        lamport=lamport,
        ttl=DEFAULT_TTL,
        type=kind,
        reply=None,
        body=body,
    )
    key = ContentKey(draft.entropy.draw(32))
    common = seal_content(encode_content(content), key, author=our_id)
    mid = message_id(common)
    recipients = tuple(member for member in members(draft) if member not in (our_id, leave_out))
    _enter(draft, our_id, content, mid, key, common, text=text, notes=notes, recipients=recipients)
    for member in recipients:
        owe_message(draft, member, mid=mid, key=key, common=common)
    return mid


def take_message(
    draft: Draft, author: MemberId, *, mid: MessageId, key: ContentKey, common: bytes
) -> None:
    """Take a message whose author wrapped it for us: accept it, hold it, or pass over a repeat.

    Raises:
        ForgedMessage, MalformedFrame: the common part does not open, was sealed by another author, or is not of
            this circle.
        TooFarAhead: too many messages are held already.
    """
    content = decode_content(open_content(common, key, author=author))
    if content.circle_id != draft.cold.id:
        raise MalformedFrame("a message of another circle")
    head = draft.log.heads.get(author)
    if mid in draft.log.held or (head is not None and head.mid == mid):
        return
    is_late = content.author_seq <= (head.seq if head else 0)
    if draft.peer(author).standing is Standing.GONE:
        tell_who_is_out(draft, author, content.view)
    if is_far_beyond_removal(draft, author, content):
        return
    want(draft, author, unknown(draft, content.view))
    is_outside = draft.cold.stage is Stage.KNOCKING
    if is_outside or (not is_late and _misses_something(draft, author, content)):
        _hold(draft, mid, Held(author, key, common, draft.wall_now, content=content))
        return
    if not _is_for_us(draft, content):
        return
    _accept(draft, author, content, mid, key, common)
    release_held(draft)


def release_held(draft: Draft) -> None:
    """Accept what was held and now has its parents, or has waited long enough.

    Who is not in yet waits for a welcome. Who is not in any more still takes what was meant for
    them: words of those who had not seen the removal, and the removal itself.
    """
    while draft.cold.stage is not Stage.KNOCKING and (found := _releasable(draft)) is not None:
        mid, held = found
        _drop_held(draft, mid)
        if not _is_for_us(draft, _content_of(held)):
            continue
        try:
            with draft.attempt():
                _accept(
                    draft, held.author, _content_of(held), mid, ContentKey(held.key), held.common
                )
        except RemoteError:  # what it says is read only now, and nobody else may pay for it
            draft.ask(Tell("unreadable", held.author))


def _is_for_us(draft: Draft, content: Content) -> bool:
    """Say whether we were in for a message's author; asked only by who was removed."""
    if draft.cold.stage is not Stage.REMOVED:
        return True
    return draft.our_id in roll_in(draft, content.view)


def _releasable(draft: Draft) -> tuple[MessageId, Held] | None:
    """Return a held message that misses nothing, or else the first one that waited long enough.

    First means: before every later one of its author, and before what was written knowing it.
    """
    waited: set[MemberId] = set()
    for mid, held in draft.log.held.items():
        if not _misses_something(draft, held.author, _content_of(held)):
            return mid, held
        has_time = draft.cold.stage is Stage.ACTIVE and held.show_at is not None
        if has_time and (held.show_at or 0) <= draft.now:
            waited.add(held.author)
    return min(
        ((mid, held) for mid, held in draft.log.held.items() if held.author in waited),
        key=lambda one: (_content_of(one[1]).lamport, _content_of(one[1]).author_seq),
        default=None,
    )


def _content_of(held: Held) -> Content:
    if held.content is not None:
        return held.content
    plain = open_content(held.common, ContentKey(held.key), author=held.author)
    return decode_content(plain)


def next_gap_instant(draft: Draft) -> Instant | None:
    """Return when the next held message is shown after a gap."""
    if draft.cold.stage is not Stage.ACTIVE:
        return None
    return min(
        (held.show_at for held in draft.log.held.values() if held.show_at is not None),
        default=None,
    )


def restart_gaps(draft: Draft) -> None:
    """Let everything held wait anew: instants of an earlier run mean nothing."""
    show_at = Instant(draft.now + GAP_SHOWN_AFTER)
    held = {mid: evolve(one, show_at=show_at) for mid, one in draft.log.held.items()}
    draft.log = changed(draft.log, held=held)


def is_member(draft: Draft, member: MemberId) -> bool:
    """Say whether this peer may send us the circle's messages: is in, or was, or is to be."""
    peer = draft.cold.peers.get(member)
    speakers = (Standing.MEMBER, Standing.GONE, Standing.EXPECTED, Standing.HOST)
    return peer is not None and peer.standing in speakers


def _accept(
    draft: Draft,
    author: MemberId,
    content: Content,
    mid: MessageId,
    key: ContentKey,
    common: bytes,
) -> None:
    """Enter a message of somebody else's; one that comes after its gap was shown, late.

    Two messages with one number are both shown: that is an author with two copies or two stories.
    """
    check_voice(draft, author, content)
    head = draft.log.heads.get(author) or Position(0, MessageId(b""))
    is_second = content.author_seq == head.seq and mid != head.mid
    is_beside = content.author_seq == head.seq + 1 and head.seq and content.prev_own != head.mid
    if is_second or is_beside:
        _show_fork(draft, author)
    is_late = content.author_seq <= head.seq
    if not is_late:
        _show_gaps(draft, author, content)
    _enter(draft, author, content, mid, key, common, recipients=(), is_late=is_late)


def _show_gaps(draft: Draft, author: MemberId, content: Content) -> None:
    """Show what is missing before a message: of its author, and of those it had read."""
    at = draft.log.heads.get(author)
    first = at.seq + 1 if at is not None else 1
    if author not in draft.log.anchored:  # what it wrote before it knew of us is no gap
        first = max(first, content.author_seq - _missing_items(draft, author))
    _show_gap(draft, author, first, content.author_seq - 1)
    for parent in content.parents:
        for other, position in draft.log.heads.items():
            is_theirs = other != author and other[:MARK_SIZE] == parent.author_mark
            # What somebody says of another's count is hearsay: a wild claim shows nothing.
            if is_theirs and parent.author_seq <= position.seq + MAX_BEYOND:
                _show_gap(draft, other, position.seq + 1, parent.author_seq)


def _missing_items(draft: Draft, author: MemberId) -> int:
    pair = draft.pair(author)
    beyond = pair.received_beyond
    return max(beyond) - pair.received_through - len(beyond) if beyond else 0


def _show_gap(draft: Draft, author: MemberId, first: int, last: int) -> None:
    """Show that messages with these numbers are missing, if there are any.

    What was shown as missing before is not counted a second time.
    """
    first = max(first, draft.log.gaps_shown.get(author, 0) + 1)
    if first > last:
        return
    draft.log = changed(draft.log, gaps_shown={**draft.log.gaps_shown, author: last})
    gap = PutEntry(
        circle=draft.cold.id,
        mid=MessageId(hash_parts("th1/gap", draft.cold.id, author, u32(first), u32(last))),
        author=author,
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


def _enter(
    draft: Draft,
    author: MemberId,
    content: Content,
    mid: MessageId,
    key: ContentKey,
    common: bytes,
    *,
    recipients: tuple[MemberId, ...],
    text: str = "",
    notes: tuple[str, ...] = (),
    is_late: bool = False,
) -> None:
    is_mine = author == draft.our_id
    kind, sent_at = "unknown", draft.wall_now
    if content.type == ContentKind.TEXT:
        kind = "text"
        if not is_mine:
            body = decode_text(content.body)
            text, notes, sent_at = body.text, body.notes, WallTime(body.sent_at)
    elif content.type == ContentKind.ATTACHMENT:
        attached = take_announcement_of_file(draft, mid, content.body)
        kind = "attachment" if medium_of(attached) is not None else kind
        text, notes, sent_at = attached.about, attached.notes, WallTime(attached.sent_at)
    elif content.type == ContentKind.OPERATION:
        announcement = decode_announcement(content.body)
        kind = take_announcement(draft, announcement, author=author)
        text = announcement.operation.id.hex()
    entry = PutEntry(
        circle=draft.cold.id,
        mid=mid,
        author=author,
        author_seq=content.author_seq,
        kind=kind,
        text=text,
        sent_at=sent_at,
        received_at=draft.wall_now,
        is_mine=is_mine,
        notes=notes,
        key=key,
        common=common,
        recipients=recipients,
        passed_on_by=None,
        parents=tuple(parent.mid for parent in content.parents),
    )
    if not is_late:
        _move_heads(draft, author, content, mid)
    note_return(draft, author, content)
    draft.write(entry)
    draft.ask(Show(entry))


def _move_heads(draft: Draft, author: MemberId, content: Content, mid: MessageId) -> None:
    log = draft.log
    behind = {content.prev_own, *(parent.mid for parent in content.parents)}
    ours = Parent(author[:MARK_SIZE], content.author_seq, mid)
    kept = [p for p in log.frontier if p.mid not in behind and p.author_mark != ours.author_mark]
    anchored = log.anchored if author in log.anchored else log.anchored | {author}
    draft.log = changed(
        log,
        heads={**log.heads, author: Position(content.author_seq, mid)},
        frontier=(*kept[-MAX_PARENTS + 1 :], ours),
        lamport=max(log.lamport, min(content.lamport, log.lamport + LAMPORT_STEP)),
        anchored=anchored,
    )


def _misses_something(draft: Draft, author: MemberId, content: Content) -> bool:
    """Say whether something the author knew is not here yet."""
    head = draft.log.heads.get(author)
    follows = content.author_seq == (head.seq if head else 0) + 1
    if not follows and not _starts_here(draft, author):
        return True
    if unknown(draft, content.view):
        return True
    return any(not _is_here(draft, parent) for parent in content.parents)


def _starts_here(draft: Draft, author: MemberId) -> bool:
    """Say whether this is where an author began to write for us.

    Until then its messages were not for us, so their absence is no gap. It holds when nothing
    else of that author has been accepted and nothing it owes us is missing before this.
    """
    if author in draft.log.anchored:
        return False
    return not draft.pair(author).received_beyond


def _is_here(draft: Draft, parent: Parent) -> bool:
    return any(
        position.seq >= parent.author_seq
        for author, position in draft.log.heads.items()
        if author[:MARK_SIZE] == parent.author_mark
    )


def _hold(draft: Draft, mid: MessageId, held: Held) -> None:
    if len(draft.log.held) >= MAX_HELD:
        raise TooFarAhead("too many messages wait for their parents")
    held = evolve(held, show_at=Instant(draft.now + GAP_SHOWN_AFTER))
    draft.log = changed(draft.log, held={**draft.log.held, mid: held})
    draft.write(PutHeld(draft.cold.id, mid, encode_held(held)))


def _drop_held(draft: Draft, mid: MessageId) -> None:
    held = {known: value for known, value in draft.log.held.items() if known != mid}
    draft.log = changed(draft.log, held=held)
    draft.write(DropHeld(draft.cold.id, mid))


def _show_fork(draft: Draft, author: MemberId) -> None:
    """Two messages with one number: another copy of the author runs, or it told two stories."""
    peer = draft.cold.peers.get(author)
    if peer is not None and not peer.is_forked:
        draft.change_peer(author, is_forked=True)
        draft.ask(Tell("fork_seen", author))
