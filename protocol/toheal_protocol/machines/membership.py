"""Membership: what the circle's operations mean for this device.

The operations lie in the cold part as they came. What follows from them is computed by the pure
merge; here it is carried over to what the machines look at: who is a peer to speak with, which
role everybody has, which charter holds, and whose words from where on do not count.

Spec: docs/protocol/circle.md, section 6; docs/protocol/membership.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import evolve

from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines.carrying import (
    carry,
    carry_what_they_miss,
    pass_on,
    tell_who_is_out,
    want,
)
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.lan_secrets import bring_ours, follow_departures
from toheal_protocol.machines.ledgers import ledger_of, membership_of
from toheal_protocol.machines.mutes import note_mutes
from toheal_protocol.machines.records import GiveUpOwed
from toheal_protocol.machines.silences import Silenced
from toheal_protocol.machines.state import Peer, Stage, Standing, Stream
from toheal_protocol.machines.voice import judge_waiting
from toheal_protocol.membership import (
    MAX_BY_ONE,
    MAX_HELD,
    MAX_OPERATIONS,
    Ledger,
    Membership,
    extend_ledger,
)
from toheal_protocol.messages.acts import charter_hash, decode_act
from toheal_protocol.messages.announcement import (
    Announcement,
    decode_announcement,
    named_text,
)
from toheal_protocol.messages.notes import (
    Carried,
)
from toheal_protocol.messages.operations import (
    Operation,
    OperationKind,
    encode_operation,
)
from toheal_protocol.model import Audience, MemberId, OperationId, Role, WallTime

MAX_HELD_BY_ONE: Final = 8
"""Operations of one author that may wait for parents: a liar must not take the place of others."""


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
    before, operations = ledger_of(draft), [one.operation for one in announcements]
    here = {*before.numbers, *_held(before), *before.refused}
    fresh = {one.id: one for one in operations if one.id not in here}
    fresh = {key: one for key, one in fresh.items() if not _has_too_many(before, one)}
    if not fresh:
        _keep_texts(draft, announcements)
        return
    if len(draft.cold.operations) + len(fresh) > MAX_OPERATIONS:
        raise MalformedFrame("more operations than a circle may have")
    after = extend_ledger(before, fresh.values())
    kept = [one for key, one in fresh.items() if key in after.numbers]
    kept += _that_may_wait(before, after, fresh)
    if kept:
        encoded = map(encode_operation, kept)
        draft.set_cold(operations=(*draft.cold.operations, *encoded))
        _keep_texts(draft, announcements)
        carry_over(draft)
        pass_on(draft, [one.id for one in kept])
    if source is not None:
        want(draft, source, membership_of(draft.cold.id, draft.cold.operations).missing)


def _keep_texts(draft: Draft, announcements: Sequence[Announcement]) -> None:
    """Keep the texts of operations that are here, or come with them."""
    known = ledger_of(draft)
    here = {*known.numbers, *_held(known)}
    texts = {
        named_text_of(one.operation): one.text
        for one in announcements
        if one.text and one.operation.id in here
    }
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
    OperationKind.TERM: "term",
    OperationKind.MUTE: "mute",
    OperationKind.UNMUTE: "unmute",
}


def take_carried(draft: Draft, member: MemberId, carried: Carried) -> None:
    """Take what a member brings, and of who is out what we asked for; each speaks for itself.

    Raises:
        MalformedFrame: one is not the layout, or there are too many.
    """
    if draft.cold.stage is Stage.LEFT:
        return
    brought = tuple(map(decode_announcement, carried.operations))
    standing = draft.peer(member).standing
    if standing is Standing.GONE:
        asked = draft.live.asked
        brought = tuple(one for one in brought if (member, one.operation.id) in asked)
    if standing in (Standing.MEMBER, Standing.HOST, Standing.GONE):
        take_operations(draft, brought, source=member)
    if standing is Standing.GONE:
        tell_who_is_out(draft, member, [one.operation.id for one in brought])


# ---- what follows


def carry_over(draft: Draft) -> None:
    """Let everything the machines look at follow from the operations."""
    if draft.cold.stage not in (Stage.ACTIVE, Stage.REMOVED):
        return
    now = membership_of(draft.cold.id, draft.cold.operations)
    for member in tuple(draft.cold.peers):
        _carry_over_peer(draft, member, now)
    _carry_over_ourselves(draft, now)
    _carry_over_rules(draft, now)
    follow_departures(draft)


def _carry_over_peer(draft: Draft, member: MemberId, now: Membership) -> None:
    peer = draft.peer(member)
    if peer.standing not in (Standing.MEMBER, Standing.EXPECTED, Standing.GONE):
        return
    judge_waiting(draft, member)
    peer = draft.peer(member)
    head = draft.log.heads.get(Stream(member, Audience.FACILITATORS))
    silences = _silences(peer, now, member, read=head.seq if head else 0)
    if silences != peer.silences:
        draft.change_peer(member, silences=silences)
    role = now.members.get(member)
    if role is not None:
        if role is not peer.role:
            draft.change_peer(member, role=role)
        if peer.standing is not Standing.MEMBER:
            draft.change_peer(member, standing=Standing.MEMBER, gone_at=WallTime(0))
            carry_what_they_miss(draft, member)
            bring_ours(draft, member)
    elif member in now.gone and peer.standing is not Standing.GONE:
        draft.change_peer(member, standing=Standing.GONE, gone_at=draft.wall_now)
        _give_up_owed(draft, member)
        _tell_removed(draft, member)
        draft.ask(Tell("removed" if _is_removed(now, member) else "left", member))


def _silences(peer: Peer, now: Membership, member: MemberId, *, read: int) -> tuple[Silenced, ...]:
    """Return what stands against somebody's voice: towards the circle, and for who was removed
    also towards the facilitators, whom a listener still may ask for help.

    Args:
        read: how far their notes to facilitators are read here.
    """
    resumed = {(one.act, one.audience): one.author_seq for one in peer.returns}
    before = {one.act: one.heard for one in peer.silences if one.audience is _NOTES}
    acts = now.silences.get(member, ())
    heard = [(one, Audience.CIRCLE, one.heard) for one in acts]
    heard += [(one, _NOTES, before.get(one.act, read)) for one in acts if one.is_removal]
    return tuple(
        Silenced(one.act, audience, seq, resumed.get((one.act, audience), 0) if one.is_over else 0)
        for one, audience, seq in heard
    )


_NOTES: Final = Audience.FACILITATORS


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
    note_mutes(draft, now)


def _tell_removed(draft: Draft, member: MemberId) -> None:
    """Bring who was removed the removal and what carries it, if we signed any of that.

    What we owed them is given up, and some of this may have been among it.
    """
    ledger = ledger_of(draft)
    for act in {one.act: None for one in draft.peer(member).silences}:
        number = ledger.numbers[act]
        carried_by = [ledger.entries[one] for one in (number, *ledger.seconds.get(number, ()))]
        if any(entry.author == draft.our_id for entry in carried_by):
            carry(draft, member, carried_by)


def _give_up_owed(draft: Draft, member: MemberId) -> None:
    """Owe somebody who is gone nothing more; what had not arrived is shown as undelivered."""
    pair = draft.pair(member)
    last = pair.next_seq - 1
    if pair.acked_through < last:
        draft.set_pair(member, evolve(pair, acked_through=last, acked_beyond=frozenset()))
        draft.write(GiveUpOwed(draft.cold.id, member))
        draft.change_courier(member, cursor=last, resend_at=None)
