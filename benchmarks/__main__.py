"""Run every benchmark and write docs/benchmarks.md: `make bench`, or `python -m benchmarks ratchet`.

With names it runs those only and prints; the page is written by a full run, so that it never mixes
figures of different days.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from benchmarks.figures import Figure, print_figures, shown

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"

WRITTEN_BY_HAND = "## Where we stand\n"
"""The last section of the page, if it has one."""

PACKAGES = ("trio", "aiortc", "uvloop", "pynacl", "cryptography", "apsw-sqlite3mc", "wsproto")
"""What the figures depend on most."""


@frozen
class Part:
    """What one benchmark module said."""

    name: str
    about: str
    figures: list[Figure]
    load: float
    """Load average (one minute) when it began: above half a core per core, read with care."""


def main(wanted: list[str]) -> int:
    """Run all benchmarks, or those named; 1 when one failed."""
    names = wanted or sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parts, failed = [], []
    for name in names:
        print(f"== {name}", flush=True)
        try:
            part = run(name)
        except Exception as wrong:  # noqa: BLE001  one broken benchmark must not hide the others
            print(f"   failed: {type(wrong).__name__}: {wrong}")
            failed.append(name)
            continue
        print_figures(part.figures)
        parts.append(part)
    if not wanted:
        written = page(parts, failed) + kept()
        PAGE.write_text(written, encoding="utf-8")
        print(f"written: {PAGE.name}")
    return 1 if failed else 0


def run(name: str) -> Part:
    """Run one benchmark in this process."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    module = importlib.import_module(f"benchmarks.bench_{name}")
    about = (module.__doc__ or "").strip()
    return Part(name, about, module.main(), load)


def page(parts: list[Part], failed: list[str]) -> str:
    """Write the page."""
    lines = [
        "# Benchmarks\n",
        "Written by `make bench`; do not edit, but for its last section.\n",
        _machine(),
    ]
    lines.append(
        "Read the ratios first: they were measured side by side, in one run, and survive a change of\n"
        "machine. Absolute figures belong to this machine and its load on that day.\n"
    )
    for part in parts:
        lines.append(f"## {part.name.replace('_', ' ').capitalize()}\n")
        lines.append(f"{part.about}\n\nLoad when it began: {part.load:.2f}.\n")
        lines.append(_table(part.figures))
    if failed:
        lines.append(f"Failed in this run: {', '.join(failed)}.\n")
    return "\n".join(lines)


def kept() -> str:
    """Return the one section that a person writes: it is carried over from page to page."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    _, mark, text = old.partition(WRITTEN_BY_HAND)
    return f"\n{mark}{text}" if mark else ""


def _table(figures: list[Figure]) -> str:
    rows = ["| what | figure | ratio | note |", "| --- | --- | --- | --- |"]
    for figure in figures:
        value = f"{shown(figure.value)} {figure.unit}"
        rows.append(f"| {figure.name} | {value} | {_ratio(figure, figures)} | {figure.note} |")
    return "\n".join(rows) + "\n"


def _ratio(figure: Figure, figures: list[Figure]) -> str:
    if not figure.compared_to:
        return ""
    base = next(other for other in figures if other.name == figure.compared_to)
    return f"{figure.value / base.value:.2f} × {base.name}" if base.value else ""


def _machine() -> str:
    now = datetime.now(UTC)
    rows = [
        ("date", now.strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", f"{_processor()}, {os.cpu_count()} cores"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in PACKAGES),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| | |\n| --- | --- |\n{table}\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown processor"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
