"""What the command line knows of the page, and where a running page can be found again.

The two doors do not know each other. Whoever starts the program hands the page in as a function.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import field, frozen

from toheal_p2p.app.house import House
from toheal_p2p.locale import Language


@frozen
class PageAddress:
    """Where the page is.

    Attributes:
        url: what may be shown: it opens nothing by itself.
        start_file: what a browser has to open, within a minute and once.
    """

    url: str
    start_file: Path


class ServePage(Protocol):
    """Serves the page until cancelled; whatever goes wrong with it touches nothing else."""

    async def __call__(
        self,
        house: House,
        *,
        port: int,
        language: Language | None,
        on_fault: Callable[[BaseException], None],
        task_status: trio.TaskStatus[PageAddress] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve.

        Args:
            port: 0: any that is free.
            language: what the person asked for; None: they are asked.

        Raises:
            Refused: port_in_use.
        """
        ...


@frozen
class PageRecord:
    """What a second start needs to have the running page opened once more."""

    port: int
    secret: str = field(repr=False)


MAX_RECORD: int = 512


def record_path(home: Path) -> Path:
    """Return where the record lies: beside the folder, which belongs to the vault alone."""
    return home.with_name(home.name + ".page")


_SNAPS: Final = Path("/snap/bin")
"""Where this folder is, browsers are often confined: they read no hidden folder and not /tmp."""


def start_path(home: Path) -> Path:
    """Return where the start file of this profile lies."""
    if sys.platform == "linux" and _SNAPS.is_dir():
        return Path.home() / f"{home.name.lstrip('.')}.start.html"
    return home.with_name(home.name + ".start.html")


def remove_start_file(path: Path) -> None:
    """Take the file away, if it is still there."""
    with suppress(OSError):
        path.unlink()


def write_private(path: Path, content: str) -> None:
    """Put a file in the place of the last one, for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    next_path = _next(path)
    with suppress(FileNotFoundError):
        next_path.unlink()
    descriptor = os.open(next_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    next_path.replace(path)


def write_record(home: Path, record: PageRecord) -> None:
    """Leave the record. Without it a second start cannot find the page, and nothing else is lost."""
    with suppress(OSError):
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(record_path(home), json.dumps({"port": record.port, "secret": record.secret}))


def read_record(home: Path) -> PageRecord | None:
    """Return the record of a page that runs or ran; None where there is none that makes sense."""
    try:
        with record_path(home).open("rb") as file:
            found = json.loads(file.read(MAX_RECORD))
        return PageRecord(int(found["port"]), str(found["secret"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def remove_record(home: Path, record: PageRecord) -> None:
    """Take our record away, and nobody else's."""
    if read_record(home) == record:
        with suppress(OSError):
            record_path(home).unlink()


def remove_traces(home: Path) -> None:
    """Take away what a page that was killed left beside a profile; nothing of one that answers."""
    record = read_record(home)
    if record is None or not _answers(record.port):
        for path in (start_path(home), record_path(home)):
            remove_start_file(path)
            remove_start_file(_next(path))


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except (OSError, OverflowError):
        return False
    return True


def _next(path: Path) -> Path:
    return path.with_name(path.name + ".next")
