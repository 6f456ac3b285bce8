"""The table of cases of docs/protocol/membership.md, each in every order of arrival."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest

from tests.support.governance import by_name, muted, somebody, terms
from tests.support.membership_cases import (
    CASES,
    Case,
    a_policy_that_one_does_not_second,
    one_removes_a_facilitator,
    somebody_else_ends_no_mute,
    two_charters_at_once,
)
from toheal_protocol.membership import (
    Membership,
    Standing,
    conclude,
    extend_ledger,
    merge,
    read_ledger,
)
from toheal_protocol.messages.operations import Operation

SPEC = Path(__file__).parents[2] / "docs" / "protocol" / "membership.md"
MOST_ORDERS = 720
"""Six operations in every order; of more a sample."""


def orders(operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    if len(operations) <= 6:
        yield from permutations(operations)
        return
    chance = random.Random(7)
    for _ in range(MOST_ORDERS // 20):
        yield tuple(chance.sample(operations, len(operations)))


def arrive_one_by_one(case: Case, order: Sequence[Operation]) -> Membership:
    ledger = read_ledger(case.story.made[: case.base], circle=case.story.circle)
    for operation in order:
        ledger = extend_ledger(ledger, [operation])
    return conclude(ledger)


@pytest.mark.parametrize("make", CASES)
def test_a_case_of_the_table_comes_out_as_it_says_in_every_order_of_arrival(
    make: Callable[[], Case],
) -> None:
    case = make()
    together = case.story.merged()
    assert by_name(together) == dict(sorted(case.roles.items()))
    waiting = [one for one in together.outcomes if one.standing is Standing.WAITS]
    assert len(waiting) == case.waiting
    assert muted(together) == case.muted
    assert terms(together) == case.terms
    for order in orders(case.done):
        assert arrive_one_by_one(case, order) == together


@pytest.mark.parametrize("make", CASES)
def test_a_case_comes_out_the_same_when_everything_is_shuffled(make: Callable[[], Case]) -> None:
    case, chance = make(), random.Random(3)
    together = case.story.merged()
    for _ in range(5):
        order = chance.sample(case.story.made, len(case.story.made))
        assert merge(order, circle=case.story.circle) == together
        after_create = [one for one in order if one.parents]
        ledger = read_ledger([case.story.create], circle=case.story.circle)
        for some in (after_create[::2], after_create[1::2]):
            ledger = extend_ledger(ledger, some)
        assert conclude(ledger) == together


def test_the_table_of_the_specification_has_as_many_cases() -> None:
    rows = re.findall(r"^\| (\d+)\. ", SPEC.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, len(CASES) + 1))


def test_of_two_charters_the_one_with_the_smaller_id_holds_and_its_people_have_accepted_it() -> (
    None
):
    case = two_charters_at_once()
    one, _, other, _ = case.done
    membership = case.story.merged()
    first = min(one, other, key=lambda operation: operation.id)
    people = "FG" if first is one else "HI"
    assert membership.charter_hash == first.body
    assert membership.accepted == {somebody(name).member_id for name in people}


def test_a_policy_that_everybody_seconds_holds() -> None:
    case = a_policy_that_one_does_not_second()
    assert not case.story.merged().is_direct
    case.story.second("A", case.done[0])
    assert case.story.merged().is_direct


def test_what_waits_says_for_whom() -> None:
    case = a_policy_that_one_does_not_second()
    outcome = case.story.merged().outcome(case.done[0].id)
    assert outcome is not None
    assert outcome.may_support == (somebody("A").member_id,)
    assert set(outcome.supporters) == {somebody(name).member_id for name in "FB"}
    case = one_removes_a_facilitator()
    outcome = case.story.merged().outcome(case.done[0].id)
    assert outcome is not None
    assert (outcome.facilitators, outcome.members) == (2, 3)
    assert set(outcome.may_support) == {somebody(name).member_id for name in "AB"}


def test_the_end_of_a_mute_by_who_may_not_is_taken_in_by_nobody() -> None:
    case = somebody_else_ends_no_mute()
    assert case.story.merged().outcome(case.done[-1].id) is None
    nothing = case.story.unmute("F", "B")
    assert case.story.merged().outcome(nothing.id) is None
