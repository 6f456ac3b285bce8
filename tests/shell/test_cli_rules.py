"""`toheal circle charter|accept|policy` against a fake application."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.test_cli_commands import Toheal, running, toheal
from toheal_p2p.cli.commands.circles import MANY_MEMBERS, MAX_MEMBERS, note_size
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale import load_words
from toheal_protocol import model

pytestmark = pytest.mark.real

__all__ = ["running", "toheal"]


def test_the_charter_is_shown_with_who_agreed(toheal: Toheal) -> None:
    done = toheal("circle", "charter", "evening")
    assert done.code == 0 and "One line." in done.out
    assert "Agreed" in done.out and "Not yet" in done.out
    assert "\x1b" not in done.out
    assert toheal("circle", "charter", "evening", "--json").values[0]["mine"] is False


def test_a_charter_is_proposed_out_of_a_file(toheal: Toheal, tmp_path: Path) -> None:
    (tmp_path / "charter").write_text("softer", encoding="utf-8")
    done = toheal("circle", "charter", "evening", "--set", str(tmp_path / "charter"))
    assert done.code == 0 and "softer" in done.out and "waits" in done.out
    (tmp_path / "charter").write_text("  ", encoding="utf-8")
    assert toheal("circle", "charter", "evening", "--set", str(tmp_path / "charter")).code == 1


def test_a_yes_is_asked_for_and_no_other_answer_is_one(toheal: Toheal) -> None:
    refused = toheal("circle", "accept", "evening", typed="perhaps\n")
    assert refused.code == 1 and "One line." in refused.out and "circle accept" in refused.err
    assert toheal("circle", "accept", "evening", typed="نعم\n").code == 0
    assert toheal("circle", "accept", "evening", "--accept-charter", "--json").values[0]["mine"]


def test_the_policy_is_shown_and_proposed(toheal: Toheal) -> None:
    assert "do not connect directly" in toheal("circle", "policy", "evening").out
    assert "Could support it: \u2068Guest\u2069" in toheal("circle", "policy", "evening").out
    assert "waits" in toheal("circle", "policy", "evening", "direct").out
    assert toheal("circle", "policy", "evening", "loose").code == 2


def test_a_large_circle_and_a_lone_facilitator_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(load_words("en"), "")
    assert MAX_MEMBERS == model.MAX_MEMBERS
    people = [{"role": "facilitator"}, *({"role": "member"} for _ in range(MANY_MEMBERS - 1))]
    note_size(terminal, people[:2])
    assert capsys.readouterr().err == ""
    note_size(terminal, people)
    assert "facilitator" in capsys.readouterr().err
    note_size(terminal, [*people, {"role": "facilitator"}])
    told = capsys.readouterr().err
    assert "17 members" in told and "24" in told and "circle role" not in told


def test_seats_are_listed_with_what_became_of_them(toheal: Toheal) -> None:
    shown = toheal("invitations", "evening", "--all").out
    assert "used" in shown and "il" in shown and "\x1b" not in shown
    assert "At the door" in shown
    assert toheal("invitations", "evening", "--all", "--json").values[1]["at_door"] == ["Guest"]
