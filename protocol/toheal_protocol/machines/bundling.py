"""Bundles: making one for a member, and taking one from a member.

```
  export                                             import
  parts sealed under a key drawn for it              find_bundle: whose head is it?
  BundleSealed  -> the session seals the head        BundleOpened -> the key, kept for a second try
  BundleReady   <- once that is on disk              ItemsBrought -> some of its items at a time
```
Only the head takes a step of the session, so a bundle that is lost costs it one message.

Spec: docs/protocol/sync.md, section 7.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.crypto import NONCE_SIZE
from toheal_protocol.envelope import ContentKey, message_id
from toheal_protocol.errors import LocalError, RemoteError, TooFarAhead
from toheal_protocol.machines.arrivals import act_on
from toheal_protocol.machines.counting import count_received, stored_ranges
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import OwedFrame, Tell
from toheal_protocol.machines.log import take_passed
from toheal_protocol.machines.pair import (
    OpenedEnvelope,
    OpenedNote,
    OpenedPassed,
    ack_soon,
    owed_body,
    take_stored,
)
from toheal_protocol.machines.passing import content_to_pass
from toheal_protocol.machines.records import PutOwed
from toheal_protocol.machines.state import Circle, Stage, Standing
from toheal_protocol.machines.sync_events import (
    BundleOpened,
    BundleReady,
    BundleSealed,
    FoundEntry,
    ItemsBrought,
)
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.bundle import (
    BundleHead,
    BundleItem,
    OwedKey,
    OwedNote,
    PassedKey,
    decode_bundle_item,
    decode_head,
    encode_head,
)
from toheal_protocol.messages.notes import decode_item
from toheal_protocol.model import Frame, MemberId
from toheal_protocol.ratchet import open_message, seal_message
from toheal_protocol.wire.codec import u32

BUNDLES_KEPT: Final = 4
"""Keys of bundles that are kept with a member, so that a damaged one can be opened again when whole."""

_BUNDLE_AD: Final = b"bundle"


# ---- making one


def can_bundle(circle: Circle, member: MemberId) -> bool:
    """Say whether a bundle can be made for a member: both in, and with a session that can send."""
    peer, pair = circle.cold.peers.get(member), circle.pairs.get(member)
    is_member = peer is not None and peer.standing is Standing.MEMBER
    if not is_member or pair is None or pair.session is None:
        return False
    is_counted = pair.acked_through >= pair.base  # else an earlier session's items come first
    return circle.cold.stage is Stage.ACTIVE and pair.session.can_send and is_counted


def owed_to_bundle(circle: Circle, member: MemberId, owed: OwedFrame) -> BundleItem:
    """Return what is owed as an item of a bundle."""
    number = owed.seq - circle.pairs[member].base
    key, note, common = owed_body(owed)
    return OwedKey(number, key, common) if key is not None else OwedNote(number, note)


def missing_there(circle: Circle, member: MemberId) -> tuple[Range, ...] | None:
    """Return what of others a member has not read, as far as it said; None where it said nothing."""
    read = circle.live.sync.read.get(member)
    if read is None:
        return None
    ours = circle.cold.persona.keys.member_id
    return tuple(
        Range(stream.author, stream.audience, read.get(stream, 0) + 1, head.seq)
        for stream, head in circle.log.heads.items()
        if stream.author not in (member, ours) and read.get(stream, 0) < head.seq
    )


def passed_to_bundle(draft: Draft, member: MemberId, entry: FoundEntry) -> BundleItem | None:
    """Return a message of somebody else's as an item, None where the member may not have it."""
    if entry.author in (member, draft.our_id) or content_to_pass(draft, member, entry) is None:
        return None
    return PassedKey(entry.author, ContentKey(entry.key), entry.common)


def seal_bundle(draft: Draft, event: BundleSealed) -> None:
    """Seal the head of a bundle, and give it out once the session's step is on disk."""
    member, pair = event.member, draft.pair(event.member)
    if pair.session is None or pair.generation != event.generation:
        raise LocalError("a bundle for a session that is over")
    through, beyond = stored_ranges(pair)
    head = BundleHead(event.key, event.index_code, through, beyond)
    session, sealed = seal_message(
        pair.session, encode_head(head), _BUNDLE_AD, entropy=draft.entropy, now=draft.wall_now
    )
    draft.set_pair(member, changed(pair, session=session))
    for owed in event.leaving:
        _mark_left(draft, member, owed)
    draft.ask(BundleReady(member, sealed))


def _mark_left(draft: Draft, member: MemberId, owed: OwedFrame) -> None:
    """Note that something that was never sealed leaves in a bundle: it may be read by tomorrow."""
    item = u32(0) + u32(1) + owed.item[8:]
    draft.write(PutOwed(draft.cold.id, member, owed.seq, owed.mid, item, Frame(owed.frame)))


# ---- taking one


def find_bundle(draft: Draft, sealed: bytes) -> MemberId | None:
    """Return the member whose bundle this head begins, if it is one of this circle. Changes nothing."""
    mark = _mark(sealed)
    for member, peer in draft.cold.peers.items():
        if any(known == mark for known, _ in peer.bundles):
            return member
    for member in draft.cold.peers:
        session = draft.pair(member).session
        if session is None:
            continue
        try:
            open_message(session, sealed, _BUNDLE_AD, entropy=draft.entropy, now=draft.wall_now)
        except RemoteError:
            continue
        return member
    return None


def head_of(circle: Circle, member: MemberId, sealed: bytes) -> BundleHead | None:
    """Return a head that was opened before."""
    for mark, head in circle.cold.peers[member].bundles:
        if mark == _mark(sealed):
            return decode_head(head)
    return None


def open_bundle(draft: Draft, event: BundleOpened) -> None:
    """Open a head, once; keep what it says, and take the acknowledgement it brings."""
    with (
        suppress(RemoteError),
        draft.attempt(),
    ):  # `find_bundle` said whose it is; it is not any more
        _open_head(draft, event)


def _open_head(draft: Draft, event: BundleOpened) -> None:
    member, pair = event.member, draft.pair(event.member)
    if head_of(draft.circle(), member, event.sealed) is not None or pair.session is None:
        return
    session, plain = open_message(
        pair.session, event.sealed, _BUNDLE_AD, entropy=draft.entropy, now=draft.wall_now
    )
    head = decode_head(plain)
    draft.set_pair(member, changed(pair, session=session))
    kept = (*draft.peer(member).bundles, (_mark(event.sealed), plain))[-BUNDLES_KEPT:]
    draft.change_peer(member, bundles=kept)
    take_stored(draft, member, head.through, head.beyond)


def take_items(draft: Draft, event: ItemsBrought) -> None:
    """Take some items of a bundle, as if frames had brought them. One that is wrong spoils itself."""
    member = event.member
    for encoded in event.items:
        with suppress(RemoteError), draft.attempt():
            _take_item(draft, member, decode_bundle_item(encoded))
    ack_soon(draft, member, over_link=False)


def _take_item(draft: Draft, member: MemberId, item: BundleItem) -> None:
    match item:
        case PassedKey(author, key, common):
            take_passed(draft, member, OpenedPassed(author, message_id(common), key, common))
        case OwedKey(number, key, common):
            envelope = OpenedEnvelope(number, message_id(common), key, common)
            _take_numbered(draft, member, number, envelope)
        case OwedNote(number, note):
            _take_numbered(draft, member, number, OpenedNote(number, decode_item(note)))


def _take_numbered(
    draft: Draft, member: MemberId, number: int, opened: OpenedNote | OpenedEnvelope
) -> None:
    if not number or not count_received(draft, member, number):
        return
    try:
        with draft.attempt():
            act_on(draft, member, opened)
    except TooFarAhead:
        raise  # it was not counted, and comes again
    except RemoteError:  # the maker sealed it, so asking for it again would bring the same bytes
        draft.ask(Tell("unreadable", member))


def _mark(sealed: bytes) -> bytes:
    """Return the nonce of a head: it is random, and so names the bundle."""
    return sealed[1 : 1 + NONCE_SIZE]
