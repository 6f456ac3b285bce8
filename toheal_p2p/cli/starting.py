"""What a command does by itself because no process runs yet: loaded late, as it loads everything.

Spec: docs/command-line.md, section 3.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from toheal_p2p.locale import Words


def make_profile(home: str, *, nickname: str, passphrase: str) -> None:
    """Make the profile. Takes about a second, as guessing its passphrase should. Raises `Refused`."""
    from toheal_p2p.app.start import create_profile

    create_profile(Path(home), nickname=nickname, passphrase=passphrase)


def run_until_stopped(
    home: str,
    passphrase: str,
    *,
    allow_loopback: bool,
    on_ready: Callable[[], None],
    on_trouble: Callable[[str], None],
    on_progress: Callable[[str, Mapping[str, str | int]], None],
    on_fault: Callable[[BaseException], None],
) -> None:
    """Be the running process of this profile. Raises `Refused`.

    Args:
        on_trouble: told the code of a check that the person has to hear of at once.
        on_progress: told the code and the facts of what is being tried.
    """
    from toheal_p2p.adapters import bridge
    from toheal_p2p.app.opening import Running, run_app
    from toheal_p2p.cli.local_server import serve

    # Libraries log addresses of peers, and tracebacks; neither is for this terminal.
    logging.getLogger().addHandler(logging.NullHandler())

    async def live() -> None:
        running = Running(
            partial(serve, on_fault=on_fault),
            on_ready,
            on_trouble,
            lambda progress: on_progress(progress.code, progress.facts),
            allow_loopback=allow_loopback,
            locks_when_idle=True,
        )
        await run_app(Path(home), passphrase, running)

    bridge.run(live)


WORD_COUNT: Final = 24
"""Words that open a backup."""


def count_words(typed: str) -> int:
    """Return how many words somebody typed."""
    from toheal_protocol.identity import count_recovery_words

    return count_recovery_words(typed)


def check_words(typed: str) -> None:
    """Refuse recovery words that can be those of no backup. Raises `Refused`."""
    from toheal_p2p.app.restoring import read_words

    read_words(typed)


def restore(
    home: str, path: str, *, words: str, passphrase: str, told: Callable[[int, int], None]
) -> None:
    """Make the profile that a backup has. Raises `Refused`."""
    from toheal_p2p.app.restoring import restore_profile

    restore_profile(Path(home), path, words=words, passphrase=passphrase, told=told)


def wipe(home: str) -> None:
    """Destroy the profile of which no process runs. Raises `Refused`."""
    from toheal_p2p.app.erasing import wipe_home
    from toheal_p2p.app.page_interface import remove_traces

    wipe_home(Path(home))
    remove_traces(Path(home))


def demonstrate(
    words: Words,
    *,
    check: bool,
    page: bool | None,
    opens_browser: bool,
    tell: Callable[[str], None],
) -> int:
    """Run the demonstration; return its exit code.

    Args:
        page: leave it open with a page; None: where somebody sits in front of a screen.
    """
    from toheal_p2p.cli.demo import run_demo
    from toheal_p2p.cli.page import has_screen

    if page is None:
        page = has_screen() and sys.stdout.isatty()
        if not page:
            tell(words.text("demo.page_how"))
    return run_demo(words=words, check=check, tell=tell, page=page, opens_browser=opens_browser)
