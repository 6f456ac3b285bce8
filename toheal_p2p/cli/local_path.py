"""Where the local channel lies: a socket in the profile's folder, which only its owner can enter.

The path of a Unix socket has room for about a hundred bytes. Under a longer folder the socket
lies in a fresh folder of the person's runtime directory, and a small file in the profile's folder
says where. A command believes that file only if the folder it names is ours alone.
"""

from __future__ import annotations

import os
import stat
from typing import Final

SOCKET: Final = "local"
"""The socket's name. It says nothing of what the program is for."""

POINTER: Final = "local.path"
"""The file that holds the socket's path where the profile's own is too long."""

KEYRING: Final = "keyring"
"""The file without which a folder is no profile (the vault's name for it; a test compares)."""

MAX_PATH: Final = 103
"""Bytes of a socket's path: macOS has room for 103, Linux for 107."""


def has_profile(home: str) -> bool:
    """Tell whether the folder holds a profile."""
    return os.path.isfile(os.path.join(home, KEYRING))


def find_socket(home: str) -> str | None:
    """Return where the running process listens, if one does; None where there is no trace of one."""
    path = short_path(home)
    if path is None:
        path = read_pointer(home)
    return path if path is not None and os.path.exists(path) else None


def short_path(home: str) -> str | None:
    """Return the path in the profile's own folder, if a socket can have it."""
    path = os.path.join(os.path.abspath(home), SOCKET)
    return path if len(os.fsencode(path)) <= MAX_PATH else None


def read_pointer(home: str) -> str | None:
    """Return the path that the pointer names, if it can be believed."""
    try:
        with open(os.path.join(home, POINTER), encoding="utf-8") as file:
            path = file.read(4096)
    except (OSError, ValueError):
        return None
    if "\0" in path or len(os.fsencode(path)) > MAX_PATH:
        return None
    return path if is_ours_alone(os.path.dirname(path)) else None


def is_ours_alone(folder: str) -> bool:
    """Tell whether nobody but us can enter or change the folder."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and not stat.S_IMODE(found.st_mode) & 0o077
    )
