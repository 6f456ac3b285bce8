"""Turn the collected list of helplines into the one the program shows.

`python scripts/import_helplines.py COLLECTED.csv` writes toheal_p2p/care/helplines.csv. The collected
list holds what people published, one row per organisation; here one row is one number that can be
dialled, with digits exactly as they were published. Every rule that leaves something out is named.

Docs: docs/helplines.md.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parent.parent / "toheal_p2p" / "care" / "helplines.csv"
COLUMNS: Final = (
    *("country", "kind", "name_en", "name_ar", "service", "dial", "text"),
    *("hours", "checked", "confidence", "languages"),
)

NO_COUNTRY: Final = ("EU",)
"""A number that only some countries of a union have assigned belongs to none of them here."""

UNRESOLVED: Final = {("MA", "emergency"): "sources contradict each other"}
"""Rows the collection itself asks not to show before somebody has asked."""

_TEXT = re.compile(r"text (?P<text>\w+) to (?P<dial>\d+)")
_PART = re.compile(
    r"(?:(?P<service>ambulance and fire|ambulance|fire|police) )?(?P<dial>[+\d][\d ]*)"
)
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")


def numbers_of(row: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give one row for each number of an entry.

    Raises:
        ValueError: the number is written in a way nobody has read yet.
    """
    if (text := _TEXT.fullmatch(row["number"])) is not None:
        yield {"service": "", **text.groupdict()}
        return
    for part in re.split(r"; | or ", row["number"]):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"not a number: {part!r}")
        service = (found["service"] or "").replace(" ", "_")
        yield {"service": service, "dial": found["dial"], "text": ""}


def checked(source_date: str) -> str:
    """Return when the source was last dated, as far as it says: a year, a month or a day."""
    found = _DATE.match(source_date)
    return "" if found is None else "-".join(part for part in found.groups() if part)


def rows_of(collected: Path) -> Iterator[dict[str, str]]:
    """Give the rows of the list that is shown."""
    with collected.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["country"] in NO_COUNTRY:
                continue
            unresolved = (row["country"], row["kind"]) in UNRESOLVED
            for number in numbers_of(row):
                yield {
                    **{name: row.get(name, "") for name in COLUMNS},
                    **number,
                    "checked": checked(row["source_date"]),
                    "confidence": "low" if unresolved else row["confidence"],
                }


def main() -> None:
    """Write the list."""
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows_of(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
