"""Whole people in every pair of networks: a default circle of two, its link, and words both ways.

The link opens over TURN by itself, whatever stands between the two. Words do not wait for it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.lab_town import LabTown, a_lab_town
from tests.support.matrix import KINDS, PAIRS, Pair, table
from tests.support.processes import PersonProcess, RelayProcess, await_true
from tests.support.shown import Show

pytestmark = [pytest.mark.netns, pytest.mark.slow]

WITHIN = 60.0
"""Seconds for anything; what it took is printed, and judged by nobody but the reader."""


def test_two_people_in_any_two_networks_read_each_other_and_get_a_link(
    tmp_path: Path, show: Show
) -> None:
    with a_lab_town(tmp_path) as town:
        [relay] = town.relays()
        everybody = town.neighbours(*KINDS, *KINDS)
        ours = dict(zip(KINDS, everybody[:3], strict=True))
        theirs = dict(zip(KINDS, everybody[3:], strict=True))
        cells = {pair: _meet(town, relay, (ours[pair[0]], theirs[pair[1]]), pair) for pair in PAIRS}
    title = "default circle: seconds from admission until both have read / both have a link"
    show(title, table("ours \\ theirs", cells))


def _meet(
    town: LabTown, relay: RelayProcess, people: tuple[PersonProcess, PersonProcess], pair: Pair
) -> str:
    name = " and ".join(kind.value for kind in pair)
    circle = town.create(people[0], [relay.address], name)
    town.join(people[0], people[1], circle)
    began = time.monotonic()
    for person in people:
        person.say(circle, f"from {person.name}")
    said = {f"from {person.name}" for person in people}
    for person in people:
        await_true(lambda person=person: set(person.texts(circle)) == said, WITHIN)  # type: ignore[misc]
    read = time.monotonic() - began
    for person in people:
        await_true(lambda person=person: _link(person, circle) == "turn", WITHIN)  # type: ignore[misc]
    linked = time.monotonic() - began
    for person in people:
        person.say(circle, "over the link")
    for person in people:
        await_true(lambda person=person: len(person.texts(circle)) == 4, WITHIN)  # type: ignore[misc]
        await_true(lambda person=person: not person.undelivered(circle), WITHIN)  # type: ignore[misc]
    return f"{read:.2f} / {linked:.2f}"


def _link(person: PersonProcess, circle: str) -> str:
    [row] = person.ask("links", circle=circle)
    return str(row["link"])
