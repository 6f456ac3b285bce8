"""Discovery: what is sent when, and what is made of packets, whoever sent them."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.machines import lan_discovery as d
from toheal_protocol.machines.lan_keys import circle_lan_secret, labels_around
from toheal_protocol.model import CircleId, Instant
from toheal_protocol.wire import lan_dns as dns

LABELS = labels_around(circle_lan_secret(CircleId(bytes(32))), 20_000)
TODAY, YESTERDAY, TOMORROW = LABELS
OURS = dns.Advert(TODAY, "a" * 16, "b" * 16, 40_001)
THEIRS = dns.Advert(TODAY, "c" * 16, "d" * 16, 40_002)
ENTROPY = SeededEntropy(1)


def at(seconds: float) -> Instant:
    return Instant(seconds)


def hear(
    presence: d.Presence, packet: bytes, seconds: float
) -> tuple[d.Presence, tuple[dns.Advert, ...]]:
    return d.hear(presence, packet, now=at(seconds), entropy=ENTROPY)


def run(presence: d.Presence, upto: float) -> list[tuple[float, bytes]]:
    """Let time pass; return what was sent when."""
    sent = []
    now = 0.0
    while now <= upto:
        presence, packets = d.wake(presence, now=at(now))
        sent += [(round(now, 3), packet) for packet in packets]
        assert presence.wake_at > now, "an alarm that nothing serves"
        now = presence.wake_at
    return sent


# ---- packets


def test_an_advert_comes_back_as_it_went() -> None:
    packet = dns.encode_advert(THEIRS)
    assert len(packet) < 250
    assert dns.decode_packet(packet, LABELS) == dns.Heard(adverts=(THEIRS,))
    assert dns.decode_packet(packet, LABELS[1:]) == dns.Heard()


def test_a_question_comes_back_as_it_went_and_an_announcement_asks_nothing() -> None:
    for label in LABELS:
        packet = dns.encode_question(label)
        assert dns.decode_packet(packet, LABELS) == dns.Heard(asked=frozenset({label}))


def test_the_bytes_of_an_advert_are_those_of_the_specification() -> None:
    label, instance, host = TODAY.encode(), b"c" * 16, b"d" * 16
    service = b"\x0f_" + label + b"\x04_tcp\x05local\x00"
    full = b"\x10" + instance + service
    ttl = b"\x00\x01\x00\x00\x00\x78"
    target = b"\x10" + host + b"\x05local\x00"
    srv = b"\x00\x00\x00\x00" + (40_002).to_bytes(2, "big") + target
    assert dns.encode_advert(THEIRS) == (
        bytes.fromhex("000084000000000300000000")
        + (service + b"\x00\x0c" + ttl + len(full).to_bytes(2, "big") + full)
        + (full + b"\x00\x21" + ttl + len(srv).to_bytes(2, "big") + srv)
        + (full + b"\x00\x10" + ttl + b"\x00\x01\x00")
    )


def test_case_and_compression_of_other_programs_are_understood() -> None:
    """The same advert with a cache-flush bit, capitals, and names that point to earlier ones."""
    label = TODAY.upper().encode()
    head = bytes.fromhex("1234840000000002 00000000".replace(" ", ""))
    service = b"\x0f_" + label + b"\x04_TCP\x05Local\x00"
    full = b"\x10" + b"C" * 16 + b"\xc0\x0c"
    ptr = service + b"\x00\x0c\x00\x01\x00\x00\x11\x94" + len(full).to_bytes(2, "big") + full
    at_full = 12 + len(service) + 10
    srv_body = bytes(4) + (40_002).to_bytes(2, "big") + b"\x10" + b"d" * 16 + b"\xc0\x21"
    srv = (
        bytes([0xC0, at_full])
        + b"\x00\x21\x80\x01\x00\x00\x00\x78"
        + len(srv_body).to_bytes(2, "big")
        + srv_body
    )
    assert dns.decode_packet(head + ptr + srv, LABELS).adverts == (THEIRS,)


@pytest.mark.parametrize(
    "packet",
    [
        bytes.fromhex("000000000001000000000000") + b"\xc0\x0c\x00\x0c\x00\x01",  # points to itself
        bytes.fromhex("000000000001000000000000") + b"\x40a\x00\x00\x0c\x00\x01",  # no such part
        bytes.fromhex("000000000001000000000000") + b"\x3f" + b"a" * 62,  # ends inside
        bytes.fromhex("0000000000ff000000000000"),  # more than it holds
        bytes.fromhex("000000000041000000000000"),  # too many
        bytes.fromhex("000078000000000000000000"),  # another kind of message
        bytes.fromhex("000000000001000000000000") + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4,
        bytes(1501),
    ],
)
def test_packets_that_break_the_rules_are_refused(packet: bytes) -> None:
    with pytest.raises(MalformedFrame):
        dns.decode_packet(packet, LABELS)
    presence = d.appear(OURS, LABELS, now=at(0))
    assert hear(presence, packet + TODAY.encode(), 1.0) == (presence, ())


@pytest.mark.parametrize(("pointers", "is_read"), [(15, True), (30, False)])
def test_a_long_chain_of_pointers_is_refused(pointers: int, is_read: bool) -> None:
    """Each points to the one before it, inside the first question's name."""
    chain = b"".join(bytes([0xC0, at - 2 if at > 13 else 12]) for at in range(13, 75, 2))
    first = b"\x3f" + chain.ljust(63, b"a") + b"\x00\x00\x0c\x00\x01"
    second = bytes([0xC0, 13 + 2 * (pointers - 1)]) + b"\x00\x0c\x00\x01"
    packet = bytes.fromhex("000000000002000000000000") + first + second
    if is_read:
        assert dns.decode_packet(packet, LABELS) == dns.Heard()
    else:
        with pytest.raises(MalformedFrame):
            dns.decode_packet(packet, LABELS)


@given(st.binary(max_size=400), st.integers(0, 260))
def test_a_mauled_advert_is_an_advert_or_refused(noise: bytes, place: int) -> None:
    packet = bytearray(dns.encode_advert(THEIRS))
    packet[place % len(packet) :][: len(noise)] = noise
    for some in (bytes(packet), packet[: place % len(packet)] + noise, noise):
        try:
            heard = dns.decode_packet(bytes(some), LABELS)
        except RemoteError:
            continue
        assert all(one.label in LABELS and one.port >= 1024 for one in heard.adverts)


def test_names_and_ports_that_are_none_of_ours_are_passed_over() -> None:
    packet = dns.encode_advert(THEIRS)
    for mauled in (
        packet.replace(b"c" * 16, b"C1_bad-name-here"),
        packet.replace((40_002).to_bytes(2, "big") + b"\x10", (53).to_bytes(2, "big") + b"\x10"),
    ):
        assert dns.decode_packet(mauled, LABELS).adverts == ()
    with pytest.raises(LocalError):
        dns.encode_advert(evolve(THEIRS, instance="short"))
    with pytest.raises(LocalError):
        dns.encode_question("_http")


def test_a_goodbye_is_no_advert() -> None:
    packet = dns.encode_advert(THEIRS).replace(b"\x00\x00\x00\x78", bytes(4))
    assert dns.decode_packet(packet, LABELS).adverts == ()


# ---- when


def test_it_asks_less_and_less_often_and_announces_twice() -> None:
    sent = run(d.appear(OURS, LABELS, now=at(0)), upto=250)
    question, advert = dns.encode_question(TODAY), dns.encode_advert(OURS)
    assert [when for when, packet in sent if packet == question] == [
        0, 1, 3, 9, 27, 87, 147, 207,
    ]  # fmt: skip
    assert [when for when, packet in sent if packet == advert] == [0, 1]
    assert len(sent) == 10


def quiet() -> d.Presence:
    """Some time after it appeared."""
    presence = d.appear(OURS, LABELS, now=at(0))
    for now in (0.0, 1.0, 3.0, 9.0, 27.0):
        presence, _ = d.wake(presence, now=at(now))
    return presence


@pytest.mark.parametrize("label", LABELS)
def test_who_asks_for_one_of_our_labels_hears_todays(label: str) -> None:
    presence, _ = hear(quiet(), dns.encode_question(label), 30.0)
    assert presence.announce_at is not None
    assert 30.02 <= presence.announce_at <= 30.12
    _, packets = d.wake(presence, now=presence.announce_at)
    assert packets == (dns.encode_advert(OURS),)


def test_nothing_but_todays_label_ever_leaves() -> None:
    presence = quiet()
    for label in LABELS:
        presence, _ = hear(presence, dns.encode_question(label), 30.0)
        presence, _ = hear(presence, dns.encode_advert(evolve(THEIRS, label=label)), 30.0)
    for _, packet in run(presence, upto=500):
        assert TODAY.encode() in packet
        assert YESTERDAY.encode() not in packet
        assert TOMORROW.encode() not in packet


def test_a_flood_of_questions_is_answered_once_a_second() -> None:
    presence, answers = quiet(), 0
    for step in range(1000):
        now = 30 + step / 100
        presence, _ = hear(presence, dns.encode_question(TODAY), now)
        presence, packets = d.wake(presence, now=at(now))
        answers += sum(packet == dns.encode_advert(OURS) for packet in packets)
    assert 5 <= answers <= 10


def test_questions_for_everything_get_no_answer() -> None:
    everything = b"\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01"
    packet = bytes.fromhex("000000000001000000000000") + everything
    presence = quiet()
    assert hear(presence, packet, 30.0) == (presence, ())
    assert hear(presence, packet + TODAY.encode(), 30.0) == (presence, ())


def test_ones_own_voice_is_nobody_else() -> None:
    presence = quiet()
    assert hear(presence, dns.encode_advert(OURS), 30.0) == (presence, ())
    _, found = hear(presence, dns.encode_advert(THEIRS), 30.0)
    assert found == (THEIRS,)


def test_names_are_drawn_afresh() -> None:
    entropy = SeededEntropy(5)
    names = {d.draw_name(entropy) for _ in range(100)}
    assert len(names) == 100
    assert all(len(name) == dns.INSTANCE_SIZE for name in names)
