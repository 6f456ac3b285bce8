"""The sniffer's reading of packets, without a network: it tells who, to whom, by what, and what."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from tests.support.sniff import ARP, IPV4, IPV6, TCP, UDP, Packet, read_packet

MACS = bytes(12)


def ethernet(kind: int, rest: bytes) -> bytes:
    return MACS + kind.to_bytes(2, "big") + rest


def ipv4(protocol: int, inner: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
    size = 20 + len(options)
    start = bytes([0x40 | size // 4, 0]) + (size + len(inner)).to_bytes(2, "big")
    middle = bytes(2) + fragment.to_bytes(2, "big") + bytes([64, protocol, 0, 0])
    ends = ipaddress.ip_address("10.0.0.1").packed + ipaddress.ip_address("11.0.1.1").packed
    return start + middle + ends + options + inner


def ipv6(protocol: int, inner: bytes) -> bytes:
    ends = ipaddress.ip_address("fd00::1").packed + ipaddress.ip_address("fd00::2").packed
    return (
        bytes([0x60, 0, 0, 0])
        + len(inner).to_bytes(2, "big")
        + bytes([protocol, 64])
        + ends
        + inner
    )


def udp(body: bytes) -> bytes:
    return b"\x13\x88\x0d\x96" + (8 + len(body)).to_bytes(2, "big") + bytes(2) + body


def tcp(body: bytes) -> bytes:
    return b"\x13\x88\x0d\x96" + bytes(8) + b"\x60\x18" + bytes(6) + bytes(4) + body


def test_udp_and_tcp_over_both_versions_are_read_with_padding_left_out() -> None:
    for protocol, inner in ((UDP, udp(b"words")), (TCP, tcp(b"words"))):
        for kind, packet in ((IPV4, ipv4(protocol, inner)), (IPV6, ipv6(protocol, inner))):
            read = read_packet(ethernet(kind, packet + b"padding"), is_outgoing=True)
            assert read is not None
            assert (read.protocol, read.source_port, read.target_port) == (protocol, 5000, 3478)
            assert read.body == b"words"
            assert read.is_outgoing
    assert (read.source, read.target) == ("fd00::1", "fd00::2")


def test_options_before_the_ports_do_not_hide_them() -> None:
    read = read_packet(ethernet(IPV4, ipv4(UDP, udp(b"words"), options=bytes(8))))
    assert read is not None
    assert read.ends == ("10.0.0.1", 5000, "11.0.1.1", 3478)


def test_a_later_fragment_still_says_whom_it_is_for_and_by_what() -> None:
    read = read_packet(ethernet(IPV4, ipv4(UDP, b"the middle of something", fragment=100)))
    assert read is not None
    assert (read.protocol, read.target, read.target_port) == (UDP, "11.0.1.1", 0)
    assert read.body == b"the middle of something"


def test_what_is_no_ip_is_kept_whole() -> None:
    read = read_packet(ethernet(ARP, b"who has"))
    assert read == Packet(is_outgoing=False, kind=ARP, body=b"who has")


@given(st.binary(max_size=80), st.sampled_from([IPV4, IPV6, ARP, 0x1234]))
def test_any_bytes_are_read_as_something(rest: bytes, kind: int) -> None:
    assert read_packet(ethernet(kind, rest)) is not None
    assert read_packet(rest[:13]) is None
