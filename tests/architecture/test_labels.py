"""Every label of the cryptography has one use.

Two derivations with one label could give one key for two purposes. So a label may be written in
one module only, and every label written anywhere is in the list.
"""

from __future__ import annotations

import re
from collections import defaultdict

from tests.support.source import CORE, PACKAGES, name_of, python_files, strings_of
from toheal_protocol.crypto import LABELS

LIST = CORE / "crypto" / "hashing.py"
LABEL = re.compile(r"th1/[a-z0-9/-]+")
MAX_HASH_LABEL = 16
"""Bytes of a BLAKE2b personalisation."""


def uses() -> dict[str, list[str]]:
    """Return label -> every place that writes it, the list itself left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in python_files(*PACKAGES):
        for line, text in strings_of(path):
            if path == LIST and text in LABELS and _is_in_the_list(line):
                continue
            for label in LABEL.findall(text):
                found[label].append(f"{name_of(path)}:{line}")
    return found


def _is_in_the_list(line: int) -> bool:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    start = next(i for i, text in enumerate(lines, 1) if text.startswith("LABELS"))
    end = next(i for i, text in enumerate(lines, 1) if i > start and text.startswith(")"))
    return start <= line <= end


def test_every_label_written_anywhere_is_in_the_list() -> None:
    assert {label: places for label, places in uses().items() if label not in LABELS} == {}


def test_every_label_of_the_list_is_used() -> None:
    assert sorted(LABELS - set(uses())) == []


def test_a_label_is_written_in_one_place() -> None:
    """A module that needs it twice gives it a name or a function of its own."""
    assert {label: places for label, places in uses().items() if len(places) > 1} == {}


def test_labels_are_of_small_letters() -> None:
    assert [label for label in LABELS if not LABEL.fullmatch(label)] == []


def test_labels_of_hashes_fit_the_personalisation() -> None:
    """BLAKE2b would refuse a longer one only when it is used."""
    hashed = [label for label in LABELS if _is_hashed(label)]
    assert "th1/member" in hashed
    assert [label for label in hashed if len(label.encode()) > MAX_HASH_LABEL] == []


def _is_hashed(label: str) -> bool:
    call = f'hash_parts("{label}"'
    return any(call in path.read_text(encoding="utf-8") for path in python_files(*PACKAGES))
