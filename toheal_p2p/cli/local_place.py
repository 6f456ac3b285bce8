"""Making and removing the socket of the local channel: the running process's part.

`local_path` says where it lies; it is apart so that a command loads as little as possible.
"""

from __future__ import annotations

import os
import tempfile
from typing import Final

from toheal_p2p.cli.local_path import POINTER, SOCKET, is_ours_alone, read_pointer, short_path

FOLDER_PREFIX: Final = "th-"
"""How the folders begin that we make in the runtime directory."""


def place_socket(home: str) -> str:
    """Return where to listen, with nothing there any more. Only the vault's owner may call it."""
    path = short_path(home)
    if path is not None:
        remove_socket(home, path)
        return path
    remove_socket(home, read_pointer(home))
    path = os.path.join(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_runtime_folder()), SOCKET)
    _write_pointer(home, path)
    return path


def remove_socket(home: str, path: str | None) -> None:
    """Remove the socket at `path` and what led to it. Works also after the folder was wiped."""
    _remove(os.path.join(home, POINTER))
    if path is None:
        return
    _remove(path)
    folder = os.path.dirname(path)
    if path != short_path(home) and os.path.basename(folder).startswith(FOLDER_PREFIX):
        try:
            os.rmdir(folder)
        except OSError:  # gone, or not empty and so not ours
            pass


def _runtime_folder() -> str:
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    return named if is_ours_alone(named) else tempfile.gettempdir()


def _write_pointer(home: str, path: str) -> None:
    descriptor = os.open(
        os.path.join(home, POINTER), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode=0o600
    )
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
