"""Arrivals: what to do with frames, whether a relay pushed them or a link brought them.

Every frame is one attempt: it is opened, counted and acted upon, or it changes nothing.

Spec: docs/protocol/circle.md, sections 2, 3 and 9.
"""

from __future__ import annotations

from toheal_protocol.errors import (
    ForgedMessage,
    MalformedFrame,
    RemoteError,
    ReplayedMessage,
    TooFarAhead,
    UnknownSession,
)
from toheal_protocol.machines import (
    calls,
    door,
    meeting_again,
    renewals,
    reset,
    seats,
)
from toheal_protocol.machines.addressing import (
    NUMBERS_AHEAD,
    draw_mailboxes,
    grants_of,
    open_deposit,
)
from toheal_protocol.machines.courier import hear, pump, see
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import DeleteMail, Mail, NameLan, Tell
from toheal_protocol.machines.log import is_member, take_message, take_passed
from toheal_protocol.machines.noted import show_fork, take_note
from toheal_protocol.machines.pair import (
    OpenedEnvelope,
    OpenedNote,
    OpenedPassed,
    Repeated,
    ack_soon,
    open_frame,
    owe_note,
)
from toheal_protocol.machines.state import Invitation, Listening, Seat, Source, Stage, Standing
from toheal_protocol.messages.frames import (
    Answer,
    Envelope,
    Note,
    Opening,
    Passed,
    Renewal,
    Sealed,
    decode_frame,
)
from toheal_protocol.messages.notes import (
    Granted,
)
from toheal_protocol.model import MemberId
from toheal_protocol.ratchet import ForkedSession
from toheal_protocol.wire.relay_address import RelayAddress


def take_mail(draft: Draft, relay: RelayAddress, mail: tuple[Mail, ...]) -> None:
    """Take what a relay pushed; all of it can be deleted there once this is committed."""
    done: dict[bytes, list[int]] = {}
    sources: dict[bytes, Source] = {}
    for item in mail:
        source = draft.live.sources.get(item.address)
        if source is None:
            continue
        if seats.is_end_note(draft, source.invitation, item.frame):
            continue  # ours, for whoever opens the link of a closed invitation
        sources[source.read_seed] = source
        done.setdefault(source.read_seed, []).append(item.item)
        if not source.seal_key:
            continue  # what else lies in a closed invitation's mailbox is deleted unread
        try:
            with draft.attempt():
                _take_deposit(draft, source, item.frame)
        except RemoteError:
            # anybody with a mailbox's token can fill it with garbage: drop and go on
            reset.note_unopened(draft, source, item.frame)
    for seed, items in done.items():
        draft.ask(DeleteMail(relay, sources[seed].read_seed, tuple(items)))


def take_link_frames(draft: Draft, member: MemberId, frames: tuple[bytes, ...]) -> None:
    """Take the frames of one record of a link."""
    for frame in frames:
        try:
            with draft.attempt():
                decoded = decode_frame(frame)
                if not isinstance(decoded, Sealed):
                    raise MalformedFrame("a handshake flight over a link")
                _take_frame(draft, member, decoded, over_link=True)
        except RemoteError:
            continue  # the link's own seal held, the frame's did not: drop it and go on


def take_lan_frame(draft: Draft, member: MemberId, frame: bytes) -> None:
    """Take one frame that a member in the same room sent; handshake flights come this way too.

    Raises:
        RemoteError: it changes nothing; the caller undoes what was done.
    """
    match decode_frame(frame):
        case Opening(flight):
            _take_expected_call(draft, member, flight)
        case Answer(flight):
            _take_answer(draft, member, flight)
        case Renewal(card):
            renewals.take_renewal(draft, member, card)
        case Note() | Envelope() | Passed() as sealed:
            _take_frame(draft, member, sealed, over_link=True)


def take_knocking_frame(draft: Draft, invitation: bytes, wire: int, frame: bytes) -> None:
    """Take one frame of somebody in the room who has shown to hold the link of an invitation.

    Raises:
        RemoteError: it is no first flight, or there is no place for them.
    """
    opening = decode_frame(frame)
    if not isinstance(opening, Opening):
        raise MalformedFrame("something before the first flight")
    _take_joining(draft, invitation, opening.flight, wire=wire)


def _take_deposit(draft: Draft, source: Source, deposit: bytes) -> None:
    frame = decode_frame(open_deposit(source.seal_key, deposit))
    match frame:
        case Opening(flight):
            _take_opening(draft, source, flight)
        case Renewal(card):
            if source.member is None or not source.is_for_renewal:
                raise MalformedFrame("a card where no answer is waited for")
            renewals.take_renewal(draft, source.member, card)
        case Answer(flight):
            if source.member is None:
                raise MalformedFrame("an answer in a reply mailbox")
            _take_answer(draft, source.member, flight)
        case Note() | Envelope() | Passed():
            _take_from_source(draft, source, frame)


def _take_from_source(draft: Draft, source: Source, frame: Sealed) -> None:
    if source.member is not None:
        _take_frame(draft, source.member, frame, over_link=False)
        _note_number(draft, source.member, source.number)
        return
    for member in _who_came_by(draft, source.invitation):
        try:
            with draft.attempt():
                _take_frame(draft, member, frame, over_link=False)
        except ForgedMessage:
            continue  # it may be from another one who came by the same invitation
        return
    raise ForgedMessage("from nobody who came by this invitation")


def _who_came_by(draft: Draft, invitation: bytes) -> tuple[MemberId, ...]:
    peers = draft.cold.peers.items()
    return tuple(member for member, peer in peers if peer.invitation == invitation)


def _take_opening(draft: Draft, source: Source, flight: bytes) -> None:
    if source.member is not None:
        _take_expected_call(draft, source.member, flight)
    else:
        _take_joining(draft, source.invitation, flight)


def _take_joining(draft: Draft, invitation_id: bytes, flight: bytes, *, wire: int = 0) -> None:
    """Answer somebody who comes by an invitation; over `wire` if they are in the room."""
    invitation = next((one for one in draft.cold.invitations if one.id == invitation_id), None)
    if invitation is None:
        raise UnknownSession("no such invitation")
    opened, card = calls.take_opening(
        draft, flight, purpose=calls.JOIN, secret=invitation.secret, known=None
    )
    member = opened.keys.member_id
    if member in draft.cold.peers:
        if draft.peer(member).standing is Standing.AT_DOOR:
            _name_wire(draft, wire, member)
        calls.repeat_answer(draft, member, opened.ephemeral)
        return
    if invitation.seat is not Seat.OPEN or invitation.expires <= draft.wall_now:
        raise UnknownSession("the invitation is used or over")
    if door.welcome_at_door(draft, invitation, opened.keys, card) is None:
        raise TooFarAhead("nobody else fits at the door")
    _name_wire(draft, wire, member)
    calls.answer_call(draft, member, opened)
    _listen_on(draft, member, invitation)


def _name_wire(draft: Draft, wire: int, member: MemberId) -> None:
    """From here on a wire leads to this person. Who has knocked keeps the wire they have: their first
    flight could be played again by whoever holds the same link."""
    if wire:
        draft.change_courier(member, lan=wire, is_here=True)
        draft.ask(NameLan(wire, member))


def _listen_on(draft: Draft, member: MemberId, invitation: Invitation) -> None:
    """Keep the reply mailbox open for this one until it knows a mailbox of its own."""
    listening = Listening(calls.JOIN, invitation.secret, invitation.prekey_id)
    draft.change_peer(member, listening=listening)


def _take_expected_call(draft: Draft, member: MemberId, flight: bytes) -> None:
    peer = draft.peer(member)
    if renewals.is_for_dead_prekey(draft, flight):
        renewals.send_renewal(draft, member)
        return
    if meeting_again.take_call(draft, member, flight):
        return
    if peer.listening is None or peer.listening.is_again:
        reset.take_reset(draft, member, flight)
        return
    opened, _ = calls.take_opening(
        draft,
        flight,
        purpose=peer.listening.purpose,
        secret=peer.listening.secret,
        known=peer.keys,
    )
    if not calls.repeat_answer(draft, member, opened.ephemeral) and peer.opened is None:
        calls.answer_call(draft, member, opened)


def _take_answer(draft: Draft, member: MemberId, flight: bytes) -> None:
    if reset.is_resetting(draft, member):
        reset.take_reset_answer(draft, member, flight)
        return
    calls.take_answer(draft, member, flight)
    see(draft, member)
    if member in draft.cold.unheard:  # they had a session with the device we lost
        reset.tell_begun(draft, member)
    if draft.peer(member).standing is Standing.HOST:
        owe_note(draft, member, door.knock_of(draft.cold))
    owe_note(draft, member, Granted(calls.confirm_mailboxes(draft, member)))


def _take_frame(draft: Draft, member: MemberId, frame: Sealed, *, over_link: bool) -> None:
    session = draft.pair(member).session
    was_silent = session is not None and not session.can_send
    try:  # a repeat and a fork are seen before anything changes
        opened = open_frame(draft, member, frame)
    except ReplayedMessage:
        ack_soon(draft, member, over_link=over_link)  # our acknowledgement may have been lost
        return
    except ForkedSession:
        show_fork(draft, member)
        return
    reset.note_opened(draft, member, was_silent=was_silent)
    hear(draft, member)
    if was_silent:
        see(draft, member)
        owe_note(draft, member, Granted(calls.confirm_mailboxes(draft, member)))
        pump(draft, member)
    if opened.seq:
        ack_soon(draft, member, over_link=over_link)
    if isinstance(opened, Repeated):
        return
    if isinstance(opened, OpenedPassed):
        take_passed(draft, member, opened)
        return
    try:
        with draft.attempt():
            act_on(draft, member, opened)
    except TooFarAhead:
        raise
    except RemoteError:
        # The peer itself sealed this, so asking for it again would bring the same bytes.
        draft.ask(Tell("unreadable", member))
    meeting_again.ask_for_unmet(draft, member)


def act_on(draft: Draft, member: MemberId, opened: OpenedNote | OpenedEnvelope) -> None:
    """Do what a peer says in a note, or take its message; its number is counted already.

    Raises:
        RemoteError: it breaks a rule.
    """
    if isinstance(opened, OpenedNote):
        if opened.note is None:
            raise MalformedFrame("a note we cannot read")
        take_note(draft, member, opened.note)
        return
    if draft.cold.stage is Stage.LEFT:
        return  # it was under way when we left; counted, and not shown any more
    if not is_member(draft, member):
        raise ForgedMessage("a message by somebody who is not a member")
    take_message(draft, member, mid=opened.mid, key=opened.key, common=opened.common)


def _note_number(draft: Draft, member: MemberId, number: int) -> None:
    """Grant more mailboxes when a peer comes near the last; drop those it has left behind."""
    peer = draft.peer(member)
    is_waiting = peer.listening is not None and not peer.listening.is_again
    if number and is_waiting and _has_all_of_door(draft, member):
        draft.change_peer(member, listening=None)
    if peer.standing in (Standing.GONE, Standing.DECLINED):
        return
    newest = max((box.number for box in peer.mailboxes), default=0)
    if not number or newest - number >= NUMBERS_AHEAD - 1:
        return
    kept = tuple(box for box in peer.mailboxes if box.number >= number - 1)
    missing = number + NUMBERS_AHEAD - 1 - newest
    fresh = draw_mailboxes(draft.cold.relays, draft.entropy, first=newest + 1, count=missing)
    draft.change_peer(member, mailboxes=(*kept, *fresh))
    owe_note(draft, member, Granted(grants_of(fresh)))


def _has_all_of_door(draft: Draft, member: MemberId) -> bool:
    """Say whether what a peer sent to a reply mailbox is all here.

    A caller owes there what it must say first: its name if it knocks, and its mailboxes.
    """
    pair = draft.pair(member)
    first = 2 if draft.peer(member).invitation else 1
    return pair.received_through >= first and not pair.received_beyond
