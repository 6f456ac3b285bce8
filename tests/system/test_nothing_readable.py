"""Whoever records everything between and beside two talking people reads nothing of it.

One real circle talks through a recording proxy, then over a data channel. Everything that was
sent, stored, printed, or held in the relay's memory is searched for what was said, by whom, and
for the keys of the personas. Every search is shown to find something that is there.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define

from tests.support.processes import PersonProcess, Town, a_town, await_true
from tests.support.recording import (
    LoopbackRecording,
    RecordingProxy,
    a_loopback_recording,
    a_recording_proxy,
    files_below,
    forms,
    found,
    memory_of,
)
from toheal_protocol.machines.state import Cold

pytestmark = [pytest.mark.real, pytest.mark.slow]

CIRCLE = "حلقة الياسمين السرية"
CHARTER = "ميثاق الحلقة: ما يقال هنا يبقى هنا"
NAMES = ("سنونوة-الجبل", "Kestrel of the marsh")
SAID = (
    "لم أنم منذ أسبوع وأخاف من الليل",
    "I have not told anybody about the hospital",
    "هل يسمعني أحد الليلة",
    "We hear you, and nobody here will hurry you",
)
PLANTED = "a planted marker that only this test knows"

Needles = list[tuple[str, bytes]]


@define(eq=False)
class Evidence:
    """Everything that was seen of one circle, by where it was seen."""

    seen: dict[str, list[bytes]]
    colds: list[Cold]
    person_memory: list[bytes]
    proxy: RecordingProxy

    def words(self) -> Needles:
        """Everything a person wrote, in every form it could have."""
        texts = (CIRCLE, CHARTER, *NAMES, *SAID)
        return [(text, form) for text in texts for form in forms(text)]

    def keys(self) -> Needles:
        """The ids and public keys of the personas. Of a long key, three stretches."""
        needles: Needles = []
        for cold in self.colds:
            public = cold.persona.keys
            for name, key in (
                ("member id", public.member_id),
                ("verify key", public.verify),
                ("dh key", public.dh),
                ("circle id", cold.id),
            ):
                needles.append((f"{name} of {cold.my_name}", bytes(key)))
            for start in (0, 512, len(public.kem) - 32):
                stretch = public.kem[start : start + 32]
                needles.append((f"kem key of {cold.my_name} from {start}", stretch))
        return needles

    def addresses(self) -> Needles:
        """Addresses of mailboxes: what a relay does know."""
        boxes = [
            box for cold in self.colds for peer in cold.peers.values() for box in peer.mailboxes
        ]
        return [("mailbox", bytes(box.address)) for box in boxes]


def _nothing_is_on_its_way(person: PersonProcess, circle: str) -> bool:
    """Say whether all was delivered, or given up because the other has left."""
    return all(row["state"] == "undelivered" for row in person.undelivered(circle))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Two people meet and talk by relay, with everything recorded until they left."""
    folder = tmp_path_factory.mktemp("readable")
    with (
        a_town(folder, {"TH_PLANTED": PLANTED}) as town,
        a_recording_proxy(town.relay.address) as proxy,
    ):
        ours, theirs, circle = _meet(town, proxy, direct=False)
        _talk(ours, theirs, circle)
        seen = {"relay's memory while they talk": memory_of(town.relay.program.pid)}
        person_memory = memory_of(ours.program.pid) if ours.program else []
        for person in (ours, theirs):
            seen[f"open vault of {person.name}"] = files_below(person.home)
        with socket.create_connection(("127.0.0.1", proxy.port)) as visitor:
            visitor.sendall(PLANTED.encode())
            visitor.shutdown(socket.SHUT_WR)
            visitor.recv(1)
        for person in (ours, theirs):
            person.ask("circle_leave", circle=circle)
        await_true(lambda: _nothing_is_on_its_way(theirs, circle))
        for person in (ours, theirs):
            person.stop()
            seen[f"closed vault of {person.name}"] = files_below(person.home)
            seen[f"what {person.name} saw"] = [(person.folder / "run.out").read_bytes()]
        seen["relay's memory after they left"] = memory_of(town.relay.program.pid)
        seen["TCP"] = proxy.pieces()
        colds = [*ours.cold(), *theirs.cold()]
        town.relay.program.stop()
        seen["relay's files and output"] = files_below(town.relay.folder)
        yield Evidence(seen, colds, person_memory, proxy)


def test_nothing_recorded_holds_a_word_or_a_name(evidence: Evidence) -> None:
    assert {place: found(evidence.words(), pieces) for place, pieces in evidence.seen.items()} == {
        place: set() for place in evidence.seen
    }


def test_nothing_recorded_holds_an_id_or_a_public_key_of_a_persona(evidence: Evidence) -> None:
    assert len(evidence.colds) == 2
    assert {place: found(evidence.keys(), pieces) for place, pieces in evidence.seen.items()} == {
        place: set() for place in evidence.seen
    }


def test_the_search_finds_what_is_there(evidence: Evidence) -> None:
    planted = [("planted", PLANTED.encode())]
    assert found(planted, evidence.seen["TCP"]) == {"planted"}
    for place in ("relay's memory while they talk", "relay's memory after they left"):
        assert found(planted, evidence.seen[place]) == {"planted"}, place
    assert found(evidence.addresses(), evidence.seen["relay's memory while they talk"])
    told = [one for one in evidence.words() if one[0] in (CIRCLE, *NAMES)]
    assert found(told, evidence.person_memory) == {CIRCLE, *NAMES}
    assert len(found(evidence.keys()[:4], evidence.person_memory)) == 4
    assert found([("keyring", b"keyring")], evidence.seen[f"open vault of {NAMES[0]}"])
    assert found([("ready", b"ready ")], evidence.seen[f"what {NAMES[0]} saw"])
    assert found([("address", b"relay toheal-relay://")], evidence.seen["relay's files and output"])


def test_nothing_on_a_data_channel_is_readable(tmp_path: Path) -> None:
    with a_loopback_recording() as recording, a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(
            direct=True, names=NAMES, circle_name=CIRCLE, charter=CHARTER
        )
        await_true(lambda: _is_direct(ours, circle) and _is_direct(theirs, circle))
        before = len(recording.packets)
        _talk(ours, theirs, circle)
        _plant(recording)
        assert len(recording.packets) - before >= len(SAID), "the words went another way"
        for person in (ours, theirs):
            person.stop()
        colds = [*ours.cold(), *theirs.cold()]
    evidence = Evidence({}, colds, [], RecordingProxy(""))
    pieces = [b"".join(recording.pieces())]
    assert found(evidence.words(), pieces) == set()
    assert found(evidence.keys(), pieces) == set()
    assert found([("planted", PLANTED.encode())], pieces) == {"planted"}


def _meet(
    town: Town, proxy: RecordingProxy, *, direct: bool
) -> tuple[PersonProcess, PersonProcess, str]:
    return town.circle_of_two(
        direct=direct, relay=proxy.address, names=NAMES, circle_name=CIRCLE, charter=CHARTER
    )


def _talk(ours: PersonProcess, theirs: PersonProcess, circle: str) -> None:
    """Half of it while the other is there."""
    for place, text in enumerate(SAID):
        (ours, theirs)[place % 2].say(circle, text)
    for person in (ours, theirs):
        await_true(lambda person=person: set(person.texts(circle)) == set(SAID))  # type: ignore[misc]
        await_true(lambda person=person: not person.undelivered(circle))  # type: ignore[misc]


def _is_direct(person: PersonProcess, circle: str) -> bool:
    return [row["link"] for row in person.ask("links", circle=circle)] == ["direct"]


def _plant(recording: LoopbackRecording) -> None:
    """Send a marker where the packets of the channel go, and wait until it was recorded."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.sendto(PLANTED.encode(), target.getsockname())
        port = target.getsockname()[1]
        await_true(lambda: bool(recording.to_port(port)))
