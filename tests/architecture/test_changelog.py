"""The changelog's script: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.changelog import main
from tests.support.source import ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "newsfragments").mkdir()
    (tmp_path / "newsfragments" / "README.md").write_text("how to")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n<!-- next -->\n\n## 0.1.0 (2026-01-01)\n"
    )
    return tmp_path


def test_fragments_become_a_section_on_top_and_are_gone(repository: Path) -> None:
    folder = repository / "newsfragments"
    (folder / "12.feature.md").write_text("A circle can\nbe left.\n")
    (folder / "12.feature.2.md").write_text("And joined.\n")
    (folder / "house.security.md").write_text("A hole was closed.\n")
    assert main(["0.2.0", "2026-02-03"], repository) == 0
    assert (repository / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n<!-- next -->\n\n"
        "## 0.2.0 (2026-02-03)\n\n### Security\n\n- A hole was closed.\n"
        "\n### New\n\n- And joined. (#12)\n- A circle can be left. (#12)\n"
        "\n## 0.1.0 (2026-01-01)\n"
    )
    assert [path.name for path in folder.iterdir()] == ["README.md"]


@pytest.mark.parametrize("name", ["12.md", "12.idea.md", "notes.txt", "12 .feature.md"])
def test_a_fragment_with_another_name_is_refused(repository: Path, name: str) -> None:
    (repository / "newsfragments" / name).write_text("Something.")
    assert main(["--check"], repository) == 1


def test_an_empty_fragment_is_refused(repository: Path) -> None:
    (repository / "newsfragments" / "1.doc.md").write_text(" \n")
    assert main(["--check"], repository) == 1


@pytest.mark.parametrize("arguments", [[], ["0.2.0"], ["0.2.0", "soon"], ["0.2.0", "2026-02-03"]])
def test_without_fragments_or_a_date_nothing_is_written(
    repository: Path, arguments: list[str]
) -> None:
    before = (repository / "CHANGELOG.md").read_text()
    assert main(arguments, repository) == 1
    assert (repository / "CHANGELOG.md").read_text() == before


def test_our_own_fragments_have_proper_names() -> None:
    assert main(["--check"], ROOT) == 0
