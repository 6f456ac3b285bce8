"""Real processes that meet on one network, with the relay gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, Town, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with a_town(tmp_path) as town:
        yield town


def links(person: PersonProcess, circle: str) -> set[str]:
    return {str(view["link"]) for view in person.ask("links", circle=circle)}


def meet(person: PersonProcess, circle: str | None = None) -> None:
    person.ask("meet", circle=circle, seconds=600, interfaces=["lo"])


def test_two_people_talk_in_one_room_after_the_relay_is_gone(town: Town) -> None:
    ours, theirs, circle = town.circle_of_two(direct=False)
    town.relay.program.kill()
    ours.say(circle, "said without a relay")
    assert theirs.texts(circle) == []
    for person in (ours, theirs):
        meet(person)
    await_true(lambda: theirs.texts(circle) == ["said without a relay"], within=10)
    theirs.say(circle, "and answered")
    await_true(lambda: "and answered" in ours.texts(circle), within=5)
    await_true(lambda: not ours.undelivered(circle), within=5)
    assert links(ours, circle) == links(theirs, circle) == {"lan"}
    ours.ask("meet_off", circle=None)
    await_true(lambda: links(theirs, circle) == {"none"}, within=10)
