"""`toheal circle remove|role|second|readmit|acts` against a fake application."""

from __future__ import annotations

import pytest

from tests.shell.test_cli_commands import Toheal, running, toheal
from tests.support.fake_governance import EVERY_ACT, WAITING
from toheal_p2p.app.vocabulary import ACT_KINDS, ACT_REASONS, ACT_STATES
from toheal_p2p.cli.showing_acts import act_lines, act_sentence
from toheal_p2p.locale import LANGUAGES, Language, load_words

pytestmark = pytest.mark.real

__all__ = ["running", "toheal"]


def test_a_removal_says_what_became_of_it_and_for_whom_it_waits(toheal: Toheal) -> None:
    done = toheal("circle", "remove", "evening", "Guest", "--reason", "harm", "--text", "it hurt")
    assert (done.code, done.err) == (0, "")
    assert "waits for more people" in done.out
    assert "somebody was hurt or threatened" in done.out
    assert "it hurt" in done.out
    assert "2 facilitators" in done.out and "3 members" in done.out


def test_a_reason_that_is_none_is_a_usage_fault(toheal: Toheal) -> None:
    assert toheal("circle", "remove", "evening", "Guest", "--reason", "dislike").code == 2
    assert toheal("circle", "role", "evening", "Guest", "king").code == 2


def test_somebody_who_is_no_member_is_refused_in_plain_words(toheal: Toheal) -> None:
    refused = toheal("circle", "remove", "evening", "nobody")
    assert refused.code == 1 and "nobody" in refused.err


def test_a_role_is_given(toheal: Toheal) -> None:
    done = toheal("circle", "role", "evening", "Guest", "listener", "--reason", "request")
    assert done.code == 0
    assert "listener" in done.out and "done" in done.out


def test_a_proposal_is_supported_by_the_start_of_its_id(toheal: Toheal) -> None:
    assert "done" in toheal("circle", "second", "evening", WAITING.id[:8]).out
    assert toheal("circle", "second", "evening", "ff").code == 1


def test_a_facilitator_has_a_term(toheal: Toheal) -> None:
    done = toheal("circle", "role", "evening", "Guest", "facilitator", "--weeks", "2")
    assert done.code == 0 and "Until 2030" in done.out
    done = toheal("circle", "term", "evening", "Guest", "--weeks", "2")
    assert done.code == 0 and "for how long" in done.out and "Until 2030" in done.out
    assert toheal("circle", "term", "evening", "Guest", "--weeks", "27").code == 1
    assert toheal("circle", "term", "evening", "Guest", "--weeks", "many").code == 2


def test_somebody_is_muted_and_heard_again(toheal: Toheal) -> None:
    done = toheal("circle", "mute", "evening", "Guest", "--hours", "2", "--text", "a pause")
    assert done.code == 0 and "mutes" in done.out and "a pause" in done.out
    assert "ends the mute" in toheal("circle", "unmute", "evening", "Guest").out
    assert toheal("circle", "unmute", "evening", "nobody").code == 1


def test_members_are_shown_with_terms_and_mutes(toheal: Toheal) -> None:
    shown = toheal("circle", "members", "evening").out
    assert "the term was until" in shown
    assert "muted until" in shown and "hidden by you" in shown
    [_, sam] = toheal("circle", "members", "evening", "--json").values
    assert sam["hidden"] and sam["muted_until"] and sam["term_until"] is None


def test_somebody_is_hidden_and_shown(toheal: Toheal) -> None:
    assert "Nobody is told" in toheal("hide", "evening", "Guest").out
    assert "again" in toheal("show", "evening", "Guest").out
    assert toheal("hide", "evening", "nobody").code == 1
    assert toheal("read", "evening", "--hidden").code == 0


def test_somebody_is_taken_back(toheal: Toheal) -> None:
    done = toheal("circle", "readmit", "evening", "Guest")
    assert done.code == 0 and "Guest" in done.out + done.err


def test_all_acts_are_listed_also_as_json(toheal: Toheal) -> None:
    listed = toheal("circle", "acts", "evening", "--json")
    assert [value["kind"] for value in listed.values] == [act.kind for act in EVERY_ACT]
    assert listed.values[-1]["waiting_for"] == ["Guest"]
    plain = toheal("circle", "acts", "evening").out
    assert "\x1b" not in plain
    assert plain.count("[abab") == 3


def test_acts_stand_in_the_log_with_who_and_why(toheal: Toheal) -> None:
    shown = toheal("read", "evening").out
    assert "Guest\u2069 supports" in shown
    assert "do not count" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_act_and_state_has_words(language: Language) -> None:
    words = load_words(language)
    kinds, states = set(), set()
    for act in EVERY_ACT:
        item = {name: getattr(act, name) for name in act.__slots__ if name != "__weakref__"}
        kinds.add(act.kind)
        states.add(act.state)
        lines = list(act_lines(words, item))
        assert lines and all("act." not in line for line in lines)
        assert act_sentence(words, item)
    assert kinds == set(ACT_KINDS) and states == set(ACT_STATES)
    assert all(words.word("act_reason", reason) != reason for reason in ACT_REASONS)
