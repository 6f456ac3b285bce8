"""`toheal backup` against a fake application, `toheal restore` with a real file and a real vault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.test_cli_commands import Toheal, running, toheal
from tests.support.kept import SECRET, sealed_file
from tests.support.parsers_backup import RECORDS
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import create_vault
from toheal_p2p.app.erasing import wipe_home
from toheal_p2p.app.look import Look, read_look
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.restoring import restore_profile
from toheal_protocol.identity import RecoverySecret, recovery_words
from toheal_protocol.machines.backup_records import About
from toheal_protocol.machines.records import PutSetting
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.real

__all__ = ["running", "toheal"]

WORDS = " ".join(recovery_words(SECRET, language="ar"))
SMALL = sealed_file([About(WallTime(7), 0), PutSetting("nickname", "نورس".encode())])


def test_a_backup_is_shown_with_its_words_once_and_written_over_nothing(
    toheal: Toheal, tmp_path: Path
) -> None:
    path = tmp_path / "kept"
    shown = toheal("backup", str(path))
    assert shown.code == 0
    lines = [line for line in shown.out.splitlines() if ". " in line]
    assert sum(line.count(". ") for line in lines) >= 24
    assert "Nothing was asked" in shown.err
    again = toheal("backup", str(path))
    assert again.code == 1 and "written over" in again.err
    path.unlink()
    [made] = toheal("backup", str(path), "--json").values
    assert len(made["words"]) == 24 and made["messages"] == 2


@pytest.mark.parametrize(
    ("words", "file", "code"),
    [
        ("one two three", SMALL, "recovery_words_count"),
        (WORDS.replace(WORDS.split()[3], "zzzz"), SMALL, "recovery_word_unknown"),
        (" ".join(reversed(WORDS.split())), SMALL, "recovery_words_unfit"),
        (
            " ".join(recovery_words(RecoverySecret(bytes(29)), language="en")),
            SMALL,
            "backup_closed",
        ),
        (WORDS, SMALL[:-1], "backup_unknown"),
        (WORDS, b"", "backup_unknown"),
        (WORDS, b"a picture of a cat" * 9000, "backup_unknown"),
        (WORDS, sealed_file(RECORDS), "backup_unknown"),  # its messages are of no circle in it
        (WORDS, sealed_file(RECORDS[1:]), "backup_unknown"),
    ],
    ids=range(9),
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    tmp_path: Path, words: str, file: bytes, code: str
) -> None:
    path, home = tmp_path / "kept", tmp_path / "home"
    path.write_bytes(file)
    with pytest.raises(Refused) as caught:
        restore_profile(home, str(path), words=words, passphrase="a lamp")
    assert caught.value.code == code
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


def test_a_restored_profile_opens_with_the_new_passphrase_after_a_cut_off_try(
    tmp_path: Path,
) -> None:
    path, home = tmp_path / "kept", tmp_path / "home"
    path.write_bytes(SMALL)
    beside = tmp_path / "home.new"
    beside.mkdir()
    (beside / "keyring").write_bytes(b"half")
    restore_profile(home, str(path), words=WORDS, passphrase="a lamp")
    assert (home / "keyring").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert not beside.exists()
    with pytest.raises(Refused) as caught:
        restore_profile(home, str(path), words=WORDS, passphrase="a lamp")
    assert caught.value.code == "profile_exists"


def test_a_restored_profile_looks_before_it_opens_as_the_lost_one_did(tmp_path: Path) -> None:
    chosen = {"language": b"ar", "digits": b"arabic", "colours": b"dark", "neutral": b"on"}
    path, home = tmp_path / "kept", tmp_path / "home"
    settings = [PutSetting(f"setting.{name}", value) for name, value in chosen.items()]
    path.write_bytes(sealed_file([About(WallTime(7), 0), *settings]))
    restore_profile(home, str(path), words=WORDS, passphrase="a lamp")
    assert read_look(str(home)) == Look("ar", "arabic", "dark", "on")


def test_erasing_takes_what_a_restore_that_was_killed_has_left(tmp_path: Path) -> None:
    home, beside, foreign = tmp_path / "home", tmp_path / "home.new", tmp_path / "other.new"
    create_vault(beside, "a lamp", entropy=SystemEntropy())
    wipe_home(home)
    assert not beside.exists()
    foreign.mkdir()
    (foreign / "letter").write_text("mine")
    wipe_home(tmp_path / "other")
    assert (foreign / "letter").read_text() == "mine"
