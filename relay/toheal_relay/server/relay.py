"""One relay, put together: sockets, desk, callers, and an end that loses nothing.

serve_relay
  ├── callers  ──> one task per connection ──> a second one only while its client is slow
  ├── sweep    (what is over, who is silent)
  ├── udp      (STUN and TURN)
  ├── relayed ports, one task each, and their sweep
  └── control  (the operator's question)
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from toheal_protocol.errors import LocalError
from toheal_protocol.model import Instant, WallTime
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.turn_grant import TurnServer, TurnTransport
from toheal_relay.desk import Desk
from toheal_relay.limits import Limits
from toheal_relay.metrics import Holdings
from toheal_relay.server.callers import Callers
from toheal_relay.server.control import open_control, serve_control
from toheal_relay.server.lookout import Lookout, open_lookout
from toheal_relay.server.sockets import (
    CannotListen,
    host_for_others,
    listen,
    relayed_hosts,
)
from toheal_relay.server.turn_service import TurnService, open_turn
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.server.udp import UdpPort
from toheal_relay.tls import fingerprint_of, load_or_make_key, server_context
from toheal_relay.turn.binding import Strangers
from toheal_relay.turn.config import TurnConfig
from toheal_relay.turn.credentials import SECRET_SIZE, Credentials

GOODBYE: Final = 8.0
"""Seconds that everybody has to take their last words, after which we leave anyway."""


@frozen
class RelayConfig:
    """How one relay is run. `public_*` is what others reach it at, where that is something else."""

    state: Path
    host: str | None = None
    port: int = 0
    public_host: str | None = None
    public_port: int | None = None
    limits: Limits = field(factory=Limits)
    turn: TurnConfig = field(factory=TurnConfig)


@define(eq=False)
class RunningRelay:
    """What a started relay is to whoever started it."""

    address: RelayAddress
    desk: Desk
    turn: TurnService | None = None
    _stopping: trio.Event = field(factory=trio.Event)

    def stop(self) -> None:
        """Accept nobody any more, finish what is being said, and end within ten seconds."""
        self._stopping.set()

    def holdings(self) -> Holdings:
        """Count what is here."""
        held = self.desk.holdings()
        if self.turn is None:
            return held
        turn = self.turn.turn
        return evolve(held, allocations=turn.allocations, relayed_bytes=turn.relayed_bytes)

    async def wait_stopping(self) -> None:
        """Wait until somebody wants it to stop."""
        await self._stopping.wait()


async def serve_relay(
    config: RelayConfig,
    *,
    task_status: trio.TaskStatus[RunningRelay] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a relay until it is stopped. Start it with `nursery.start(serve_relay, config)`.

    Raises:
        UnusableKey, CannotListen, AlreadyRunning: before it started.
    """
    key = load_or_make_key(config.state)
    context, fingerprint = server_context(key), fingerprint_of(key)
    with (
        open_control(config.state) as control,
        listen(config.host, config.port) as listening,
        open_lookout() as lookout,
    ):
        address = _address(config, listening.port, fingerprint)
        credentials, hosts = _credentials(config, listening.host, address.port)
        desk = Desk(
            config.limits, fingerprint=fingerprint, draw=secrets.token_bytes, turn=credentials
        )
        async with trio.open_nursery() as services:
            turn = None
            if credentials is not None and hosts:
                ports = frozenset({listening.port, address.port})
                turn = open_turn(
                    config.turn,
                    credentials,
                    desk,
                    services,
                    lookout,
                    bind_to=hosts,
                    listening=ports,
                )
                services.start_soon(turn.sweep)
            running = RunningRelay(address, desk, turn)
            services.start_soon(_udp_port(listening.udp, desk, turn, lookout).serve)
            if control is not None:
                services.start_soon(serve_control, control, str(address), running.holdings)
            async with trio.open_nursery() as nursery:
                callers = Callers(desk, context, nursery, turn)
                services.start_soon(callers.sweep)
                nursery.start_soon(callers.accept, listening.tcp)
                task_status.started(running)
                await running.wait_stopping()
                listening.stop_accepting()
                callers.dismiss()
                if turn is not None:
                    nursery.start_soon(turn.see_off)
                nursery.cancel_scope.deadline = trio.current_time() + GOODBYE
            services.cancel_scope.cancel()


def _credentials(
    config: RelayConfig, bound: str, port: int
) -> tuple[Credentials | None, dict[str, str]]:
    """Return what is handed out, and the addresses of our own relayed ports if TURN is here, with what
    these are bound to."""
    turn = config.turn
    hosts = {} if turn.servers else relayed_hosts(bound, config.public_host, turn.address)
    if not turn.is_offered or not (turn.servers or hosts):
        return None, {}
    servers = turn.servers or tuple(TurnServer(each, "", port) for each in TurnTransport)
    secret = turn.secret or secrets.token_bytes(SECRET_SIZE)
    return Credentials(secret, servers, secrets.token_bytes, _wall_clock), hosts


def _wall_clock() -> WallTime:
    return WallTime(int(time.time()))


def _no_relay(_client: Hashable, _messages: list[bytes], _now: Instant) -> None:
    """Pass nothing on: there is no TURN here."""


def _udp_port(
    udp: socket.socket, desk: Desk, turn: TurnService | None, lookout: Lookout
) -> UdpPort:
    fault = desk.note_fault
    if turn is None:
        strangers = Strangers(desk.admission).receive
        return UdpPort(udp, strangers, _no_relay, Dirty(), fault, lookout)
    return UdpPort(udp, turn.turn.receive, turn.turn.relay, turn.dirty, fault, lookout)


def _address(config: RelayConfig, port: int, fingerprint: bytes) -> RelayAddress:
    host = config.public_host or host_for_others(config.host)
    try:
        return RelayAddress(host, config.public_port or port, fingerprint)
    except LocalError:
        raise CannotListen(f"{host!r} is no host that others could use") from None
