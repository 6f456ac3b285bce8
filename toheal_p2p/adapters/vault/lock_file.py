"""One process per vault: a lock on a file, which the system releases when its holder dies.

Two writers would each hold a copy of the ratchets, and use one message key twice.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from attrs import define

from toheal_p2p.adapters.vault.files import LOCK, storage_errors
from toheal_p2p.ports.vault import AlreadyRunning

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@define
class HeldLock:
    """A lock that is ours until `release`, or until the process ends, however it ends."""

    _descriptor: int | None

    def release(self) -> None:
        """Let the next one in. A second time does nothing.

        The file stays: removing it would let two processes lock two files of one name.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def take_lock(home: Path) -> HeldLock:
    """Take the folder's lock, or say that somebody has it.

    Raises:
        AlreadyRunning: another process, or another open vault of this one, holds it.
    """
    with storage_errors():
        descriptor = os.open(home / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(descriptor)
    except OSError:
        os.close(descriptor)
        raise AlreadyRunning("another process has this vault open") from None
    return HeldLock(descriptor)
