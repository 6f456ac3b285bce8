"""How many people an act takes, and whether these are enough.

Spec: docs/protocol/membership.md, section 4.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from attrs import frozen

from toheal_protocol.membership.ledger import Entry, Roll
from toheal_protocol.messages.acts import (
    CharterChange,
    Muting,
    PolicyChange,
    Removal,
    RoleChange,
    Term,
)
from toheal_protocol.model import MemberId, Role


class Need(StrEnum):
    """Who has to be for something."""

    ITSELF = "itself"
    """Nobody but its author."""
    ONE = "one"
    """A facilitator other than the target, or a majority."""
    TWO = "two"
    """Two facilitators other than the target, or a majority."""
    LEAD = "lead"
    """Two facilitators, or the only one, or a majority."""
    ALL = "all"
    """Everybody."""


@frozen
class Support:
    """One operation by which somebody is for a proposal.

    `as_facilitator`: its author counts as one of the facilitators at the proposal.
    """

    number: int
    author: MemberId
    as_facilitator: bool


def is_proposal(entry: Entry) -> bool:
    """Say whether others can second this."""
    return isinstance(
        entry.act, Removal | RoleChange | PolicyChange | CharterChange | Term | Muting
    )


def need_of(entry: Entry, *, is_raised: bool) -> Need:
    """Return who has to be for this operation.

    Args:
        is_raised: its target was made a facilitator without the proposal knowing it.
    """
    match entry.act:
        case Removal(target) | Muting(target):
            is_one = entry.at[target].role is Role.FACILITATOR
            return Need.TWO if is_one or is_raised else Need.ONE
        case RoleChange(target, role):
            return _need_of_role(entry, entry.at[target].role, role, is_raised=is_raised)
        case Term():
            return Need.ONE
        case CharterChange():
            return Need.LEAD
        case PolicyChange():
            return Need.ALL
        case _:
            return Need.ITSELF


def _need_of_role(entry: Entry, before: Role, after: Role, *, is_raised: bool) -> Need:
    if after is Role.FACILITATOR:
        return Need.LEAD
    if entry.author == entry.target and (before is Role.FACILITATOR or after is Role.LISTENER):
        return Need.ITSELF
    return Need.TWO if before is Role.FACILITATOR or is_raised else Need.ONE


def is_enough(need: Need, entry: Entry, supports: Collection[Support]) -> bool:
    """Say whether these supports carry the operation."""
    people = {support.author for support in supports}
    if need is Need.ITSELF:
        return entry.author in people
    if need is Need.ALL:
        return people >= set(entry.at)
    leading = {s.author for s in supports if s.as_facilitator and s.author != entry.target}
    return len(leading) >= facilitators_needed(need, entry.at) or 2 * len(people) > len(entry.at)


def facilitators_needed(need: Need, at: Roll) -> int:
    """Return how many facilitators are enough without a majority."""
    if need is Need.ONE:
        return 1
    if need is Need.TWO:
        return 2
    there = sum(place.role is Role.FACILITATOR for place in at.values())
    return min(2, there) or 2
