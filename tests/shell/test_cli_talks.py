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


def test_a_notice_is_published_listed_and_closed(toheal: Toheal) -> None:
    made = toheal("notice", "open", "evening", "--topic", "loss", "--hours", "evenings")
    assert made.code == 0 and made.out.splitlines()[-1] == "toheal:1:The door:3"
    shown = toheal("notice", "list", "evening").out
    assert "waiting: 2" in shown and "withdrawn" in shown and "\x1b" not in shown
    assert toheal("notice", "close", "evening", "cccc").code == 0
    assert toheal("notice", "close", "evening", "dddd").code == 1


def test_words_at_the_door_are_shown_and_said(toheal: Toheal) -> None:
    shown = toheal("door", "evening").out
    assert "a neighbour" in shown and "\x1b" not in shown
    assert toheal("door", "evening", "who are you", "--to", "Guest").code == 0
    assert toheal("door", "evening", "hello", "--to", "nobody").code == 1
