"""`toheal-relay`: run a relay, tell its address, count what it holds.

Exit codes: 0 done, 1 refused or failed with one plain line on stderr, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
import trio

from toheal_protocol.errors import LocalError
from toheal_protocol.model import Instant
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_relay.limits import limits_for
from toheal_relay.machine import (
    memory_ceiling,
    overwrite_freed_memory,
    raise_descriptors,
    settle_memory,
)
from toheal_relay.server.control import AlreadyRunning, NotRunning, ask_holdings
from toheal_relay.server.relay import RelayConfig, RunningRelay, serve_relay
from toheal_relay.server.sockets import CannotListen, host_for_others
from toheal_relay.tls import UnusableKey, fingerprint_of, load_or_make_key
from toheal_relay.turn.config import UnusableSecret, UnusableTurn, configure_turn

DEFAULT_PORT: Final = 3478
"""STUN's port (RFC 8489): the one thing here that has a standard port."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class _RunByDefault(click.Group):
    """A group whose first command is `run` when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "--version")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


_state = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: default_state(),
    help="Folder of the relay's key. Nothing else is ever written.",
)
_public = click.option(
    "--public", metavar="NAME[:PORT]", help="What others reach this relay at, if it is not --host."
)
_port = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="TCP and UDP port; 0 means a free one.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=_RunByDefault)
@click.version_option(package_name="toheal-relay")
def main() -> None:
    """A volunteer's relay: it forwards and keeps sealed frames that it cannot read."""


@main.command()
@click.option("--host", help="Address to listen on; all of this machine by default.")
@_port
@_public
@_state
@_json
@click.option(
    "--allow-loopback",
    is_flag=True,
    help="This relay is for this machine only (demos, tests): do not warn, and relay to it.",
)
@click.option(
    "--turn",
    "turn_urls",
    multiple=True,
    metavar="URL",
    help="Send clients to this TURN server (turn:HOST:PORT, turns:HOST:PORT) instead of here.",
)
@click.option(
    "--turn-secret",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the secret that TURN passwords follow from; drawn at each start otherwise.",
)
@click.option("--turn-address", metavar="ADDRESS", help="What peers reach relayed UDP ports at.")
@click.option(
    "--turn-allow",
    multiple=True,
    metavar="NETWORK",
    help="Relay to peers in this special network, too (a relay of a closed network).",
)
@click.option("--no-turn", is_flag=True, help="Offer no TURN.")
@click.option(
    "--show-deposits",
    is_flag=True,
    help="Print the size and time of every deposit (demonstrations; only with --host 127.0.0.1).",
)
def run(
    *,
    host: str | None,
    port: int,
    public: str | None,
    state: Path,
    as_json: bool,
    allow_loopback: bool,
    turn_urls: tuple[str, ...],
    turn_secret: Path | None,
    turn_address: str | None,
    turn_allow: tuple[str, ...],
    no_turn: bool,
    show_deposits: bool,
) -> None:
    """Run the relay; prints `relay ADDRESS` when it is ready."""
    if show_deposits and host not in _LOOPBACK:  # nobody's relay keeps a log of times by accident
        raise click.UsageError("--show-deposits is for a relay that listens on this machine only")
    public_host, public_port = _split_public(public)
    limits = limits_for(memory=memory_ceiling(), descriptors=raise_descriptors())
    allowed = (*turn_allow, *(("127.0.0.0/8", "::1/128") if allow_loopback else ()))
    with _plain_errors():
        try:
            turn = configure_turn(
                turn_urls, turn_secret, is_off=no_turn, address=turn_address, allowed=allowed
            )
        except UnusableTurn as problem:
            raise click.UsageError(str(problem)) from None
        config = RelayConfig(state, host, port, public_host, public_port, limits, turn)
        overwrite_freed_memory()
        trio.run(_run, config, as_json, allow_loopback, show_deposits)


@main.command()
@_port
@_public
@_state
@_json
def address(*, port: int, public: str | None, state: Path, as_json: bool) -> None:
    """Print the relay's address, of the running one or of the one these options would start."""
    with _plain_errors():
        try:
            text = str(ask_holdings(state)["address"])
        except NotRunning:
            host, public_port = _split_public(public)
            key = fingerprint_of(load_or_make_key(state))
            text = str(RelayAddress(host or host_for_others(None), public_port or port, key))
    click.echo(json.dumps({"address": text}) if as_json else text)


@main.command()
@_state
@_json
def holdings(*, state: Path, as_json: bool) -> None:
    """Print what the running relay holds right now: counts only."""
    with _plain_errors():
        counts = ask_holdings(state)
    del counts["address"]
    if as_json:
        click.echo(json.dumps(counts))
        return
    for name, count in counts.items():
        click.echo(f"{name.replace('_', ' '):12} {count}")


async def _run(
    config: RelayConfig, as_json: bool, allow_loopback: bool, show_deposits: bool
) -> None:
    with trio.open_signal_receiver(*_STOPPING) as signals:
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as relays:
                running: RunningRelay = await relays.start(serve_relay, config)
                nursery.start_soon(_stop_on, signals, running, nursery.cancel_scope)
                _announce(running.address, as_json=as_json, allow_loopback=allow_loopback)
                if show_deposits:
                    running.desk.on_deposit = _show_deposits(since=trio.current_time())
                settle_memory()
            nursery.cancel_scope.cancel()


async def _stop_on(
    signals: AsyncIterator[int], running: RunningRelay, everything: trio.CancelScope
) -> None:
    """Stop in good order on the first signal, and at once on the second."""
    await anext(signals)
    running.stop()
    await anext(signals)
    everything.cancel()


def _show_deposits(*, since: float) -> Callable[[int, Instant], None]:
    """Return what prints a deposit: its size in bytes, and seconds since the relay was ready."""

    def show(size: int, now: Instant) -> None:
        print(json.dumps({"size": size, "at": round(now - since, 3)}), flush=True)

    return show


_STOPPING: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT") if hasattr(signal, name)
)


def _announce(address: RelayAddress, *, as_json: bool, allow_loopback: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": "ready", "address": str(address)}))
    else:
        click.echo(f"relay {address}")
    sys.stdout.flush()
    if address.host in _LOOPBACK and not allow_loopback:
        click.echo("this address can only be reached from this machine (see --public)", err=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what went wrong in one line and exit with 1; a bug of ours goes on as it is."""
    try:
        yield
    except BaseException as problem:
        line = _in_words(_innermost(problem))
        if line is None:
            raise
        _fail(line)


def _in_words(problem: BaseException) -> str | None:
    match problem:
        case UnusableKey() | CannotListen() | UnusableSecret():
            return str(problem)
        case AlreadyRunning():
            return "a relay is already running on this state folder"
        case NotRunning():
            return "no relay is running on this state folder"
        case LocalError():
            return "this is not a host that others could use"
        case KeyboardInterrupt():
            return "interrupted before it was ready"
        case _:
            return None


def _innermost(problem: BaseException) -> BaseException:
    while isinstance(problem, BaseExceptionGroup) and len(problem.exceptions) == 1:
        problem = problem.exceptions[0]
    return problem


def _fail(line: str) -> NoReturn:
    click.echo(f"toheal-relay: {line}", err=True)
    raise SystemExit(1)


def _split_public(public: str | None) -> tuple[str | None, int | None]:
    """Read NAME, NAME:PORT, an address, or [IPv6]:PORT."""
    if public is None:
        return None, None
    host, colon, port = public.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return public.strip("[]").lower(), None
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise click.BadParameter("NAME or NAME:PORT", param_hint="--public")
    return host.strip("[]").lower(), int(port)


def default_state() -> Path:
    """Return this user's folder for the relay's key."""
    given = os.environ.get("STATE_DIRECTORY")  # set by systemd
    if given:
        return Path(given.partition(":")[0])
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "toheal-relay"
