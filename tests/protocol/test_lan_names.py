"""The names on the network: drawn afresh, and only whole names of our service are somebody."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from toheal_protocol.machines.lan_names import draw_names, instance_of, service_type

LABEL = "abcdefghijklmn"
INSTANCE = "abcdefgh234567ab"


def test_names_and_ports_are_drawn_afresh() -> None:
    entropy = SeededEntropy(5)
    drawn = [draw_names(LABEL, entropy) for _ in range(100)]
    names = {name for one in drawn for name in (one.instance, one.host)}
    assert len(names) == 200
    assert all(re.fullmatch(r"[a-z2-7]{16}", name) for name in names)
    assert len({one.port for one in drawn}) > 90
    assert all(49152 <= one.port <= 65535 for one in drawn)
    assert {one.label for one in drawn} == {LABEL}


def test_a_name_of_our_service_is_an_instance_in_capitals_too() -> None:
    full = f"{INSTANCE}.{service_type(LABEL)}"
    assert instance_of(full, LABEL) == instance_of(full.upper(), LABEL) == INSTANCE


@pytest.mark.parametrize(
    "name",
    [
        "",
        service_type(LABEL),
        f"{INSTANCE}.{service_type('b' * 14)}",
        f"{INSTANCE}a.{service_type(LABEL)}",
        f"{INSTANCE[:-1]}1.{service_type(LABEL)}",
        f"{INSTANCE}\n.{service_type(LABEL)}",
        f"a.{INSTANCE}.{service_type(LABEL)}",
        f"{INSTANCE}._{LABEL}._udp.local.",
        f"{INSTANCE}.{service_type(LABEL)}x",
    ],
)
def test_other_names_are_nobody(name: str) -> None:
    assert instance_of(name, LABEL) is None


@given(st.text(max_size=80))
def test_any_text_is_an_instance_or_nobody(name: str) -> None:
    instance = instance_of(f"{name}.{service_type(LABEL)}", LABEL)
    assert instance is None or re.fullmatch(r"[a-z2-7]{16}", instance)
