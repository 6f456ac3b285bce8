"""A room with a network of its own: a bridge, a network namespace per machine, and no way out of it.

Needs root and iproute2. Circles are founded in virtual time (`tests.support.world`) and written into real
vaults, so that fifteen people need no relay to have come together.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import trio
from attrs import define, field

from tests.support.disk import Disk
from tests.support.processes import (
    ENVIRONMENT,
    PASSPHRASE,
    WRONG_CLOCK,
    PersonProcess,
    Program,
)
from tests.support.world import World
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import open_vault
from toheal_protocol.changing import changed
from toheal_protocol.machines.records import PutCircle, PutLog, PutOwed, PutPair, Write
from toheal_protocol.machines.storing import decode_cold, encode_cold

NETWORK = "10.77.0."
AT_A_TIME = 4
"""Processes that are started at once."""

SNIFFER = """
import socket, sys
seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
seen.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
seen.bind((sys.argv[1], 0))
print("ready", flush=True)
with open(sys.argv[2], "wb", buffering=0) as file:
    while True:
        frame = seen.recv(65535)
        file.write(len(frame).to_bytes(4, "big") + frame)
"""


def ip(*words: str) -> None:
    """Run `ip`, and have it succeed."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@define(eq=False)
class Machine:
    """One namespace with one interface, `room0`, on the room's bridge."""

    room: RealRoom
    number: int

    @property
    def namespace(self) -> str:
        return f"{self.room.name}-{self.number}"

    @property
    def port(self) -> str:
        """The bridge's end of the cable."""
        return f"p{self.number}"

    def join(self, *, v4: bool = True) -> None:
        """Plug it in."""
        ip("netns", "add", self.namespace)
        ip("-n", self.room.name, "link", "add", self.port, "type", "veth", "peer", "name", "room0")
        ip("-n", self.room.name, "link", "set", "room0", "netns", self.namespace)
        self.command("sysctl", "-qw", "net.ipv6.conf.room0.accept_dad=0")
        if v4:
            ip("-n", self.namespace, "address", "add", f"{NETWORK}{self.number}/24", "dev", "room0")
        for interface in ("lo", "room0"):
            ip("-n", self.namespace, "link", "set", interface, "up")
        ip("-n", self.room.name, "link", "set", self.port, "master", "bridge", "up")

    def command(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run something on this machine."""
        line = ["ip", "netns", "exec", self.namespace, *words]
        return subprocess.run(line, check=True, capture_output=True, timeout=20)

    def unplug(self) -> None:
        ip("-n", self.room.name, "link", "set", self.port, "down")

    def plug(self) -> None:
        ip("-n", self.room.name, "link", "set", self.port, "up")


@define(eq=False)
class MachineProgram(Program):
    """A program of ours on one machine."""

    machine: Machine | None = None

    def launch(self) -> None:
        assert self.machine is not None
        line = ["ip", "netns", "exec", self.machine.namespace, sys.executable, *self.args]
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, **self.environment},
            )


@define(eq=False)
class RoomPerson(PersonProcess):
    """A real profile on one machine of a room."""

    machine: Machine = field(kw_only=True)

    def launch(self, *, clock_off: int = 0) -> None:
        start = ("-c", WRONG_CLOCK.format(clock_off)) if clock_off else ("-m", "toheal_p2p")
        args = [one for one in self.run_arguments if one != "--allow-loopback"]
        self.program = MachineProgram(
            (*start, *args), self.folder / "run.out", machine=self.machine
        )
        self.program.launch()

    def keep(self, disk: Disk) -> None:
        """Write somebody's circle, as the world left it, into this profile's vault."""
        trio.run(self._keep, disk)

    async def _keep(self, disk: Disk) -> None:
        vault = await open_vault(self.home, PASSPHRASE, entropy=SystemEntropy())
        await vault.commit(_writes_of(disk))
        await vault.aclose()

    def meet(self, **more: object) -> None:
        self.ask("meet", **{"circle": None, "seconds": 3600, "interfaces": [], **more})

    def kinds(self, circle: str) -> list[str]:
        """Return how each other member is reached."""
        return [str(view["link"]) for view in self.ask("links", circle=circle)]


def _writes_of(disk: Disk) -> list[Write]:
    """Return what the disk holds as records, without any relay or mailbox."""
    cold = decode_cold(disk.blobs["cold"])
    peers: Mapping[object, object] = {
        member: changed(peer, mailboxes=(), grants=()) for member, peer in cold.peers.items()
    }
    cold = changed(cold, relays=(), peers=peers)
    writes: list[Write] = [
        PutCircle(cold.id, encode_cold(cold)),
        PutLog(cold.id, disk.blobs["log"]),
    ]
    writes += [PutPair(cold.id, member, blob) for member, blob in disk.pairs.items()]
    for member, rows in disk.owed.items():
        writes += [
            PutOwed(cold.id, member, row.seq, row.mid, row.item, row.frame) for row in rows.values()
        ]
    writes += disk.entries.values()
    return writes


@define(eq=False)
class RealRoom:
    """The bridge, and whoever is plugged into it."""

    folder: Path
    name: str
    machines: list[Machine] = field(factory=list)
    people: list[RoomPerson] = field(factory=list)
    sniffer: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        ip("netns", "exec", self.name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        ip("-n", self.name, "link", "set", "bridge", "up", "promisc", "on")

    def machine(self, *, v4: bool = True) -> Machine:
        machine = Machine(self, len(self.machines) + 1)
        self.machines.append(machine)
        machine.join(v4=v4)
        return machine

    def person(self, name: str, machine: Machine) -> RoomPerson:
        folder = self.folder / f"person{len(self.people)}"
        folder.mkdir(mode=0o700)
        person = RoomPerson(name, folder, machine=machine)
        person.make_profile()
        self.people.append(person)
        return person

    def start(self) -> None:
        """Start everybody's process, a few at a time: each takes a second of a core."""
        for first in range(0, len(self.people), AT_A_TIME):
            group = self.people[first : first + AT_A_TIME]
            for person in group:
                person.launch()
            for person in group:
                person.await_ready()

    def listen(self) -> Path:
        """Write every frame on the bridge into a file from now on."""
        seen = self.folder / "frames"
        line = [
            "ip",
            "netns",
            "exec",
            self.name,
            sys.executable,
            "-c",
            SNIFFER,
            "bridge",
            str(seen),
        ]
        self.sniffer = subprocess.Popen(line, stdout=subprocess.PIPE)
        assert self.sniffer.stdout is not None
        assert self.sniffer.stdout.readline() == b"ready\n"
        return seen

    def close(self) -> None:
        for person in self.people:
            if person.program is not None:
                person.program.make_sure_it_ended()
        if self.sniffer is not None:
            self.sniffer.kill()
            self.sniffer.wait(10)
            assert self.sniffer.stdout is not None
            self.sniffer.stdout.close()
        for name in [*(one.namespace for one in self.machines), self.name]:
            with suppress(subprocess.SubprocessError):
                ip("netns", "delete", name)


@contextmanager
def a_room(folder: Path) -> Iterator[RealRoom]:
    """A room that is taken down at the end."""
    room = RealRoom(folder, f"thlan{os.getpid()}")
    try:
        room.open()
        yield room
    finally:
        room.close()
        faults = [one.faults for one in room.people if one.faults.exists()]
        assert not faults, [one.read_text(encoding="utf-8") for one in faults]


def circle_in_the_room(room: RealRoom, count: int, machines: Sequence[Machine] = ()) -> str:
    """Found a circle of so many in virtual time, and give each a profile; return its id."""
    world = World(1)
    first = world.person("p0")
    world.found(first, is_direct=False)
    for number in range(1, count):
        world.join(first, world.person(f"p{number}"))
    world.run_for(60)
    for number, person in enumerate(world.people):
        machine = machines[number % len(machines)] if machines else room.machine()
        room.person(person.name, machine).keep(person.disk)
    assert first.circle is not None
    return first.circle.cold.id.hex()


# ---- what was on the bridge


def frames_in(seen: Path) -> list[bytes]:
    """Return every Ethernet frame so far."""
    whole, at, frames = seen.read_bytes(), 0, []
    while at + 4 <= len(whole):
        size = int.from_bytes(whole[at : at + 4], "big")
        frames.append(whole[at + 4 : at + 4 + size])
        at += 4 + size
    return frames


def spoken_in(frames: Sequence[bytes]) -> tuple[list[bytes], list[bytes], set[int]]:
    """Return what UDP carried, what TCP carried, and the ports below neither 5353 nor known."""
    datagrams: list[bytes] = []
    streams: list[bytes] = []
    ports: set[int] = set()
    for frame in frames:
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x00":
            protocol, body = (
                packet[9],
                packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")],
            )
        elif kind == b"\x86\xdd":
            protocol, body = packet[6], packet[40 : 40 + int.from_bytes(packet[4:6], "big")]
        else:
            continue
        if protocol == 17:
            datagrams.append(body[8:])
        elif protocol == 6:
            ports.update((int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")))
            streams.append(body[(body[12] >> 4) * 4 :])
    return datagrams, streams, ports
