"""The merge: which operations stand, and who is in.

A round walks along the graph and says of each operation whether it stands, given the takings that
are held against its author. Taking more into account makes less stand; so rounds alternate between
too much and too little until they agree. What the two never agree on are takings that hang on each
other: these stand, and so nothing their targets did.

Spec: docs/protocol/membership.md, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from toheal_protocol.membership.ledger import Bits, Entry, Ledger, Place, Roll
from toheal_protocol.membership.quorum import Need, Support, is_enough, is_proposal, need_of
from toheal_protocol.messages.acts import (
    Acceptance,
    Addition,
    Foundation,
    Leaving,
    Muting,
    Removal,
    RoleChange,
    Second,
    Unmuting,
)
from toheal_protocol.model import MAX_MEMBERS, MemberId, Role

_LESSER: Final[dict[Role, int]] = {Role.LISTENER: 0, Role.MEMBER: 1, Role.FACILITATOR: 2}


@frozen(eq=False)
class Taking:
    """A standing removal, or loss of a role, with those who carry it.

    Attributes:
        need: what it takes at least.
        supports: who is for it; enough of them for a full taking are never taken back (rule 4).
        unvoided: those of them that no taking voids.
    """

    entry: Entry
    need: Need
    supports: tuple[Support, ...]
    unvoided: tuple[Support, ...]

    @property
    def is_removal(self) -> bool:
        """Say whether the target is out, not only without a role."""
        return isinstance(self.entry.act, Removal)

    def is_known_to(self, entry: Entry) -> bool:
        """Say whether an operation knows this taking and enough of its support."""
        if not entry.knows(self.entry.number):
            return False
        return self.is_carried_by(lambda number: bool(entry.past >> number & 1))

    def voids(self, ledger: Ledger, entry: Entry) -> bool:
        """Say whether it voids what its target did in this operation (rule 3).

        A role laid down by its bearer voids nothing: else whoever brought people in could throw
        them out again by having laid it down long ago.
        """
        ours, number = self.entry, entry.number
        if (
            self.need is Need.ITSELF
            or ours.number == number
            or ours.knows(number)
            or self.is_known_to(entry)
        ):
            return False
        entries = ledger.entries
        return self.is_carried_by(lambda support: not entries[support].knows(number))

    def is_carried_by(self, counts: Callable[[int], bool]) -> bool:
        """Say whether those supports whose number counts are enough."""
        full = tuple(support for support in self.supports if counts(support.number))
        if is_enough(Need.TWO, self.entry, full):
            return True
        rest = tuple(support for support in self.unvoided if counts(support.number))
        return is_enough(self.need, self.entry, rest)

    @property
    def summary(self) -> tuple[object, ...]:
        """Return what two rounds have to agree on."""
        return self.entry.number, self.need, self.supports, self.unvoided


class Round:
    """What stands if what another round found is held against it.

    Attributes:
        sound: what is not void: it stands, or waits for support.
    """

    def __init__(self) -> None:
        self.stands: Bits = 0
        self.sound: Bits = 0
        self.takings: dict[MemberId, list[Taking]] = {}
        self.promotions: dict[MemberId, list[Entry]] = {}

    @property
    def summary(self) -> tuple[object, ...]:
        """Return what two rounds have to agree on."""
        return (
            self.stands,
            self.sound,
            [t.summary for found in self.takings.values() for t in found],
        )

    def voids(self, ledger: Ledger, entry: Entry, *, needs_role: bool) -> bool:
        """Say whether a taking of this round voids an operation of its target."""
        return any(
            taking.voids(ledger, entry)
            for taking in self.takings.get(entry.author, ())
            if needs_role or taking.is_removal
        )

    def raises(self, proposal: Entry) -> bool:
        """Say whether the target was made a facilitator, unknown to the proposal (rule 6)."""
        target = proposal.target
        if target is None:
            return False
        return any(_raises(promotion, proposal) for promotion in self.promotions.get(target, ()))


def _raises(promotion: Entry, proposal: Entry) -> bool:
    target = proposal.target
    if target is None or proposal.knows(promotion.number):
        return False
    if not promotion.knows(proposal.number):
        return True
    # It was waiting still when the promotion came; had it stood, this would be a later membership.
    is_same_time = promotion.at[target].adds & proposal.at[target].adds
    return isinstance(proposal.act, Removal) and bool(is_same_time)


@frozen(eq=False)
class Settled:
    """What came out for a set of operations."""

    within: Bits
    stands: Bits
    takings: dict[MemberId, list[Taking]]
    promotions: dict[MemberId, list[Entry]]
    roll: Roll
    overfull: tuple[MemberId, ...] = ()


class Merge:
    """The merge of one set of operations that has the parents of all in it."""

    def __init__(self, ledger: Ledger, within: Bits) -> None:
        self.ledger = ledger
        self.within = within
        self._weights: dict[int, int] = {}

    def settle(self) -> Settled:
        """Alternate rounds until they agree."""
        upper = self._round(Round())
        lower = upper
        if self.ledger.torn or self._is_crossed(upper):
            for _ in range(len(self.ledger.entries) + 1):
                lower = self._round(upper)
                if lower.summary == upper.summary:
                    break
                again = self._round(lower)
                if again.summary == upper.summary:
                    break
                upper = again
        takes = self._taking_bits(upper)
        stands = lower.stands | upper.stands & takes
        settled = Settled(self.within, stands, upper.takings, upper.promotions, {})
        return self._with_roll(settled)

    def _is_crossed(self, upper: Round) -> bool:
        """Say whether anything may count against anything: most histories have nothing of the kind."""
        ledger = self.ledger
        for target, takings in upper.takings.items():
            done = ledger.by_author.get(target, 0) & self.within
            if any(done & ~taking.entry.past for taking in takings):
                return True
        for target, promotions in upper.promotions.items():
            about = (
                *ledger.removals.get(target, ()),
                *ledger.roles.get(target, ()),
                *ledger.mutes.get(target, ()),
            )
            beside = (
                n for one in promotions for n in about if n != one.number and not one.knows(n)
            )
            if any(self.within >> number & 1 for number in beside):
                return True
        return False

    def _taking_bits(self, upper: Round) -> Bits:
        takings = (taking.entry.number for found in upper.takings.values() for taking in found)
        promotions = (entry.number for found in upper.promotions.values() for entry in found)
        bits = 0
        for number in (*takings, *promotions):
            bits |= 1 << number
        return bits

    # ---- one round

    def _round(self, against: Round) -> Round:
        found = Round()
        for entry in self.ledger.among(self.within):
            if self._stands(entry, found, against):
                found.stands |= 1 << entry.number
        return found

    def _stands(self, entry: Entry, found: Round, against: Round) -> bool:
        if isinstance(entry.act, Foundation):
            return True
        place = entry.at[entry.author]
        if not place.adds & found.stands:
            return False
        if isinstance(entry.act, Leaving | Acceptance) or _ends_own_mute(entry):
            return True
        needs_role = isinstance(entry.act, Addition | Unmuting)
        if needs_role and not place.made_by & found.stands:
            return False
        if not against.voids(self.ledger, entry, needs_role=needs_role):
            found.sound |= 1 << entry.number
        if is_proposal(entry):
            return self._is_carried(entry, found, against)
        return bool(found.sound >> entry.number & 1)

    def _is_carried(self, entry: Entry, found: Round, against: Round) -> bool:
        is_promotion = isinstance(entry.act, RoleChange) and entry.act.role is Role.FACILITATOR
        is_taking = isinstance(entry.act, Removal | RoleChange) and not is_promotion
        is_against = is_taking or isinstance(entry.act, Muting)
        need = need_of(entry, is_raised=is_against and against.raises(entry))
        believed_anyway = is_promotion or need is Need.ITSELF
        supports = self._supports(entry, found, None if believed_anyway else against)
        if need in (Need.ITSELF, Need.ALL):
            unvoided = supports
        else:
            unvoided = self._unvoided(entry, supports, against)
        taking = Taking(entry, need, supports, unvoided)
        if is_taking and entry.target is not None:
            if is_carried := taking.is_carried_by(lambda _: True):
                found.takings.setdefault(entry.target, []).append(taking)
            return is_carried
        is_carried = is_enough(need, entry, unvoided)
        if is_carried and is_promotion and entry.target is not None:
            found.promotions.setdefault(entry.target, []).append(entry)
        return is_carried

    def _supports(self, entry: Entry, found: Round, against: Round | None) -> tuple[Support, ...]:
        """Return who is for it, of those who were what they say (rules 1 and 7).

        Args:
            against: where to look for what else they say; None: whatever that may be.
        """
        supports = []
        for number in (entry.number, *self.ledger.seconds.get(entry.number, ())):
            if not self.within >> number & 1:
                continue
            author = self.ledger.entries[number].author
            place = entry.at[author]
            is_believed = against is None or self._is_believed(number, against)
            if place.adds & found.stands and is_believed:
                supports.append(Support(number, author, bool(place.made_by & found.stands)))
        return tuple(supports)

    def _unvoided(
        self, proposal: Entry, supports: tuple[Support, ...], against: Round
    ) -> tuple[Support, ...]:
        if against.voids(self.ledger, proposal, needs_role=False):
            return ()
        kept = []
        for support in supports:
            entry = self.ledger.entries[support.number]
            if against.voids(self.ledger, entry, needs_role=False):
                continue
            lost = support.as_facilitator and against.voids(self.ledger, entry, needs_role=True)
            kept.append(evolve(support, as_facilitator=False) if lost else support)
        return tuple(kept)

    # ---- two stories

    def _is_believed(self, number: int, against: Round) -> bool:
        """Say whether more people built upon this than upon what its author says beside it."""
        rivals = [other for other in self._rivals(number) if against.sound >> other & 1]
        return not rivals or self._weight(number) > max(map(self._weight, rivals))

    def _rivals(self, number: int) -> list[int]:
        """Return what its author says beside an operation: neither knows the other."""
        entry = self.ledger.entries[number]
        if entry.author not in self.ledger.torn:
            return []
        others = self.ledger.by_author[entry.author] & self.within & ~entry.past & ~(1 << number)
        return [other.number for other in self.ledger.among(others) if not other.knows(number)]

    def _weight(self, number: int) -> int:
        if number not in self._weights:
            author = self.ledger.entries[number].author
            people = {e.author for e in self.ledger.among(self.within) if e.knows(number)}
            self._weights[number] = len(people - {author})
        return self._weights[number]

    # ---- who is in

    def _with_roll(self, settled: Settled) -> Settled:
        roll = {
            member: place
            for member, adds in self.ledger.adds.items()
            if (place := self._place(member, adds, settled)) is not None
        }
        most = 2 if self.ledger.is_for_two else MAX_MEMBERS
        if len(roll) <= most:
            return evolve(settled, roll=roll)
        order = sorted(roll, key=lambda member: self._precedence(roll[member]))
        kept = {member: roll[member] for member in order[:most]}
        return evolve(settled, roll=kept, overfull=tuple(order[most:]))

    def _precedence(self, place: Place) -> tuple[bool, int, bytes]:
        return min(
            (
                bool(self._rivals(entry.number)),
                entry.past.bit_count(),
                bytes(entry.operation.id),
            )
            for entry in self.ledger.among(place.adds)
        )

    def _place(self, member: MemberId, adds: tuple[int, ...], settled: Settled) -> Place | None:
        if self.ledger.leaves.get(member, 0) & self.within:
            return None
        removals = [t for t in settled.takings.get(member, ()) if t.is_removal]
        live = 0
        for number in adds:
            entry = self.ledger.entries[number]
            is_over = any(not removal.is_known_to(entry) for removal in removals)
            if settled.stands >> number & 1 and not is_over:
                live |= 1 << number
        if not live:
            return None
        return self._with_role(member, live, settled)

    def _with_role(self, member: MemberId, live: Bits, settled: Settled) -> Place:
        said = [
            entry
            for number in self.ledger.roles.get(member, ())
            if settled.stands >> number & 1 and (entry := self.ledger.entries[number]).past & live
        ]
        last = [e for e in said if not any(other.knows(e.number) for other in said)]
        if not last:
            is_founder = bool(live & 1)
            return Place(live, Role.FACILITATOR, 1) if is_founder else Place(live, Role.MEMBER)
        role = min((_role_of(entry) for entry in last), key=_LESSER.__getitem__)
        made_by = 0
        if role is Role.FACILITATOR:
            for entry in last:
                made_by |= 1 << entry.number
        return Place(live, role, made_by)


def _ends_own_mute(entry: Entry) -> bool:
    return isinstance(entry.act, Unmuting) and entry.author == entry.target


def _role_of(entry: Entry) -> Role:
    return entry.act.role if isinstance(entry.act, RoleChange) else Role.MEMBER


def roll_at(ledger: Ledger, within: Bits) -> Roll:
    """Return who is in after these operations, which have the parents of all among them."""
    known = ledger.rolls.get(within)
    if known is None:
        known = _roll_after_last(ledger, within)
        if known is None:
            known = Merge(ledger, within).settle().roll
        ledger.rolls[within] = known
    return known


def _roll_after_last(ledger: Ledger, within: Bits) -> Roll | None:
    """Return the same where one operation knows all others, and what it changes is plain.

    Nothing is concurrent with such an operation, so nothing is voided by it and nothing voids it.
    Only a second may change what came before.
    """
    last = ledger.entries[within.bit_length() - 1] if within else None
    if last is None or isinstance(last.act, Foundation | Second):
        return None
    if last.past | 1 << last.number != within:
        return None
    match last.act:
        case Addition(keys):
            return {**last.at, keys.member_id: Place(1 << last.number, Role.MEMBER)}
        case Leaving():
            return {member: place for member, place in last.at.items() if member != last.author}
        case Removal(target) if _carries_alone(last):
            return {member: place for member, place in last.at.items() if member != target}
        case RoleChange(target, role) if _carries_alone(last):
            made_by = 1 << last.number if role is Role.FACILITATOR else 0
            return {**last.at, target: Place(last.at[target].adds, role, made_by)}
        case _:
            return last.at


def _carries_alone(entry: Entry) -> bool:
    is_led = entry.at[entry.author].role is Role.FACILITATOR
    support = Support(entry.number, entry.author, is_led)
    return is_enough(need_of(entry, is_raised=False), entry, (support,))
