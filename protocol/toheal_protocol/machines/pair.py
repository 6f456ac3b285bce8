"""A pair: what one peer and we seal for each other, counted and acknowledged.

Sealing turns an item (a message's key, or a lasting note) into an owed frame with the next
number. Opening turns a frame into what it says, once.

Spec: docs/protocol/circle.md, sections 2 and 3.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, field, frozen

from toheal_protocol.changing import changed
from toheal_protocol.envelope import ContentKey, message_id
from toheal_protocol.errors import (
    ForgedMessage,
    LocalError,
    MalformedFrame,
    RemoteError,
    TooFarAhead,
    UnknownSession,
)
from toheal_protocol.machines import courier, placing, spreading
from toheal_protocol.machines.addressing import choose_grant
from toheal_protocol.machines.counting import count_received, counts_of, ranges_of
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import OwedFrame, SendFrames
from toheal_protocol.machines.records import DropOwed, PutOwed
from toheal_protocol.machines.state import Pair, Standing
from toheal_protocol.messages.file_notes import Chunk, ChunksWanted
from toheal_protocol.messages.frames import (
    Envelope,
    Note,
    Passed,
    Sealed,
    decode_frame,
    encode_frame,
)
from toheal_protocol.messages.grants import MAIL, SIGNAL
from toheal_protocol.messages.notes import (
    Ack,
    AnyNote,
    AskLink,
    Here,
    Lasting,
    LinkAnswer,
    LinkOffer,
    Passing,
    decode_item,
    decode_note,
    encode_item,
    encode_note,
)
from toheal_protocol.model import ID_SIZE, Frame, MemberId, MessageId
from toheal_protocol.ratchet import (
    Session,
    forget_expired_keys,
    offer_kem_next,
    open_message,
    seal_message,
)
from toheal_protocol.ratchet.state import Sending
from toheal_protocol.wire.codec import Reader, u8, u32, u64

CHAIN_SPARED: Final = 250
"""Frames in one sending chain after which nothing is sealed for it that can be left unsaid. The
peer can skip 500 of them; who sends more to somebody who never answers locks itself out."""

SEALED_AHEAD: Final = 400
"""Items sealed and not acknowledged; what is owed beyond is sealed when it is handed over, and so is
what does not leave at once: what was never sealed has never left, and can be taken back. The peer
keeps keys for what it has not seen only so far (500 in a chain, 1000 in all), and a note that
overtakes a long queue must not make it forget the keys of the queue."""

MAIL_ACK_DELAY: Final = 0.1
"""Seconds an acknowledgement through a mailbox waits, so that a pile of mail gets one."""

_NOTE_AD: Final = b"note"
PASSED_AD: Final = b"pass"
"""What a passed message is sealed with, before its id."""

SEAL_LIFE: Final = 7 * 24 * 3600
"""Seconds after which an owed frame is sealed again: the peer keeps the key of one it misses for
14 days from when it missed it, and may have missed it at once."""

_ITEM_HEAD: Final = 8
"""Bytes before an item's body: `generation[4] || sealed at[4]`."""

_ITEM_NOTE: Final = 1
_ITEM_KEY: Final = 2


@frozen
class OpenedNote:
    """A note, None if it cannot be read, and its number (0: passing)."""

    seq: int
    note: AnyNote | None


@frozen
class OpenedEnvelope:
    """A circle message's key and common part, by the peer who wrapped it."""

    seq: int
    mid: MessageId
    key: ContentKey = field(repr=False)
    common: bytes = field(repr=False)


@frozen
class OpenedPassed:
    """A message that the peer passes on: it has no number, and its author did not wrap it."""

    author: MemberId
    mid: MessageId
    key: ContentKey = field(repr=False)
    common: bytes = field(repr=False)
    seq: int = 0


@frozen
class Repeated:
    """An item that is here already, sealed anew: an acknowledgement is due, ours may be lost."""

    seq: int


# ---- giving


def owe_note(draft: Draft, member: MemberId, note: Lasting) -> None:
    """Owe a lasting note to a peer and hand it over when there is a way."""
    _owe(draft, member, mid=None, body=u8(_ITEM_NOTE) + encode_item(note), common=b"")


def owe_message(
    draft: Draft,
    member: MemberId,
    *,
    mid: MessageId,
    key: ContentKey,
    common: bytes,
    is_urgent: bool = False,
) -> None:
    """Owe a circle message to a peer and hand it over when there is a way."""
    _owe(draft, member, mid=mid, body=u8(_ITEM_KEY) + key, common=common)
    if is_urgent:
        courier.hurry(draft, member)


def pass_note(draft: Draft, member: MemberId, note: Passing) -> bool:
    """Send a note worth nothing later. False: there is no way to the peer just now."""
    pair = draft.pair(member)
    if pair.session is None or not pair.session.can_send:
        return False
    is_unasked = isinstance(note, AskLink | LinkOffer | ChunksWanted | Chunk) or (
        isinstance(note, Here) and not note.is_reply
    )
    if is_unasked and never_sent_again(pair) >= CHAIN_SPARED:
        return False
    kind = SIGNAL if isinstance(note, Here | AskLink | LinkOffer | LinkAnswer) else MAIL
    linked = draft.courier(member).has_link and not _goes_beside_link(draft, member, note)
    if not linked and choose_grant(draft, member, kind) is None:
        return False
    plain = encode_note(note, seq=0, through=pair.received_through)
    session, sealed = seal_message(
        pair.session, plain, _NOTE_AD, entropy=draft.entropy, now=draft.wall_now
    )
    draft.set_pair(member, changed(pair, session=session))
    frame = encode_frame(Note(sealed))
    if linked:
        draft.ask(SendFrames(member, (frame,)))
    else:
        through = pair.received_through if isinstance(note, Ack) else 0
        placing.deposit(draft, member, frame, kind=kind, through=through)
    return True


def _goes_beside_link(draft: Draft, member: MemberId, note: Passing) -> bool:
    """Say whether a note is about a link that is to replace the present one, which may be dead."""
    is_about_links = isinstance(note, AskLink | LinkOffer | LinkAnswer)
    return is_about_links and choose_grant(draft, member, SIGNAL) is not None


def acknowledge_if_due(draft: Draft, member: MemberId) -> None:
    """Tell the peer what we have stored, if that is due and there is a way."""
    due = draft.courier(member).ack_at
    if due is None or due > draft.now:
        return
    pair = draft.pair(member)
    if pass_note(draft, member, Ack(ranges_of(pair.received_beyond))):
        draft.change_courier(member, ack_at=None)


def seal_again(draft: Draft, member: MemberId, owed: OwedFrame, *, anew: bool = False) -> OwedFrame:
    """Return an owed frame sealed under the present session, sealing it anew if it was not.

    Args:
        anew: seal it anew in any case, unless too much of this chain may be lost already.
    """
    pair = draft.pair(member)
    reader = Reader(owed.item)
    generation, sealed_at = reader.u32(), reader.u32()
    is_young = abs(draft.wall_now - sealed_at) < SEAL_LIFE
    is_wanted = anew and _chain_length(pair) < CHAIN_SPARED
    if generation == pair.generation and owed.frame and is_young and not is_wanted:
        return owed
    body, common = reader.rest(), _common_of(owed)
    session, frame = _seal(draft, pair, owed.seq, mid=owed.mid, body=body, common=common)
    draft.set_pair(member, changed(pair, session=session))
    item = _item(draft, pair.generation, body)
    draft.write(PutOwed(draft.cold.id, member, owed.seq, owed.mid, item, frame))
    return evolve(owed, item=item, frame=frame, boot=b"")


def unsealed_note(note: Lasting) -> bytes:
    """Return a note as it is kept while it is owed and was never sealed."""
    return u32(0) + u32(0) + u8(_ITEM_NOTE) + encode_item(note)


def owe_again(draft: Draft, member: MemberId, owed: OwedFrame) -> None:
    """Owe an item of an earlier session anew, with a number of this one."""
    body, common = owed.item[_ITEM_HEAD:], _common_of(owed)
    _owe(draft, member, mid=owed.mid, body=body, common=common)
    through = draft.pair(member).acked_through
    draft.write(DropOwed(draft.cold.id, member, through, (owed.seq,)))


def _item(draft: Draft, generation: int, body: bytes) -> bytes:
    """Write what is kept of an owed item; a clock that is centuries wrong fits as well."""
    sealed_at = min(max(draft.wall_now, 0), (1 << 32) - 1)
    return u32(generation) + u32(sealed_at) + body


def offer_keys(draft: Draft, member: MemberId) -> None:
    """Let the session take fresh ML-KEM keys soon: a link answers quickly."""
    pair = draft.pair(member)
    if pair.session is not None:
        draft.set_pair(member, changed(pair, session=offer_kem_next(pair.session)))


def forget_expired(draft: Draft, member: MemberId) -> None:
    """Forget the keys of frames that did not come for two weeks."""
    pair = draft.pair(member)
    if pair.session is None or not len(pair.session.skipped):
        return
    session = forget_expired_keys(pair.session, now=draft.wall_now)
    if len(session.skipped) < len(pair.session.skipped):
        draft.set_pair(member, changed(pair, session=session))


def _chain_length(pair: Pair) -> int:
    """Return how many frames our session has sealed since the peer last answered."""
    ours = pair.session.ours if pair.session is not None else None
    return ours.number if isinstance(ours, Sending) else 0


def never_sent_again(pair: Pair) -> int:
    """Return how many of these at least are worth nothing now: the peer would have to skip them."""
    return _chain_length(pair) - (pair.next_seq - 1 - pair.acked_through)


def _common_of(owed: OwedFrame) -> bytes:
    if owed.mid is None:
        return b""
    old = decode_frame(owed.frame)
    if not isinstance(old, Envelope):
        raise LocalError("an owed message without its common part")
    return old.common


def _owe(
    draft: Draft, member: MemberId, *, mid: MessageId | None, body: bytes, common: bytes
) -> None:
    pair = draft.pair(member)
    seq = pair.next_seq
    is_far_ahead = seq - pair.acked_through > SEALED_AHEAD
    can_send = pair.session is not None and pair.session.can_send and not is_far_ahead
    if not can_send or not courier.leaves_now(draft, member):
        draft.set_pair(member, changed(pair, next_seq=seq + 1))
        unsealed = encode_frame(Envelope(b"", common)) if mid else Frame(b"")
        never = u32(0) + u32(0) + body
        draft.write(PutOwed(draft.cold.id, member, seq, mid, never, unsealed))
        courier.pump(draft, member)
        return
    session, frame = _seal(draft, pair, seq, mid=mid, body=body, common=common)
    draft.set_pair(member, changed(pair, session=session, next_seq=seq + 1))
    item = _item(draft, pair.generation, body)
    draft.write(PutOwed(draft.cold.id, member, seq, mid, item, frame))
    courier.push(draft, member, seq, frame)


def _seal(
    draft: Draft,
    pair: Pair,
    seq: int,
    *,
    mid: MessageId | None,
    body: bytes,
    common: bytes,
) -> tuple[Session, Frame]:
    if pair.session is None:
        raise LocalError("sealing without a session")
    number = seq - pair.base
    if body[0] == _ITEM_KEY:
        plain, associated = u64(number) + body[1:], bytes(mid or b"")
    else:
        note = decode_item(body[1:])
        plain = encode_note(note, seq=number, through=pair.received_through)
        associated = _NOTE_AD
    session, sealed = seal_message(
        pair.session, plain, associated, entropy=draft.entropy, now=draft.wall_now
    )
    if body[0] == _ITEM_KEY:
        return session, encode_frame(Envelope(sealed, common))
    return session, encode_frame(Note(sealed))


# ---- taking


def open_frame(
    draft: Draft, member: MemberId, frame: Sealed
) -> OpenedNote | OpenedEnvelope | OpenedPassed | Repeated:
    """Open a frame and count it. The caller undoes everything on a `RemoteError`.

    Raises:
        UnknownSession: no session with this peer.
        ReplayedMessage: these bytes were opened before.
        TooFarAhead: further ahead than we keep keys or numbers for.
        ForkedSession: another copy of the peer is running.
        ForgedMessage, MalformedFrame: not of this peer, or not the layout.
    """
    pair = draft.pair(member)
    if pair.session is None:
        raise UnknownSession("no session with this peer")
    sealed, associated = parts_of(frame)
    session, plain = open_message(
        pair.session, sealed, associated, entropy=draft.entropy, now=draft.wall_now
    )
    reader = Reader(plain)
    if isinstance(frame, Envelope):
        seq, key = reader.u64(), ContentKey(reader.take(32))
        reader.end()
        if seq == 0:
            raise MalformedFrame("a message without a number")
        counted = counts_of(pair, seq)
        draft.set_pair(member, changed(pair, session=session, **(counted or {})))
        if counted is None:
            return Repeated(seq)
        return OpenedEnvelope(seq, MessageId(associated), key, frame.common)
    draft.set_pair(member, changed(pair, session=session))
    if isinstance(frame, Passed):
        author, key = MemberId(reader.take(ID_SIZE)), ContentKey(reader.take(32))
        reader.end()
        return OpenedPassed(author, message_id(frame.common), key, frame.common)
    seq, through, note = decode_note(plain)
    _take_ack(draft, member, through, note)
    if seq and not count_received(draft, member, seq):
        return Repeated(seq)
    return OpenedNote(seq, note)


def _take_ack(draft: Draft, member: MemberId, through: int, note: AnyNote | None) -> None:
    pair = draft.pair(member)
    if pair.acked_through < pair.base:
        return  # what an earlier session left is not numbered anew yet: nothing of this one went
    beyond = note.beyond if isinstance(note, Ack) else None
    ranges = None if beyond is None else tuple((pair.base + f, pair.base + t) for f, t in beyond)
    courier.take_ack(draft, member, through=pair.base + through, ranges=ranges)


def parts_of(frame: Sealed) -> tuple[bytes, bytes]:
    """Return what the session sealed, and the associated data."""
    match frame:
        case Envelope(wrap, common):
            return wrap, message_id(common)
        case Note(sealed):
            return sealed, _NOTE_AD
        case Passed(wrap, common):
            return wrap, PASSED_AD + message_id(common)


def owed_body(owed: OwedFrame) -> tuple[ContentKey | None, bytes, bytes]:
    """Return an owed message's key and common part, or an owed note."""
    body = owed.item[_ITEM_HEAD:]
    if body[0] == _ITEM_KEY:
        return ContentKey(body[1:]), b"", _common_of(owed)
    return None, body[1:], b""


def take_stored(
    draft: Draft, member: MemberId, through: int, beyond: tuple[tuple[int, int], ...]
) -> None:
    """Take what the peer says it has stored of our items."""
    _take_ack(draft, member, through, Ack(beyond))


def opens(draft: Draft, member: MemberId, frame: Sealed) -> bool:
    """Say whether a frame is one of this session, opened before or not. Changes nothing.

    One that is too far ahead counts as one of it while we miss items before it: then we refused
    those in between ourselves, and the peer will send them again in their order.
    """
    pair = draft.pair(member)
    session = pair.session
    if session is None:
        return True
    sealed, associated = parts_of(frame)
    try:
        open_message(session, sealed, associated, entropy=draft.entropy, now=draft.wall_now)
    except TooFarAhead:
        return bool(pair.received_beyond)
    except ForgedMessage:
        return False
    except RemoteError:
        return True
    return True


def ack_soon(draft: Draft, member: MemberId, *, over_link: bool) -> None:
    """Let an acknowledgement fall due: at once over a link, a moment later through a mailbox."""
    at = draft.now if over_link else spreading.acknowledge_at(draft, member, MAIL_ACK_DELAY)
    present = draft.courier(member).ack_at
    if present is None or at < present:
        draft.change_courier(member, ack_at=at)


def ack_if_untold(draft: Draft, member: MemberId) -> None:
    """Acknowledge through the relay what was only acknowledged where it may be lost.

    The peer cannot know that we have it, and says nothing more of it once it lies at the relay.
    Who is out is not told that we are here.
    """
    if draft.peer(member).standing is Standing.GONE:
        return
    pair, present = draft.pair(member), draft.courier(member)
    if present.has_link or not (pair.received_through or pair.received_beyond):
        return
    if never_sent_again(pair) >= CHAIN_SPARED:
        return  # a frame that may be lost for ever, and nobody asked for it
    live = draft.live
    is_told = any(
        present.told_boot == boot and relay not in live.silent for relay, boot in live.boots.items()
    )
    if not is_told or present.told_through != pair.received_through or pair.received_beyond:
        ack_soon(draft, member, over_link=False)
