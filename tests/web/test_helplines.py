"""What is shown to somebody who looks for help: the rules, one by one, on the real list."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from scripts.import_helplines import UNRESOLVED, checked, numbers_of, rows_of
from toheal_p2p.care.helplines import (
    ON_REQUEST,
    all_helplines,
    countries,
    has_more,
    helplines_in,
    may_have_changed,
)

SHOWN = [line for country in countries() for line in helplines_in(country, on_request=True)]


def test_a_number_holds_digits_and_nothing_else_that_could_be_dialled() -> None:
    assert [line for line in all_helplines() if not re.fullmatch(r"\+?[\d ]+", line.dial)] == []


def test_no_short_number_has_a_plus() -> None:
    assert [one for one in all_helplines() if "+" in one.dial and len(one.digits) <= 7] == []
    short = [line for line in SHOWN if len(line.digits) <= 6]
    assert len(short) > 40
    assert [line for line in short if not line.digits.isdecimal()] == []


def test_digits_are_those_of_the_list_without_spaces() -> None:
    assert {line.digits for line in SHOWN} == {line.dial.replace(" ", "") for line in SHOWN}
    assert any(" " in line.dial for line in SHOWN)


def test_what_is_doubtful_is_not_shown() -> None:
    hidden = [line for line in all_helplines() if line.confidence == "low"]
    assert len(hidden) > 5
    assert not set(hidden) & set(SHOWN)
    assert "16328" not in {line.dial for line in SHOWN}


@pytest.mark.parametrize("country", countries())
def test_some_lines_wait_until_they_are_asked_for(country: str) -> None:
    shown = helplines_in(country)
    assert [line for line in shown if line.kind in ON_REQUEST] == []
    more = helplines_in(country, on_request=True)
    assert has_more(country) == (len(more) > len(shown))
    assert set(shown) <= set(more)


def test_somebody_in_egypt_sees_the_nearest_help_first() -> None:
    lines = helplines_in("eg")
    assert lines[0].dial == "08008880700"
    assert [line.service for line in lines if line.kind == "emergency"] == ["ambulance", "fire"]


def test_a_country_without_a_line_has_none_and_no_fault() -> None:
    assert helplines_in("xx") == ()
    assert helplines_in("") == ()
    assert [line for line in helplines_in("ma") if line.kind == "emergency"] == []


@pytest.mark.parametrize(
    ("source", "year", "month", "is_old"),
    [
        ("2025-09-21", 2026, 11, False),
        ("2025-05-05", 2026, 11, False),
        ("2025-04-30", 2026, 11, True),
        ("2018", 2026, 1, True),
        ("2026", 2027, 7, False),
        ("2026", 2027, 8, True),
        ("", 2026, 1, True),
    ],
)
def test_after_eighteen_months_a_line_may_have_changed(
    source: str, year: int, month: int, is_old: bool
) -> None:
    from attrs import evolve

    assert may_have_changed(evolve(SHOWN[0], checked=source), year=year, month=month) is is_old


# ---- the import


@pytest.mark.parametrize(
    ("number", "dials"),
    [
        ("ambulance 140; fire 175; police 112", ["ambulance 140", "fire 175", "police 112"]),
        ("ambulance and fire 150; police 190", ["ambulance_and_fire 150", "police 190"]),
        ("112; ambulance 15", [" 112", "ambulance 15"]),
        ("999 or 112", [" 999", " 112"]),
        ("text HOME to 741741", [" 741741 HOME"]),
        ("+961 81 78 81 78", [" +961 81 78 81 78"]),
    ],
)
def test_an_entry_with_several_numbers_is_a_row_for_each(number: str, dials: list[str]) -> None:
    rows = numbers_of({"number": number})
    assert [f"{r['service']} {r['dial']} {r['text']}".rstrip() for r in rows] == dials


@pytest.mark.parametrize("number", ["1564 (day)", "call us", "", "12-34", "web.example"])
def test_a_number_nobody_can_dial_stops_the_import(number: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        list(numbers_of({"number": number}))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2024-12-03 (directory check)", "2024-12-03"),
        ("2022-08", "2022-08"),
        ("2018 (article)", "2018"),
        ("undated", ""),
    ],
)
def test_a_date_says_no_more_than_the_source(said: str, kept: str) -> None:
    assert checked(said) == kept


def test_the_import_leaves_out_what_the_collection_asks_to_leave_out(tmp_path: Path) -> None:
    collected = tmp_path / "collected.csv"
    fields = ["country", "kind", "name_en", "number", "source_date", "confidence"]
    with collected.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        for country, kind in [("EU", "crisis"), *UNRESOLVED, ("EG", "crisis")]:
            row = {"country": country, "kind": kind, "number": "123", "confidence": "high"}
            writer.writerow(row | {"source_date": "2026"})
    rows = list(rows_of(collected))
    assert [(row["country"], row["confidence"]) for row in rows] == [("MA", "low"), ("EG", "high")]
