"""Making a vault, and opening one.

Spec: docs/vault.md, sections 1 to 3.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import trio

from toheal_p2p.adapters.vault.database import fill_store
from toheal_p2p.adapters.vault.files import (
    KEYRING,
    clear_home,
    make_private_file,
    prepare_home,
    read_whole,
    remove_other_stores,
    replace_keyring,
    require_home,
    store_path,
    sync_file,
    sync_folder,
)
from toheal_p2p.adapters.vault.generation import raise_generation
from toheal_p2p.adapters.vault.keyring import (
    KEY_SIZE,
    KEYRING_SIZE,
    DataKey,
    Keyring,
    PassphraseCost,
    Unlocked,
    encode_keyring,
    make_keyring,
    parse_keyring,
    unlock_keyring,
)
from toheal_p2p.adapters.vault.lock_file import take_lock
from toheal_p2p.adapters.vault.sqlite_vault import SqliteVault
from toheal_p2p.adapters.vault.store import Store
from toheal_p2p.ports.vault import DamagedVault
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import MalformedFrame


def create_vault(
    home: Path, passphrase: str, *, entropy: Entropy, cost: PassphraseCost | None = None
) -> None:
    """Make an empty vault in a folder of its own, and close it.

    Takes as long as one guess at the passphrase (about half a second), so call it in a thread.
    The keyring is written last: whatever is cut off before leaves no profile.

    Raises:
        ProfileExists: there is one already.
        FolderTaken: the folder holds something else.
        AlreadyRunning: somebody is making one there right now.
        DiskFull, StorageFailed, NotEnoughMemory: it could not be made.
    """
    prepare_home(home)
    lock = take_lock(home)
    try:
        clear_home(home)
        first = Unlocked(DataKey(entropy.draw(KEY_SIZE)), store=1, generation=1)
        keyring = make_keyring(passphrase, first, cost=cost or PassphraseCost(), entropy=entropy)
        path = store_path(home, first.store)
        make_private_file(path)
        fill_store(path, first.data_key)
        sync_file(path)
        replace_keyring(home, encode_keyring(keyring))
        with suppress(OSError):  # a folder above us may be closed to us
            sync_folder(home.parent)
    finally:
        lock.release()


async def open_vault(home: Path, passphrase: str, *, entropy: Entropy) -> SqliteVault:
    """Open the vault in a folder.

    Raises:
        NoProfile: there is none.
        AlreadyRunning: another process has it open.
        WrongPassphrase: it is another one.
        DamagedVault: a file is missing, or its bytes were changed.
        NewerVault: a later version of the program wrote it.
        DiskFull, StorageFailed, NotEnoughMemory: it could not be opened.
    """
    require_home(home)
    lock = take_lock(home)
    try:
        keyring = _read_keyring(home)
        unlocked = await trio.to_thread.run_sync(unlock_keyring, keyring, passphrase)
        store = await Store.open(store_path(home, unlocked.store), unlocked.data_key)
        try:
            keyring, unlocked, was_put_back = await raise_generation(
                store, home, keyring, unlocked, entropy=entropy
            )
            remove_other_stores(home, unlocked.store)
        except BaseException:
            await store.close()
            raise
    except BaseException:
        lock.release()
        raise
    return SqliteVault(home, lock, store, keyring, unlocked, entropy, was_put_back)


def _read_keyring(home: Path) -> Keyring:
    try:
        return parse_keyring(read_whole(home / KEYRING, most=KEYRING_SIZE))
    except MalformedFrame:
        raise DamagedVault("the keyring's bytes were changed") from None
