"""Every promise of the threat model names the test that holds it, and that test exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from attrs import frozen

from tests.support.source import DOCS, ROOT, tree_of

STATUSES = {"held", "planned", "not promised"}

TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@frozen
class Claim:
    """One row of a table: what we promise, which tests hold it, and how far we are."""

    line: int
    claim: str
    tests: str
    status: str


def claims(text: str) -> Iterator[Claim]:
    """Yield every row of a table whose last heading is "status"."""
    columns: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = [cell.lower() for cell in cells]
        elif columns[-1] == "status" and not set(cells[0]) <= set("-: "):
            yield Claim(number, cells[0], cells[-2], cells[-1])


def _page() -> list[Claim]:
    return list(claims((DOCS / "threat-model.md").read_text(encoding="utf-8")))


def test_every_claim_has_a_known_status() -> None:
    assert [row for row in _page() if row.status not in STATUSES] == []


def test_a_claim_that_is_held_names_tests_that_exist() -> None:
    wrong = []
    for row in _page():
        named = TEST_ID.findall(row.tests)
        if row.status == "held" and not named:
            wrong.append(f"line {row.line}: no test named")
        if row.status == "held":
            wrong += [
                f"line {row.line}: {file}::{test}"
                for file, test in named
                if not _exists(file, test)
            ]
    assert wrong == []


def test_a_claim_that_is_not_promised_names_no_test() -> None:
    assert [
        row for row in _page() if row.status == "not promised" and TEST_ID.search(row.tests)
    ] == []


def test_the_table_is_read_as_it_is_meant() -> None:
    text = "| claim | test | status |\n| --- | --- | --- |\n| a | `tests/x.py::test_y` | held |\n\n| no | table |\n"
    assert list(claims(text)) == [Claim(3, "a", "`tests/x.py::test_y`", "held")]
    assert len(_page()) >= 20


def _exists(file: str, test: str) -> bool:
    """A function of that name at module level or in a class, or a state machine's `TestCase`."""
    path = ROOT / file
    if not path.is_file():
        return False
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return test in names and test.lower().startswith("test")
