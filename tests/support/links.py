"""Keys for test links: both sides of one connection."""

from __future__ import annotations

from toheal_protocol.wire.link_record import LinkKeys, derive_link_keys


def key_pair(seed: int = 1) -> tuple[LinkKeys, LinkKeys]:
    """The keys of the controlling and of the controlled side."""
    secrets = bytes([seed]) * 32, bytes([seed + 1]) * 32
    return (
        derive_link_keys(*secrets, is_controlling=True),
        derive_link_keys(*secrets, is_controlling=False),
    )
