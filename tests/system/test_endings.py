"""How it ends: locked, left, or wiped."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.processes import PersonProcess, a_town, await_true
from tests.support.sentences import is_refused

pytestmark = [pytest.mark.real, pytest.mark.slow]

WIPED_WITHIN = 1.0
"""Seconds from the answer to `wipe` until nothing is left."""

Pair = tuple[PersonProcess, PersonProcess, str]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with a_town(tmp_path_factory.mktemp("endings")) as town:
        yield town.circle_of_two(direct=False)


def test_lock_leave_and_wipe_end_things_in_this_order(pair: Pair) -> None:
    ours, theirs, circle = pair
    _lock(theirs, circle)
    theirs.start()
    ours.say(circle, "said before the wipe")
    await_true(lambda: "said before the wipe" in theirs.texts(circle))
    _leave(ours, theirs, circle)
    _wipe(theirs)


def _lock(person: PersonProcess, circle: str) -> None:
    person.say(circle, "said just before the lock")
    person.cli("lock")
    assert person.program is not None
    assert person.program.await_end() == 0
    is_refused(person, "not_running", "read", circle)


def _leave(ours: PersonProcess, theirs: PersonProcess, circle: str) -> None:
    ours.cli("circle", "leave", circle)
    assert ours.state_of(circle) == "left"
    is_refused(ours, "left_circle", "say", circle, "still here")
    is_refused(ours, "left_circle", "circle", "leave", circle)
    assert "said before the wipe" in ours.texts(circle), "what was read stays readable"
    await_true(lambda: ours.name not in _members(theirs, circle))
    kinds = [entry["kind"] for entry in theirs.ask("read", circle=circle, after=0, follow=False)]
    assert kinds[-1] == "left"


def _wipe(person: PersonProcess) -> None:
    assert person.program is not None
    began = time.monotonic()
    person.ask("wipe")
    await_true(lambda: not person.home.exists() or not list(person.home.iterdir()), WIPED_WITHIN)
    assert time.monotonic() - began < WIPED_WITHIN
    assert person.program.await_end() == 0
    is_refused(person, "no_profile", "circle", "list")
    is_refused(person, "no_profile", "run", "--passphrase-file", "-")
    secret = str(person.folder / "passphrase")
    person.cli("init", "--name", "Begins anew", "--passphrase-file", secret)
    person.start()
    assert person.ask("circle_list") == []
    person.stop()


def _members(person: PersonProcess, circle: str) -> list[str]:
    return [one["name"] for one in person.ask("circle_members", circle=circle)]
