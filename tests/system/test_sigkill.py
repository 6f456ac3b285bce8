"""Real kills at real moments: nothing accepted is lost, nothing is shown twice."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, Town, a_town, await_true
from toheal_p2p.app.refusals import Refused

pytestmark = [pytest.mark.real, pytest.mark.slow]

KILLS = int(os.environ.get("TOHEAL_KILLS", "30"))
"""Kills in one run; `make soak` asks for 1 000."""


class Talker:
    """Says numbered words for as long as its process lives, and remembers what was accepted."""

    def __init__(self, person: PersonProcess, circle: str) -> None:
        self.person, self.circle = person, circle
        self.accepted: list[str] = []
        self.tried = 0
        self.stopping = threading.Event()

    def talk(self) -> None:
        while not self.stopping.is_set():
            text = f"{self.person.name} {self.tried}"
            self.tried += 1
            try:
                self.person.say(self.circle, text)
            except Refused:
                self.stopping.wait(0.02)
                continue
            self.accepted.append(text)
            self.stopping.wait(0.002)


@pytest.mark.slow(35)
def test_kills_of_either_process_lose_and_double_nothing(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=True)
        talkers = [Talker(ours, circle), Talker(theirs, circle)]
        threads = [threading.Thread(target=talker.talk) for talker in talkers]
        for thread in threads:
            thread.start()
        chance = random.Random(20261122)
        try:
            _kill_again_and_again(town, chance)
        finally:
            for talker in talkers:
                talker.stopping.set()
            for thread in threads:
                thread.join()
        try:
            await_true(lambda: _is_settled(talkers, circle), 90)
        except AssertionError:
            raise AssertionError(_where_it_stands(talkers, circle)) from None
        ours_read, theirs_read = ours.texts(circle), theirs.texts(circle)
        for read in (ours_read, theirs_read):
            assert len(read) == len(set(read)), "shown twice"
            for talker in talkers:
                accepted = set(talker.accepted)
                assert accepted <= set(read), "lost"
                numbers = [
                    int(text.split()[-1]) for text in read if text.startswith(talker.person.name)
                ]
                assert numbers == sorted(numbers)
        assert set(ours_read) == set(theirs_read)


def _kill_again_and_again(town: Town, chance: random.Random) -> None:
    """Kill one of them, or both at once: they start side by side then."""
    killed = 0
    while killed < KILLS:
        victims = chance.sample(town.people, chance.choice((1, 2)))
        time.sleep(chance.uniform(0.0, 0.4))
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.launch()
        for victim in victims:
            victim.await_ready()
        killed += len(victims)


def _where_it_stands(talkers: list[Talker], circle: str) -> list[object]:
    """Return what tells a slow machine from a stuck delivery."""
    return [
        (
            talker.person.name,
            len(talker.accepted),
            len(talker.person.texts(circle)),
            Counter(row["state"] for row in talker.person.undelivered(circle)),
            talker.person.ask("links", circle=circle),
            talker.person.ask("relay_list"),
        )
        for talker in talkers
    ]


def _is_settled(talkers: list[Talker], circle: str) -> bool:
    return all(not talker.person.undelivered(circle) for talker in talkers)
