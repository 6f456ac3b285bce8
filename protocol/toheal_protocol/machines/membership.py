"""Membership: what the circle's operations mean for this device.

The operations lie in the cold part as they came. What follows from them is computed by the pure
merge; here it is carried over to what the machines look at: who is a peer to speak with, which
role everybody has, which charter holds, and whose words from where on do not count.

Spec: docs/protocol/circle.md, section 6; docs/protocol/membership.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from attrs import evolve

from toheal_protocol.envelope import MAX_VIEW
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.records import GiveUpOwed
from toheal_protocol.machines.silences import Return, Silenced
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.membership import (
    MAX_BY_ONE,
    MAX_HELD,
    MAX_OPERATIONS,
    Bits,
    Entry,
    Ledger,
    Membership,
    Roll,
    conclude,
    extend_ledger,
    read_ledger,
    roll_at,
)
from toheal_protocol.messages.acts import Addition, charter_hash, decode_act
from toheal_protocol.messages.announcement import (
    Announcement,
    decode_announcement,
    encode_announcement,
    named_text,
)
from toheal_protocol.messages.notes import (
    MAX_CARRIED,
    MAX_CARRIED_SIZE,
    Carried,
    Wanted,
)
from toheal_protocol.messages.operations import (
    Operation,
    OperationKind,
    decode_operation,
    encode_operation,
)
from toheal_protocol.model import CircleId, MemberId, OperationId, Role, WallTime

MAX_ASKED: Final = 1024
"""Operations asked for since the process began: a liar who names ever new ones gets no more answers."""

MAX_HELD_BY_ONE: Final = 8
"""Operations of one author that may wait for parents: a liar must not take the place of others."""

_CHUNK: Final = 16
"""Operations after which a ledger is kept to go on from."""


def members(draft: Draft) -> tuple[MemberId, ...]:
    """Return who is in now and known to us, ourselves first."""
    others = (
        member for member, peer in draft.cold.peers.items() if peer.standing == Standing.MEMBER
    )
    return (draft.our_id, *others)


def ledger_of(draft: Draft) -> Ledger:
    """Return the operations taken in so far."""
    return _ledger(draft.cold.id, draft.cold.operations)


def membership_of(circle: CircleId, operations: tuple[bytes, ...]) -> Membership:
    """Return what a circle's operations come to."""
    return _membership(circle, operations)


def our_view(draft: Draft) -> tuple[OperationId, ...]:
    """Return the newest operations we know: under which membership we speak."""
    return ledger_of(draft).heads[:MAX_VIEW]


def roll_in(draft: Draft, view: Iterable[OperationId]) -> Roll:
    """Return who was in for somebody with this view; where some of it is not here, who is for us."""
    ledger = ledger_of(draft)
    known = ledger.known_to(view)
    return roll_at(ledger, ledger.everything if known is None else known)


def unknown(draft: Draft, view: Iterable[OperationId]) -> tuple[OperationId, ...]:
    """Return what of a view is not here."""
    numbers = ledger_of(draft).numbers
    return tuple(operation for operation in view if operation not in numbers)


# ---- taking


def take_announcement(draft: Draft, announcement: Announcement, *, author: MemberId) -> str:
    """Take an operation that came as a message.

    Returns:
        The kind of entry it makes.

    Raises:
        ForgedMessage: its author is not who sent it, may not do this, or did not sign it.
        MalformedFrame: too many operations.
    """
    operation = announcement.operation
    if operation.author != author or operation.kind is OperationKind.CREATE:
        raise ForgedMessage("an operation of somebody else, or a second create")
    take_operations(draft, (announcement,), source=author)
    if not _is_taken_or_waits(draft, operation):
        raise ForgedMessage("an operation its author may not make")
    return _KINDS[operation.kind]


def take_operations(
    draft: Draft, announcements: Sequence[Announcement], *, source: MemberId | None
) -> None:
    """Take operations with their texts, whoever brought them, and act upon what follows.

    Args:
        source: whom to ask for what they refer to and we do not have.

    Raises:
        MalformedFrame: more than a circle may have.
    """
    _keep_texts(draft, announcements)
    before, operations = ledger_of(draft), [one.operation for one in announcements]
    here = {*before.numbers, *_held(before), *before.refused}
    fresh = {one.id: one for one in operations if one.id not in here}
    fresh = {key: one for key, one in fresh.items() if not _has_too_many(before, one)}
    if not fresh:
        return
    if len(draft.cold.operations) + len(fresh) > MAX_OPERATIONS:
        raise MalformedFrame("more operations than a circle may have")
    after = extend_ledger(before, fresh.values())
    kept = [one for key, one in fresh.items() if key in after.numbers]
    kept += _that_may_wait(before, after, fresh)
    if kept:
        encoded = map(encode_operation, kept)
        draft.set_cold(operations=(*draft.cold.operations, *encoded))
        carry_over(draft)
        _pass_on(draft, [one.id for one in kept])
    if source is not None:
        want(draft, source, _membership(draft.cold.id, draft.cold.operations).missing)


def _keep_texts(draft: Draft, announcements: Sequence[Announcement]) -> None:
    """Keep the texts of operations that are here, or come with them."""
    texts = {named_text_of(one.operation): one.text for one in announcements if one.text}
    texts = {name: text for name, text in texts.items() if name not in draft.cold.texts}
    if texts and len(draft.cold.texts) + len(texts) <= MAX_OPERATIONS:
        draft.set_cold(texts={**draft.cold.texts, **texts})
        carry_over(draft)  # it may be the charter we waited for


def _that_may_wait(
    before: Ledger, after: Ledger, fresh: Mapping[OperationId, Operation]
) -> list[Operation]:
    """Return what is kept though a parent is missing: a few of each author.

    What is dropped here comes again when something names it: it is asked for then.
    """
    held: Counter[MemberId] = Counter(operation.author for operation in before.held)
    kept: list[Operation] = []
    for operation in after.held:
        is_little = held[operation.author] < MAX_HELD_BY_ONE and held.total() < MAX_HELD
        if operation.id in fresh and is_little:
            held[operation.author] += 1
            kept.append(operation)
    return kept


def _has_too_many(ledger: Ledger, operation: Operation) -> bool:
    return ledger.by_author.get(operation.author, 0).bit_count() >= MAX_BY_ONE


def _is_taken_or_waits(draft: Draft, operation: Operation) -> bool:
    known = ledger_of(draft)
    is_missing_some = any(parent not in known.numbers for parent in operation.parents)
    return operation.id in known.numbers or is_missing_some


def _held(ledger: Ledger) -> set[OperationId]:
    return {operation.id for operation in ledger.held}


def named_text_of(operation: Operation) -> bytes:
    """Return the hash of the text an operation names."""
    return named_text(decode_act(operation))


_KINDS: Final = {
    OperationKind.ADD: "joined",
    OperationKind.LEAVE: "left",
    OperationKind.REMOVE: "remove",
    OperationKind.ROLE: "role",
    OperationKind.POLICY: "policy",
    OperationKind.CHARTER: "charter",
    OperationKind.SECOND: "second",
    OperationKind.ACCEPT: "accept",
}


# ---- passing on


def want(draft: Draft, source: MemberId, missing: Iterable[OperationId]) -> None:
    """Ask somebody for operations they know and we do not; for each once in a run."""
    asked = draft.live.asked
    fresh = sorted(one for one in set(missing) if (source, one) not in asked)[:MAX_CARRIED]
    if not fresh or len(asked) >= MAX_ASKED:
        return
    draft.set_live(asked=asked | {(source, one) for one in fresh})
    owe_note(draft, source, Wanted(tuple(fresh)))


def want_from_all(draft: Draft) -> None:
    """Ask every member for what is missing still: whom we asked first may be gone."""
    if draft.cold.stage is not Stage.ACTIVE:
        return
    missing = _membership(draft.cold.id, draft.cold.operations).missing
    for member in members(draft)[1:] if missing else ():
        want(draft, member, missing)


def take_wanted(draft: Draft, member: MemberId, wanted: Wanted) -> None:
    """Bring a member what they ask for, if we have it; the removed, what led to their removal."""
    if draft.cold.stage not in (Stage.ACTIVE, Stage.REMOVED):
        return
    ledger = ledger_of(draft)
    allowed = _may_be_told(draft, ledger, member)
    numbers = (ledger.numbers.get(one) for one in wanted.operations)
    found = (ledger.entries[number] for number in numbers if number is not None)
    carry(draft, member, (entry for entry in found if allowed >> entry.number & 1))


def _may_be_told(draft: Draft, ledger: Ledger, member: MemberId) -> Bits:
    peer = draft.peer(member)
    if peer.standing is Standing.MEMBER:
        return ledger.everything
    if peer.standing is not Standing.GONE:
        return 0
    numbers = (ledger.numbers[one.act] for one in peer.silences)
    told = 0
    for number in (one for act in numbers for one in (act, *ledger.seconds.get(act, ()))):
        told |= ledger.entries[number].past | 1 << number
    return told


def take_carried(draft: Draft, member: MemberId, carried: Carried) -> None:
    """Take what a member brings; each operation speaks for itself.

    Raises:
        MalformedFrame: one is not the layout, or there are too many.
    """
    allowed = (Standing.MEMBER, Standing.HOST)
    if draft.peer(member).standing in allowed and draft.cold.stage is not Stage.LEFT:
        take_operations(draft, tuple(map(decode_announcement, carried.operations)), source=member)


def carry(draft: Draft, member: MemberId, entries: Iterable[Entry]) -> None:
    """Owe operations to somebody, as many to a note as fit.

    A charter's text goes with them; a reason only to who was in when it was given.
    """
    batch: list[bytes] = []
    for entry in entries:
        encoded = encode_announcement(
            Announcement(entry.operation, _text_for(draft, member, entry))
        )
        size = sum(map(len, batch)) + len(encoded)
        if batch and (len(batch) == MAX_CARRIED or size > MAX_CARRIED_SIZE):
            owe_note(draft, member, Carried(tuple(batch)))
            batch = []
        batch.append(encoded)
    if batch:
        owe_note(draft, member, Carried(tuple(batch)))


def _pass_on(draft: Draft, fresh: Iterable[OperationId]) -> None:
    """Bring operations to those of whom their authors did not know that they are in."""
    if draft.cold.stage is not Stage.ACTIVE:
        return
    ledger = ledger_of(draft)
    numbers = [ledger.numbers[one] for one in fresh if one in ledger.numbers]
    for member in members(draft)[1:] if numbers else ():
        entries = (ledger.entries[number] for number in numbers)
        carry(draft, member, [one for one in entries if _is_news_to(member, one)])


def _is_news_to(member: MemberId, entry: Entry) -> bool:
    act = entry.act
    is_their_add = isinstance(act, Addition) and act.keys.member_id == member
    return member not in entry.at and not is_their_add and bool(entry.at)


def _text_for(draft: Draft, member: MemberId, entry: Entry) -> str:
    is_for_all = entry.operation.kind in (OperationKind.CREATE, OperationKind.CHARTER)
    if not is_for_all and member not in entry.at:
        return ""
    return draft.cold.texts.get(named_text(entry.act), "")


def carry_what_they_miss(draft: Draft, member: MemberId) -> None:
    """Bring somebody who came in what we signed and whoever added them did not know."""
    ledger = ledger_of(draft)
    place = roll_at(ledger, ledger.everything).get(member)
    if place is None:
        return
    known = 0
    for entry in ledger.among(place.adds):
        known |= entry.past
    ours = ledger.by_author.get(draft.our_id, 0) & ~known & ~place.adds
    carry(draft, member, ledger.among(ours))


# ---- what follows


def carry_over(draft: Draft) -> None:
    """Let everything the machines look at follow from the operations."""
    if draft.cold.stage not in (Stage.ACTIVE, Stage.REMOVED):
        return
    now = _membership(draft.cold.id, draft.cold.operations)
    for member in tuple(draft.cold.peers):
        _carry_over_peer(draft, member, now)
    _carry_over_ourselves(draft, now)
    _carry_over_rules(draft, now)


def _carry_over_peer(draft: Draft, member: MemberId, now: Membership) -> None:
    peer = draft.peer(member)
    if peer.standing not in (Standing.MEMBER, Standing.EXPECTED, Standing.GONE):
        return
    silences = _silences(peer.returns, now, member)
    if silences != peer.silences:
        draft.change_peer(member, silences=silences)
    role = now.members.get(member)
    if role is not None:
        if role is not peer.role:
            draft.change_peer(member, role=role)
        if peer.standing is not Standing.MEMBER:
            draft.change_peer(member, standing=Standing.MEMBER, gone_at=WallTime(0))
            carry_what_they_miss(draft, member)
    elif member in now.gone and peer.standing is not Standing.GONE:
        draft.change_peer(member, standing=Standing.GONE, gone_at=draft.wall_now)
        _give_up_owed(draft, member)
        draft.ask(Tell("removed" if _is_removed(now, member) else "left", member))


def _silences(
    returns: tuple[Return, ...], now: Membership, member: MemberId
) -> tuple[Silenced, ...]:
    resumed = {one.act: one.author_seq for one in returns}
    return tuple(
        Silenced(one.act, one.heard, resumed.get(one.act, 0))
        for one in now.silences.get(member, ())
    )


def _is_removed(now: Membership, member: MemberId) -> bool:
    return any(silence.is_removal for silence in now.silences.get(member, ()))


def _carry_over_ourselves(draft: Draft, now: Membership) -> None:
    role = now.members.get(draft.our_id)
    if role is None and draft.cold.stage is Stage.ACTIVE and draft.our_id in now.gone:
        draft.set_cold(stage=Stage.REMOVED, my_role=Role.MEMBER)
        draft.ask(Tell("removed", draft.our_id))
    elif role is not None:
        if draft.cold.stage is Stage.REMOVED:
            draft.set_cold(stage=Stage.ACTIVE)
            draft.ask(Tell("back", draft.our_id))
        if role is not draft.cold.my_role:
            draft.set_cold(my_role=role)


def _carry_over_rules(draft: Draft, now: Membership) -> None:
    text = draft.cold.texts.get(now.charter_hash)
    if text is not None and charter_hash(draft.cold.charter) != now.charter_hash:
        draft.set_cold(charter=text)
    may_be_direct = draft.cold.is_direct or draft.our_id in now.agreed_to_be_direct
    if draft.cold.is_direct != (now.is_direct and may_be_direct):
        draft.set_cold(is_direct=not draft.cold.is_direct)


def _give_up_owed(draft: Draft, member: MemberId) -> None:
    """Owe somebody who is gone nothing more; what had not arrived is shown as undelivered."""
    pair = draft.pair(member)
    last = pair.next_seq - 1
    if pair.acked_through < last:
        draft.set_pair(member, evolve(pair, acked_through=last, acked_beyond=frozenset()))
        draft.write(GiveUpOwed(draft.cold.id, member))
        draft.change_courier(member, cursor=last, resend_at=None)


# ---- read once, used often


@lru_cache(maxsize=128)
def _ledger(circle: CircleId, operations: tuple[bytes, ...]) -> Ledger:
    """Read a ledger, going on from an earlier one: a circle grows by one operation at a time."""
    if not operations:
        raise MalformedFrame("a circle without operations")
    kept = (len(operations) - 1) // _CHUNK * _CHUNK
    fresh = (decode_operation(encoded) for encoded in operations[kept:])
    if not kept:
        return read_ledger(fresh, circle=circle)
    return extend_ledger(_ledger(circle, operations[:kept]), fresh)


@lru_cache(maxsize=128)
def _membership(circle: CircleId, operations: tuple[bytes, ...]) -> Membership:
    return conclude(_ledger(circle, operations))
