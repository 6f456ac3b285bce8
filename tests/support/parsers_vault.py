"""The vault's parsers, for the fuzz entry point: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.entropy import SeededEntropy
from tests.support.vaults import CHEAP
from toheal_p2p.adapters.vault.keyring import (
    DataKey,
    Unlocked,
    encode_keyring,
    make_keyring,
    parse_keyring,
)

PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (("keyring", parse_keyring),)

SEEDS: tuple[bytes, ...] = (
    encode_keyring(
        make_keyring(
            "seed", Unlocked(DataKey(bytes(32)), 1, 1), cost=CHEAP, entropy=SeededEntropy(0)
        )
    ),
)
