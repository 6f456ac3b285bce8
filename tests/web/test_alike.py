"""Names that look the same are told of; names that do not are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toheal_p2p.web.alike import alike, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Salma", "S\u0430lma"),  # a Cyrillic letter
        ("Salma", "salma"),
        ("Salma", "Sal\u200bma"),
        ("Salma", "Sa lma"),
        ("Omar", "0mar"),
        ("Lila", "Ll|a"),
        ("نورس", "نو\u0640رس"),
        ("نورس", "نَوْرَس"),
        ("سلمى", "سلمي"),
        ("سلمى", "سلمی"),
        ("أحمد", "احمد"),
        ("كريم", "کريم"),
        ("Ａnna", "Anna"),
    ],
)
def test_names_that_look_the_same_are_told_of(one: str, other: str) -> None:
    assert alike([("1", one), ("2", other), ("3", "somebody else")]) == {"1", "2"}


@pytest.mark.parametrize(
    ("one", "other"), [("Salma", "Selma"), ("نورس", "فارس"), ("Anna", "Hanna")]
)
def test_other_names_are_left_alone(one: str, other: str) -> None:
    assert alike([("1", one), ("2", other)]) == frozenset()


def test_the_same_person_twice_is_nobody_elses_twin() -> None:
    assert alike([("1", "Salma"), ("1", "Salma")]) == frozenset()


@given(st.text())
def test_every_name_has_a_skeleton(name: str) -> None:
    assert isinstance(skeleton(name), str)
