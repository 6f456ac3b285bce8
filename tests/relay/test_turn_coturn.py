"""coturn beside us: its client against our relay, and our credentials and aioice against its server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.aioice_turn import ask_grant, exchange, server_by, turn_end
from tests.support.coturn_tools import HOST, coturn_server, run_uclient, uclient
from tests.support.relays import RelayProcess, relay_process
from tests.support.wide_relay import wide_relay
from toheal_protocol.wire.turn_grant import TurnTransport
from toheal_relay.server.control import ask_holdings

pytestmark = [pytest.mark.real, pytest.mark.coturn]

SECRET = "0123456789abcdef"
MEMBERS = ("-y", "-c")
"""Clients of one relay in pairs, without a second port for RTCP."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A relay that takes credentials made with `SECRET`, its quotas out of the way."""
    state = tmp_path_factory.mktemp("state")
    with wide_relay(state, SECRET) as port:
        yield port, state


def see_no_fault(state: Path) -> None:
    assert ask_holdings(state)["faults"] == 0


@pytest.mark.slow(20)
@pytest.mark.parametrize("way", [(), ("-t",), ("-t", "-S"), ("-s",)], ids="".join)
def test_forty_thousand_messages_of_its_client_arrive(
    relay: tuple[int, Path], way: tuple[str, ...]
) -> None:
    """Over UDP, TCP and TLS by channels, and over UDP by Send and Data indications."""
    port, state = relay
    counted = uclient(port, SECRET, *MEMBERS, *way, "-m", "40", "-n", "1000", "-z", "10")
    assert (counted.sent, counted.received, counted.lost) == (40_000, 40_000, 0)
    see_no_fault(state)


@pytest.mark.parametrize(
    "options",
    [
        ("-N",),  # requests with something wrong in between
        ("-G",),  # more permissions and channels than are needed
        ("-B", "-t"),  # connections that break off
        ("-D", "-t"),
        ("-X",),  # an IPv4 address, asked for by name
        ("-l", "1300"),
    ],
    ids="".join,
)
def test_its_client_gets_along_with_us(relay: tuple[int, Path], options: tuple[str, ...]) -> None:
    port, state = relay
    counted = uclient(port, SECRET, *MEMBERS, *options, "-m", "4", "-n", "25", "-z", "5")
    assert (counted.received, counted.lost) == (100, 0)
    see_no_fault(state)


@pytest.mark.parametrize(("option", "code"), [("-x", "440"), ("-g", "420")])
def test_what_we_do_not_offer_its_client_is_told(
    relay: tuple[int, Path], option: str, code: str
) -> None:
    port, _ = relay
    output = run_uclient(port, "-W", SECRET, "-u", "test", *MEMBERS, option, "-m", "2", "-n", "1")
    assert f"error {code}" in output


@pytest.mark.slow(20)
def test_its_negative_and_flood_modes_harm_nobody(relay: tuple[int, Path]) -> None:
    """`-R` never ends by itself, not with coturn's server either; `-O` ends early with both."""
    port, state = relay
    for options in (("-R",), ("-R", "-t"), ("-O",), ("-O", "-t"), ("-N", "-R", "-G")):
        for _ in range(3):
            try:
                run_uclient(
                    port, "-W", SECRET, "-u", "x", *MEMBERS, *options, "-m", "50", "-n", "5",
                    timeout=2,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                pass
    counted = uclient(port, SECRET, *MEMBERS, "-m", "4", "-n", "25", "-z", "5")
    assert (counted.received, counted.lost) == (100, 0)
    see_no_fault(state)


def test_its_client_with_a_wrong_secret_is_not_let_in(relay: tuple[int, Path]) -> None:
    port, state = relay
    before = ask_holdings(state)["allocations"]
    output = run_uclient(port, "-W", "wrong", "-u", "test", *MEMBERS, "-m", "2", "-n", "1")
    assert "error 401" in output or "Cannot complete Allocation" in output
    assert ask_holdings(state)["allocations"] == before


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("way", TurnTransport)
def test_credentials_of_our_relay_open_a_coturn_elsewhere(
    tmp_path: Path, secret_file: Path, way: TurnTransport
) -> None:
    key = tmp_path / "state" / "relay.pem"
    with relay_process(tmp_path / "state"):
        pass  # makes the key that coturn shows, too
    tls = (f"cert={key}", f"pkey={key}", "no-dtls") if way is TurnTransport.TLS else ()
    with coturn_server(SECRET, *tls) as coturn:
        with relay_process(tmp_path / "state", *elsewhere(way, coturn.port, secret_file)) as relay:
            meet_there(relay, way, key)


def elsewhere(way: TurnTransport, port: int, secret_file: Path) -> tuple[str, ...]:
    url = {
        TurnTransport.UDP: f"turn:{HOST}:{port}",
        TurnTransport.TCP: f"turn:{HOST}:{port}?transport=tcp",
        TurnTransport.TLS: f"turns:{HOST}:{port}",
    }[way]
    return "--turn", url, "--turn-secret", str(secret_file)


def meet_there(relay: RelayProcess, way: TurnTransport, certificate: Path) -> None:
    grants = [ask_grant(relay.address) for _ in range(2)]
    servers = [server_by(grant, way) for grant in grants]
    assert {server.host for server in servers} == {HOST}

    async def meet() -> None:
        async with (
            turn_end(grants[0], servers[0], HOST, certificate) as one,
            turn_end(grants[1], servers[1], HOST, certificate) as other,
        ):
            await exchange(one, other)

    asyncio.run(asyncio.wait_for(meet(), 30))
