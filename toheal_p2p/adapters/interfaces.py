"""Which kinds of network interfaces are up, without their names or addresses.

A name tells its kind by custom; where the system says more (Linux), that counts. A wrong guess
costs nothing: the doctor shows it and nobody acts on it.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from toheal_p2p.ports.probes import InterfaceKind

_SYSTEM: Final = Path("/sys/class/net")

_PREFIXES: Final[tuple[tuple[str, InterfaceKind | None], ...]] = (
    ("lo", None),
    ("docker", None),
    ("veth", None),
    ("br-", None),
    ("virbr", None),
    ("wwan", "mobile"),
    ("rmnet", "mobile"),
    ("ppp", "mobile"),
    ("wl", "wireless"),
    ("wireless", "wireless"),
    ("tun", "vpn"),
    ("utun", "vpn"),
    ("wg", "vpn"),
    ("tailscale", "vpn"),
    ("eth", "wired"),
    ("en", "wired"),
)
"""The first that fits counts; None: of no use to reach anybody."""


def interface_kinds(system: Path = _SYSTEM) -> tuple[InterfaceKind, ...]:
    """Return the kinds of interfaces that are up, each once, sorted."""
    try:
        names = [name for _, name in socket.if_nameindex()]
    except OSError:
        return ()
    kinds = {_kind_of(name, system) for name in names if _is_up(name, system)}
    return tuple(sorted(kind for kind in kinds if kind is not None))


def _kind_of(name: str, system: Path) -> InterfaceKind | None:
    if (system / name / "wireless").exists():
        return "wireless"
    if (system / name / "tun_flags").exists():
        return "vpn"
    for prefix, kind in _PREFIXES:
        if name.lower().startswith(prefix):
            return kind
    return "other"


def _is_up(name: str, system: Path) -> bool:
    """Say whether an interface may carry something; one that does not tell counts as up."""
    try:
        return (system / name / "operstate").read_text(encoding="ascii").strip() != "down"
    except (OSError, ValueError):
        return True
