"""The machine itself makes trouble: a clock that is wrong by a year, a disk that is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.parts import SKIP_PREFIX
from tests.support.processes import PersonProcess, Town, a_town, await_true
from tests.support.sentences import is_refused, require_both_languages
from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import load_words

pytestmark = [pytest.mark.real, pytest.mark.slow]

YEAR = 365 * 24 * 3600


def test_a_clock_wrong_by_a_year_stops_invitations_only(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        for person in (ours, theirs):  # a year that passed would take what was read along
            person.ask("circle_disappear", circle=circle, seconds=0)
        [seat] = ours.ask("invite", circle=circle, expires_in=3600)
        join = ("join", seat["link"], "--name", "X", "--accept-charter")
        for off in (-YEAR, YEAR, 0):
            theirs.stop()
            theirs.start(clock_off=off)
            _talk(ours, theirs, circle, f"with a clock wrong by {off}")
            if off:
                is_refused(theirs, "clock_doubtful", *join)
        assert len(theirs.texts(circle)) == len(ours.texts(circle)) == 6


def test_the_doctor_sees_a_clock_of_before_the_program_was_written(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        person = town.person("Behind")
        person.start(clock_off=-YEAR)
        codes = [check["code"] for check in person.ask("doctor") if check["name"] == "clock"]
        assert codes == ["clock_doubtful"]
        require_both_languages("check.clock_doubtful")


def test_a_full_disk_is_told_and_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        with _small_disk(town, "2m") as small:
            town.join(ours, small, circle)
            accepted, refusal = _fill(small, circle)
            assert refusal in ("disk_full", "connection_lost"), "ours met it, or one of the circle"
            assert small.program is not None
            assert small.program.await_end() == 1
            lines = small.program.output.read_text(encoding="utf-8").splitlines()
            assert lines[-1] == load_words("en").text("refused.disk_full")
            assert "Traceback" not in "\n".join(lines)
            assert accepted, "it was full before anything was said"
            _make_room(small, "64m")
            small.start()
            assert set(accepted) <= set(small.texts(circle))
            await_true(lambda: set(accepted) <= set(theirs.texts(circle)))


def _talk(ours: PersonProcess, theirs: PersonProcess, circle: str, text: str) -> None:
    for person in (ours, theirs):
        person.say(circle, f"{person.name} {text}")
    for person in (ours, theirs):
        await_true(lambda person=person: not person.undelivered(circle))  # type: ignore[misc]


def _fill(person: PersonProcess, circle: str) -> tuple[list[str], str]:
    """Say long things until the process says no; return what it accepted and its refusal."""
    accepted: list[str] = []
    while len(accepted) < 500:
        text = f"{len(accepted)} " + "ن" * 20_000
        try:
            person.say(circle, text)
        except Refused as refusal:
            return accepted, refusal.code
        accepted.append(text)
    raise AssertionError("the disk never was full")


@contextmanager
def _small_disk(town: Town, size: str) -> Iterator[PersonProcess]:
    """A running person whose profile lies on a disk of this size."""
    folder = town.folder / "small"
    person = PersonProcess("Small", folder)
    person.home.mkdir(parents=True, mode=0o700)
    mount = ("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(person.home))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"{SKIP_PREFIX}netns: a disk of a few megabytes needs root on Linux")
    try:
        person.make_profile()
        town.people.append(person)
        person.start()
        yield person
    finally:
        if person.program is not None:
            person.program.make_sure_it_ended()
        subprocess.run(("umount", str(person.home)), check=True)


def _make_room(person: PersonProcess, size: str) -> None:
    subprocess.run(("mount", "-o", f"remount,size={size}", str(person.home)), check=True)
