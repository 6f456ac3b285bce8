"""The relays of a living circle, changed by the command line, with real programs and real relays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


def relays(person: PersonProcess, circle: str, *change: str) -> list[dict[str, object]]:
    return person.cli_json("circle", "relays", circle, *change)


def talk(ours: PersonProcess, theirs: PersonProcess, circle: str, word: str) -> None:
    for speaker, reader in ((ours, theirs), (theirs, ours)):
        text = f"{word} {speaker.name}"
        speaker.say(circle, text)
        await_true(lambda text=text, reader=reader: text in reader.texts(circle))  # type: ignore[misc]


def test_a_circle_moves_to_another_relay_and_outlives_the_first(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        other = town.another_relay()
        ours, theirs, circle = town.circle_of_two(direct=False)
        talk(ours, theirs, circle, "before")
        relays(ours, circle, "add", other.address)
        relays(theirs, circle, "allow", other.address)
        talk(ours, theirs, circle, "with two")
        shown = relays(ours, circle)
        assert {other.address, town.relay.address} <= {one["address"] for one in shown}
        relays(ours, circle, "remove", town.relay.address)
        relays(theirs, circle, "add", other.address)
        talk(ours, theirs, circle, "moving")
        relays(theirs, circle, "remove", town.relay.address)
        talk(ours, theirs, circle, "moved")
        await_true(lambda: not ours.undelivered(circle) and not theirs.undelivered(circle))
        theirs.stop()
        town.relay.program.kill()
        ours.say(circle, "the first one is gone")
        await_true(
            lambda: {one["state"] for one in ours.undelivered(circle)} == {"at_relay"},
        )
        theirs.start()
        await_true(lambda: "the first one is gone" in theirs.texts(circle))
        talk(ours, theirs, circle, "after")
        assert len(theirs.texts(circle)) == 11


def test_nobody_is_made_to_write_to_a_relay_they_did_not_allow(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        other = town.another_relay()
        ours, theirs, circle = town.circle_of_two(direct=False)
        talk(ours, theirs, circle, "before")
        relays(ours, circle, "add", other.address)
        relays(ours, circle, "remove", town.relay.address)
        await_true(lambda: any(one["code"] == "relay_not_allowed" for one in theirs.ask("doctor")))
        relays(theirs, circle, "allow", other.address)
        talk(ours, theirs, circle, "allowed")
