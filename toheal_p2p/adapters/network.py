"""What this machine's network looks like, without sending anything to anybody.

Looking works everywhere and costs a third of a millisecond; twice that where the machine rests, for
then nothing of it is in the processor's caches. Linux tells of changes over a socket that needs no
library and no thread: there a look is needed only after it has said something. Others tell in ways
of their own (routing sockets, a Windows callback), and are looked at each time.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import ifaddr
import trio
from attrs import define, field

_ROUTES: Final = Path("/proc/net/route")
"""Linux's IPv4 routes. Elsewhere a change of the default route comes with one of the addresses."""

_ANYWHERE: Final = "00000000"

LOOK_ANYWAY: Final = 3
"""Calls after which we look although nothing was told: half a minute, if a system forgets to."""

MOST_NEWS: Final = 256
"""Messages taken at one time; a machine with many containers sends dozens."""

_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100
"""Interfaces, IPv4 addresses, IPv4 routes, IPv6 addresses (`RTMGRP_` in linux/rtnetlink.h)."""


def look_at_network() -> Hashable:
    """Return addresses and default routes: equal while nothing changed. Never raises."""
    try:
        addresses = frozenset(_addresses())
    except OSError:
        addresses = frozenset()
    return addresses, _default_routes()


@define(eq=False)
class NetworkLook:
    """Looks at the network where something may have changed. Fulfils `ports.network.Look`.

    Close it: it may hold a socket.
    """

    look: Callable[[], Hashable] = look_at_network
    _news: socket.socket | None = field(init=False)
    _seen: Hashable = field(init=False)
    _due: int = field(default=1, init=False)
    """Calls until the next look that nobody asked for."""

    def __attrs_post_init__(self) -> None:
        self._news = _listen()  # first: what happens while we look is news
        self._seen = self.look()

    @property
    def told(self) -> Callable[[], Awaitable[None]] | None:
        """What waits until the system tells of a change; None where it does not."""
        return None if self._news is None else partial(trio.lowlevel.wait_readable, self._news)

    def __call__(self) -> Hashable:
        """Return what `look` does, as far as the system told of every change."""
        was_told = self._news is None or _has_news(self._news)
        self._due -= 1
        if was_told or self._due <= 0:
            self._seen = self.look()
            # after a change once more: routes may go a moment after their interface
            self._due = 1 if was_told else LOOK_ANYWAY
        return self._seen

    def close(self) -> None:
        """Stop listening; from here on every call looks."""
        if self._news is not None:
            self._news.close()
            self._news = None


def _listen() -> socket.socket | None:
    """Return a socket that tells of changes, or None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:  # closed to us, as in some sandboxes
        return None
    try:
        news.setblocking(False)
        news.bind((0, _GROUPS))
    except OSError:
        news.close()
        return None
    return news


def _has_news(news: socket.socket) -> bool:
    """Take what was told, and say whether it was anything."""
    try:
        for told in range(MOST_NEWS):
            if not _take(news):
                return told > 0
    except OSError:  # more than the system kept for us
        return True
    return True


def _take(news: socket.socket) -> bool:
    try:
        news.recv(1)  # what it was does not matter, and the rest of it is dropped
    except BlockingIOError:
        return False
    return True


def _addresses() -> Iterator[str]:
    """Give the addresses that could reach somebody: no loopback, nothing of one wire alone."""
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            host, scope = (one.ip, 0) if isinstance(one.ip, str) else (one.ip[0], one.ip[2])
            if not scope and not ipaddress.ip_address(host).is_loopback:
                yield host


def _default_routes() -> frozenset[tuple[str, str]]:
    """Return interface and gateway of each default route."""
    try:
        lines = _ROUTES.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, ValueError):
        return frozenset()
    fields = [line.split() for line in lines]
    return frozenset((one[0], one[2]) for one in fields if len(one) > 2 and one[1] == _ANYWHERE)
