"""What holds for every test: which parts of the world it may need, and how hard hypothesis tries.

`TOHEAL_REQUIRE=browser,netns,redis,coturn` names parts that must be there: then a test that needs
one of them fails instead of being skipped, and no test at all may be skipped for another reason.

`TOHEAL_SOAK=20` gives every hypothesis test twenty times its examples, drawn freshly.

`TOHEAL_GLANCE=8` leaves an eighth of both: of hypothesis' examples, and of a rule's cases that
differ by chance alone. It is for `make check`, while somebody writes.

The longest tests begin first: with several workers none of them runs alone at the end.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.remote import Producer

from tests.support import parts
from tests.support.sharing_out import ByTown
from tests.support.shown import Show, histories_run, show_for, shown

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak",
    settings.get_profile("ci"),
    derandomize=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.load_profile("soak" if os.environ.get("TOHEAL_SOAK") else "ci")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a word in `TOHEAL_REQUIRE` that names no part: it would require nothing."""
    unknown = parts.required() - set(parts.PARTS)
    if unknown:
        raise pytest.UsageError(f"TOHEAL_REQUIRE names no part of ours: {sorted(unknown)}")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is here, so that nobody reads a short run as a whole one."""
    missing = [name for name in parts.PARTS if parts.why_missing(name)]
    return [
        f"parts missing here: {', '.join(missing) or 'none'}",
        f"parts required: {', '.join(sorted(parts.required())) or 'none'}",
    ]


@pytest.fixture
def show(request: pytest.FixtureRequest) -> Show:
    """Have a text printed after the run: `show(title, text)`."""
    return show_for(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests had to show, in a quiet run too."""
    reports = [one for some in terminalreporter.stats.values() for one in some]
    for title, text in shown(reports):
        terminalreporter.section(title)
        terminalreporter.write_line(text)
    if count := histories_run(reports):
        terminalreporter.write_line(f"{count} random histories of simulated worlds")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByTown | None:
    """With `--dist loadgroup`, keep together what shares a town."""
    return ByTown(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_pycollect_makeitem(
    collector: pytest.Collector, obj: object
) -> list[pytest.Item | pytest.Collector] | None:
    """Make nothing of a soak's thousands of schedules where `-m` leaves them out anyway."""
    is_left_out = parts.is_marked(obj, "soak") and "not soak" in collector.config.option.markexpr
    return [] if is_left_out else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the longest first. In a soak, let hypothesis try more than the tests say; less at a glance."""
    items.sort(key=parts.seconds, reverse=True)
    factor = Fraction(os.environ.get("TOHEAL_SOAK", "1"))
    if glance := int(os.environ.get("TOHEAL_GLANCE", "0")):
        factor = Fraction(1, glance)
        items[:] = parts.some_of(items, glance)
    if factor != 1:
        for item in items:
            parts.try_harder(item, factor)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose part is missing; `_no_skip` turns that into a failure where required."""
    for name in parts.PARTS:
        if item.get_closest_marker(name) and (reason := parts.why_missing(name)):
            pytest.skip(f"{parts.SKIP_PREFIX}{name}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that `TOHEAL_REQUIRE` forbids into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _no_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is collected."""
    report = yield
    if report.skipped:
        _no_skip(report)
    return report


def _no_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if parts.may_skip(reason):
        return
    report.outcome = "failed"
    report.longrepr = f"TOHEAL_REQUIRE={','.join(sorted(parts.required()))} forbids: {reason}"
