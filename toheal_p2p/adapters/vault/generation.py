"""A count kept in two files, so that an older store cannot quietly take the place of a newer.

The count is raised at every opening and every closing, first in the store and then in the
keyring. So the two are equal, or the store is one ahead because we stopped between the two;
everything else means that one of the files is not the one we wrote last.

    store   7 -> 8           8 -> 9
    keyring 7      -> 8      8      -> 9
                  ^ a crash here leaves 8 and 7

What this cannot notice: docs/vault.md, section 7.
"""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import evolve, frozen

from toheal_p2p.adapters.vault.database import read_generation, write_generation
from toheal_p2p.adapters.vault.files import KEYRING, read_whole, replace_keyring
from toheal_p2p.adapters.vault.keyring import (
    KEYRING_SIZE,
    Keyring,
    Unlocked,
    encode_keyring,
    with_generation,
)
from toheal_p2p.adapters.vault.store import Store
from toheal_protocol.crypto import Entropy


@frozen
class Generations:
    """What the two counts say, and what both have to become."""

    following: int
    is_in_store: bool
    shows_put_back: bool


def compare_generations(*, in_store: int, in_keyring: int) -> Generations:
    """Judge the two counts.

    A store that is one ahead already carries the count to come. Raising it once more before the
    keyring has caught up would make a second crash look like a copy.
    """
    if in_store == in_keyring + 1:
        return Generations(in_store, is_in_store=True, shows_put_back=False)
    return Generations(
        max(in_store, in_keyring) + 1, is_in_store=False, shows_put_back=in_store != in_keyring
    )


async def raise_generation(
    store: Store, home: Path, keyring: Keyring, unlocked: Unlocked, *, entropy: Entropy
) -> tuple[Keyring, Unlocked, bool]:
    """Raise both counts and return what is in force now, and whether a copy was put back.

    That a copy was put back is written in the store before the counts are equal again, and
    stays there until the app has dealt with it.

    A keyring that is not the one we know (wiped meanwhile) is not brought back.
    """
    in_store, was_put_back = await store.run(read_generation)
    found = compare_generations(in_store=in_store, in_keyring=unlocked.generation)
    was_put_back = was_put_back or found.shows_put_back
    if not found.is_in_store:
        await store.run(write_generation, found.following, was_put_back=was_put_back)
    unlocked = evolve(unlocked, generation=found.following)
    raised = with_generation(keyring, unlocked, entropy=entropy)
    await trio.to_thread.run_sync(
        _replace_if_unchanged, home, encode_keyring(keyring), encode_keyring(raised)
    )
    return raised, unlocked, was_put_back


def _replace_if_unchanged(home: Path, before: bytes, after: bytes) -> None:
    if read_whole(home / KEYRING, most=KEYRING_SIZE) == before:
        replace_keyring(home, after)
