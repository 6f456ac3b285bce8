"""What the command line knows of the page, and where a running page can be found again.

The two doors do not know each other. Whoever starts the program hands the page in as a function.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

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


def write_private(path: Path, content: str) -> None:
    """Put a file in the place of the last one, for its owner only.

    Raises:
        OSError: it cannot be written.
    """
    next_path = path.with_name(path.name + ".next")
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
