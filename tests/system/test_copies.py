"""A profile that was copied or put back is noticed: by itself where it can, else by its peers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, a_town, await_true
from tests.support.sentences import require_both_languages
from toheal_p2p.adapters.vault.files import STORE
from toheal_p2p.locale import load_words

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_an_older_store_put_back_is_noticed_at_start_and_the_talk_goes_on(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        theirs.stop()
        older = theirs.copy(tmp_path / "older")
        theirs.start()
        _talk(ours, theirs, circle, "before")
        assert "vault_sound" in _codes(theirs)
        theirs.stop()
        for store in older.home.glob(f"{STORE}.*"):
            shutil.copy2(store, theirs.home / store.name)
        theirs.start()
        _is_told_of_the_older_store(theirs)
        _talk(ours, theirs, circle, "after")


def _is_told_of_the_older_store(person: PersonProcess) -> None:
    sentence = load_words("en").text("check.vault_put_back")
    require_both_languages("check.vault_put_back")
    assert person.program is not None
    assert sentence in person.program.output.read_text(encoding="utf-8").splitlines()
    assert "vault_put_back" in _codes(person)
    done = person.cli_whole("--lang", "en", "doctor")
    assert done.returncode == 1
    assert sentence in done.stdout.decode()


def test_two_copies_of_a_home_at_work_are_shown_on_both_sides(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        theirs.stop()
        second = theirs.copy(tmp_path / "second")
        town.people.append(second)
        for person in (theirs, second):
            person.launch()
        for person in (theirs, second):
            person.await_ready()
        for turn in range(3):
            theirs.say(circle, f"from the first copy {turn}")
            second.say(circle, f"from the second copy {turn}")
            ours.say(circle, f"an answer {turn}")
        await_true(lambda: _forked(ours, circle) == {theirs.name})
        assert "fork_seen" in _codes(ours)
        await_true(lambda: any(_forked(copy, circle) == {theirs.name} for copy in (theirs, second)))
        assert "fork_seen" in [*_codes(theirs), *_codes(second)]
        require_both_languages("check.fork_seen")
        for copy in (theirs, second):
            copy.stop()
        ours.stop()
        ours.start()
        assert _forked(ours, circle) == {theirs.name}  # until it was confirmed
        ours.cli("circle", "seen", circle)
        assert _forked(ours, circle) == set()


def _talk(ours: PersonProcess, theirs: PersonProcess, circle: str, when: str) -> None:
    """Both say something, and both read both."""
    for person in (ours, theirs):
        person.say(circle, f"{person.name} {when}")
    said = {f"{person.name} {when}" for person in (ours, theirs)}
    for person in (ours, theirs):
        await_true(lambda person=person: said <= set(person.texts(circle)))  # type: ignore[misc]


def _codes(person: PersonProcess) -> list[str]:
    return [str(check["code"]) for check in person.ask("doctor")]


def _forked(person: PersonProcess, circle: str) -> set[str]:
    """Return the names of those of whom this person sees two copies, perhaps themselves."""
    members = person.ask("circle_members", circle=circle)
    return {one["name"] for one in members if one["fork_seen"]}
