"""The vault's folder: which files there are, who may read them, and how one is replaced.

The names say nothing of what the program is for. Files are 0600 in a folder of 0700; on Windows
the user's profile folder protects them instead.

Spec: docs/vault.md, section 1.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from toheal_p2p.ports.vault import (
    DamagedVault,
    DiskFull,
    FolderTaken,
    NoProfile,
    ProfileExists,
    StorageFailed,
)

KEYRING: Final = "keyring"
"""The file that opens everything else."""
KEYRING_NEXT: Final = "keyring.next"
"""A keyring on its way to become `keyring`. What lies here was never in force."""
LOCK: Final = "lock"
"""Empty; whoever runs the vault holds a lock on it."""
STORE: Final = "store"
"""`store.<n>` and SQLite's companions `store.<n>-wal`, `-shm`, `-journal`."""
PASSING: Final = "passing"
"""A folder for files on their way through the profile; not the vault's, and erased with it."""
PASSING_FILES: Final = frozenset({"file", "part"})
"""What may lie in each folder of that one."""


def store_path(home: Path, number: int) -> Path:
    """Return where the store with this number lies."""
    return home / f"{STORE}.{number}"


def prepare_home(home: Path) -> None:
    """Make the folder for a new vault, or take one that holds nothing of somebody else.

    Raises:
        ProfileExists: a keyring is there.
        FolderTaken: something is there that is not ours.
    """
    with storage_errors():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_profile(home)
        if not all(map(_is_ours, home.iterdir())):
            raise FolderTaken("a vault needs an empty folder")
        home.chmod(0o700)


def clear_home(home: Path) -> None:
    """Remove what an earlier attempt left before its keyring was written. Call it with the lock.

    Raises:
        ProfileExists: somebody was faster.
    """
    with storage_errors():
        _refuse_profile(home)
        for path in home.iterdir():
            if path.name == PASSING:
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def is_vault(home: Path) -> bool:
    """Say whether a vault lies in this folder, as far as its names tell."""
    return (home / KEYRING).is_file()


def require_home(home: Path) -> None:
    """Insist that there is a vault, and that only its owner can look into the folder.

    Raises:
        NoProfile: there is none.
    """
    with storage_errors():
        if not is_vault(home):
            raise NoProfile("there is no vault in this folder")
        if os.name == "posix" and stat.S_IMODE(home.stat().st_mode) != 0o700:
            home.chmod(0o700)


def require_file(path: Path) -> None:
    """Insist that a file of the vault is there.

    Raises:
        DamagedVault: it is not.
    """
    if not path.is_file():
        raise DamagedVault(f"the file {path.name} is missing")


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner can read. SQLite gives its companions the same."""
    with storage_errors():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def read_whole(path: Path, *, most: int) -> bytes:
    """Read a file, at most `most + 1` bytes of it: one too many shows that it is too long.

    Raises:
        DamagedVault: it is not there.
    """
    require_file(path)
    with storage_errors(), path.open("rb") as file:
        return file.read(most + 1)


def replace_keyring(home: Path, frame: bytes) -> None:
    """Put a keyring in the place of the last: after a crash there is the one or the other.

    Raises:
        DiskFull, StorageFailed: the last one is still in force.
    """
    next_one = home / KEYRING_NEXT
    with storage_errors():
        descriptor = os.open(next_one, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:
            file.write(frame)
            file.flush()
            os.fsync(file.fileno())
        next_one.replace(home / KEYRING)
        sync_folder(home)


def remove_other_stores(home: Path, number: int) -> None:
    """Delete every store but this one: what a change of passphrase left when it was cut off."""
    ours = store_path(home, number).name
    with storage_errors():
        for path in home.glob(f"{STORE}.*"):
            if path.name != ours and not path.name.startswith(ours + "-"):
                path.unlink(missing_ok=True)
        (home / KEYRING_NEXT).unlink(missing_ok=True)


def wipe_vault(home: Path) -> bool:
    """Destroy the vault: first the keyring, without which nothing opens, then the folder.

    May be called while the vault is open, here or elsewhere: what still runs goes on with files
    that have no name any more, and closing does not bring the keyring back. A second call, or one
    on a folder that is not there, does nothing.

    Returns:
        Whether the folder is gone too (on Windows an open file keeps it).

    Raises:
        NoProfile: the folder holds nothing of a vault; nothing was touched.
        StorageFailed: the keyring is still there.
    """
    if not home.exists():
        return True
    if not _is_vault_or_rest(home):
        raise NoProfile("there is no vault in this folder")
    for name in (KEYRING, KEYRING_NEXT):
        _destroy(home / name)
    real = home.resolve()
    shutil.rmtree(real, ignore_errors=True)
    with suppress(OSError):
        sync_folder(real.parent)
    return not real.exists()


def sync_file(path: Path) -> None:
    """Have a file's bytes written to the disk."""
    with storage_errors(), path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have a folder's list of names written to the disk. Windows has no such call."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Say errors of the operating system as ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("no room left to write") from None
        raise StorageFailed(
            f"the system refused: {errno.errorcode.get(error.errno or 0)}"
        ) from None


def _refuse_profile(home: Path) -> None:
    if (home / KEYRING).exists():
        raise ProfileExists("there is a vault in this folder already")


def _is_vault_or_rest(home: Path) -> bool:
    """Say whether there is a vault, or what is left of one and nothing else: others have locks too."""
    if is_vault(home) or (home / KEYRING_NEXT).is_file():
        return True
    left = list(home.iterdir())
    return bool(left) and all(map(_is_ours, left))


def _is_ours(path: Path) -> bool:
    if path.name == PASSING:
        return _is_passing(path)
    return path.name in (KEYRING, KEYRING_NEXT, LOCK) or path.name.startswith(STORE + ".")


def _is_passing(folder: Path) -> bool:
    """Say whether files of ours passed through a folder: somebody may have one of this name."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return all(
        one.is_dir() and {path.name for path in one.iterdir()} <= PASSING_FILES
        for one in folder.iterdir()
    )


def _destroy(path: Path) -> None:
    with storage_errors():
        try:
            with path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                file.write(os.urandom(size))
                file.flush()
                os.fsync(file.fileno())
        except FileNotFoundError:
            return
        finally:
            path.unlink(missing_ok=True)
        sync_folder(path.parent)
