"""What a person is told for each way the vault can fail."""

from __future__ import annotations

from typing import Final

from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.ports import vault as ports

REFUSALS: Final[dict[type[ports.VaultError], RefusalCode]] = {
    ports.NoProfile: "no_profile",
    ports.ProfileExists: "profile_exists",
    ports.FolderTaken: "folder_taken",
    ports.WrongPassphrase: "wrong_passphrase",
    ports.AlreadyRunning: "already_running",
    ports.DamagedVault: "vault_damaged",
    ports.NewerVault: "vault_newer",
    ports.DiskFull: "disk_full",
    ports.NotEnoughMemory: "not_enough_memory",
    ports.StorageFailed: "storage_failed",
    ports.VaultClosed: "storage_failed",
}


def refusal(reason: ports.VaultError) -> Refused:
    """Return what a person is told when the vault fails so."""
    return Refused(REFUSALS.get(type(reason), "storage_failed"))
