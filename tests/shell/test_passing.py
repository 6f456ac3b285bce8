"""What passes through a profile's folder, and what a killed program left of it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import CHEAP, PASSPHRASE
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import create_vault
from toheal_p2p.app.erasing import wipe_home
from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.opening import Running, run_app
from toheal_p2p.app.passing import noted_part, passing_folder, unfinished_backups
from toheal_p2p.app.refusals import Refused

pytestmark = pytest.mark.real

KILLED = """
import os, sys
from pathlib import Path
from toheal_p2p.app.passing import noted_part, passing_folder
home, part = Path(sys.argv[1]), sys.argv[2]
with noted_part(home, part), passing_folder(home) as folder:
    Path(part).write_bytes(b"half")
    (folder / "file").write_bytes(b"sealed")
    os._exit(0)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    create_vault(home, PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)
    return home


def be_killed(home: Path, part: Path) -> None:
    """Be ended in the middle of a backup and of a file of messages."""
    subprocess.run([sys.executable, "-c", KILLED, str(home), str(part)], check=True)
    assert part.exists() and len(list((home / "passing").iterdir())) == 2


def test_erasing_takes_the_backup_that_was_being_written(home: Path, tmp_path: Path) -> None:
    part, whole = tmp_path / "نسخة.0123abcd.part", tmp_path / "whole"
    whole.write_bytes(b"kept")
    be_killed(home, part)
    wipe_home(home)
    assert list(tmp_path.iterdir()) == [whole]


@pytest.mark.trio
async def test_the_next_start_takes_it_too(home: Path, tmp_path: Path) -> None:
    part = tmp_path / "copy.0123abcd.part"
    be_killed(home, part)
    seen: list[bool] = []

    async def look(app: AppInterface, _home: Path, *, task_status: object) -> None:
        seen.append(part.exists() or (home / "passing").exists())
        raise Refused("busy")  # nothing else of a start is looked at here

    with pytest.raises(ExceptionGroup):
        await run_app(home, PASSPHRASE, Running(look, lambda: None))
    assert seen == [False]


@pytest.mark.parametrize(
    "named",
    [
        b"letter",
        b"/etc/passwd",
        b"",
        b"\xff.0123abcd.part\0",
        b"x.0123ABCD.part",
        b"copy.0123abcd.part",
        b"\n" * 5000,
    ],
)
def test_what_is_no_unfinished_backup_is_never_deleted(
    home: Path, tmp_path: Path, named: bytes
) -> None:
    letter = tmp_path / "letter"
    letter.write_text("mine")
    with passing_folder(home) as folder:
        own = str(letter).encode() if named == b"letter" else named
        (folder / "part").write_bytes(own)
        assert unfinished_backups(home) == ()
        wipe_home(home)
    assert letter.read_text() == "mine"
    assert not home.exists()


def test_nothing_is_left_of_what_ended_by_itself(home: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in home.iterdir())
    with suppress(ZeroDivisionError), passing_folder(home) as folder:
        (folder / "file").write_bytes(b"sealed")
        with noted_part(home, str(tmp_path / "copy.0123abcd.part")):
            assert unfinished_backups(home) == (str(tmp_path / "copy.0123abcd.part"),)
            assert folder.stat().st_mode & 0o777 == 0o700
        raise ZeroDivisionError
    assert sorted(path.name for path in home.iterdir()) == names


def test_what_fails_for_another_reason_is_told_as_that(home: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), noted_part(home, str(tmp_path / "copy.0123abcd.part")):
        raise FileExistsError  # somebody else's file is there: no fault of the profile's folder


def miss_a_file_that_was_erased(home: Path) -> None:
    with passing_folder(home):
        wipe_home(home)
        raise FileNotFoundError


def test_whoever_finds_nothing_any_more_is_told_that_it_is_locked(home: Path) -> None:
    with pytest.raises(Refused) as caught:
        miss_a_file_that_was_erased(home)
    assert caught.value.code == "locked"


def test_whoever_is_late_takes_the_empty_folder_along(home: Path) -> None:
    with passing_folder(home) as folder:
        wipe_home(home)
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"sealed")
    assert not home.exists()


def test_whoever_comes_after_the_erasing_is_told_that_it_is_locked(home: Path) -> None:
    wipe_home(home)
    with pytest.raises(Refused) as caught, passing_folder(home):
        pass
    assert caught.value.code == "locked"
    assert not home.exists()
