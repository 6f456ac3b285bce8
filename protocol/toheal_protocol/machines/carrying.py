"""Carrying: how operations get to members whom their authors could not tell.

Spec: docs/protocol/circle.md, section 6.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import ledger_of, members, membership_of, unknown
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.membership import Bits, Entry, Ledger, roll_at
from toheal_protocol.messages.acts import Addition, Leaving, Removal, RoleChange, Second
from toheal_protocol.messages.announcement import Announcement, encode_announcement, named_text
from toheal_protocol.messages.notes import MAX_CARRIED, MAX_CARRIED_SIZE, Carried, Wanted
from toheal_protocol.messages.operations import OperationKind
from toheal_protocol.model import MemberId, OperationId

MAX_ASKED: Final = 1024
"""Operations asked for since the process began: a liar who names ever new ones gets no more answers."""


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
    missing = membership_of(draft.cold.id, draft.cold.operations).missing
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


def pass_on(draft: Draft, fresh: Iterable[OperationId]) -> None:
    """Bring operations to those of whom their authors did not know that they are in."""
    if draft.cold.stage is not Stage.ACTIVE:
        return
    ledger = ledger_of(draft)
    numbers = [ledger.numbers[one] for one in fresh if one in ledger.numbers]
    there = members(draft)
    for member in there[1:] if numbers else ():
        entries = (ledger.entries[number] for number in numbers)
        carry(draft, member, [one for one in entries if _is_news_to(member, one, there)])


def _is_news_to(member: MemberId, entry: Entry, there: Container[MemberId]) -> bool:
    """Say whether the author of an operation did not know of a member, or is heard by none now."""
    act, author = entry.act, entry.operation.author
    if author == member or (isinstance(act, Addition) and act.keys.member_id == member):
        return False
    return bool(entry.at) and (member not in entry.at or author not in there)


def tell_who_is_out(draft: Draft, member: MemberId, view: Sequence[OperationId]) -> None:
    """Bring somebody who is out, and by their own view is not, what they do not know of that.

    Whoever took them back may be out by now, or who removed them may not have come to say so: then
    they speak into the void and wonder. Once for what we know, however often they speak.
    """
    ledger = ledger_of(draft)
    is_told = draft.live.told_out.get(member) == ledger.everything
    if draft.cold.stage is not Stage.ACTIVE or is_told or not view:
        return
    known = ledger.known_to(view)
    if known is None:
        want(draft, member, unknown(draft, view))
        return
    if member not in roll_at(ledger, known):
        return
    draft.set_live(told_out={**draft.live.told_out, member: ledger.everything})
    carry(draft, member, ledger.among(_what_puts_out(ledger, member, known)))


def _what_puts_out(ledger: Ledger, member: MemberId, known: Bits) -> Bits:
    """Return the least of what a member does not know by which they are out.

    That is one taking with what carries it, or else all takings: theirs may stand or fall with one
    of somebody else's.
    """
    everything = 0
    enough: list[Bits] = []
    for entry in ledger.among(ledger.everything & ~known):
        if not isinstance(entry.act, Removal | RoleChange | Second | Leaving):
            continue
        told = entry.past | 1 << entry.number
        for number in ledger.seconds.get(entry.number, ()):
            told |= ledger.entries[number].past | 1 << number
        everything |= told
        if member not in roll_at(ledger, known | told):
            enough.append(told & ~known)
    return min(enough, key=int.bit_count, default=everything & ~known)
