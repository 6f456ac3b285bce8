"""Bundles between real programs, by the command line alone: words for somebody without any network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, Town, a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]


NOT_FOR_US = "This file was not made for this profile"


def make(person: PersonProcess, circle: str, who: str, path: Path) -> None:
    [made] = person.cli_json("bundle", "export", circle, who, str(path))
    assert made["size"] == path.stat().st_size
    assert path.stat().st_mode & 0o077 == 0


def is_refused(person: PersonProcess, path: Path) -> bool:
    done = person.cli_whole("bundle", "import", str(path))
    assert b"Traceback" not in done.stderr
    return done.returncode != 0 and NOT_FOR_US in done.stderr.decode()


def cut_off(town: Town) -> None:
    """From here on nobody reaches anybody: the only relay is gone, and so are the links of before."""
    town.relay.program.kill()


def test_words_reach_a_member_without_any_network_and_answers_come_back(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        ours.say(circle, "before")
        await_true(lambda: "before" in theirs.texts(circle))
        await_true(lambda: not ours.undelivered(circle))
        theirs.stop()
        cut_off(town)
        for number in range(20):
            ours.say(circle, f"رسالة {number}")
        first, answer = tmp_path / "first.bundle", tmp_path / "answer.bundle"
        make(ours, circle, "Salma", first)
        theirs.start()

        assert theirs.texts(circle) == ["before"]
        [taken] = theirs.cli_json("bundle", "import", str(first))
        assert (taken["circle"], taken["member_name"], taken["damaged"]) == (circle, "نورس", 0)
        said = ["before", *(f"رسالة {number}" for number in range(20))]
        assert theirs.texts(circle) == said
        theirs.cli("bundle", "import", str(first))
        assert theirs.texts(circle) == said, "a second time changes nothing"

        theirs.say(circle, "thank you")
        make(theirs, circle, "نورس", answer)
        ours.cli("bundle", "import", str(answer))
        assert ours.texts(circle)[-1] == "thank you"
        assert not ours.undelivered(circle), "what arrived is told in the bundle that comes back"

        ours.kill()
        ours.start()
        ours.cli("bundle", "import", str(answer))
        assert ours.texts(circle) == [*said, "thank you"], "nor does it after a crash"


def test_files_that_are_mangled_foreign_or_old_harm_nobody(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        stranger = town.person("Stranger")
        stranger.start()
        await_true(lambda: not ours.undelivered(circle))
        theirs.stop()
        cut_off(town)
        ours.say(circle, "the first")
        old = tmp_path / "old.bundle"
        make(ours, circle, "Salma", old)
        ours.say(circle, "the second")
        new = tmp_path / "new.bundle"
        make(ours, circle, "Salma", new)
        theirs.start()

        assert is_refused(stranger, new)
        assert is_refused(ours, new), "not for who made it"
        whole = new.read_bytes()
        mangled = tmp_path / "mangled.bundle"
        for spoiled in (b"", whole[::-1]):
            mangled.write_bytes(spoiled)
            assert is_refused(theirs, mangled)
        assert theirs.texts(circle) == []
        middle = bytearray(whole)
        for place in range(2000, len(whole) - 2000, 97):
            middle[place] ^= 0x55
        mangled.write_bytes(middle)
        theirs.cli_whole("bundle", "import", str(mangled))

        theirs.cli("bundle", "import", str(new))
        assert theirs.texts(circle) == ["the first", "the second"]
        theirs.cli_whole("bundle", "import", str(old))
        assert theirs.texts(circle) == ["the first", "the second"], (
            "an older one brings nothing back"
        )
