"""Helplines of the country a person chose: which are shown, in which order, and how old they are.

Nothing is looked up, and no country is guessed. What is doubtful is left out rather than shown: a
number that rings somewhere else is worse than none. No country is ever an empty list: the page
has something to say where there is no line.

The file is written by scripts/import_helplines.py. Nobody phoned the numbers.

Docs: docs/helplines.md.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Final

from attrs import frozen

ON_REQUEST: Final = ("violence", "lgbt")
"""Shown only when asked for: on a shared screen the entry itself can put somebody at risk."""

_ORDER: Final = (
    *("crisis", "mental_health", "family_child", "youth", "violence", "lgbt"),
    "emergency",
)

OLD_AFTER: Final = 18
"""Months after which a line is shown with the words that it may have changed."""


@frozen
class Helpline:
    """One number.

    Attributes:
        service: for emergencies, `ambulance`, `fire`, `police` or `ambulance_and_fire`; or empty.
        dial: digits as they were published.
        text: the word that is sent there as a text message; empty: the number is called.
        checked: year, year and month, or a day; empty: the source has no date.
    """

    country: str
    kind: str
    name_en: str
    name_ar: str
    service: str
    dial: str
    text: str
    hours: str
    checked: str
    confidence: str
    languages: str

    @property
    def digits(self) -> str:
        """What a telephone is given: the same without spaces. No `+` is ever added."""
        return self.dial.replace(" ", "")


@cache
def all_helplines() -> tuple[Helpline, ...]:
    """Return every number of the file, shown or not."""
    text = (files("toheal_p2p.care") / "helplines.csv").read_text(encoding="utf-8")
    return tuple(Helpline(**row) for row in csv.DictReader(text.splitlines()))


def countries() -> tuple[str, ...]:
    """Return the countries the file knows, in two small letters."""
    return tuple(dict.fromkeys(line.country.lower() for line in all_helplines()))


def helplines_in(country: str, *, on_request: bool = False) -> tuple[Helpline, ...]:
    """Return what is shown for a country, the nearest help first.

    Args:
        on_request: with the lines that are shown only when asked for.
    """
    found = [
        line
        for line in all_helplines()
        if line.country.lower() == country
        and line.confidence != "low"
        and (on_request or line.kind not in ON_REQUEST)
    ]
    return tuple(sorted(found, key=lambda line: _ORDER.index(line.kind)))


def has_more(country: str) -> bool:
    """Say whether there are lines that are shown only when asked for."""
    return len(helplines_in(country, on_request=True)) > len(helplines_in(country))


def may_have_changed(line: Helpline, *, year: int, month: int) -> bool:
    """Say whether a line is old, or of unknown age, in this month."""
    if not line.checked:
        return True
    then_year, _, rest = line.checked.partition("-")
    then_month = int(rest[:2]) if rest else 1
    return (year - int(then_year)) * 12 + month - then_month > OLD_AFTER
