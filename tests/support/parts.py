"""The parts of the world that some tests need, whether they are here, and whether they must be.

A test says what it needs with a marker (`@pytest.mark.redis`); tests/conftest.py does the rest.
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

SKIP_PREFIX: Final = "needs "
"""How the reason of our own skips begins; the part's name follows."""

BY_CHANCE: Final = frozenset({"seed", "case", "first"})
"""What the drawn worlds of tests/network are told apart by; `first` is that of a batch of short histories."""

FEWEST: Final = 5
"""Examples of hypothesis that a glance leaves."""

CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")


def chromium() -> str | None:
    """Return the path of a Chromium that can run headless, or None."""
    named = os.environ.get("TOHEAL_CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _browser() -> str:
    return "" if chromium() else "no Chromium found (TOHEAL_CHROMIUM may name one)"


def _netns() -> str:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces need root"
    if not all(map(shutil.which, ("ip", "nft", "nsenter"))):
        return "iproute2, nftables or util-linux is missing"
    return "" if Path("/proc/self/ns/net").exists() else "this system has no network namespaces"


def _redis() -> str:
    return "" if shutil.which("redis-server") else "redis-server is missing"


def _coturn() -> str:
    return "" if shutil.which("turnserver") else "coturn is missing"


PARTS: Final[dict[str, Callable[[], str]]] = {
    "browser": _browser,
    "netns": _netns,
    "redis": _redis,
    "coturn": _coturn,
}
"""Part -> a function that says why it is missing, or nothing."""


@cache
def why_missing(name: str) -> str:
    """Return why a part cannot be used here; empty when it can."""
    return PARTS[name]()


def required() -> frozenset[str]:
    """Return the parts that `TOHEAL_REQUIRE` names."""
    words = os.environ.get("TOHEAL_REQUIRE", "").split(",")
    return frozenset(word.strip() for word in words if word.strip())


def may_skip(reason: str) -> bool:
    """Tell whether a test may be skipped for this reason.

    Without `TOHEAL_REQUIRE` any test may. With it only a test whose part is missing and is not
    among the required ones.
    """
    if not required():
        return True
    _before, found, after = reason.partition(SKIP_PREFIX)
    return bool(found) and after.split(":")[0] in set(PARTS) - required()


def is_marked(obj: object, name: str) -> bool:
    """Tell whether a test function or class bears this mark itself."""
    return name in {mark.name for mark in getattr(obj, "pytestmark", ())}


def seconds(item: pytest.Item) -> float:
    """Return how long a test takes by its own word: `@pytest.mark.slow(20)`; 0 when it is silent."""
    mark = item.get_closest_marker("slow")
    return float(mark.args[0]) if mark is not None and mark.args else 0.0


def some_of(items: Sequence[pytest.Item], one_in: int) -> list[pytest.Item]:
    """Return all tests, but of those that differ by a case of chance alone one in so many.

    The first of them is always among what is left, and the same ones are every time.
    """
    seen: Counter[str] = Counter()
    kept = []
    for item in items:
        told_apart_by = getattr(getattr(item, "callspec", None), "params", ())
        is_drawn = item.path.parent.name == "network" and bool(BY_CHANCE & set(told_apart_by))
        name = item.nodeid.partition("[")[0]
        if not is_drawn or seen[name] % one_in == 0:
            kept.append(item)
        seen[name] += is_drawn
    return kept


def try_harder(item: pytest.Item, factor: Fraction) -> None:
    """Multiply the number of examples of a hypothesis test or state machine; some always remain.

    Hypothesis keeps a test's settings in a private attribute and refuses a second decorator, and a
    number written at a test would otherwise win over any profile.
    """
    function = getattr(item, "obj", None)
    chosen = getattr(function, "_hypothesis_internal_use_settings", None)
    if chosen is not None:
        function._hypothesis_internal_use_settings = _more(chosen, factor)  # type: ignore[union-attr]
    machine = getattr(item, "cls", None)
    chosen = getattr(machine, "settings", None)
    if isinstance(chosen, settings) and not hasattr(machine, "_tries_harder"):
        machine.settings = _more(chosen, factor)  # type: ignore[union-attr]
        machine._tries_harder = True  # type: ignore[union-attr]


def _more(chosen: settings, factor: Fraction) -> settings:
    examples = max(FEWEST, math.ceil(chosen.max_examples * factor))
    return settings(chosen, max_examples=examples, derandomize=factor < 1)
