"""Starting the program with its page, finding a page that runs already, and opening the browser.

The page is there first. What opens and runs the profile is loaded while the person reaches for
their passphrase.

Docs: docs/command-line.md, section 3; docs/page.md, section 2.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from toheal_p2p.adapters import bridge
from toheal_p2p.adapters.loading import load
from toheal_p2p.app.house import House, Told
from toheal_p2p.app.interface import AppInterface, ProgressView, Serve
from toheal_p2p.app.page_interface import PageAddress, ServePage, read_record
from toheal_p2p.app.vocabulary import CheckCode
from toheal_p2p.cli.local_path import has_profile
from toheal_p2p.locale import Language

AGAIN_PATIENCE: Final = 3.0
"""Seconds a page that runs already has for an answer; it is on this machine."""

MAX_ANSWER: Final = 4096

BROWSER_FIRST: Final = 1.0
"""Seconds until what runs a profile is loaded, unless it is asked for: the page loads before it."""


@frozen
class Listener:
    """Who is told what, while the program runs."""

    on_ready: Callable[[PageAddress], None]
    on_trouble: Callable[[str], None]
    on_progress: Callable[[str, Mapping[str, str | int]], None]
    on_fault: Callable[[BaseException], None]


def run_with_page(
    home: str,
    passphrase: str | None,
    *,
    page: ServePage,
    port: int,
    language: Language | None,
    allow_loopback: bool,
    listener: Listener,
) -> None:
    """Be the running process of this profile, with its page. Raises `Refused`.

    Args:
        passphrase: open the profile at once, and end if that fails; None: the page asks for it.
    """
    # Libraries log addresses of peers, and tracebacks; neither is for this terminal.
    logging.getLogger().addHandler(logging.NullHandler())

    async def live() -> None:
        house = _house(home, allow_loopback=allow_loopback, listener=listener)
        async with trio.open_nursery() as nursery:
            door = partial(page, house, port=port, language=language, on_fault=listener.on_fault)
            address: PageAddress = await nursery.start(door)
            tell = _once(partial(listener.on_ready, address))
            if passphrase is None:
                tell()
                nursery.start_soon(_load_soon)
            await house.run(passphrase, on_ready=tell)
            nursery.cancel_scope.cancel()

    bridge.run(live)


def _house(home: str, *, allow_loopback: bool, listener: Listener) -> House:
    def on_trouble(code: CheckCode) -> None:
        house.was_put_back = house.was_put_back or code == "vault_put_back"
        listener.on_trouble(code)

    def on_progress(progress: ProgressView) -> None:
        listener.on_progress(progress.code, progress.facts)

    async def run_profile(
        home: Path, passphrase: str, *, serve: Serve, on_ready: Callable[[], None]
    ) -> None:
        await load(_load_running)
        from toheal_p2p.app.opening import Running, run_app

        running = Running(serve, on_ready, on_trouble, on_progress, allow_loopback=allow_loopback)
        await run_app(home, passphrase, running)

    async def serve_commands(
        app: AppInterface,
        home: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        _, serve = await load(_load_running)
        await serve(app, home, on_fault=listener.on_fault, task_status=task_status)

    house = House(
        home=Path(home),
        run_profile=run_profile,
        make_profile=_make_profile,
        has_profile=partial(has_profile, home),
        serve=serve_commands,
        wipe_profile=_wipe_profile,
        restore_profile=_restore_profile,
    )
    return house


def _make_profile(home: Path, *, nickname: str, passphrase: str) -> None:
    """Fulfil `house.MakeProfile`; called in a thread, as it takes a second."""
    from toheal_p2p.app.start import create_profile

    create_profile(home, nickname=nickname, passphrase=passphrase)


def _wipe_profile(home: Path) -> None:
    """Erase a profile, open or not; called in a thread."""
    from toheal_p2p.app.erasing import wipe_home

    wipe_home(home)


def _restore_profile(home: Path, path: str, *, words: str, passphrase: str, told: Told) -> None:
    """Fulfil `house.RestoreProfile`; called in a thread."""
    from toheal_p2p.app.restoring import restore_profile

    restore_profile(home, path, words=words, passphrase=passphrase, told=told)


async def _load_soon() -> None:
    """Load while the person types: nobody waits for it then."""
    await trio.sleep(BROWSER_FIRST)
    with suppress(ImportError, OSError):  # whoever opens the profile tries again, and is told
        await load(_load_running)


def _load_running() -> tuple[Callable[..., Awaitable[None]], Callable[..., Awaitable[None]]]:
    """Return what runs a profile, and what answers commands."""
    from toheal_p2p.app.opening import run_app
    from toheal_p2p.cli.local_server import serve

    return run_app, serve


def _once(tell: Callable[[], None]) -> Callable[[], None]:
    told: list[bool] = []

    def tell_once() -> None:
        if not told:
            told.append(True)
            tell()

    return tell_once


def open_again(home: str) -> PageAddress | None:
    """Have the page of this profile that runs already make a new way in; None: none runs."""
    record = read_record(Path(home))
    if record is None:
        return None
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", record.port, timeout=AGAIN_PATIENCE)
    try:
        origin = f"http://127.0.0.1:{record.port}"
        connection.request("POST", "/again", headers={"Origin": origin, "X-Again": record.secret})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            return None
        found = json.loads(answer.read(MAX_ANSWER))
        return PageAddress(str(found["url"]), Path(found["start"]))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None  # something else has the port now
    finally:
        connection.close()


def has_screen() -> bool:
    """Say whether a window could be opened."""
    return sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def open_in_browser(address: PageAddress) -> bool:
    """Open the page; say whether a browser took it."""
    if not has_screen():  # a browser inside the terminal would take it away from us
        return False
    import webbrowser

    try:
        return webbrowser.open(address.start_file.as_uri())
    except (OSError, webbrowser.Error):
        return False
