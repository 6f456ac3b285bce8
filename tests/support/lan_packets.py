"""What packets of mDNS say, read by the library that sent them: names, ports, and what is always the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zeroconf import DNSIncoming

FIXED = frozenset({"_tcp", "_udp", "local", "_services", "_dns-sd", ""})
"""Parts of names that everybody's packets have."""

KINDS = frozenset({"ptr", "srv", "txt", "a", "aaaa", "nsec"})
_TYPES = {12: "ptr", 33: "srv", 16: "txt", 1: "a", 28: "aaaa", 47: "nsec"}


def facts_in(packets: Iterable[bytes]) -> set[tuple[str, object]]:
    """Return everything that was said, but for times to live: `name`, `port`, `text`, `address`, `number`."""
    return {fact for packet in packets for fact in _facts(packet)}


def kinds_in(packets: Iterable[bytes]) -> set[str]:
    """Return of which kinds the questions and records are."""
    return {
        _TYPES.get(entry.type, str(entry.type))
        for packet in packets
        for entry in _entries(_read(packet))
    }


def questions_in(packets: Iterable[bytes]) -> set[str]:
    """Return the names that were asked for."""
    return {question.name for packet in packets for question in _read(packet).questions}


def are_questions_to_the_group(packets: Iterable[bytes]) -> bool:
    """Say whether no question wants its answer sent to one machine."""
    return not any(one.unique for packet in packets for one in _read(packet).questions)


def _read(packet: bytes) -> DNSIncoming:
    incoming = DNSIncoming(packet)
    assert incoming.valid, packet.hex()
    return incoming


def _entries(incoming: DNSIncoming) -> list:  # type: ignore[type-arg]
    return [*incoming.questions, *incoming.answers()]


def _facts(packet: bytes) -> Iterator[tuple[str, object]]:
    incoming = _read(packet)
    yield "number", incoming.id
    for entry in _entries(incoming):
        said = [
            entry.name,
            *(getattr(entry, some, "") for some in ("alias", "server", "next_name")),
        ]
        for part in ".".join(said).split("."):
            if part not in FIXED:
                yield "name", part
        for some in ("port", "priority", "weight", "text", "address"):
            if hasattr(entry, some):
                yield some, getattr(entry, some)
