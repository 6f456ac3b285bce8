"""Assemble the news fragments into CHANGELOG.md, and delete them.

    python scripts/changelog.py --check            every fragment has a proper name and some text
    python scripts/changelog.py 0.2.0 2026-03-01   a new section on top

The date is an argument, so that the same input always gives the same file.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK = "<!-- next -->\n"

KINDS = {
    "security": "Security",
    "protocol": "Protocol and stored data",
    "feature": "New",
    "bugfix": "Repaired",
    "doc": "Documents",
}
"""Kind -> heading, in the order of the changelog."""

NAME = re.compile(r"(?P<issue>[a-z0-9-]+)\.(?P<kind>[a-z]+)(\.\d+)?\.md")


def fragments(folder: Path) -> list[tuple[str, str, Path]]:
    """Return (kind, sentence, file) for every fragment, in the order of their names.

    Raises:
        ValueError: a file with another name, or without text.
    """
    found = []
    for path in sorted(folder.glob("*")):
        if path.name in {"README.md", ".gitkeep"}:
            continue
        parts = NAME.fullmatch(path.name)
        if parts is None or parts["kind"] not in KINDS:
            raise ValueError(f"{path.name} is not named <issue>.<{'|'.join(KINDS)}>.md")
        text = " ".join(path.read_text(encoding="utf-8").split())
        if not text:
            raise ValueError(f"{path.name} is empty")
        issue = f" (#{parts['issue']})" if parts["issue"].isdigit() else ""
        found.append((parts["kind"], text + issue, path))
    return found


def section(version: str, date: str, found: list[tuple[str, str, Path]]) -> str:
    """Write the section of one version."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, text, _path in found:
        by_kind[kind].append(f"- {text}\n")
    lines = [f"## {version} ({date})\n"]
    for kind, heading in KINDS.items():
        if by_kind[kind]:
            lines += [f"\n### {heading}\n\n", *by_kind[kind]]
    return "".join(lines)


def insert(changelog: str, new: str) -> str:
    """Put a section on top of the earlier ones."""
    before, mark, after = changelog.partition(MARK)
    if not mark:
        raise ValueError("CHANGELOG.md has lost its mark")
    return f"{before}{mark}\n{new}{after}"


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Check, or assemble; 1 and one plain line when something is wrong."""
    try:
        found = fragments(root / "newsfragments")
        if arguments == ["--check"]:
            return 0
        if len(arguments) != 2 or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", arguments[1]):
            raise ValueError("usage: changelog.py --check | VERSION YYYY-MM-DD")
        if not found:
            raise ValueError("there are no news fragments")
        changelog = root / "CHANGELOG.md"
        text = insert(
            changelog.read_text(encoding="utf-8"), section(arguments[0], arguments[1], found)
        )
    except ValueError as wrong:
        print(wrong, file=sys.stderr)
        return 1
    changelog.write_text(text, encoding="utf-8")
    for _kind, _text, path in found:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
