"""Small internets for tests: network namespaces with NATs, relays, rooms, and cables to pull.

    an_internet()                                             a_room(3)

    person -- nat --.                                     person --.
      10.x.0.2       \\                                    person --- bridge, no way out
                      public: 11.0.1.1, 11.0.2.1, ...     person --'
    person -- nat --'   no way out either

A namespace has no name: it is held by an open file of this process, so that two runs never meet
and nothing is left when a run ends, however it ends. `public` routes between the NATs and has the
relays' addresses. The addresses look public, because relays refuse to forward to any others.

Needs root, `ip`, `nft` and `nsenter`: tests that use it are marked `netns`.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Final, TypeVar

from attrs import define, field

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000
_libc: Final = ctypes.CDLL(None, use_errno=True)

RELAY_ADDRESSES: Final = ("11.0.1.1", "11.0.2.1")
"""Where relays can be, in `public`."""
ROUTER_ADDRESS: Final = "11.0.0.1"
"""Of `public` itself, besides."""


class Nat(Enum):
    """What stands between a person and the internet."""

    EASY = "easy"
    """One outer port for one inner port, whoever is sent to."""
    SYMMETRIC = "symmetric"
    """Another outer port, by chance, for each address that is sent to."""
    BLOCKED = "UDP blocked"
    """No UDP in or out; TCP as usual."""


@define(eq=False)
class Namespace:
    """One network namespace. `name` is for people who read a failure."""

    name: str
    _descriptor: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._descriptor = _in_thread(_unshare)

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What makes a command run in here; the process is the command's own."""
        return ("nsenter", f"--net={self.path}", "--")

    def inside(self, call: Callable[[], T]) -> T:
        """Call something in here, in a thread of its own; a socket it makes stays in here."""

        def entered() -> T:
            _check(_libc.setns(self._descriptor, _CLONE_NEWNET))
            return call()

        return _in_thread(entered)

    def run(self, *command: str, given: str | None = None) -> str:
        """Run a command and return what it printed; one that fails is an `AssertionError`."""
        whole = [*self.prefix, *command]
        done = subprocess.run(whole, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (self.name, command, given, done.stderr)
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Carry out lines of the `ip` command."""
        self.run("ip", "-batch", "-", given="\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        """Replace all packet filters by these."""
        self.run("nft", "-f", "-", given=f"flush ruleset\n{rules}")

    def plug(self, interface: str, *, is_in: bool) -> None:
        """Pull a cable, or put it in again; the addresses stay, as on a real machine."""
        self.ip(f"link set {interface} {'up' if is_in else 'down'}")

    def close(self) -> None:
        """Let go of it; it is gone when the last program in it is."""
        os.close(self._descriptor)


def _unshare() -> int:
    _check(_libc.unshare(_CLONE_NEWNET))
    _forward(is_on=True)
    for sort in ("all", "default"):  # what a kernel says by itself over IPv6 is not ours
        _write(f"ipv6/conf/{sort}/disable_ipv6", "1")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _forward(*, is_on: bool) -> None:
    _write("ipv4/ip_forward", str(int(is_on)))


def _write(name: str, value: str) -> None:
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(value)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _in_thread(call: Callable[[], T]) -> T:
    """Call in a fresh thread, because only a whole thread can be in another namespace."""
    results: list[T] = []
    errors: list[BaseException] = []

    def catch() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@define(eq=False)
class Home:
    """A person's machine behind a NAT of their own."""

    person: Namespace
    nat: Namespace
    number: int

    @property
    def address(self) -> str:
        """The machine's own address, which nobody outside should ever learn."""
        return f"10.{self.number}.0.2"

    @property
    def outer(self) -> str:
        """The address of the NAT, which only relays should learn."""
        return f"11.{self.number}.0.2"

    def become(self, kind: Nat) -> None:
        """Change the NAT."""
        chance = "fully-random" if kind is Nat.SYMMETRIC else ""
        forbidden = "meta l4proto udp drop" if kind is Nat.BLOCKED else ""
        self.nat.nft(_NAT_RULES.format(chance=chance, forbidden=forbidden))

    def plug(self, *, is_in: bool) -> None:
        """Pull the NAT's cable to the internet, or put it in again."""
        self.nat.plug("wan", is_in=is_in)
        if is_in:
            self.nat.ip(f"route replace default via 11.{self.number}.0.1")


_NAT_RULES: Final = """
table ip nat {{
    chain leaving {{
        type nat hook postrouting priority 100; policy accept;
        oifname "wan" masquerade {chance}
    }}
}}
table ip filter {{
    chain forwarded {{
        type filter hook forward priority 0; policy drop;
        {forbidden}
        ct state established,related accept
        iifname "lan" accept
    }}
    chain arriving {{
        type filter hook input priority 0; policy accept;
        iifname "wan" ct state new meta l4proto udp drop
    }}
}}
"""
"""UDP that nobody asked for is dropped at the NAT: else the kernel tracks it as a connection of its
own, and the port that a person's own packet would get is taken."""


@define(eq=False)
class Internet:
    """A public middle without a way out of it, and homes around it."""

    public: Namespace
    homes: list[Home] = field(factory=list)

    def home(self, kind: Nat) -> Home:
        """Build one more home."""
        number = len(self.homes) + 10
        person = Namespace(f"person {number}")
        home = Home(person, Namespace(f"nat {number}"), number)
        self.homes.append(home)
        wire = f"type veth peer name wan netns {home.nat.path}"
        self.public.ip(
            f"link add nat{number} {wire}",
            f"addr add 11.{number}.0.1/30 dev nat{number}",
            f"link set nat{number} up",
        )
        home.nat.ip(
            f"link add lan type veth peer name eth0 netns {person.path}",
            f"addr add 10.{number}.0.1/24 dev lan",
            f"addr add {home.outer}/30 dev wan",
            "link set lan up",
            "link set wan up",
            f"route add default via 11.{number}.0.1",
        )
        person.ip(
            "link set lo up",
            f"addr add {home.address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via 10.{number}.0.1",
        )
        home.become(kind)
        return home

    def silence(self, *addresses: str) -> None:
        """Have these relays, and no others, drop everything without a word."""
        rules = "\n".join(f"ip daddr {address} drop" for address in addresses)
        self.public.nft(_SILENCE.format(rules=rules))

    def close(self) -> None:
        for home in self.homes:
            home.person.close()
            home.nat.close()
        self.public.close()


_SILENCE: Final = """
table ip silence {{
    chain arriving {{
        type filter hook input priority 0; policy accept;
        {rules}
    }}
}}
"""


@contextmanager
def an_internet() -> Iterator[Internet]:
    """An internet for a test; programs in it must have ended before."""
    internet = Internet(Namespace("public"))
    try:
        internet.public.ip(
            "link set lo up",
            f"addr add {ROUTER_ADDRESS}/32 dev lo",
            *(f"addr add {address}/32 dev lo" for address in RELAY_ADDRESSES),
            "route add blackhole default",
        )
        yield internet
    finally:
        internet.close()


@define(eq=False)
class Room:
    """Machines on one wire and nothing else: no router, no default route, no internet."""

    bridge: Namespace
    people: Sequence[Namespace]

    def address(self, number: int) -> str:
        """The address of one machine."""
        return f"192.168.7.{number + 10}"

    def plug(self, number: int, *, is_in: bool) -> None:
        """Pull one machine's cable at the bridge, or put it in again."""
        self.bridge.plug(f"port{number}", is_in=is_in)

    def close(self) -> None:
        for one in (*self.people, self.bridge):
            one.close()


@contextmanager
def a_room(size: int) -> Iterator[Room]:
    """A room with so many machines, called eth0 on each one's own side."""
    room = Room(Namespace("bridge"), [Namespace(f"machine {number}") for number in range(size)])
    try:
        room.bridge.ip("link add wire type bridge", "link set wire up")
        for number, person in enumerate(room.people):
            room.bridge.ip(
                f"link add port{number} type veth peer name eth0 netns {person.path}",
                f"link set port{number} master wire",
                f"link set port{number} up",
            )
            person.ip(
                "link set lo up",
                f"addr add {room.address(number)}/24 brd + dev eth0",
                "link set eth0 up",
            )
        yield room
    finally:
        room.close()
