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
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    decode_content,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import MalformedFrame, RemoteError, TooFarAhead
from toheal_protocol.machines.carrying import want
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.entering import Sealed, enter
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.following import MAX_PARENTS, misses_something, show_gaps
from toheal_protocol.machines.ledgers import members_for, our_view, roll_in, unknown
from toheal_protocol.machines.pair import owe_message
from toheal_protocol.machines.records import DropHeld, PutHeld
from toheal_protocol.machines.state import Held, Position, Stage, Standing, Stream
from toheal_protocol.machines.storing import encode_held
from toheal_protocol.machines.voice import check_audience, check_voice, is_far_beyond_removal
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Audience, Instant, MemberId, MessageId

GAP_SHOWN_AFTER: Final = 20.0
"""Seconds a message waits for its parents before it is shown after a gap."""

MAX_HELD: Final = 512
"""Messages held at once in a circle; one more is refused and has to come again."""

LAMPORT_LIMIT: Final = (1 << 32) - 1

DEFAULT_TTL: Final = 7 * 24 * 3600
"""Seconds after which a message is to disappear. Carried now, acted upon from a later version."""


def write_message(
    draft: Draft,
    kind: ContentKind,
    body: bytes,
    *,
    audience: Audience = Audience.CIRCLE,
    reply: MessageId | None = None,
    leave_out: MemberId | None = None,
) -> MessageId:
    """Write a message of ours: seal it once, wrap it for everybody it is for, owe it to each."""
    log, our_id = draft.log, draft.our_id
    head = log.heads.get(Stream(our_id, audience))
    newest = log.newest_for(audience)
    content = Content(
        circle_id=draft.cold.id,
        audience=audience,
        author_seq=head.seq + 1 if head else 1,
        prev_own=head.mid if head else None,
        parents=newest.frontier[-MAX_PARENTS:],
        view=our_view(draft),
        lamport=min(newest.lamport + 1, LAMPORT_LIMIT),
        ttl=DEFAULT_TTL,
        type=kind,
        reply=reply,
        body=body,
    )
    key = ContentKey(draft.entropy.draw(32))
    common = seal_content(encode_content(content), key, author=our_id)
    mid = message_id(common)
    recipients = tuple(one for one in members_for(draft, audience) if one != leave_out)
    enter(draft, our_id, content, Sealed(mid, key, common), recipients=recipients)
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
    head = draft.log.heads.get(Stream(author, content.audience))
    if mid in draft.log.held or (head is not None and head.mid == mid):
        return
    is_late = content.author_seq <= (head.seq if head else 0)
    if is_far_beyond_removal(draft, author, content):
        return
    want(draft, author, unknown(draft, content.view))
    is_outside = draft.cold.stage is Stage.KNOCKING
    if is_outside or (not is_late and misses_something(draft, author, content)):
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
        if not misses_something(draft, held.author, _content_of(held)):
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
    check_audience(draft, content)
    check_voice(draft, author, content)
    head = draft.log.heads.get(Stream(author, content.audience)) or Position(0, MessageId(b""))
    is_second = content.author_seq == head.seq and mid != head.mid
    is_beside = content.author_seq == head.seq + 1 and head.seq and content.prev_own != head.mid
    if is_second or is_beside:
        _show_fork(draft, author)
    is_late = content.author_seq <= head.seq
    if not is_late:
        show_gaps(draft, author, content)
    enter(draft, author, content, Sealed(mid, key, common), is_late=is_late)


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
