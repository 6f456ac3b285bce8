"""Two circles that share one person, a relay that logs everything, and a script that links mailboxes.

The claim: that two mailboxes in two circles are read by one person shows by IP address and time alone.
Nothing else that a relay sees tells it. Spec: docs/protocol/mailboxes.md, section 9.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import combinations

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from tests.support.applications import Village, eventually
from tests.support.channels import FakeChannels
from tests.support.linker import Evidence, Guesser, LogLine, advantage, read_log
from tests.support.memory_relay import MemoryRelay, MemoryRelayChannel
from tests.support.shown import Show
from toheal_p2p.app.application import Application
from toheal_protocol.model import Address
from toheal_protocol.wire.relay_address import RelayAddress

SHARED = "Nour"
FIRST, SECOND = ("Salma", "Yousef"), ("Rim", "Mustafa")
"""Names of different lengths: the chance of a person of the tests follows from that."""
RUNS = 4

CHANCE = 0.2
"""An advantage that is none: what random bytes and equal habits give over so few people."""

MORE = 0.05
"""How much better than by IP address and time everything together may come out by chance."""


@define(eq=False)
class LoggedVillage(Village):
    """A village whose relay writes down every command: when, from where, over which connection."""

    log: list[LogLine] = field(factory=list)
    has_one_exit: bool = False
    """Whether everybody comes through a proxy that shows the relay one address for all."""
    connections: int = 0

    async def _dial(self, name: str, address: RelayAddress) -> MemoryRelayChannel:
        channel = await Village._dial(self, name, address)
        self.connections += 1
        number, ip = self.connections, "exit" if self.has_one_exit else name
        send = channel.send

        async def logged(messages: list[bytes]) -> None:
            self.log += [LogLine(trio.current_time(), ip, number, one) for one in messages]
            await send(messages)

        channel.send = logged  # type: ignore[method-assign, assignment]
        return channel


@asynccontextmanager
async def logged_village(*, seed: int, has_one_exit: bool) -> AsyncIterator[LoggedVillage]:
    async with trio.open_nursery() as nursery:
        relay = MemoryRelay(host="relay.example", seed=seed)
        yield LoggedVillage(
            relay, nursery, channels=FakeChannels(has_turn=False), has_one_exit=has_one_exit
        )
        nursery.cancel_scope.cancel()


async def gather(
    village: LoggedVillage, apps: dict[str, Application], name: str, people: tuple[str, ...]
) -> str:
    founder, *others = (apps[one] for one in people)
    circle = await founder.circle_create(
        name, relays=[str(village.relay.address)], direct=False, charter="نصغي.", nickname=None
    )
    for other, nickname in zip(others, people[1:], strict=True):
        invitation = await founder.invite(circle.id, expires_in=3600)
        await other.join(invitation.link, nickname=nickname)

        async def somebody_waits() -> bool:
            return bool(await founder.waiting(circle.id))

        await eventually(somebody_waits)
        await founder.admit(circle.id, nickname)
        await trio.sleep(20)
    return circle.id


async def live(village: LoggedVillage, seed: int) -> dict[Address, tuple[str, str]]:
    """Let two circles live for a while; return whose mailbox each is, and of which circle."""
    apps = {name: await village.start(name) for name in (SHARED, *FIRST, *SECOND)}
    first = (SHARED, *FIRST) if seed & 1 else (*FIRST, SHARED)  # who begins a circle shows that
    second = (SHARED, *SECOND) if seed & 2 else (*SECOND, SHARED)
    circles = {
        await gather(village, apps, "the first", first): first,
        await gather(village, apps, "the second", second): second,
    }
    for turn in range(6):
        for number, (circle, people) in enumerate(circles.items()):
            speaker = people[(turn + seed + number) % 3]
            await apps[speaker].say(circle, f"{turn}", notes=(), to_facilitators=False)
            await trio.sleep(7 + 5 * number + turn)
    for name in apps:
        village.stop(name)
    await trio.sleep(30)
    for place, name in enumerate([*apps][seed:] + [*apps][:seed]):
        apps[name] = await village.start(name)
        await trio.sleep(40 + 3 * place)
    owners = {}
    for name, app in apps.items():
        for running in app._running.values():
            cold = running.service.circle.cold
            for peer in cold.peers.values():
                owners.update({box.address: (name, cold.id.hex()) for box in peer.mailboxes})
    return owners


def judge(
    guesser: Guesser, owners: dict[Address, tuple[str, str]], evidence: Evidence
) -> dict[str, float]:
    """Return the advantage for each question, over pairs of people: the best of their mailboxes."""
    people = sorted({owner for address, owner in owners.items() if address in guesser.boxes})
    used = {address for address, box in guesser.boxes.items() if box.written_at}
    boxes = {
        owner: [one for one, of in owners.items() if of == owner and one in used]
        for owner in people
    }
    scores: dict[str, tuple[list[float], list[float]]] = {
        "one person in two circles": ([], []),
        "one circle": ([], []),
        "one reader in one circle": ([], []),
    }
    for one, other in combinations(people, 2):
        pairs = [(a, b) for a in boxes[one] for b in boxes[other]]
        reader = statistics.mean(guesser.one_reader(a, b, evidence) for a, b in pairs)
        circle = max(guesser.one_circle(a, b, evidence) for a, b in pairs)
        if one[1] != other[1]:
            scores["one person in two circles"][one[0] != other[0]].append(reader)
        scores["one circle"][one[1] != other[1]].append(circle)
        scores["one reader in one circle"][1].append(reader)
    for owner in people:
        some = boxes[owner]
        own = [guesser.one_reader(a, b, evidence) for a, b in combinations(some, 2)]
        scores["one reader in one circle"][0].append(statistics.mean(own))
    return {question: advantage(right, wrong) for question, (right, wrong) in scores.items()}


SETS = {
    "all but IP and time": Evidence.BUT_IP_AND_TIME,
    "IP and time alone": Evidence.IP_AND_TIME,
    "everything": Evidence.EVERYTHING,
}


@pytest.mark.trio
@pytest.mark.parametrize("has_one_exit", [False, True], ids=["addresses", "one exit"])
async def test_one_person_in_two_circles_shows_by_ip_and_time_alone(
    autojump_clock: MockClock, has_one_exit: bool, show: Show
) -> None:
    found: dict[str, dict[str, list[float]]] = {name: {} for name in SETS}
    for seed in range(RUNS):
        async with logged_village(seed=seed, has_one_exit=has_one_exit) as village:
            owners = await live(village, seed)
            guesser = Guesser(read_log(village.log))
            for name, evidence in SETS.items():
                for question, worth in judge(guesser, owners, evidence).items():
                    found[name].setdefault(question, []).append(worth)
    means = {
        name: {question: statistics.mean(all_of) for question, all_of in of.items()}
        for name, of in found.items()
    }
    lines = [
        f"{question:28}" + "".join(f"  {name} {means[name][question]:+.2f}" for name in SETS)
        for question in means["everything"]
    ]
    exits = "one exit for all" if has_one_exit else "an address each"
    show(f"linking mailboxes, {exits}: advantage over chance", "\n".join(lines))
    question = "one person in two circles"
    assert means["all but IP and time"][question] < CHANCE
    assert means["everything"][question] <= means["IP and time alone"][question] + MORE
    assert means["IP and time alone"]["one reader in one circle"] > 0.5, (
        "the guesser guesses nothing"
    )
