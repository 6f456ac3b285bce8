"""The vault: everything a profile keeps on this device, encrypted under a passphrase.

Spec: docs/vault.md.
"""

from toheal_p2p.adapters.vault.files import PASSING, is_vault, sync_folder, wipe_vault
from toheal_p2p.adapters.vault.keyring import PassphraseCost
from toheal_p2p.adapters.vault.opening import create_vault, open_vault
from toheal_p2p.adapters.vault.sqlite_vault import SqliteVault

__all__ = [
    "PASSING",
    "PassphraseCost",
    "SqliteVault",
    "create_vault",
    "is_vault",
    "open_vault",
    "sync_folder",
    "wipe_vault",
]
