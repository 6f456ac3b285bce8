"""Erasing a profile. By itself, because a panic must not wait until everything else is loaded."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from toheal_p2p.adapters.vault import wipe_vault
from toheal_p2p.app.passing import remove_parts, unfinished_backups
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports import vault as ports


def folder_beside(home: Path) -> Path:
    """Return where a profile lies until it is whole."""
    return home.with_name(home.name + ".new")


def wipe_home(home: Path) -> None:
    """Destroy a profile at once, running or not: a panic waits for nobody.

    One that is being restored, or was when the program was ended, goes too, and so does a backup
    that is not whole.

    Raises:
        Refused: there is none, or the folder cannot be erased.
    """
    parts = unfinished_backups(home)
    try:
        try:
            wipe_vault(home)
        finally:
            remove_parts(parts)
            with suppress(ports.NoProfile):  # it holds nothing of ours
                wipe_vault(folder_beside(home))
    except ports.VaultError as reason:
        raise refusal(reason) from None
