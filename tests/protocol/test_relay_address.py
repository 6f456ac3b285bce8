"""A relay's address has one spelling, and any other text is refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.relay_address import (
    MAX_RELAY_ADDRESS_LENGTH,
    RelayAddress,
    parse_relay_address,
)

KEY = "A" * 43

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=5).map(".".join)
hosts = st.one_of(names, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
addresses = st.builds(
    RelayAddress,
    host=hosts,
    port=st.integers(1, 65535),
    fingerprint=st.binary(min_size=32, max_size=32),
)


@given(address=addresses)
def test_an_address_survives_being_written_and_read(address: RelayAddress) -> None:
    assert parse_relay_address(str(address)) == address
    assert parse_relay_address(address.without_scheme) == address
    assert len(str(address)) <= MAX_RELAY_ADDRESS_LENGTH


@given(
    address=addresses, place=st.integers(0, 400), letter=st.sampled_from(string.printable + "٣é")
)
def test_what_can_be_read_is_written_the_same(
    address: RelayAddress, place: int, letter: str
) -> None:
    text = str(address)
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    try:
        read = parse_relay_address(changed)
    except MalformedFrame:
        return
    assert changed in (str(read), read.without_scheme)


@given(text=st.text(max_size=400))
@example(text="toheal-relay://" * 30)
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        parse_relay_address(text)
    except MalformedFrame:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "relay.example#" + KEY,
        f"relay.example:0#{KEY}",
        f"relay.example:65536#{KEY}",
        f"relay.example:0443#{KEY}",
        f"relay.example:٤٤٣#{KEY}",
        f"Relay.example:443#{KEY}",
        f"relay..example:443#{KEY}",
        f".example:443#{KEY}",
        f"relay.example.:443#{KEY}",
        f"-relay.example:443#{KEY}",
        f"relay_1.example:443#{KEY}",
        f"{'a' * 64}.example:443#{KEY}",
        f"127.1:443#{KEY}",
        f"127.0.0.01:443#{KEY}",
        f"0x7f000001:443#{KEY}",
        f"2130706433:443#{KEY}",
        f"relay.1:443#{KEY}",
        f"::1:443#{KEY}",
        f"[0:0::1]:443#{KEY}",
        f"[fe80::1%eth0]:443#{KEY}",
        f"[127.0.0.1]:443#{KEY}",
        f"relay.example:443#{KEY[:-1]}",
        f"relay.example:443#{KEY}A",
        f"relay.example:443#{KEY[:-1]}B",
        f"relay.example:443#{KEY[:-1]}=",
        f"relay.example:443#{KEY[:-1]}+",
        f"https://relay.example:443#{KEY}",
        f"user@relay.example:443#{KEY}",
        f"relay.example:443/#{KEY}",
        f"relay.example:443#{KEY}\n",
        "",
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedFrame):
        parse_relay_address(text)


@pytest.mark.parametrize(
    ("host", "port", "fingerprint"),
    [
        ("Relay.example", 443, bytes(32)),
        ("[::1]", 443, bytes(32)),
        ("", 443, bytes(32)),
        ("relay.example", 0, bytes(32)),
        ("relay.example", 443, bytes(31)),
    ],
)
def test_a_wrong_address_cannot_be_made(host: str, port: int, fingerprint: bytes) -> None:
    with pytest.raises(LocalError):
        RelayAddress(host, port, fingerprint)
