"""Passing on: giving a member messages of others that it asks for, if they were meant for it.

Spec: docs/protocol/sync.md, sections 3.2 and 3.3.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.envelope import Content, ContentKey, decode_content, open_content
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines.addressing import choose_grant
from toheal_protocol.machines.comparing import may_compare
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import SendFrames
from toheal_protocol.machines.ledgers import roll_in, unknown
from toheal_protocol.machines.pair import (
    CHAIN_SPARED,
    PASSED_AD,
    never_sent_again,
    pass_note,
)
from toheal_protocol.machines.placing import deposit
from toheal_protocol.machines.sync_events import EntriesFound, FindEntries, FoundEntry
from toheal_protocol.machines.sync_parts import Answering
from toheal_protocol.messages.asking import Answered, Asked
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.messages.frames import Passed, encode_frame
from toheal_protocol.messages.grants import MAIL
from toheal_protocol.model import Audience, MemberId, Role
from toheal_protocol.ratchet import seal_message

LINK_MOST: Final = (240, 256 * 1024)
"""Messages and bytes of one answer over a link: a session bridges 500 that are lost."""

RELAY_MOST: Final = (32, 64 * 1024)
"""The same through a relay."""

LINK_ROOM: Final = (16 * 1024 * 1024, 256 * 1024)
"""Bytes a member may ask of us at once, and how many more each second, over a link."""

RELAY_ROOM: Final = (1024 * 1024, 4 * 1024)
"""The same through a relay."""

LOOKED_AT: Final = 64
"""Bytes that a message counts which was looked at and not passed on."""


def take_asked(draft: Draft, member: MemberId, asked: Asked) -> None:
    """Look for what a member asks. What is asked meanwhile takes its place afterwards."""
    if not may_compare(draft, member) or not (asked.ranges or asked.mids):
        return
    answering = _answering(draft, member)
    if answering.is_looking:
        _keep(draft, member, evolve(answering, pending=asked))
    elif answering.room > 0 and may_be_lost(draft, member) > 0:
        _look(draft, member, asked, after=0)


def take_found(draft: Draft, event: EntriesFound) -> None:
    """Pass on what was found and was meant for the member; go on looking if nothing was."""
    member = event.member
    pending = _answering(draft, member).pending
    _keep(draft, member, evolve(_answering(draft, member), is_looking=False, pending=None))
    if may_compare(draft, member):
        _answer(draft, event)
    if pending is not None and not _answering(draft, member).is_looking:
        take_asked(draft, member, pending)


def may_pass(draft: Draft, member: MemberId, author: MemberId, content: Content) -> bool:
    """Say whether a message was meant for a member: in, and of its audience, in its own view."""
    if content.circle_id != draft.cold.id or unknown(draft, content.view):
        return False
    place = roll_in(draft, content.view).get(member)
    if place is None:
        return False
    if content.audience is Audience.CIRCLE or member == author:
        return True
    # a request may leave out the facilitator it is about, and we cannot tell whom
    return place.role is Role.FACILITATOR and content.type != ContentKind.REQUEST


def content_to_pass(draft: Draft, member: MemberId, found: FoundEntry) -> Content | None:
    """Return what a message of ours or of somebody else's says, if a member may have it."""
    if found.author == draft.our_id and found.passed_on_by is not None:
        return None  # from us it would count as our word, and we cannot tell whether we wrote it
    try:
        plain = open_content(found.common, ContentKey(found.key), author=found.author)
        content = decode_content(plain)
    except RemoteError:  # forgotten, or kept by an earlier version: nothing to pass on
        return None
    return content if may_pass(draft, member, found.author, content) else None


def may_be_lost(draft: Draft, member: MemberId) -> int:
    """Return how many frames that are never sent again this chain bears still."""
    return CHAIN_SPARED - never_sent_again(draft.pair(member))


def hand_over_passed(draft: Draft, member: MemberId, entry: FoundEntry) -> None:
    """Wrap a message anew for a peer and send it on its way, if there is one.

    Spec: docs/protocol/sync.md, section 3.3.
    """
    pair = draft.pair(member)
    if pair.session is None or not pair.session.can_send:
        return
    session, wrap = seal_message(
        pair.session,
        entry.author + entry.key,
        PASSED_AD + entry.mid,
        entropy=draft.entropy,
        now=draft.wall_now,
    )
    draft.set_pair(member, changed(pair, session=session))
    frame = encode_frame(Passed(wrap, entry.common))
    if draft.courier(member).has_link:
        draft.ask(SendFrames(member, (frame,)))
    else:
        deposit(draft, member, frame, kind=MAIL)


def _answer(draft: Draft, event: EntriesFound) -> None:
    member, found = event.member, event.found
    sent, cost = 0, 0
    has_more = found.has_more
    for entry in found.entries:
        if content_to_pass(draft, member, entry) is None:
            cost += LOOKED_AT
            continue
        if may_be_lost(draft, member) <= 0:
            has_more = True
            break
        cost += len(entry.common)
        hand_over_passed(draft, member, entry)
        sent += 1
    answering = _answering(draft, member)
    _keep(draft, member, evolve(answering, room=answering.room - cost))
    if sent or not found.has_more:
        pass_note(draft, member, Answered(event.asked.ask, has_more))
    elif answering.room > cost:
        _look(draft, member, event.asked, after=found.upto)


def _look(draft: Draft, member: MemberId, asked: Asked, *, after: int) -> None:
    has_link = draft.courier(member).has_link
    if not has_link and choose_grant(draft, member, MAIL) is None:
        return
    limit, most = LINK_MOST if has_link else RELAY_MOST
    limit = min(limit, may_be_lost(draft, member))
    _keep(draft, member, evolve(_answering(draft, member), is_looking=True))
    draft.ask(FindEntries(member, asked, after, limit, most))


def _answering(draft: Draft, member: MemberId) -> Answering:
    """Return what a member may ask for still, as of now."""
    cap, rate = LINK_ROOM if draft.courier(member).has_link else RELAY_ROOM
    present = draft.live.sync.answering.get(member)
    if present is None:
        return Answering(cap, draft.now)
    room = min(cap, present.room + rate * max(0.0, draft.now - present.at))
    return evolve(present, room=room, at=draft.now)


def _keep(draft: Draft, member: MemberId, answering: Answering) -> None:
    sync = draft.live.sync
    draft.set_live(sync=changed(sync, answering={**sync.answering, member: answering}))
