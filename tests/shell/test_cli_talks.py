"""`toheal talk ...` against a fake application."""

from __future__ import annotations

import pytest

from tests.shell.test_cli_commands import Toheal, running, toheal

pytestmark = pytest.mark.real

__all__ = ["running", "toheal"]


def test_what_was_asked_for_is_listed_with_how_to_go_on(toheal: Toheal) -> None:
    shown = toheal("talk", "list", "evening")
    assert shown.code == 0 and "\x1b" not in shown.out
    assert "toheal talk accept" in shown.out and "Introduced by" in shown.out
    assert "Guest" in shown.out and "121212121212" in shown.out
    assert toheal("talk", "list", "evening", "--json").values[0]["state"] == "offered"


def test_asking_accepting_introducing_and_passing(toheal: Toheal) -> None:
    assert "an answer too" in toheal("talk", "ask", "evening", "Sam", "--card", "evenings").out
    assert toheal("talk", "ask", "evening", "nobody").code == 1
    assert "agreed" in toheal("talk", "accept", "evening", "Sam").out
    assert "Guest" in toheal("talk", "introduce", "evening", "Sam", "Guest").out
    assert "Nobody is told" in toheal("talk", "decline", "evening", "Sam", "--for-good").out
    assert toheal("talk", "decline", "evening", "nobody").code == 1
