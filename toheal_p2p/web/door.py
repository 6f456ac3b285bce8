"""The page as a door of the program: started once, restarted whenever it falls.

The door listens from the first moment. What answers behind it is loaded when the first browser
knocks: the program is ready sooner, and whoever uses commands alone never loads it.

Nothing the page does, and nothing that is sent to it, ends anything but itself: every fault is told
to `on_fault`, and the page is there again on the same port, with the same keys.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field

from toheal_p2p.adapters.loading import load
from toheal_p2p.app.house import House
from toheal_p2p.app.page_interface import (
    PageAddress,
    PageRecord,
    remove_record,
    remove_start_file,
    start_path,
    write_record,
)
from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import Language
from toheal_p2p.web.keys import TOKEN_LIFE, Keys
from toheal_p2p.web.listening import HOST, listen
from toheal_p2p.web.start_file import write_start_file

if TYPE_CHECKING:
    from toheal_p2p.web.connections import Connections
    from toheal_p2p.web.site import Site

PAUSE: Final = 0.2
"""Seconds before the page is started again: what fails at once must not fill a core."""


async def serve_page(
    house: House,
    *,
    port: int,
    language: Language | None,
    on_fault: Callable[[BaseException], None],
    task_status: trio.TaskStatus[PageAddress] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the page until cancelled. Fulfils `ServePage`."""
    try:
        listening = listen(port)
    except OSError:
        raise Refused("port_in_use") from None
    with listening:
        port = listening.getsockname()[1]
        keys, record = Keys(port), PageRecord(port, secrets.token_urlsafe(32))
        authority = f"{HOST}:{port}"
        async with trio.open_nursery() as nursery:
            start = _StartFile(start_path(house.home), authority, keys, nursery)
            address = PageAddress(f"http://{authority}/", start.write())
            write_record(house.home, record)
            task_status.started(address)
            try:
                connections = await _open_page(
                    listening,
                    lambda site: site(
                        house,
                        keys,
                        authority,
                        language,
                        on_fault,
                        start.write,
                        record.secret,
                        start.forget,
                    ),
                    on_fault,
                )
                while True:
                    await _serve_once(connections, listening, on_fault)
                    await trio.sleep(PAUSE)
            finally:
                remove_record(house.home, record)
                remove_start_file(start.path)


async def _open_page(
    listening: socket.socket,
    make_site: Callable[[type[Site]], Site],
    on_fault: Callable[[BaseException], None],
) -> Connections:
    """Load the page when somebody knocks. What keeps it from loading ends nothing but the try."""
    while True:
        await trio.lowlevel.wait_readable(listening)
        try:
            site, make_connections = await load(_load_page)
            return make_connections(make_site(site))
        except Exception as error:  # noqa: BLE001  the border: no file left, a disk that fails
            on_fault(error)
            await trio.sleep(PAUSE)


def _load_page() -> tuple[type[Site], Callable[[Site], Connections]]:
    from toheal_p2p.web.serving import Site, make_connections

    return Site, make_connections


async def _serve_once(
    connections: Connections, listening: socket.socket, on_fault: Callable[[BaseException], None]
) -> None:
    try:
        await connections.serve(listening)
    except Exception as error:  # noqa: BLE001  # the border: the page falls, the peer does not
        on_fault(error)


@define(eq=False)
class _StartFile:
    """The start file, which is there for as long as its token is worth something."""

    path: Path
    authority: str
    keys: Keys
    nursery: trio.Nursery
    _written: int = field(default=0, init=False)

    def write(self) -> Path:
        token = self.keys.new_token(trio.current_time())
        try:
            write_start_file(self.path, f"http://{self.authority}/start#{token}")
        except OSError:
            raise Refused("storage_failed") from None
        self._written += 1
        self.nursery.start_soon(self._remove_later, self._written)
        return self.path

    def forget(self) -> None:
        """Take the file away at once, and let its token open nothing."""
        self.keys.forget_token()
        remove_start_file(self.path)

    async def _remove_later(self, written: int) -> None:
        await trio.sleep(TOKEN_LIFE)
        if written == self._written:
            remove_start_file(self.path)
