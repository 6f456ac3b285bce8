"""The style sheet and what is shipped: contrast as WCAG counts it, sums as they were recorded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.support.source import CLIENT, DOCS, ROOT

STATIC = CLIENT / "web" / "static"
CSS = (STATIC / "look.css").read_text(encoding="utf-8")
DARK = (STATIC / "dark.css").read_text(encoding="utf-8")
TEMPLATES = sorted((CLIENT / "web" / "templates").glob("*.html"))
DECISION = (DOCS / "decisions" / "0100-the-page.md").read_text(encoding="utf-8")

UI_MOST = 150 * 1024
"""Bytes of scripts, styles and font together."""


def colours(dark: bool) -> dict[str, str]:
    """Return the custom properties that are colours, in one scheme."""
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", CSS))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", DARK)) if dark else found


def contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2, section 1.4.3."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    ("ink", "paper", 4.5),
    ("ink", "sheet", 4.5),
    ("ink", "mine", 4.5),
    ("ink-soft", "paper", 4.5),
    ("ink-soft", "sheet", 4.5),
    ("ink-soft", "mine", 4.5),
    ("main-ink", "main", 4.5),
    ("main-ink", "main-press", 4.5),
    ("link", "paper", 4.5),
    ("link", "sheet", 4.5),
    ("notice-ink", "notice", 4.5),
    ("edge", "sheet", 3.0),
    ("edge", "paper", 3.0),
    ("focus", "paper", 3.0),
    ("focus", "sheet", 3.0),
]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("one", "other", "least"), PAIRS)
def test_what_has_to_be_read_can_be_read(one: str, other: str, least: float, dark: bool) -> None:
    known = colours(dark)
    assert contrast(known[one], known[other]) >= least


def test_the_design_page_tells_the_contrasts_as_they_are() -> None:
    text = (DOCS / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"`(#\w{6})` \| `(#\w{6})` \| ([\d.]+)", text)
    assert len(rows) == 12
    known = {*colours(False).values(), *colours(True).values()}
    wrong = [(a, b, said, contrast(a, b)) for a, b, said in rows if f"{contrast(a, b):.1f}" != said]
    assert wrong == []
    assert {colour for row in rows for colour in row[:2]} <= known


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in [*TEMPLATES, STATIC / "look.css", STATIC / "page.js", STATIC / "start.js"]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"(?:https?:)?//[\w.]+\.\w+|@import", text) == [], path.name


def test_templates_have_no_scripts_styles_or_handlers_of_their_own() -> None:
    """The policy forbids them; here the mistake has a name."""
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"\sstyle=|\son\w+=|<style|hx-on|js:|javascript:", text) == [], path.name
        assert re.findall(r"<script(?! src=)", text) == [], path.name


def test_only_our_own_html_goes_unescaped() -> None:
    """`safe` is for what a template made; never for a field of somebody."""
    used = {
        found
        for path in TEMPLATES
        for found in re.findall(r"\{\{([^}]*)\|\s*safe", path.read_text(encoding="utf-8"))
    }
    assert {found.strip() for found in used} == {"entry", "composer"}


def test_everything_typed_is_kept_from_spelling_services_and_password_stores() -> None:
    for path in TEMPLATES:
        for tag in re.findall(r"<(?:input|textarea)[^>]*>", path.read_text(encoding="utf-8")):
            if 'type="checkbox"' in tag or 'type="hidden"' in tag:
                continue
            assert 'spellcheck="false"' in tag, (path.name, tag)
            assert 'autocomplete="off"' in tag or "readonly" in tag, (path.name, tag)


def test_layout_follows_the_direction_of_the_language() -> None:
    physical = (
        r"(?:margin|padding|border)-(?:left|right)|[^-]\b(?:left|right):|text-align: (?:left|right)"
    )
    assert re.findall(physical, CSS) == []


def test_vendored_files_are_those_of_the_decision() -> None:
    rows = re.findall(r"\| `([\w/.-]+)` \|[^\n]*`([0-9a-f]{64})` \|", DECISION)
    assert len(rows) == 4
    for name, recorded in rows:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == recorded, name
        licences = [
            path.name
            for path in (ROOT / name).parent.iterdir()
            if "LICENSE" in path.name or "OFL" in path.name
        ]
        assert licences


def test_what_a_browser_loads_is_small() -> None:
    loaded = [path for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".woff2", ".svg")]
    assert sum(path.stat().st_size for path in loaded) <= UI_MOST


def test_every_part_that_is_named_is_there() -> None:
    named: set[str] = set()
    for path in [*TEMPLATES, STATIC / "look.css"]:
        named |= set(re.findall(r"/parts/([\w.-]+)", path.read_text(encoding="utf-8")))
    assert {name for name in named if not Path(STATIC / name).is_file()} == set()
