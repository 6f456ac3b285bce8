"""`toheal share ...` and `toheal circle disappear` against a fake application."""

from __future__ import annotations

import pytest

from tests.shell.test_cli_commands import Toheal, running, toheal
from tests.support.fake_sharing import ASKED, EVERY_SHARE

pytestmark = pytest.mark.real

__all__ = ["running", "toheal"]


def test_an_author_is_asked_and_the_asking_is_shown(toheal: Toheal) -> None:
    asked = toheal(
        "share", "ask", "evening", "abab", "--with", "a friend", "--for", "comfort", "--days", "7"
    )
    assert (asked.code, asked.err) == (0, "")
    assert "Sam" in asked.out and "7 days" in asked.out
    assert "a friend" in asked.out and "comfort" in asked.out
    assert toheal("share", "ask", "evening", "abab", "--with", "a friend").code == 2
    too_long = ("--with", "a", "--for", "b", "--days", "91")
    assert toheal("share", "ask", "evening", "abab", *too_long).code == 2


def test_what_was_asked_is_listed_also_as_json(toheal: Toheal) -> None:
    plain = toheal("share", "list", "evening").out
    assert "asks about a message of yours" in plain and "was asked about a message" in plain
    listed = toheal("share", "list", "evening", "--json").values
    assert [one["state"] for one in listed] == [one.state for one in EVERY_SHARE]
    arabic = toheal("--lang", "ar", "share", "list", "evening").out
    assert "ينتظر الرد" in arabic and "اعتذار" in arabic


def test_an_asking_is_answered_and_a_yes_taken_back(toheal: Toheal) -> None:
    assert "agreed" in toheal("share", "answer", "evening", ASKED.id[:8], "yes").out
    assert "declined" in toheal("share", "answer", "evening", ASKED.id[:8], "no").out
    assert "taken back" in toheal("share", "withdraw", "evening", ASKED.id[:8]).out
    assert toheal("share", "answer", "evening", "ff", "yes").code == 1
    assert toheal("share", "answer", "evening", "ff", "perhaps").code == 2


def test_words_are_exported_with_their_receipt_or_not_at_all(toheal: Toheal) -> None:
    assert "my words" in toheal("share", "export", "evening", "own").out
    shown = toheal("share", "export", "evening", "sam").out
    assert "what helped me" in shown and "01ab" in shown and "a counsellor" in shown
    refused = toheal("share", "export", "evening", "other")
    assert refused.code == 1 and "stays in the circle unless they agree" in refused.err


def test_how_long_words_stay_is_chosen(toheal: Toheal) -> None:
    assert "1d" in toheal("circle", "disappear", "evening", "1d").out
    assert "until they erase it" in toheal("circle", "disappear", "evening", "never").out
    assert toheal("circle", "disappear", "evening", "2d").code == 2
    made = toheal("circle", "create", "short", "--disappear", "1d", "--json").values
    assert made[0]["disappear"] == 24 * 3600
