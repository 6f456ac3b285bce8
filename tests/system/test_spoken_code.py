"""A spoken code between real processes, driven by the command line alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import Town, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


OTHERS = {"ar": ("فانوس", "زرافة"), "en": ("lantern", "giraffe")}
"""Two words of each list: one of them is not the word that was meant."""


@pytest.fixture
def town(tmp_path: Path):
    with a_town(tmp_path) as made:
        yield made


@pytest.mark.parametrize("language", ["ar", "en"])
def test_a_code_that_is_said_leads_to_the_door(town: Town, language: str) -> None:
    ours, theirs = town.person("نورس"), town.person("Salma")
    ours.start()
    theirs.start()
    ours.cli("circle", "create", "حلقة", "--relay", town.relay.address)
    code = ours.cli("invite", "حلقة", "--spoken", "--lang", language)[-1]
    number, *words = code.split()
    assert len(number) == 4
    assert len(words) == 3
    [waiting] = ours.cli_json("invitations", "حلقة")
    assert (waiting["code"], waiting["tries_left"]) == (code, 3)

    other = next(word for word in OTHERS[language] if word != words[-1])
    wrong = theirs.cli_whole(
        "join", number, *words[:-1], other, "--name", "Salma", "--relay", town.relay.address
    )
    assert wrong.returncode == 1
    assert b"2" in wrong.stderr
    assert ours.cli_json("invitations", "حلقة")[0]["tries_left"] == 2
    typed = f"{words[0].upper()}, {words[1]} - {words[2]}  {number}"
    theirs.cli("join", typed, "--name", "Salma", "--accept-charter", "--relay", town.relay.address)
    await_true(lambda: bool(ours.cli_json("waiting", "حلقة")))
    ours.cli("admit", "حلقة", "Salma")
    await_true(lambda: theirs.cli_json("circle", "list")[0]["state"] == "active")
    assert ours.cli_json("invitations", "حلقة") == []
