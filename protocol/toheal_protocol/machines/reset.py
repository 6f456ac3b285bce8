"""Beginning anew: a pair whose session was copied, or lies in a vault older than what it sent.

```
  one whose vault is old, or who was told of a copy      the other
  ask_reset: F1 under the continuity's secret      ->    take_reset: F2, session not confirmed
  take_reset_answer: session, counts from 1        <-    F2 into the mailbox that F1 named
  first note (F3)                                  ->    note_opened: confirmed, counts from 1
  take_our_head                                    <-    YourHead, Granted, what was still owed
```
Both see it. What either still owes is owed again under a new number, so nothing owed is lost;
receivers pass over what they have. Whoever has the old continuity and not the new one, the copy
that lost the race, cannot do it a second time.

Spec: docs/protocol/circle.md, section 11; docs/protocol/handshake.md, section 7.3.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.errors import RemoteError, UnknownSession
from toheal_protocol.handshake import (
    Opened,
    Purpose,
    encode_started,
    our_run_lives,
    reset_psk,
    start_handshake,
)
from toheal_protocol.identity import decode_card, make_card
from toheal_protocol.machines import calls, courier
from toheal_protocol.machines.addressing import draw_mailboxes, grants_of, open_deposit
from toheal_protocol.machines.counting import count_anew
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import OwedLoaded, Tell
from toheal_protocol.machines.holes import open_gap
from toheal_protocol.machines.missing import ask_soon
from toheal_protocol.machines.pair import opens, owe_again, owe_note
from toheal_protocol.machines.state import Calling, Peer, Position, Source, Stage, Standing, Stream
from toheal_protocol.machines.stories import be_unsure
from toheal_protocol.messages.frames import Sealed, decode_frame
from toheal_protocol.messages.grants import Grant, encode_grants
from toheal_protocol.messages.notes import Granted, YourHead
from toheal_protocol.model import ID_SIZE, Audience, MemberId, MessageId

UNOPENED_IS_FORK: Final = 3
"""Frames in a row out of a peer's own mailbox that do not open, after which the peer speaks with
another copy of us. One or two can be late: their keys were forgotten."""

NO_MESSAGE: Final = MessageId(bytes(ID_SIZE))
"""Named where there is none of theirs here."""

MAX_RESETS_SEEN: Final = 64
"""Resets answered under one continuity without the caller ever confirming one."""

HEAD_STEP: Final = 1 << 27
"""How far a peer may move our own count on at once: over the longest leap of a restored copy, too."""

HEAD_HIGHEST: Final = 1 << 31
"""Where it stops however often a peer says it: nobody can carry our count to its end."""


# ---- asking


def ask_reset(draft: Draft, member: MemberId) -> None:
    """Begin anew with a peer, if that is possible and not under way. Repeats change nothing."""
    peer = draft.cold.peers.get(member)
    if (
        peer is None
        or not peer.continuity
        or not _has_way(draft, peer, member)
        or peer.next_continuity
        or peer.calling is not None
        or peer.standing is not Standing.MEMBER
        or draft.cold.stage is not Stage.ACTIVE
    ):
        return
    newest = max((box.number for box in peer.mailboxes), default=0)
    fresh = draw_mailboxes(draft.cold.relays, draft.entropy, first=newest + 1, count=1)
    secret = reset_psk(peer.continuity)
    started, flight = start_handshake(
        circle_id=draft.cold.id,
        purpose=Purpose.RESET,
        psk=secret,
        ours=draft.cold.persona,
        our_card=make_card(draft.cold.persona, draft.cold.prekeys[-1]),
        their_card=decode_card(peer.card),
        introduce=False,
        payload=encode_grants(grants_of(fresh)),
        entropy=draft.entropy,
    )
    draft.change_peer(
        member,
        calling=Calling(calls.RESET, secret, encode_started(started), flight),
        mailboxes=(*peer.mailboxes, *fresh),
        quiet_through=newest,
    )
    _write_to(draft, member, peer.grants)
    calls.repeat_call(draft, member)


def _has_way(draft: Draft, peer: Peer, member: MemberId) -> bool:
    """Say whether a call can ever get there: into a mailbox, or over the LAN."""
    return bool(peer.grants or draft.courier(member).lan or not draft.cold.relays)


def is_resetting(draft: Draft, member: MemberId) -> bool:
    """Say whether we wait for the answer to a reset."""
    calling = draft.peer(member).calling
    return calling is not None and calling.purpose == calls.RESET


def take_reset_answer(draft: Draft, member: MemberId, flight: bytes) -> None:
    """Finish our reset: a session that can send, and counts from 1.

    Raises:
        ForgedMessage, MalformedFrame: not the answer to our call.
    """
    calls.take_answer(draft, member, flight)
    peer = draft.peer(member)
    current = tuple(box for box in peer.mailboxes if box.number > peer.quiet_through)
    draft.change_peer(member, mailboxes=current, resets_seen=())
    courier.see(draft, member)
    _begin_counting(draft, member)
    owe_note(draft, member, Granted(calls.confirm_mailboxes(draft, member)))
    tell_begun(draft, member)


# ---- answering


def take_reset(draft: Draft, member: MemberId, flight: bytes) -> None:
    """Answer a peer that begins anew; the same F1 gets the same F2.

    Raises:
        UnknownSession: no session to begin anew, or an F1 that a newer one has replaced.
        ForgedMessage, MalformedFrame: not made with our continuity.
    """
    peer = draft.peer(member)
    if not peer.continuity or peer.standing is not Standing.MEMBER:
        raise UnknownSession("a call we do not expect")
    opened, _ = calls.take_opening(
        draft, flight, purpose=calls.RESET, secret=reset_psk(peer.continuity), known=peer.keys
    )
    if is_resetting(draft, member) and our_run_lives(draft.our_id, member):
        _write_to(draft, member, calls.grants_in(opened))  # ours lives; now we know where it gets
        calls.repeat_call(draft, member)
        return
    answer_anew(draft, member, opened)


def answer_anew(draft: Draft, member: MemberId, opened: Opened) -> None:
    """Answer a call that begins anew; the old continuity holds until its caller has spoken.

    Raises:
        UnknownSession: a newer one has replaced it.
    """
    if calls.repeat_answer(draft, member, opened.ephemeral):
        return
    peer = draft.peer(member)
    if opened.ephemeral in peer.resets_seen or len(peer.resets_seen) >= MAX_RESETS_SEEN:
        raise UnknownSession("an opening that a newer one has replaced")
    newest = max((box.number for box in peer.mailboxes), default=0)
    quiet = peer.quiet_through if peer.next_continuity else newest
    draft.change_peer(
        member,
        calling=None,
        resets_seen=(*peer.resets_seen, bytes(opened.ephemeral)),
        quiet_through=quiet,
    )
    draft.set_pair(member, evolve(draft.pair(member), received_through=0))
    calls.answer_call(draft, member, opened, is_reset=True)
    _begin_counting(draft, member)


def note_opened(draft: Draft, member: MemberId, *, was_silent: bool) -> None:
    """Note that a frame opened: no sign of a copy, and perhaps the proof of a reset's caller."""
    if draft.courier(member).unopened:
        draft.change_courier(member, unopened=0)
    peer = draft.peer(member)
    if not was_silent or not peer.next_continuity:
        return
    draft.change_peer(
        member, continuity=peer.next_continuity, next_continuity=b"", resets_seen=(), calling=None
    )
    if peer.listening is not None and peer.listening.is_again:
        heard = evolve(peer.listening, is_again=False)
        draft.change_peer(member, listening=heard, met_by=heard.secret)
    for audience in reversed(Audience):  # that of the circle last: with it they were heard
        head = draft.log.heads.get(Stream(member, audience)) or Position(0, NO_MESSAGE)
        if head.seq or audience is Audience.CIRCLE:
            owe_note(draft, member, YourHead(audience, head.seq, head.mid))
    tell_begun(draft, member)


def take_our_head(draft: Draft, member: MemberId, note: YourHead) -> None:
    """Write on after what a peer has of us: our vault may be older than what we sent.

    Bounded, and only said to those who asked for a reset: a peer who lies makes a gap in our own
    count, which the others see as one.
    """
    _hear(draft, member, note)
    stream = Stream(draft.our_id, note.audience)
    ours = draft.log.heads.get(stream)
    at = ours.seq if ours is not None else 0
    highest = min(at + HEAD_STEP, HEAD_HIGHEST)
    if not draft.peer(member).reset_at or not at < note.seq <= highest:
        return
    heads = {**draft.log.heads, stream: Position(note.seq, note.mid)}
    draft.log = evolve(draft.log, heads=heads)
    be_unsure(draft, stream, at + 1)  # nobody can tell any more whether it was ours
    open_gap(draft, stream, at + 1, note.seq)  # others may have what this vault lost
    ask_soon(draft)


def _hear(draft: Draft, member: MemberId, note: YourHead) -> None:
    """Note that somebody has told a restored author how far they have read."""
    if note.audience is Audience.CIRCLE and member in draft.cold.unheard:
        draft.set_cold(unheard=tuple(one for one in draft.cold.unheard if one != member))


# ---- numbering anew


def is_numbering(draft: Draft, member: MemberId) -> bool:
    """Say whether items of an earlier session are still to be owed again."""
    pair = draft.pair(member)
    return pair.acked_through < pair.base or draft.courier(member).is_outdated


def number_anew(draft: Draft, event: OwedLoaded) -> None:
    """Owe again what the vault has from an earlier session, in the old order."""
    member = event.member
    if draft.courier(member).is_outdated:
        draft.change_courier(member, is_loading=False, is_outdated=False)
        courier.pump(draft, member)
        return
    pair = draft.pair(member)
    earlier = tuple(owed for owed in event.frames if owed.seq <= pair.base)
    for owed in earlier:
        owe_again(draft, member, owed)
    is_done = event.is_complete or len(earlier) < len(event.frames)
    through = pair.base if is_done else earlier[-1].seq
    draft.set_pair(member, evolve(draft.pair(member), acked_through=through))
    draft.change_courier(member, is_loading=False, cursor=through)
    courier.pump(draft, member)


# ---- noticing


def note_unopened(draft: Draft, source: Source, deposit: bytes) -> None:
    """Count a frame that its own peer deposited and that does not open: we may be the copy."""
    member = source.member
    if member is None or source.number <= draft.peer(member).quiet_through or not source.number:
        return
    try:
        frame = decode_frame(open_deposit(source.seal_key, deposit))
    except RemoteError:
        return  # not by the one we granted this mailbox to
    if not isinstance(frame, Sealed) or opens(draft, member, frame):
        return
    unopened = draft.courier(member).unopened + 1
    draft.change_courier(member, unopened=unopened)
    if unopened < UNOPENED_IS_FORK:
        return
    if not draft.peer(member).is_forked:
        draft.change_peer(member, is_forked=True)
        draft.ask(Tell("fork_told", member))
    ask_reset(draft, member)


# ---- inside


def _begin_counting(draft: Draft, member: MemberId) -> None:
    draft.set_pair(member, count_anew(draft.pair(member)))
    present = draft.courier(member)
    draft.change_courier(
        member,
        cursor=draft.pair(member).acked_through,
        is_outdated=present.is_loading,
        resend_at=None,
        told_through=0,
        unopened=0,
    )
    courier.pump(draft, member)


def _write_to(draft: Draft, member: MemberId, grants: tuple[Grant, ...]) -> None:
    """Use the newest of these mailboxes until the peer grants some in the new session."""
    newest = max((grant.number for grant in grants), default=0)
    kept = tuple(evolve(grant, number=0) for grant in grants if grant.number == newest)
    draft.change_peer(member, grants=kept, using=0, using_since=draft.wall_now)


def tell_begun(draft: Draft, member: MemberId) -> None:
    """Note, and tell our person, that a session was begun anew."""
    draft.change_peer(member, is_forked=False, reset_at=draft.wall_now)
    draft.ask(Tell("session_reset", member))
