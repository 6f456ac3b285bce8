"""Files on their way through a profile's folder, and what of them a killed program left.

```
 passing/<drawn>/file    a file of messages, sealed
 passing/<drawn>/part    the name of a backup that is being written somewhere else
```
Both are gone when their work ends, however it ends. A killed program leaves them: the next start
removes them and the unfinished backup, and so does erasing the profile.

Docs: docs/vault.md, section 1.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from toheal_p2p.adapters.vault import PASSING, is_vault
from toheal_p2p.app.refusals import Refused

PART: Final = ".part"
"""What a backup's name ends in until it is whole, after eight drawn digits."""

_POINTER: Final = "part"

_IS_PART: Final = re.compile(r"\.[0-9a-f]{8}\.part\Z")

_LONGEST: Final = 4096
"""Bytes of a path that are read; no system has longer ones."""


@contextmanager
def passing_folder(home: Path) -> Iterator[Path]:
    """Make a folder for one file, and remove it at the end.

    Whoever is here last when the profile was erased meanwhile takes its empty folder along.

    Raises:
        Refused: locked: the profile was erased, before or meanwhile; storage_failed.
    """
    try:
        (home / PASSING).mkdir(mode=0o700, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=home / PASSING))
    except OSError:
        raise Refused("storage_failed" if is_vault(home) else "locked") from None
    try:
        yield folder
    except OSError:
        if is_vault(home):
            raise
        raise Refused("locked") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody else's file may be here
            (home / PASSING).rmdir()
            if not is_vault(home):
                home.rmdir()


@contextmanager
def noted_part(home: Path, part: str) -> Iterator[None]:
    """Keep the name of an unfinished backup for as long as it is one."""
    with passing_folder(home) as folder:
        (folder / _POINTER).write_bytes(os.fsencode(os.path.abspath(part)))
        yield


def unfinished_backups(home: Path) -> tuple[str, ...]:
    """Return the names of backups that were being written when the program was ended."""
    found = []
    with suppress(OSError):
        for pointer in (home / PASSING).glob(f"*/{_POINTER}"):
            with pointer.open("rb") as file:
                name = os.fsdecode(file.read(_LONGEST))
            if _IS_PART.search(name) and os.path.isabs(name):
                found.append(name)
    return tuple(found)


def remove_parts(parts: Iterable[str]) -> None:
    """Delete unfinished backups, where they can be reached."""
    for part in parts:
        with suppress(OSError, ValueError):
            os.unlink(part)


def clear_passing(home: Path) -> None:
    """Remove what a killed program left. Call it with the vault's lock."""
    remove_parts(unfinished_backups(home))
    shutil.rmtree(home / PASSING, ignore_errors=True)
