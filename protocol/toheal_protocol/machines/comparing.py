"""Comparing logs with a member: whether both have the same, and what each says of how far it read.

What is told is a claim: it makes the teller somebody to ask, and nothing else. Of its own stream an
author's word confirms what others passed on.

Spec: docs/protocol/sync.md, section 2.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.crypto import hash_parts
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.missing import ask_soon, forget_tried
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.state import Position, Stage, Standing, Stream
from toheal_protocol.machines.stories import confirm_through, want_story
from toheal_protocol.machines.sync_events import FindStories
from toheal_protocol.messages.heads import MAX_HEADS, NO_DIGEST, Head, Heads
from toheal_protocol.model import Audience, MemberId, Role
from toheal_protocol.wire.codec import u8, u32

HEADS_PACE: Final = 10.0
"""Seconds between two tellings of our heads to one member."""

SAY_AGAIN_LINK: Final = 600.0
"""Seconds after which a member with a link hears our digest again, if it is another one."""

SAY_AGAIN_RELAY: Final = 3600.0
"""The same for a member who is there behind a relay."""


def digest_for(draft: Draft, member: MemberId) -> bytes:
    """Return the digest of all heads a member may be told; zeros where there is nothing to tell."""
    if not may_compare(draft, member):
        return NO_DIGEST
    heads = sorted(
        head.author + u8(head.audience) + u32(head.seq) + head.mid
        for head in _heads_for(draft, member)
    )
    return hash_parts("th1/heads", draft.cold.id, *heads)


def may_compare(draft: Draft, member: MemberId) -> bool:
    """Say whether both of us are in."""
    peer = draft.cold.peers.get(member)
    is_member = peer is not None and peer.standing is Standing.MEMBER
    return is_member and draft.cold.stage is Stage.ACTIVE


def note_said(draft: Draft, member: MemberId, digest: bytes) -> None:
    """Note what digest a member heard from us, and when."""
    if digest == NO_DIGEST:
        return
    said = {**draft.live.sync.said, member: (digest, draft.now)}
    draft.set_live(sync=changed(draft.live.sync, said=said))


def is_news(draft: Draft, member: MemberId) -> bool:
    """Say whether a member who is there should hear our digest again by now."""
    courier = draft.courier(member)
    if not may_compare(draft, member) or not (courier.has_link or courier.is_here):
        return False
    said = draft.live.sync.said.get(member)
    if said is None:
        return True
    digest, at = said
    wait = SAY_AGAIN_LINK if courier.has_link else SAY_AGAIN_RELAY
    return draft.now - at >= wait and digest_for(draft, member) != digest


def take_digest(draft: Draft, member: MemberId, digest: bytes) -> None:
    """Compare a member's digest with ours: the same, or we tell our heads."""
    ours = digest_for(draft, member)
    if NO_DIGEST in (digest, ours):
        return
    forget_tried(draft, member)
    if digest == ours:
        heads = _heads_for(draft, member)
        _note_read(draft, member, heads)
        _forget_told(draft, member)
        for head in heads:
            if head.author == member:
                confirm_through(draft, Stream(member, head.audience), head.mid)
    else:
        _tell_heads(draft, member, is_reply=False)
    ask_soon(draft)


def take_heads(draft: Draft, member: MemberId, note: Heads) -> None:
    """Note what a member says it has read, and answer with ours."""
    if not may_compare(draft, member):
        return
    _note_read(draft, member, note.heads)
    beyond: dict[Stream, Position] = {}
    for head in note.heads:
        stream = Stream(head.author, head.audience)
        if _is_ours_to_know(draft, stream):
            _take_head(draft, member, stream, head, beyond)
    sync = draft.live.sync
    draft.set_live(sync=changed(sync, told={**sync.told, member: beyond}))
    if not note.is_reply:
        _tell_heads(draft, member, is_reply=True)
    ask_soon(draft)


def _take_head(
    draft: Draft, member: MemberId, stream: Stream, head: Head, beyond: dict[Stream, Position]
) -> None:
    ours = draft.log.heads.get(stream)
    if ours is None or head.seq > ours.seq:
        beyond[stream] = Position(head.seq, head.mid)
    elif head.seq < ours.seq:
        draft.ask(FindStories(head.author, head.audience, head.seq, head.mid, member))
    elif head.mid != ours.mid:
        want_story(draft, stream, head.mid)
    elif head.author == member:
        confirm_through(draft, stream, head.mid)


def _is_ours_to_know(draft: Draft, stream: Stream) -> bool:
    """Say whether a stream can hold anything for us: of a member, and to an audience we belong to."""
    if stream.author not in draft.cold.peers:
        return False
    return stream.audience is Audience.CIRCLE or draft.cold.my_role is Role.FACILITATOR


def _heads_for(draft: Draft, member: MemberId) -> tuple[Head, ...]:
    """Return the heads a member may be told: of a narrower audience only what was for them."""
    heads = (
        Head(stream.author, stream.audience, at.seq, at.mid)
        for stream, at in draft.log.heads.items()
        if stream.audience is Audience.CIRCLE or member in draft.log.readers.get(stream, ())
        if stream.author != draft.our_id or stream not in draft.log.unsure
    )
    return tuple(heads)[:MAX_HEADS]


def _tell_heads(draft: Draft, member: MemberId, *, is_reply: bool) -> None:
    sync = draft.live.sync
    if draft.now - sync.told_at.get(member, -HEADS_PACE) < HEADS_PACE:
        _compare_once_more(draft, member)  # put off and not dropped: nothing else may come to pass
        return
    if pass_note(draft, member, Heads(is_reply, _heads_for(draft, member))):
        sync = draft.live.sync
        draft.set_live(sync=changed(sync, told_at={**sync.told_at, member: draft.now}))


def unsay(draft: Draft, member: MemberId) -> None:
    """Doubt that a member heard our heads: they may be lost with the link that broke."""
    sync = draft.live.sync
    told_at = {one: at for one, at in sync.told_at.items() if one != member}
    draft.set_live(sync=changed(sync, told_at=told_at))


def _compare_once_more(draft: Draft, member: MemberId) -> None:
    """Have a member hear our digest again the next time it is looked at."""
    sync = draft.live.sync
    said = {one: what for one, what in sync.said.items() if one != member}
    draft.set_live(sync=changed(sync, said=said))


def _note_read(draft: Draft, member: MemberId, heads: tuple[Head, ...]) -> None:
    read = {Stream(head.author, head.audience): head.seq for head in heads}
    sync = draft.live.sync
    draft.set_live(sync=changed(sync, read={**sync.read, member: read}))


def _forget_told(draft: Draft, member: MemberId) -> None:
    sync = draft.live.sync
    if sync.told.get(member):
        draft.set_live(sync=changed(sync, told={**sync.told, member: {}}))
