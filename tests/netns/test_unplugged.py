"""Cables are pulled and put in again at random while people talk: every word arrives once."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.support.conversation import talking
from tests.support.lab_town import LabTown, a_lab_town
from tests.support.netlab import Nat
from tests.support.shown import Show

pytestmark = [pytest.mark.netns, pytest.mark.slow]

TIMES = 50 if os.environ.get("TOHEAL_SOAK") else 5
LONGEST_OUT, LONGEST_IN = 3.0, 1.5
"""Seconds without a network and between. People hardly notice so short a gap, connections do."""
SETTLES_WITHIN = 120.0
"""Seconds from the last plug until everything must be there. It takes a few."""


@pytest.mark.slow(15)
def test_words_arrive_once_and_in_order_although_cables_are_pulled(
    tmp_path: Path, show: Show
) -> None:
    luck = random.Random(5)
    with a_lab_town(tmp_path) as town:
        people = town.neighbours(Nat.EASY, Nat.SYMMETRIC)
        circle = town.circle(people, town.relays())
        with talking(people, circle) as conversation:
            for _ in range(TIMES):
                _pull_a_cable(town, luck)
        began = time.monotonic()
        conversation.arrives_whole(SETTLES_WITHIN)
        count = sum(map(len, conversation.said.values()))
        took = time.monotonic() - began
        show("cables pulled", f"{TIMES} times, {count} messages, all there {took:.1f} s later")


def _pull_a_cable(town: LabTown, luck: random.Random) -> None:
    """Pull one person's cable, or both at once, for a while."""
    homes = luck.sample(list(town.homes.values()), luck.choice((1, 1, 2)))
    for home in homes:
        home.plug(is_in=False)
    time.sleep(luck.uniform(0.1, LONGEST_OUT))
    for home in homes:
        home.plug(is_in=True)
    time.sleep(luck.uniform(0.1, LONGEST_IN))
