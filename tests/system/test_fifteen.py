"""Fifteen real processes and two real relays: one relay dies, people come and go, all logs are equal."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, RelayProcess, Town, a_town, await_true
from toheal_p2p.app.refusals import Refused

pytestmark = [pytest.mark.real, pytest.mark.slow]

PEOPLE = 15
WORDS = int(os.environ.get("TOHEAL_WORDS", "240"))
"""Words said in one run; `make soak` asks for 2 000."""

KILLS = 30 if WORDS > 1000 else 0
"""Processes killed while they talk: in a soak only, as the others are stopped in the ordinary way."""

PATIENCE = 180.0
"""Seconds that one step may take where others use the machine as well."""

AT_ONCE = 3
"""People who do something at one time: this machine has few cores."""


def everywhere(people: Sequence[PersonProcess], do: Callable[[PersonProcess], object]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(do, people))


def gather(town: Town, relays: list[RelayProcess]) -> tuple[list[PersonProcess], str]:
    people = [town.person(f"p{number:02}") for number in range(PEOPLE)]
    for at in range(0, PEOPLE, AT_ONCE):
        for person in people[at : at + AT_ONCE]:
            person.launch()
        for person in people[at : at + AT_ONCE]:
            await_ready(person)
    circle = town.create(people[0], [relay.address for relay in relays])
    for newcomer in people[1:]:
        join(people[0], newcomer, circle)
    await_true(lambda: all(size(one, circle) == PEOPLE for one in people), 180)
    return people, circle


def await_ready(person: PersonProcess) -> None:
    """Wait for a process that starts beside fourteen others; one that ended is not waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            person.await_ready()
            return
        except AssertionError as late:
            if "in time" not in str(late) or time.monotonic() > deadline:
                raise


def join(inviter: PersonProcess, newcomer: PersonProcess, circle: str) -> None:
    """Bring somebody in, with the patience that fifteen processes on few cores take."""
    [invitation] = inviter.ask("invite", circle=circle, expires_in=3600)
    newcomer.ask("join", link=invitation["link"], nickname=newcomer.name)
    await_true(lambda: bool(inviter.ask("waiting", circle=circle)), PATIENCE)
    inviter.ask("admit", circle=circle, who=newcomer.name)
    await_true(lambda: newcomer.state_of(circle) == "active", PATIENCE)


def size(person: PersonProcess, circle: str) -> int:
    return len(person.ask("circle_members", circle=circle))


class Crowd:
    """Who is there, and what each has said and was told is kept."""

    def __init__(self, people: list[PersonProcess], circle: str) -> None:
        self.circle, self.here, self.away = circle, list(people), list[PersonProcess]()
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self.chance = random.Random(20261122)

    def talk(self, words: int) -> None:
        for _ in range(words):
            speaker = self.chance.choice(self.here)
            text = f"{speaker.name} {len(self.accepted[speaker.name])}"
            try:
                speaker.say(self.circle, text)
            except Refused:  # it was killed under us: what was not accepted is not promised
                continue
            self.accepted[speaker.name].append(text)

    def go(self, person: PersonProcess) -> None:
        assert person.program is not None and person.program.process is not None
        person.program.process.terminate()
        assert person.program.process.wait(60) in (0, 143)
        person.program = None
        self.here.remove(person)
        self.away.append(person)

    def come_back(self) -> None:
        for person in self.away:
            person.launch()
        for person in self.away:
            await_ready(person)
        self.here += self.away
        self.away = []

    def kill_some(self) -> None:
        for _ in range(KILLS):
            victim = self.chance.choice(self.here)
            victim.kill()
            victim.launch()
            await_ready(victim)
            self.talk(WORDS // 100)

    @property
    def everything(self) -> set[str]:
        return {text for texts in self.accepted.values() for text in texts}


@pytest.mark.slow(50)
def test_fifteen_people_and_a_relay_that_dies_end_with_the_same_log(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        other = town.another_relay()
        for relay in (town.relay, other):  # a hundred live links are more than two cores carry
            relay.program.kill()
            relay.start("--no-turn")
        people, circle = gather(town, [town.relay, other])
        crowd = Crowd(people, circle)
        crowd.talk(WORDS // 6)
        for person in people[12:]:
            crowd.go(person)
        crowd.talk(WORDS // 6)
        town.relay.program.kill()  # and it does not come back
        crowd.talk(WORDS // 6)
        crowd.come_back()
        crowd.go(people[5])
        crowd.kill_some()
        crowd.talk(WORDS // 6)
        crowd.come_back()
        leaver = people[9]
        leaver.ask("circle_leave", circle=circle)
        crowd.here.remove(leaver)
        latecomer = town.person("late")
        latecomer.launch()
        await_ready(latecomer)
        before = crowd.everything
        await_true(lambda: "connected" in relays_of(people[0]), PATIENCE)
        join(people[0], latecomer, circle)
        crowd.here.append(latecomer)
        crowd.talk(WORDS - 4 * (WORDS // 6))
        await_true(lambda: all(is_settled(one, circle) for one in crowd.here), 300)
        stayed = [one for one in people if one is not leaver]
        await_true(lambda: all(crowd.everything <= set(one.texts(circle)) for one in stayed), 120)
        read = {one.name: one.texts(circle) for one in crowd.here}
        for name, texts in read.items():
            assert len(texts) == len(set(texts)), f"{name} was shown something twice"
            for author, said in crowd.accepted.items():
                theirs = [text for text in texts if text.startswith(f"{author} ")]
                assert theirs == [text for text in said if text in set(theirs)], "out of order"
        assert all(set(read[one.name]) >= crowd.everything for one in stayed)
        extra = set(read[people[0].name]) - crowd.everything
        assert all(set(read[one.name]) == set(read[people[0].name]) for one in stayed)
        assert not extra or KILLS, "somebody reads what nobody said"
        assert set(read["late"]) <= set(read[people[0].name])
        assert set(read["late"]) >= set(crowd.accepted["late"])
        assert not set(read["late"]) & before, "who comes late reads nothing from before"
        assert {size(one, circle) for one in crowd.here} == {PEOPLE}


def relays_of(person: PersonProcess) -> set[str]:
    return {str(one["state"]) for one in person.ask("relay_list")}


def is_settled(person: PersonProcess, circle: str) -> bool:
    time.sleep(0.05)  # fifteen processes are asked again and again: they need the machine more
    return not person.undelivered(circle)
