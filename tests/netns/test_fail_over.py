"""A relay goes in the middle of a conversation: it goes on over the other, nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.conversation import talking
from tests.support.lab_town import a_lab_town
from tests.support.netlab import RELAY_ADDRESSES, Nat
from tests.support.processes import PersonProcess, await_true
from tests.support.shown import Show

pytestmark = [pytest.mark.netns, pytest.mark.slow]

WITHIN = 60.0
"""Seconds until the talk must have gone on; the aim is five, and what it took is printed."""


def all_connected(people: Sequence[PersonProcess]) -> bool:
    return all(row["state"] == "connected" for one in people for row in one.ask("relay_list"))


@pytest.mark.slow(10)
def test_a_relay_that_dies_or_falls_silent_interrupts_a_conversation_for_seconds_only(
    tmp_path: Path, show: Show
) -> None:
    took = {}
    with a_lab_town(tmp_path) as town:
        people = town.neighbours(Nat.EASY, Nat.SYMMETRIC)
        relays = town.relays(2)
        circle = town.circle(people, relays)
        with talking(people, circle) as conversation:
            conversation.goes_on(WITHIN)
            for number, relay in enumerate(relays):
                relay.program.kill()
                took[f"relay {number} was killed"] = conversation.goes_on(WITHIN)
                relay.start()
                await_true(lambda: all_connected(people))
            for number, address in enumerate(RELAY_ADDRESSES):
                town.internet.silence(address)
                took[f"relay {number} fell silent"] = conversation.goes_on(WITHIN)
                town.internet.silence()
                await_true(lambda: all_connected(people))
        lines = [
            f"{what}: the talk went on {seconds:.1f} s later" for what, seconds in took.items()
        ]
        show("relays that go (aim: 5 s)", "\n".join(lines))
        conversation.arrives_whole(WITHIN)
