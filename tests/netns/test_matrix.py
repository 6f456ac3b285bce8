"""Every pair of networks, in every way: what opens, and in how many seconds.

The seconds are printed, not judged: what fails here is a link that does not open, or words that do
not pass over one that did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from attrs import frozen

from tests.support.coturn import SECRET, Coturn, a_coturn, credentials
from tests.support.ends import Answer, End, Servers, both, open_link
from tests.support.matrix import PAIRS, Pair, Sides, seconds, sides_with_ends, table, try_pairs
from tests.support.netlab import RELAY_ADDRESSES, Internet, Nat, an_internet
from tests.support.processes import RelayProcess
from tests.support.shown import Show
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_protocol.wire.relay_address import parse_relay_address

pytestmark = [pytest.mark.netns, pytest.mark.slow]

PATIENCE = 10.0
"""Seconds a link may take that must open; far more than it does on a machine that is not busy."""
NO_PATIENCE = 2.0
"""Seconds a link is tried that need not open: both gave up by then, or never will."""
FRAMES: dict[str, object] = {"count": 20, "size": 20_000}
"""What each side then says: more than a window of SCTP, frames larger than a record."""


PORT = 3478
TURN = (ServerKind.UDP, ServerKind.TCP, ServerKind.TLS)


@frozen
class Way:
    """One way to reach each other, and where it must work."""

    name: str
    servers: Servers
    must_open: Callable[[Pair], bool]


def stun() -> Way:
    server = RelayServer(RELAY_ADDRESSES[0], PORT, ServerKind.STUN)
    return Way("STUN", [server], lambda pair: pair == (Nat.EASY, Nat.EASY))


def turn(server: RelayServer) -> Way:
    """By one TURN service alone."""

    def must_open(pair: Pair) -> bool:
        return server.transport is not ServerKind.UDP or Nat.BLOCKED not in pair

    return Way(f"TURN/{ServerKind(server.transport).name}", [server], must_open)


@pytest.fixture(scope="module")
def internet() -> Iterator[Internet]:
    with an_internet() as made:
        yield made


@pytest.fixture(scope="module")
def relay(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder = tmp_path_factory.mktemp("relay")
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET, encoding="utf-8")
    relay = RelayProcess(folder, host=RELAY_ADDRESSES[0], prefix=internet.public.prefix)
    relay.start(f"--port={PORT}", f"--turn-secret={secret}")
    try:
        yield relay
    finally:
        relay.program.make_sure_it_ended()


@pytest.fixture(scope="module")
def coturn(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    folder = tmp_path_factory.mktemp("coturn")
    with a_coturn(folder, host=RELAY_ADDRESSES[1], inside=internet.public) as running:
        yield running


@pytest.fixture(scope="module")
def sides(internet: Internet) -> Iterator[Sides]:
    with sides_with_ends(internet) as made:
        yield made


@pytest.mark.slow(25)
def test_every_pair_of_networks_opens_in_every_way_that_it_can(
    sides: Sides, relay: RelayProcess, show: Show
) -> None:
    address = parse_relay_address(relay.address)
    ways = [stun()]
    for kind in TURN:
        fingerprint = address.fingerprint if kind is ServerKind.TLS else b""
        ways.append(turn(RelayServer(address.host, PORT, kind, *credentials(), fingerprint)))
    _judge(sides, ways, "our relay", show)


@pytest.mark.coturn
def test_coturn_serves_every_pair_as_our_relay_does(
    sides: Sides, coturn: Coturn, show: Show
) -> None:
    ways = [turn(coturn.server(kind)) for kind in TURN]
    _judge(sides, ways, "coturn", show, tries_all=False)


def _judge(
    sides: Sides, ways: Sequence[Way], whose: str, show: Show, *, tries_all: bool = True
) -> None:
    results = {way.name: _try_way(sides, way, tries_all=tries_all) for way in ways}
    cells = {pair: " ".join(seconds(results[way.name][pair]) for way in ways) for pair in PAIRS}
    title = f"seconds to open a link by {', '.join(results)} ({whose})"
    show(title, table("ours \\ theirs", cells))
    wrong = [
        (way.name, *(kind.value for kind in pair), results[way.name][pair])
        for way in ways
        for pair in PAIRS
        if way.must_open(pair) and not results[way.name][pair].get("is_whole")
    ]
    assert not wrong


def _try_way(sides: Sides, way: Way, *, tries_all: bool) -> dict[Pair, Answer]:
    """Try all nine: those that must open one after the other, for the sake of the figures.

    Those that need not open cost seconds each: without `tries_all` they count as failed.
    """

    def attempt(pair: Pair) -> Answer:
        ends = sides.ends(pair)
        patience = PATIENCE if way.must_open(pair) else NO_PATIENCE
        opened = open_link(ends, (way.servers, way.servers), patience)
        if "took" in opened:
            opened |= _talk(ends)
        return opened

    must = [pair for pair in PAIRS if way.must_open(pair)]
    may = [pair for pair in PAIRS if not way.must_open(pair)]
    if not tries_all:
        return try_pairs(attempt, must, 1) | {pair: {"failed": "not tried"} for pair in may}
    return try_pairs(attempt, must, 1) | try_pairs(attempt, may, len(Nat))


def _talk(ends: tuple[End, End]) -> Answer:
    """Send frames both ways, small and of many records, and close."""
    heard = [*both(ends, "exchange", *[FRAMES] * 2), *both(ends, "close", {}, {})][:2]
    return {"is_whole": all(one.get("is_whole") for one in heard)}
