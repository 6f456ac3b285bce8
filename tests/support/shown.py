"""Figures and tables that a test wants to be read after the run, whether it passed or not.

They travel with the test's report, so that they are shown under xdist too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

Show = Callable[[str, str], None]
"""Show a text below a title when the run is over."""

_PROPERTY: Final = "shown"


def show_for(request: pytest.FixtureRequest) -> Show:
    """Return a `Show` for the test of this request."""

    def show(title: str, text: str) -> None:
        request.node.user_properties.append((_PROPERTY, [title, text]))

    return show


def shown(reports: Iterable[object]) -> list[tuple[str, str]]:
    """Return what the reports of a run have to show, each once, in their order."""
    found = [
        (str(value[0]), str(value[1]))
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    return list(dict.fromkeys(found))


def histories_run(reports: Iterable[object]) -> int:
    """Return how many random histories of simulated worlds a run has gone through."""
    return sum(
        int(str(value))
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "histories"
    )
