"""The circle's log: messages in an order that respects what each author had read.

A message names its author's previous one, and the newest ones the author knew. It is accepted
once all of these are here; until then it is held. What does not come within `GAP_SHOWN_AFTER` is
shown as a gap, and the held message after it: a gap is never hidden and never blocks for ever.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from contextlib import suppress
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
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError, TooFarAhead
from toheal_protocol.machines.allowances import add_words, count_words
from toheal_protocol.machines.carrying import tell_who_is_out, want
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.entering import Sealed, enter
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.following import MAX_PARENTS, misses_something, show_gaps
from toheal_protocol.machines.holes import content_of, fill, gap_around, names_another
from toheal_protocol.machines.ledgers import members_for, our_view, roll_in, unknown
from toheal_protocol.machines.missing import ask_soon, note_gain
from toheal_protocol.machines.pair import OpenedPassed, owe_message
from toheal_protocol.machines.records import ConfirmEntries, DropHeld, PutHeld
from toheal_protocol.machines.restoring import next_number
from toheal_protocol.machines.state import Held, Position, Stage, Standing, Stream
from toheal_protocol.machines.stories import (
    be_sure,
    be_unsure,
    confirm_through,
    forget_wanted,
    is_due,
    look_below,
    show_fork,
    tell_differing,
)
from toheal_protocol.machines.storing import encode_held
from toheal_protocol.machines.sync_events import FindStories
from toheal_protocol.machines.voice import check_audience, check_voice, is_far_beyond_removal
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Audience, Instant, MemberId, MessageId

GAP_SHOWN_AFTER: Final = 20.0
"""Seconds a message waits for its parents before it is shown after a gap."""

MAX_HELD: Final = 512
"""Messages held at once in a circle; one more is refused and has to come again."""

LAMPORT_LIMIT: Final = (1 << 32) - 1


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
    number, previous = next_number(draft, audience)
    log, our_id = draft.log, draft.our_id
    newest = log.newest_for(audience)
    content = Content(
        circle_id=draft.cold.id,
        audience=audience,
        author_seq=number,
        prev_own=previous,
        parents=newest.frontier[-MAX_PARENTS:],
        view=our_view(draft),
        lamport=min(newest.lamport + 1, LAMPORT_LIMIT),
        ttl=draft.cold.disappear,
        type=kind,
        reply=reply,
        body=body,
    )
    key = ContentKey(draft.entropy.draw(32))
    common = seal_content(encode_content(content), key, author=our_id)
    mid = message_id(common)
    if kind is not ContentKind.OPERATION:
        add_words(draft, our_id, len(common))
    recipients = tuple(one for one in members_for(draft, audience) if one != leave_out)
    enter(draft, our_id, content, Sealed(mid, key, common), recipients=recipients)
    be_sure(draft, Stream(our_id, audience))
    is_urgent = audience is Audience.FACILITATORS  # somebody asks for help
    for member in recipients:
        owe_message(draft, member, mid=mid, key=key, common=common, is_urgent=is_urgent)
    return mid


def take_message(
    draft: Draft,
    author: MemberId,
    *,
    mid: MessageId,
    key: ContentKey,
    common: bytes,
    passer: MemberId | None = None,
) -> None:
    """Take a message that was wrapped for us: accept it, hold it, or pass over a repeat.

    Args:
        passer: who wrapped it, if that was not its author.

    Raises:
        ForgedMessage, MalformedFrame: the common part does not open, was sealed by another author, or is not of
            this circle.
        TooFarAhead: too many messages are held already, or too much came from one member today.
    """
    content = decode_content(open_content(common, key, author=author))
    if content.circle_id != draft.cold.id:
        raise MalformedFrame("a message of another circle")
    stream = Stream(author, content.audience)
    head = draft.log.heads.get(stream)
    is_newest = head is not None and head.mid == mid
    if mid in draft.log.held or (is_newest and not gap_around(draft, stream, content.author_seq)):
        if passer is None:
            _note_own_copy(draft, stream, content, Sealed(mid, key, common))
        return
    if passer is not None and not is_due(draft, stream, content, mid):
        return
    is_late = content.author_seq <= (head.seq if head else 0)
    if passer is None and draft.peer(author).standing is Standing.GONE:
        tell_who_is_out(draft, author, content.view)
    if is_far_beyond_removal(draft, author, content):
        return
    want(draft, passer or author, unknown(draft, content.view))
    count_words(draft, author, content, len(common), passer=passer)
    if _must_wait(draft, author, content, is_late=is_late, is_own=passer is None):
        held = Held(author, key, common, draft.wall_now, passed_on_by=passer, content=content)
        _hold(draft, mid, held)
    elif _is_for_us(draft, content):
        _accept(draft, author, content, Sealed(mid, key, common), passer)
        release_held(draft)
    else:
        return
    if passer is not None:
        note_gain(draft, passer)


def _must_wait(
    draft: Draft, author: MemberId, content: Content, *, is_late: bool, is_own: bool
) -> bool:
    if draft.cold.stage is Stage.KNOCKING:
        return True
    return not is_late and misses_something(draft, author, content, is_own=is_own)


def take_passed(draft: Draft, passer: MemberId, opened: OpenedPassed) -> None:
    """Take a message that a member passes on, if it was meant for us and fits; else nothing happens.

    Spec: docs/protocol/sync.md, section 3.3.
    """
    peer, is_own = draft.peer(passer), opened.author == passer
    is_known = opened.author in draft.cold.peers or opened.author == draft.our_id
    is_member_now = peer.standing is Standing.MEMBER and draft.cold.stage is Stage.ACTIVE
    if not is_known or not is_member_now:
        return
    with suppress(RemoteError), draft.attempt():
        take_message(
            draft,
            opened.author,
            mid=opened.mid,
            key=opened.key,
            common=opened.common,
            passer=None if is_own else passer,
        )
        if is_own:
            note_gain(draft, passer)


def release_held(draft: Draft) -> None:
    """Accept what was held and now has its parents, or has waited long enough.

    Who is not in yet waits for a welcome. Who is not in any more still takes what was meant for
    them: words of those who had not seen the removal, and the removal itself.
    """
    while (
        draft.log.held
        and draft.cold.stage is not Stage.KNOCKING
        and (found := _releasable(draft)) is not None
    ):
        mid, held = found
        _drop_held(draft, mid)
        if not _is_for_us(draft, content_of(held)):
            continue
        try:
            with draft.attempt():
                sealed = Sealed(mid, ContentKey(held.key), held.common)
                _accept(draft, held.author, content_of(held), sealed, held.passed_on_by)
        except RemoteError:  # what it says is read only now, and nobody else may pay for it
            if held.passed_on_by is None:
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
        if not misses_something(
            draft, held.author, content_of(held), is_own=held.passed_on_by is None
        ):
            return mid, held
        has_time = draft.cold.stage is Stage.ACTIVE and held.show_at is not None
        if has_time and (held.show_at or 0) <= draft.now:
            waited.add(held.author)
    return min(
        ((mid, held) for mid, held in draft.log.held.items() if held.author in waited),
        key=lambda one: (content_of(one[1]).lamport, content_of(one[1]).author_seq),
        default=None,
    )


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
    draft: Draft, author: MemberId, content: Content, sealed: Sealed, passer: MemberId | None
) -> None:
    """Enter a message of somebody else's; one that comes after its gap was shown, late.

    Two messages with one number are both shown: that is an author with two copies or two stories,
    or a passer who made one up.
    """
    if author != draft.our_id:
        check_audience(draft, content)
    check_voice(draft, author, content)
    if passer is not None and draft.our_id not in roll_in(draft, content.view):
        raise ForgedMessage("a message that was not meant for us")
    stream = Stream(author, content.audience)
    head = draft.log.heads.get(stream) or Position(0, MessageId(b""))
    is_late = content.author_seq <= head.seq
    if is_late and passer is None and content.author_seq >= draft.log.unsure.get(stream, 1 << 32):
        is_late = content.author_seq < head.seq  # what was passed on there is not its author's
    _compare_with_head(draft, stream, head, content, sealed.mid, passer)
    if is_late:
        _enter_late(draft, stream, content, sealed, passer)
        return
    show_gaps(draft, author, content, is_own=passer is None)
    is_own, _ = _fill_hole(draft, stream, content, sealed.mid, passer)
    enter(draft, author, content, sealed, passed_on_by=None if is_own else passer)
    if is_own:
        confirm_through(draft, stream, content.prev_own)
        be_sure(draft, stream)
    else:
        be_unsure(draft, stream, content.author_seq)


def _fill_hole(
    draft: Draft, stream: Stream, content: Content, mid: MessageId, passer: MemberId | None
) -> tuple[bool, bool]:
    """Fill the hole a message belongs to, if there is one.

    Returns:
        Whether its author stands by it, and whether there was a hole for it.
    """
    seq, is_own = content.author_seq, passer is None
    gap = gap_around(draft, stream, seq)
    if gap is None:
        return is_own, False
    if not is_own and names_another(gap, seq, mid):
        tell_differing(draft, stream.author)
        return False, False
    return fill(draft, stream, gap, seq, content.prev_own, mid, is_own=is_own), True


def _enter_late(
    draft: Draft, stream: Stream, content: Content, sealed: Sealed, passer: MemberId | None
) -> None:
    """Enter a message below the newest one: it fills a hole, or there is another with its number."""
    is_own, is_hole = _fill_hole(draft, stream, content, sealed.mid, passer)
    enter(
        draft,
        stream.author,
        content,
        sealed,
        is_late=True,
        passed_on_by=None if is_own else passer,
        is_new=is_hole or passer is not None,
    )
    if is_own and content.prev_own is not None:
        draft.write(ConfirmEntries(draft.cold.id, content.prev_own))
    if not is_hole:
        _compare_late(draft, stream, content, sealed.mid, passer)


def _compare_late(
    draft: Draft, stream: Stream, content: Content, mid: MessageId, passer: MemberId | None
) -> None:
    """Have a message that fills no hole compared with those of its number, and the one it names."""
    seq = content.author_seq
    if passer is None:
        asked = FindStories(stream.author, stream.audience, seq, mid, stream.author, True)
        draft.ask(asked)
    else:
        forget_wanted(draft, mid)
        tell_differing(draft, stream.author)
        look_below(draft, stream, seq - 1, content.prev_own, passer)


def _compare_with_head(
    draft: Draft,
    stream: Stream,
    head: Position,
    content: Content,
    mid: MessageId,
    passer: MemberId | None,
) -> None:
    """Notice two messages with one number where the newest ones show it."""
    seq = content.author_seq
    is_second = seq == head.seq and mid != head.mid
    is_beside = bool(head.seq) and seq == head.seq + 1 and content.prev_own != head.mid
    if is_beside and content.prev_own is None:  # who was put back may not know what it said before
        is_beside = passer is None and not draft.peer(stream.author).reset_at
    if not (is_second or is_beside):
        return
    if passer is None and stream not in draft.log.unsure:
        show_fork(draft, stream.author)
    else:
        tell_differing(draft, stream.author)
    if is_beside:
        look_below(draft, stream, head.seq, content.prev_own, passer or stream.author)


def _note_own_copy(draft: Draft, stream: Stream, content: Content, sealed: Sealed) -> None:
    """The author itself brought what somebody passed on before."""
    held = draft.log.held.get(sealed.mid)
    if held is not None:
        if held.passed_on_by is not None:
            own = evolve(held, passed_on_by=None)
            draft.log = changed(draft.log, held={**draft.log.held, sealed.mid: own})
            draft.write(PutHeld(draft.cold.id, sealed.mid, encode_held(own)))
    elif stream in draft.log.unsure:
        confirm_through(draft, stream, sealed.mid)


def _hold(draft: Draft, mid: MessageId, held: Held) -> None:
    if len(draft.log.held) >= MAX_HELD:
        raise TooFarAhead("too many messages wait for their parents")
    held = evolve(held, show_at=Instant(draft.now + GAP_SHOWN_AFTER))
    ask_soon(draft)
    draft.log = changed(draft.log, held={**draft.log.held, mid: held})
    draft.write(PutHeld(draft.cold.id, mid, encode_held(held)))


def _drop_held(draft: Draft, mid: MessageId) -> None:
    held = {known: value for known, value in draft.log.held.items() if known != mid}
    draft.log = changed(draft.log, held=held)
    draft.write(DropHeld(draft.cold.id, mid))
