"""A backup's name is on the disk before its words are shown: what a loss of power leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio

from tests.support.entropy import SeededEntropy
from tests.support.vaults import MemoryVault
from toheal_p2p.app.keeping import Backups
from toheal_p2p.app.progress_view import ProgressView
from toheal_p2p.app.refusals import refusal_in
from toheal_p2p.services.committer import Committer
from toheal_protocol.model import WallTime

pytestmark = [
    pytest.mark.real,
    pytest.mark.trio,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no call to sync a folder"),
]


class Disk:
    """Remembers what the names in a folder were each time it was synced; may fail then."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.error = folder, 0
        self.names: list[list[str]] = []
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), self.folder.stat()):
            self.names.append(sorted(path.name for path in self.folder.iterdir()))
            if self.error:
                raise OSError(self.error, "as the test says")
        self._fsync(descriptor)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    (tmp_path / "stick").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keyring").touch()
    return Disk(tmp_path / "stick", monkeypatch)


async def tell_nobody(_progress: ProgressView) -> None:
    """Take a report."""


async def back_up(home: Path, path: Path) -> int:
    vault = MemoryVault()
    committer = Committer(vault)
    backups = Backups(home, vault, committer, SeededEntropy(1), lambda: WallTime(7))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run)
        try:
            made = await backups.make(str(path), language="en", report=tell_nobody)
        finally:
            nursery.cancel_scope.cancel()
    return made.size


async def test_the_name_of_a_backup_is_on_the_disk_when_its_words_are_shown(
    disk: Disk, tmp_path: Path
) -> None:
    path = disk.folder / "kept"
    assert await back_up(tmp_path / "home", path) == path.stat().st_size
    assert disk.names[-1:] == [["kept"]], "synced after it had its name"


async def test_a_name_that_the_disk_did_not_take_is_no_backup(disk: Disk, tmp_path: Path) -> None:
    disk.error = errno.EIO
    with pytest.raises(ExceptionGroup) as failed:
        await back_up(tmp_path / "home", disk.folder / "kept")
    refused = refusal_in(failed.value)
    assert refused is not None and refused.code == "cannot_write_file"
    assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EACCES])
async def test_a_stick_that_cannot_be_asked_keeps_its_backup(
    disk: Disk, tmp_path: Path, error: int
) -> None:
    disk.error = error
    assert await back_up(tmp_path / "home", disk.folder / "kept") > 0
    assert [path.name for path in disk.folder.iterdir()] == ["kept"]
