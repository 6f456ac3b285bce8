"""Write tests/vectors/membership.json.

    python -m tests.vectors.make_membership_vectors

Nothing in it is drawn, so every run writes the same bytes. Each case is some of the operations, by
id, and what they come to; the order in which they are given must not matter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.membership_cases import (
    Case,
    a_circle_without_facilitators,
    a_facilitator_mutes_a_member,
    a_facilitator_who_removes_those_who_vote,
    a_mute_that_another_facilitator_ends,
    a_removal_out_of_a_small_circle_long_ago,
    an_appeal_that_was_heard,
    leaving_is_for_good,
    of_two_terms_the_earlier_end_counts,
    two_charters_at_once,
    two_full_removals_of_each_other,
    what_the_removed_did_beside_it_is_void,
)
from toheal_protocol.membership import Outcome
from toheal_protocol.messages.operations import encode_operation

FILE = Path(__file__).parent / "membership.json"

CHOSEN = (
    an_appeal_that_was_heard,
    what_the_removed_did_beside_it_is_void,
    two_full_removals_of_each_other,
    a_facilitator_who_removes_those_who_vote,
    a_removal_out_of_a_small_circle_long_ago,
    a_circle_without_facilitators,
    leaving_is_for_good,
    two_charters_at_once,
    a_facilitator_mutes_a_member,
    a_mute_that_another_facilitator_ends,
    of_two_terms_the_earlier_end_counts,
)


def vectors() -> dict[str, Any]:
    """Return the whole file."""
    cases = {make.__name__.replace("_", " "): make() for make in CHOSEN}
    operations = {
        operation.id.hex(): encode_operation(operation).hex()
        for case in cases.values()
        for operation in case.story.made
    }
    return {
        "specification": "docs/protocol/membership.md",
        "operations": dict(sorted(operations.items())),
        "cases": {name: _case(case) for name, case in cases.items()},
    }


def _case(case: Case) -> dict[str, Any]:
    membership = case.story.merged()
    return {
        "circle_id": case.story.circle.hex(),
        "operations": [operation.id.hex() for operation in case.story.made],
        "members": {member.hex(): role.value for member, role in membership.members.items()},
        "is_direct": membership.is_direct,
        "charter_hash": membership.charter_hash.hex(),
        "accepted": sorted(member.hex() for member in membership.accepted),
        "muted": {
            member.hex(): [one.until for one in against if not one.is_over]
            for member, against in membership.silences.items()
            if any(one.until is not None for one in against)
        },
        "terms": {member.hex(): until for member, until in membership.terms.items()},
        "heads": [head.hex() for head in membership.heads],
        "outcomes": {one.id.hex(): _outcome(one) for one in membership.outcomes},
    }


def _outcome(outcome: Outcome) -> str:
    return outcome.standing.value


def as_text() -> str:
    """Return the file's text."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
