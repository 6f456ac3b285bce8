"""Opening a profile: what runs it is loaded while the passphrase is stretched.

Stretching takes a second of its own thread, in C; importing what comes after it a quarter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from attrs import frozen

from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.loading import load
from toheal_p2p.adapters.vault import SqliteVault, open_vault
from toheal_p2p.app.interface import ProgressView, Serve
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.app.vocabulary import CheckCode
from toheal_p2p.ports.vault import VaultError


@frozen
class Running:
    """How a profile is to run, and who is told what.

    Attributes:
        serve: the door that people come in by.
        on_ready: called once everything is up.
        on_trouble: told before that what the person has to know at once.
        on_progress: told what is being tried with each relay, and what came of it.
        allow_loopback: offer 127.0.0.1 to peers, for trying things out on one machine.
        locks_when_idle: end when nobody has used it for as long as was chosen.
    """

    serve: Serve
    on_ready: Callable[[], None]
    on_trouble: Callable[[CheckCode], None] = lambda _code: None
    on_progress: Callable[[ProgressView], None] = lambda _progress: None
    allow_loopback: bool = False
    locks_when_idle: bool = False


async def run_app(home: Path, passphrase: str, running: Running) -> None:
    """Open the profile and run it until `lock`, `wipe` or a signal.

    Raises:
        Refused: the vault does not open, or fails later.
    """
    refused: Refused | None = None
    with trio.CancelScope(shield=True):  # a vault that was opened is handed on, to be closed
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load, _load_running)
            try:
                vault = await open_vault(home, passphrase, entropy=SystemEntropy())
            except VaultError as reason:
                refused = refusal(reason)
    if refused is not None:
        raise refused
    await _load_running()(vault, home, running)


def _load_running() -> Callable[[SqliteVault, Path, Running], Awaitable[None]]:
    from toheal_p2p.app.start import run_opened

    return run_opened
