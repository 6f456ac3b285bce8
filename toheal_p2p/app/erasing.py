"""Erasing a profile. By itself, because a panic must not wait until everything else is loaded."""

from __future__ import annotations

from pathlib import Path

from toheal_p2p.adapters.vault import wipe_vault
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports import vault as ports


def wipe_home(home: Path) -> None:
    """Destroy a profile at once, running or not: a panic waits for nobody.

    Raises:
        Refused: there is none, or the folder cannot be erased.
    """
    try:
        wipe_vault(home)
    except ports.VaultError as reason:
        raise refusal(reason) from None
