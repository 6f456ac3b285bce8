"""Cables are pulled and put in again at random while people talk: every word arrives once."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.support.lab_town import LabTown, a_lab_town
from tests.support.netlab import Nat
from tests.support.processes import PersonProcess, await_true
from tests.support.shown import Show

pytestmark = [pytest.mark.netns, pytest.mark.slow]

TIMES = 50 if os.environ.get("TOHEAL_SOAK") else 5
LONGEST_OUT = 3.0
"""Seconds without a network; people hardly notice, connections do."""
SETTLES_WITHIN = 120.0
"""Seconds from the last plug until everything must be there. It takes a few."""


def test_words_arrive_once_and_in_order_although_cables_are_pulled(
    tmp_path: Path, show: Show
) -> None:
    luck = random.Random(5)
    with a_lab_town(tmp_path) as town:
        people = town.neighbours(Nat.EASY, Nat.SYMMETRIC)
        circle = town.circle(people, town.relays())
        is_over = threading.Event()
        said: dict[str, list[str]] = {person.name: [] for person in people}
        speakers = [
            threading.Thread(target=_speak, args=(person, circle, said[person.name], is_over))
            for person in people
        ]
        for speaker in speakers:
            speaker.start()
        try:
            for _ in range(TIMES):
                _pull_a_cable(town, luck)
        finally:
            is_over.set()
            for speaker in speakers:
                speaker.join(60)
        began = time.monotonic()
        _everything_arrives(people, circle, said)
        show(
            "cables pulled",
            f"{TIMES} times, {sum(map(len, said.values()))} messages, "
            f"all there {time.monotonic() - began:.1f} s after the last",
        )


def _pull_a_cable(town: LabTown, luck: random.Random) -> None:
    """Pull one person's cable, or both at once, for a while."""
    homes = luck.sample(list(town.homes.values()), luck.choice((1, 1, 2)))
    for home in homes:
        home.plug(is_in=False)
    time.sleep(luck.uniform(0.1, LONGEST_OUT))
    for home in homes:
        home.plug(is_in=True)
    time.sleep(luck.uniform(0.1, LONGEST_OUT))


def _speak(person: PersonProcess, circle: str, said: list[str], is_over: threading.Event) -> None:
    while not is_over.wait(0.05):
        text = f"{person.name}: {len(said)}"
        person.say(circle, text)
        said.append(text)


def _everything_arrives(
    people: list[PersonProcess], circle: str, said: dict[str, list[str]]
) -> None:
    total = sum(map(len, said.values()))
    for person in people:
        await_true(lambda person=person: len(person.texts(circle)) >= total, SETTLES_WITHIN)  # type: ignore[misc]
        read = person.texts(circle)
        for name, texts in said.items():
            assert [text for text in read if text.startswith(name)] == texts
        assert len(read) == total
    for person in people:
        await_true(lambda person=person: not person.undelivered(circle), SETTLES_WITHIN)  # type: ignore[misc]
