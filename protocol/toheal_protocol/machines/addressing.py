"""Mailboxes: which ones we read, which one of theirs we deposit into, and how deposits are sealed.

Mailboxes have rising numbers. A sender moves on to the next number after `EPOCH` of its own clock
and only where the reader has granted it; the reader grants more when it sees the sender come
near the end, and drops the numbers left behind. No two clocks are ever compared, so a clock that
is a year wrong costs at most one step.

Spec: docs/protocol/circle.md, section 4.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.crypto import (
    NONCE_SIZE,
    Entropy,
    SealKey,
    SigningSeed,
    open_with_nonce_inside,
    seal_with_random_nonce,
    verify_key,
)
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.state import OurMailbox
from toheal_protocol.messages.grants import MAIL, SIGNAL, Grant
from toheal_protocol.messages.moved import MAX_RELAYS_READ
from toheal_protocol.model import (
    TOKEN_SIZE,
    Address,
    DepositToken,
    Frame,
    MemberId,
)
from toheal_protocol.wire import mailbox
from toheal_protocol.wire.padding import DEPOSIT_BUCKETS as DEPOSIT_BUCKETS
from toheal_protocol.wire.padding import pad_to_bucket, unpad
from toheal_protocol.wire.relay_address import RelayAddress

EPOCH: Final = 7 * 24 * 3600
"""Seconds a sender uses one number of mailboxes."""

NUMBERS_AHEAD: Final = 4
"""Numbers granted at once, so four weeks without contact need no new grant."""

_MOST_GRANTS: Final = 64

MAX_RELAYS: Final = MAX_RELAYS_READ
"""Relays we read at in one circle: a second one for when the first is gone."""


def seal_deposit(key: SealKey, frame: Frame, entropy: Entropy) -> bytes:
    """Pad a frame and seal it for the mailbox's reader: to the relay, random bytes of few sizes."""
    padded = pad_to_bucket(frame, buckets=DEPOSIT_BUCKETS)
    return seal_with_random_nonce(key, entropy.draw(NONCE_SIZE), padded)


def open_deposit(key: SealKey, deposit: bytes) -> Frame:
    """Open what `seal_deposit` made.

    Raises:
        ForgedMessage, MalformedFrame: somebody else made it.
    """
    return Frame(unpad(open_with_nonce_inside(key, deposit)))


def address_of(read_seed: SigningSeed) -> Address:
    """Return where the mailbox of a read key is."""
    return mailbox.address_of(verify_key(read_seed))


def draw_mailboxes(
    relays: tuple[RelayAddress, ...], entropy: Entropy, *, first: int, count: int
) -> tuple[OurMailbox, ...]:
    """Draw fresh mailboxes: of each number one of each class at each relay."""
    return tuple(
        _draw(number, kind, relay, entropy)
        for number in range(first, first + count)
        for relay in relays[:MAX_RELAYS]
        for kind in (MAIL, SIGNAL)
    )


def _draw(number: int, kind: int, relay: RelayAddress, entropy: Entropy) -> OurMailbox:
    read_seed = SigningSeed(entropy.draw(32))
    return OurMailbox(
        number=number,
        kind=kind,
        relay=relay,
        address=address_of(read_seed),
        read_seed=read_seed,
        token=DepositToken(entropy.draw(TOKEN_SIZE)),
        seal_key=SealKey(entropy.draw(32)),
    )


def grants_of(mailboxes: tuple[OurMailbox, ...]) -> tuple[Grant, ...]:
    """Return what a sender needs to know of our mailboxes."""
    return tuple(
        Grant(box.number, box.kind, box.relay, box.address, box.token, box.seal_key)
        for box in mailboxes
    )


def choose_grant(draft: Draft, member: MemberId, kind: int) -> Grant | None:
    """Return the peer's mailbox to use now, at the best relay that answers; None if there is none.

    Best is one that neither owes us an answer nor refused this peer's mail a moment ago; of those
    the one we used last, else the first.
    """
    best: Grant | None = None
    for grant in grants_in_reach(draft, member, kind):
        if best is None or _rank(draft, member, grant.relay) < _rank(draft, member, best.relay):
            best = grant
    return best


def grants_in_reach(draft: Draft, member: MemberId, kind: int) -> tuple[Grant, ...]:
    """Return the peer's present mailboxes of a class, one for each relay that answers.

    Of a peer who moved, those it moved to; the others only where none of these answers.
    """
    peer = draft.cold.peers.get(member)
    if peer is None:
        return ()
    present = tuple(
        grant
        for grant in peer.grants
        if grant.number == peer.using and grant.kind == kind and grant.relay in draft.live.boots
    )
    if peer.their_move is None:
        return present
    return tuple(one for one in present if one.relay in peer.their_move.relays) or present


def fails_now(draft: Draft, member: MemberId, relay: RelayAddress) -> bool:
    """Say whether a relay is silent, or refused this peer's mail not long ago."""
    refused_until = draft.courier(member).refused.get(relay)
    is_refusing = refused_until is not None and refused_until > draft.now
    return is_refusing or relay in draft.live.silent


def _rank(draft: Draft, member: MemberId, relay: RelayAddress) -> tuple[bool, bool]:
    """Return what sorts a good relay before a bad one."""
    return fails_now(draft, member, relay), relay != draft.courier(member).relay


def add_grants(draft: Draft, member: MemberId, grants: tuple[Grant, ...]) -> None:
    """Take more mailboxes of a peer's; the ones before the present number are forgotten."""
    peer = draft.peer(member)
    known = {(grant.number, grant.kind, grant.relay): grant for grant in peer.grants}
    for grant in grants:
        known.setdefault((grant.number, grant.kind, grant.relay), grant)
    lowest = min((grant.number for grant in grants), default=0)
    using = max(peer.using, lowest) if peer.using == 0 else peer.using
    kept = tuple(grant for grant in known.values() if grant.number >= using)
    draft.change_peer(member, grants=kept[-_MOST_GRANTS:], using=using)


def move_on(draft: Draft, member: MemberId) -> None:
    """Use the next number of a peer's mailboxes when the present one has served its time."""
    peer = draft.peer(member)
    elapsed = draft.wall_now - peer.using_since
    if 0 <= elapsed < EPOCH or not peer.grants:
        return
    has_next = any(grant.number == peer.using + 1 for grant in peer.grants)
    step = 1 if has_next and elapsed >= EPOCH and peer.using_since else 0
    draft.change_peer(member, using=peer.using + step, using_since=draft.wall_now)
