"""A relay and two people as three processes, driven by the command line alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import Town, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def town(tmp_path: Path):
    with a_town(tmp_path) as made:
        yield made


def test_two_people_meet_and_talk_by_the_command_line_alone(town: Town) -> None:
    ours, theirs = town.person("نورس"), town.person("Salma")
    ours.start()
    theirs.start()
    ours.cli("relay", "add", town.relay.address)
    ours.cli("circle", "create", "حلقة المساء", "--direct")
    link = ours.cli("invite", "حلقة المساء")[-1]
    assert link.startswith("toheal:1:")
    theirs.cli("join", link, "--name", "Salma", "--accept-charter")
    await_true(lambda: bool(ours.cli_json("waiting", "حلقة المساء")))
    ours.cli("admit", "حلقة المساء", "Salma")
    await_true(lambda: theirs.cli_json("circle", "list")[0]["state"] == "active")

    said = ours.cli("say", "حلقة المساء", "مساء الخير")[-1]
    await_true(lambda: bool(theirs.cli_json("read", "حلقة المساء")))
    theirs.cli("say", "حلقة المساء", "-", stdin="Good evening")
    await_true(lambda: len(ours.cli_json("read", "حلقة المساء")) >= 3)

    read = theirs.cli_json("read", "حلقة المساء")
    assert [entry["text"] for entry in read if entry["kind"] == "text"] == [
        "مساء الخير",
        "Good evening",
    ]
    assert set(read[0]) >= {
        "id",
        "circle",
        "author",
        "mine",
        "kind",
        "text",
        "sent_at",
        "received_at",
        "notes",
        "passed_on_by",
    }
    await_true(lambda: not ours.undelivered("حلقة المساء"))
    rows = ours.cli_json("deliveries", "حلقة المساء", said)
    assert [row["state"] for row in rows] == ["delivered"]
    await_true(lambda: ours.cli_json("links", "حلقة المساء")[0]["link"] == "direct")
    assert ours.cli("safety-words", "حلقة المساء", "Salma") == theirs.cli(
        "safety-words", "حلقة المساء", "نورس"
    )
    assert [hit["text"] for hit in ours.cli_json("search", "حلقة المساء", "الخير")] == [
        "مساء الخير"
    ]
