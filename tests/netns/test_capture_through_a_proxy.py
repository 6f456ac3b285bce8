"""With a proxy set, the only packets that leave the machine are TCP for the proxy.

Everything is as it is installed; every packet at the machine's own interface is looked at. The
proxy is elsewhere, and nothing but the proxy knows where the relay's name leads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.lab_town import LabTown, a_lab_town
from tests.support.netlab import RELAY_ADDRESSES, ROUTER_ADDRESS, Nat
from tests.support.processes import Program, await_true
from tests.support.sniff import TCP, UDP, sniffing

pytestmark = [pytest.mark.netns, pytest.mark.slow]

NAME = "relay.example"
PROXY = """
import pathlib, trio
from tests.support import socks_server
server = socks_server.SocksServer(
    host={host!r}, names={{{name!r}: {relay!r}}}, notes=pathlib.Path({notes!r})
)
trio.run(socks_server._main, server)
"""


@contextmanager
def a_proxy(town: LabTown) -> Iterator[str]:
    """Run a proxy in the middle of the internet; give its URL."""
    code = PROXY.format(
        host=ROUTER_ADDRESS,
        name=NAME,
        relay=RELAY_ADDRESSES[0],
        notes=str(town.folder / "wishes"),
    )
    output = town.folder / "socks.out"
    proxy = Program(("-c", code), output, prefix=town.internet.public.prefix)
    try:
        yield f"socks5://{ROUTER_ADDRESS}:{proxy.start('socks ').split()[1]}"
    finally:
        proxy.make_sure_it_ended()


def test_with_a_proxy_nothing_leaves_but_tcp_for_the_proxy(tmp_path: Path) -> None:
    with a_lab_town(tmp_path) as town, ExitStack() as held:
        [relay] = town.relays()
        url = held.enter_context(a_proxy(town))
        people = [town.neighbour(f"person {number}", Nat.EASY) for number in range(2)]
        seen = [
            held.enter_context(sniffing("eth0", town.homes[person.name].person))
            for person in people
        ]
        for person in people:
            person.start()
            person.ask("settings_set", name="proxy", value=url)
        circle = town.create(people[0], [relay.address.replace(RELAY_ADDRESSES[0], NAME)])
        town.join(people[0], people[1], circle)
        for person in people:
            person.say(circle, f"from {person.name}")
        for person in people:
            await_true(lambda person=person: len(person.texts(circle)) == 2)  # type: ignore[misc]
            await_true(lambda person=person: not person.undelivered(circle))  # type: ignore[misc]
            person.ask("doctor")
            person.stop()
            person.start()  # the setting is kept, and holds before the first packet
            await_true(lambda person=person: len(person.texts(circle)) == 2)  # type: ignore[misc]
        for one in seen:
            assert one.contacts() == {(ROUTER_ADDRESS, TCP)}
            assert not one.wanted(lambda packet: packet.protocol == UDP)
