"""What leaves the machine of somebody in a default circle: packets for the relays, and no address.

Every packet at the machines' own interfaces is looked at, and every blob that the programs made for
each other, before it is sealed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from attrs import define

from tests.support.lab_town import LabTown, a_lab_town
from tests.support.netlab import RELAY_ADDRESSES, Nat
from tests.support.processes import PersonProcess, Program, await_true
from tests.support.sniff import TCP, UDP, Packet, Sniffer, sniffing
from toheal_protocol.wire.connection_blob import CandidateKind, ConnectionBlob, decode_blob

pytestmark = [pytest.mark.netns, pytest.mark.slow]

NOTES_BLOBS = """
import sys
from toheal_p2p.adapters import webrtc
encode = webrtc.encode_blob
notes = open({notes!r}, "a", buffering=1)
def note(blob):
    encoded = encode(blob)
    notes.write(encoded.hex() + "\\n")
    return encoded
webrtc.encode_blob = note
from toheal_p2p.cli import main
sys.exit(main())
"""
"""A program like ours that also writes down what it tells peers of its addresses."""


def start_noting(person: PersonProcess) -> None:
    """Start a person whose blobs can be read in the end."""
    code = NOTES_BLOBS.format(notes=str(person.folder / "blobs"))
    arguments = ("-c", code, *person.run_arguments)
    person.program = Program(arguments, person.folder / "run.out", prefix=person.prefix)
    person.program.launch()
    person.await_ready()


def blobs_of(person: PersonProcess) -> list[ConnectionBlob]:
    """Return what a person's process told of its addresses."""
    notes = person.folder / "blobs"
    lines = notes.read_text(encoding="ascii").splitlines() if notes.exists() else []
    return [decode_blob(bytes.fromhex(line)) for line in lines]


@define(eq=False)
class Evidence:
    """Two people who met and talked, and everything at their interfaces meanwhile."""

    town: LabTown
    people: list[PersonProcess]
    seen: dict[str, Sniffer]

    def addresses_of(self, person: PersonProcess) -> list[str]:
        home = self.town.homes[person.name]
        return [home.address, home.outer]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    with a_lab_town(tmp_path_factory.mktemp("town")) as town, ExitStack() as taps:
        relays = town.relays(2)
        people = [town.neighbour(f"person {number}", Nat.EASY) for number in range(2)]
        seen = {
            person.name: taps.enter_context(sniffing("eth0", town.homes[person.name].person))
            for person in people
        }
        for person in people:
            start_noting(person)
        circle = town.circle(people, relays)
        for person in people:
            await_true(lambda person=person: links_of(person, circle) == ["turn"])  # type: ignore[misc]
        for person in people:
            person.say(circle, f"from {person.name}")
        for person in people:
            await_true(lambda person=person: len(person.texts(circle)) == 2)  # type: ignore[misc]
            await_true(lambda person=person: not person.undelivered(circle))  # type: ignore[misc]
            person.ask("doctor")
        for person in people:
            person.stop()
        yield Evidence(town, people, seen)


def links_of(person: PersonProcess, circle: str) -> list[str]:
    return [row["link"] for row in person.ask("links", circle=circle)]


def test_no_packet_leaves_for_any_address_but_the_relays(evidence: Evidence) -> None:
    for person in evidence.people:
        contacts = evidence.seen[person.name].contacts()
        assert {address for address, _protocol in contacts} <= set(RELAY_ADDRESSES)
        assert (RELAY_ADDRESSES[0], TCP) in contacts, "the capture saw nothing"
        assert UDP in {protocol for _address, protocol in contacts}, "no link over UDP was tried"


def test_no_blob_tells_an_address_of_the_machine_or_of_its_router(evidence: Evidence) -> None:
    for person in evidence.people:
        blobs = blobs_of(person)
        assert blobs, "no blob was made"
        for candidate in (one for blob in blobs for one in blob.candidates):
            assert candidate.kind is CandidateKind.RELAYED
            assert candidate.host in RELAY_ADDRESSES


def test_nothing_that_arrives_at_one_holds_an_address_of_the_other(evidence: Evidence) -> None:
    """STUN attributes hold addresses plainly, or with the magic cookie over them."""
    ours, theirs = evidence.people
    for person, other in ((ours, theirs), (theirs, ours)):
        seen = evidence.seen[person.name]
        for address in evidence.addresses_of(other):
            for form in forms_of(address):
                assert not seen.wanted(lambda one, form=form: form in one.body)  # type: ignore[misc]
        own = evidence.addresses_of(person)[1]
        assert holders_of(seen, own), "the search finds what is there: one's own outer address"


def holders_of(seen: Sniffer, address: str) -> list[Packet]:
    return [one for one in seen.packets() if any(form in one.body for form in forms_of(address))]


def forms_of(address: str) -> list[bytes]:
    """Return how an address looks in a packet: as text, and in STUN (RFC 8489, section 14.2)."""
    number = int(ipaddress.IPv4Address(address))
    return [address.encode(), (number ^ 0x2112A442).to_bytes(4, "big")]
