"""Whole programs and a relay: hidden by default, direct once both say so, hidden again after a no."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


def are(kind: str, people: tuple[PersonProcess, PersonProcess], circle: str) -> bool:
    """Say whether both are shown this link to the other, with a measured way there and back."""
    rows = [row for person in people for row in person.ask("links", circle=circle)]
    return all(row["link"] == kind and (row["round_trip_ms"] or 0) > 0 for row in rows)


def test_links_are_hidden_until_both_allow_a_direct_one_and_again_after_a_no(
    tmp_path: Path,
) -> None:
    with a_town(tmp_path) as town:
        *people, circle = town.circle_of_two(direct=False)
        ours, theirs = people
        pair = (ours, theirs)
        await_true(lambda: are("turn", pair, circle))
        ours.say(circle, "through the relay's address")
        [said] = ours.ask("direct", circle=circle, who="Salma", allow=True)
        assert (said["mine"], said["theirs"]) == (True, False)
        theirs.ask("direct", circle=circle, who="نورس", allow=True)
        await_true(lambda: are("direct", pair, circle))
        theirs.say(circle, "directly")
        ours.ask("direct", circle=circle, who="Salma", allow=False)
        ours.say(circle, "while there is no link")
        await_true(lambda: are("turn", pair, circle))
        theirs.say(circle, "hidden again")
        for person in pair:
            await_true(lambda person=person: len(person.texts(circle)) == 4)  # type: ignore[misc]


def test_a_relay_without_turn_carries_the_words_itself(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        town.relay.program.stop()
        town.relay.start("--no-turn")
        ours, theirs, circle = town.circle_of_two(direct=False)
        ours.say(circle, "slowly")
        await_true(lambda: theirs.texts(circle) == ["slowly"])
        links = [person.ask("links", circle=circle)[0]["link"] for person in (ours, theirs)]
        assert links == ["relay", "relay"]
