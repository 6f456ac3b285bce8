"""Backup, wiping, restoring, with real programs: what was there is there, and the talk goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import PASSPHRASE, PersonProcess, a_town, await_true
from tests.support.sentences import require_both_languages

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.mark.slow(10)
def test_after_a_wipe_a_backup_brings_back_a_profile_that_talks_on(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        for person in (ours, theirs):
            person.say(circle, f"{person.name} before")
        await_true(lambda: _both(ours, theirs, circle, "before"))
        file, foreign = tmp_path / "kept", tmp_path / "kept.part"
        foreign.write_text("somebody's")
        [made] = theirs.cli_json("backup", str(file))
        words = " ".join(made["words"])
        assert len(made["words"]) == 24
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.glob("kept.*")) == [foreign], "nothing half is left"
        assert foreign.read_text() == "somebody's"
        theirs.say(circle, "said after the backup")
        await_true(lambda: "said after the backup" in ours.texts(circle))

        theirs.cli("wipe", "--yes")
        assert not theirs.home.exists()
        assert theirs.program is not None
        theirs.program.await_end()
        theirs.cli("restore", str(file), code=1)  # the file alone opens nothing
        assert not theirs.home.exists()
        _restore(theirs, file, words, tmp_path)
        theirs.start()

        await_true(lambda: "said after the backup" in theirs.texts(circle))
        for person in (ours, theirs):
            person.say(circle, f"{person.name} after")
        await_true(lambda: _both(ours, theirs, circle, "after"))
        assert ours.texts(circle)[:3] != [], "nothing was taken from who stayed"
        assert sorted(ours.texts(circle)) == sorted(theirs.texts(circle))
        [other] = [one for one in ours.ask("circle_members", circle=circle) if not one["is_me"]]
        assert not other["fork_seen"]
        assert "session_reset" in [check["code"] for check in ours.ask("doctor")]
        require_both_languages("check.session_reset")


def _restore(person: PersonProcess, file: Path, words: str, folder: Path) -> None:
    secret = folder / "words"
    secret.touch(mode=0o600)
    secret.write_text(words, encoding="utf-8")
    passphrase = person.folder / "passphrase"
    passphrase.write_text("another one " + PASSPHRASE, encoding="utf-8")
    person.cli("restore", str(file), f"--words-file={secret}", f"--passphrase-file={passphrase}")


def _both(ours: PersonProcess, theirs: PersonProcess, circle: str, when: str) -> bool:
    said = {f"{person.name} {when}" for person in (ours, theirs)}
    return all(said <= set(person.texts(circle)) for person in (ours, theirs))
