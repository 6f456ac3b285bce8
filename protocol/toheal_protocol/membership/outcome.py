"""What a circle's operations come to: who is in, what holds, what waits and what is void.

Spec: docs/protocol/membership.md, sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from attrs import field, frozen

from toheal_protocol.identity import PersonaKeys
from toheal_protocol.membership.ledger import Entry, Ledger
from toheal_protocol.membership.merging import Merge, Settled
from toheal_protocol.membership.quorum import Need, facilitators_needed, is_proposal, need_of
from toheal_protocol.membership.reading import read_ledger
from toheal_protocol.membership.rights import open_mutes
from toheal_protocol.messages.acts import (
    Acceptance,
    Act,
    Addition,
    CharterChange,
    Foundation,
    Muting,
    PolicyChange,
    Removal,
    RoleChange,
    Second,
    Term,
)
from toheal_protocol.messages.operations import Operation
from toheal_protocol.model import CircleId, MemberId, OperationId, Role


class Standing(StrEnum):
    """What became of an act."""

    STANDS = "stands"
    WAITS = "waits"
    """Not enough people are for it yet."""
    VOID = "void"
    MOOT = "moot"
    """It waited, and what it was about is over."""


@frozen
class Outcome:
    """What became of one operation.

    Attributes:
        supporters: who is for it and counts, its author included.
        may_support: who could still second it.
        facilitators, members: how many of each, as far as they are needed, would be enough.
    """

    id: OperationId
    author: MemberId
    act: Act
    standing: Standing
    supporters: tuple[MemberId, ...] = ()
    may_support: tuple[MemberId, ...] = ()
    facilitators: int = 0
    members: int = 0


@frozen
class Silence:
    """From where on somebody's words do not count: those above `heard` by who did not know this.

    `is_over`: somebody gave them their voice back, knowing this, and that stands too.
    `until`: for a mute, when it should be over, in seconds since 1970; None for anything else.
    """

    act: OperationId
    heard: int
    is_removal: bool
    is_over: bool = False
    until: int | None = None


@frozen
class Membership:
    """Everything that follows from a set of operations. Two equal sets give equal ones.

    Attributes:
        members: who is in, with their roles.
        founder: who began it all.
        agreed_to_be_direct: who signed that it be so, where it was decided later.
        silences: what stands against somebody's writing, by member.
        terms: until when who facilitates does so, in seconds since 1970, where that was said.
        accepted: who said yes to the charter that holds.
        gone: who was in and is not.
        left: those of them who went by themselves: for good.
        held: operations that wait for a parent.
        missing: the parents they wait for.
    """

    members: Mapping[MemberId, Role]
    founder: MemberId
    is_direct: bool
    agreed_to_be_direct: frozenset[MemberId]
    charter_hash: bytes
    accepted: frozenset[MemberId]
    outcomes: tuple[Outcome, ...]
    silences: Mapping[MemberId, tuple[Silence, ...]]
    terms: Mapping[MemberId, int]
    gone: frozenset[MemberId]
    left: frozenset[MemberId]
    heads: tuple[OperationId, ...]
    held: frozenset[OperationId]
    missing: frozenset[OperationId]
    keys: Mapping[MemberId, PersonaKeys] = field(repr=False)

    def outcome(self, operation: OperationId) -> Outcome | None:
        """Return what became of one operation, None if it was not taken in."""
        return next((one for one in self.outcomes if one.id == operation), None)


def merge(operations: Iterable[Operation], *, circle: CircleId) -> Membership:
    """Compute the membership from a set of operations, in any order.

    Raises:
        MalformedFrame, ForgedMessage: too many, or the circle's own `create` is not among them.
    """
    return conclude(read_ledger(operations, circle=circle))


def conclude(ledger: Ledger) -> Membership:
    """Return what a ledger comes to."""
    merge_of_all = Merge(ledger, ledger.everything)
    settled = merge_of_all.settle()
    members = {member: settled.roll[member].role for member in sorted(settled.roll)}
    charter = _charter(ledger, settled)
    here = {operation.id for operation in ledger.held} | set(ledger.numbers) | ledger.refused
    return Membership(
        members=members,
        founder=ledger.entries[0].author,
        is_direct=_is_direct(ledger, settled),
        agreed_to_be_direct=_agreed_to_be_direct(ledger, settled),
        charter_hash=charter,
        accepted=_accepted(ledger, settled, charter),
        outcomes=tuple(_outcome(ledger, settled, entry) for entry in _in_order(ledger)),
        silences=_silences(ledger, settled),
        terms=_terms(ledger, settled),
        gone=frozenset(set(ledger.keys) - set(members)),
        left=frozenset(ledger.leaves),
        heads=ledger.heads,
        held=frozenset(operation.id for operation in ledger.held),
        missing=frozenset(p for held in ledger.held for p in held.parents if p not in here),
        keys=dict(ledger.keys),
    )


def _in_order(ledger: Ledger) -> list[Entry]:
    """Return the entries in an order that does not depend on how they came."""
    return sorted(ledger.entries, key=lambda e: (e.past.bit_count(), e.operation.id))


def _latest(ledger: Ledger, settled: Settled, kinds: type | tuple[type, ...]) -> list[Entry]:
    """Return the standing operations of these kinds that no other of them knows."""
    said = [e for e in ledger.among(settled.stands) if isinstance(e.act, kinds)]
    return [entry for entry in said if not any(other.knows(entry.number) for other in said)]


def _is_direct(ledger: Ledger, settled: Settled) -> bool:
    latest = _latest(ledger, settled, (Foundation, PolicyChange))
    return all(
        entry.act.is_direct for entry in latest if isinstance(entry.act, Foundation | PolicyChange)
    )


def _agreed_to_be_direct(ledger: Ledger, settled: Settled) -> frozenset[MemberId]:
    latest = _latest(ledger, settled, (Foundation, PolicyChange))
    people = (_people(ledger, entry) for entry in latest if isinstance(entry.act, PolicyChange))
    return frozenset().union(*people)


def _charter(ledger: Ledger, settled: Settled) -> bytes:
    latest = _latest(ledger, settled, (Foundation, CharterChange))
    first = min(latest, key=lambda entry: entry.operation.id)
    return first.act.charter_hash if isinstance(first.act, Foundation | CharterChange) else b""


def _accepted(ledger: Ledger, settled: Settled, charter: bytes) -> frozenset[MemberId]:
    found: set[MemberId] = set()
    for entry in ledger.among(settled.stands):
        match entry.act:
            case Foundation(_, keys, _, said) if said == charter:
                found.add(keys.member_id)
            case Addition(keys, said) if said == charter:
                found.add(keys.member_id)
            case Acceptance(said) if said == charter:
                found.add(entry.author)
            case CharterChange(said) if said == charter:
                found.update(_people(ledger, entry))
            case _:
                pass
    return frozenset(found & set(settled.roll))


def _people(ledger: Ledger, entry: Entry) -> set[MemberId]:
    """Return who signed a proposal or a second of it."""
    seconds = ledger.seconds.get(entry.number, ())
    return {entry.author, *(ledger.entries[number].author for number in seconds)}


def _silences(ledger: Ledger, settled: Settled) -> dict[MemberId, tuple[Silence, ...]]:
    found: dict[MemberId, list[Entry]] = {}
    for member, takings in settled.takings.items():
        found[member] = [taking.entry for taking in takings if _takes_voice(taking.entry)]
    for member, mutes in ledger.mutes.items():
        standing = [ledger.entries[number] for number in mutes if settled.stands >> number & 1]
        found[member] = [*found.get(member, ()), *standing]
    return {
        member: tuple(
            _silence(ledger, settled, member, entry)
            for entry in sorted(said, key=lambda entry: entry.operation.id)
        )
        for member, said in found.items()
        if said
    }


def _silence(ledger: Ledger, settled: Settled, member: MemberId, against: Entry) -> Silence:
    act = against.act
    if isinstance(act, Muting):
        later = ledger.unmutes.get(member, ())
    else:
        later = (*ledger.adds.get(member, ()), *ledger.roles.get(member, ()))
    return Silence(
        against.operation.id,
        _heard(ledger, against),
        is_removal=isinstance(act, Removal),
        is_over=any(
            settled.stands >> number & 1 and ledger.entries[number].knows(against.number)
            for number in later
        ),
        until=act.until if isinstance(act, Muting) else None,
    )


def _takes_voice(entry: Entry) -> bool:
    is_listening = isinstance(entry.act, RoleChange) and entry.act.role is Role.LISTENER
    return is_listening or isinstance(entry.act, Removal)


def _terms(ledger: Ledger, settled: Settled) -> dict[MemberId, int]:
    """Return until when somebody facilitates: what was said last; of several the earliest."""
    terms: dict[MemberId, int] = {}
    for member, place in settled.roll.items():
        if place.role is not Role.FACILITATOR:
            continue
        said = list(ledger.among(place.made_by))
        for number in ledger.terms.get(member, ()):
            entry = ledger.entries[number]
            if settled.stands >> number & 1 and entry.past & place.made_by:
                said.append(entry)
        last = [one for one in said if not any(other.knows(one.number) for other in said)]
        terms[member] = min(_until(entry) for entry in last)
    return {member: until for member, until in terms.items() if until}


def _until(entry: Entry) -> int:
    return entry.act.until if isinstance(entry.act, Foundation | RoleChange | Term) else 0


def _heard(ledger: Ledger, entry: Entry) -> int:
    """Return the most that any supporter had heard of the target."""
    heard = entry.act.heard if isinstance(entry.act, Removal | RoleChange | Muting) else 0
    for number in ledger.seconds.get(entry.number, ()):
        second = ledger.entries[number].act
        if isinstance(second, Second):
            heard = max(heard, second.heard)
    return heard


def _outcome(ledger: Ledger, settled: Settled, entry: Entry) -> Outcome:
    operation = entry.operation
    if not is_proposal(entry):
        standing = Standing.STANDS if _is_in_force(entry, settled) else Standing.VOID
        return Outcome(operation.id, entry.author, entry.act, standing)
    need = need_of(entry, is_raised=_was_raised(entry, settled))
    people = _people(ledger, entry)
    return Outcome(
        id=operation.id,
        author=entry.author,
        act=entry.act,
        standing=_standing_of_proposal(ledger, settled, entry),
        supporters=tuple(sorted(people)),
        may_support=_may_support(entry, settled, people),
        facilitators=0 if need in (Need.ALL, Need.ITSELF) else facilitators_needed(need, entry.at),
        members=len(entry.at) if need is Need.ALL else len(entry.at) // 2 + 1,
    )


def _is_in_force(entry: Entry, settled: Settled) -> bool:
    """Say whether it stands; an add also makes whom it adds a member, or did until it was known."""
    if not settled.stands >> entry.number & 1:
        return False
    if not isinstance(entry.act, Addition):
        return True
    newcomer = entry.act.keys.member_id
    if newcomer in settled.overfull:
        return False
    removals = [t for t in settled.takings.get(newcomer, ()) if t.is_removal]
    return not any(
        not removal.is_known_to(entry) and not removal.entry.knows(entry.number)
        for removal in removals
    )


def _was_raised(entry: Entry, settled: Settled) -> bool:
    return any(
        not entry.knows(promotion.number)
        for promotion in settled.promotions.get(entry.target or MemberId(b""), ())
    )


def _standing_of_proposal(ledger: Ledger, settled: Settled, entry: Entry) -> Standing:
    if settled.stands >> entry.number & 1:
        return Standing.STANDS
    place = entry.at[entry.author]
    against = settled.takings.get(entry.author, ())
    if not place.adds & settled.stands or any(
        taking.is_removal and taking.voids(ledger, entry) for taking in against
    ):
        return Standing.VOID
    if not _is_target_here(entry, settled) or _is_mute_over(ledger, settled, entry):
        return Standing.MOOT
    if not any(member in settled.roll for member in entry.at):
        return Standing.MOOT
    return Standing.WAITS


def _is_mute_over(ledger: Ledger, settled: Settled, entry: Entry) -> bool:
    if not isinstance(entry.act, Muting):
        return False
    within = settled.stands | 1 << entry.number
    return entry.number not in open_mutes(ledger, entry.act.target, within)


def _is_target_here(entry: Entry, settled: Settled) -> bool:
    """Say whether whom it is about, if anybody, is in by the same add still."""
    if entry.target is None:
        return True
    place = settled.roll.get(entry.target)
    return place is not None and bool(place.adds & entry.at[entry.target].adds)


def _may_support(entry: Entry, settled: Settled, people: set[MemberId]) -> tuple[MemberId, ...]:
    asked = {member for member in entry.at if member in settled.roll} - people
    if isinstance(entry.act, Removal | Muting):
        asked.discard(entry.act.target)
    return tuple(sorted(asked))
