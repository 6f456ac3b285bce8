"""Which tests run and in which order, tried on small runs of pytest itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sharing_out import ONE_TOWN

ROOT = Path(__file__).parents[2]

SAMPLE = """
import pytest
from hypothesis import given, settings, strategies as st

TRIED = []

def test_short():
    pass

@pytest.mark.slow
def test_silent():
    pass

@pytest.mark.slow(5)
def test_long():
    pass

@pytest.mark.slow(60)
def test_longest():
    pass

@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_soaked(seed):
    pass

@pytest.mark.parametrize("seed", range(9))
def test_drawn(seed):
    pass

@pytest.mark.parametrize(("name", "first"), [("whole", first) for first in range(9)])
def test_batch(name, first):
    pass

@pytest.mark.parametrize("language", ["ar", "en"])
def test_spoken(language):
    pass

@settings(max_examples=80)
@given(st.integers())
def test_of_hypothesis(number):
    TRIED.append(number)

def test_tried():
    print("tried", len(TRIED))
"""

TOGETHER = """
import time
import pytest

@pytest.mark.parametrize("number", range(8))
def test_numbered(number):
    time.sleep(0.05)
"""

MARKERS = "[pytest]\nmarkers =\n  slow(seconds): long\n  soak: only in a soak\n"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with our conftest and a few tests in `tests/network`, away from the others."""
    folder = tmp_path / "tests" / "network"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests" / "conftest.py")
    (folder / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "pytest.ini").write_text(MARKERS)
    return tmp_path


def _run(where: Path, *options: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-vs", *options, "tests"],
        cwd=where,
        env={"PYTHONPATH": str(ROOT), "PATH": str(where), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def _names(lines: list[str]) -> list[str]:
    return [line.split("::")[1].split(" ")[0] for line in lines if "::" in line]


def _tried(lines: list[str]) -> int:
    return next(int(line.rpartition("tried ")[2]) for line in lines if "tried " in line)


def test_the_longest_begin_first_and_schedules_of_a_soak_are_not_even_made(sample: Path) -> None:
    lines = _run(sample, "-m", "not soak")
    names = _names(lines)
    assert names[:4] == ["test_longest", "test_long", "test_short", "test_silent"]
    assert len(names) == 4 + 9 + 9 + 2 + 2
    assert "deselected" not in lines[-1]


def test_a_glance_leaves_every_rule_and_fewer_of_its_cases_of_chance(sample: Path) -> None:
    lines = _run(sample, "-m", "not soak", TOHEAL_GLANCE="8")
    names = _names(lines)
    drawn = [name for name in names if name.startswith("test_drawn")]
    assert drawn == ["test_drawn[0]", "test_drawn[8]"]
    assert [name for name in names if "batch" in name] == [
        "test_batch[whole-0]",
        "test_batch[whole-8]",
    ]
    assert [name for name in names if "spoken" in name] == ["test_spoken[ar]", "test_spoken[en]"]
    assert _tried(lines) == 10


def test_a_soak_leaves_nothing_out_and_tries_more(sample: Path) -> None:
    lines = _run(sample, "-m", "", TOHEAL_SOAK="3")
    drawn = [name.partition("[")[0] for name in _names(lines)]
    assert (drawn.count("test_drawn"), drawn.count("test_soaked")) == (9, 3)
    assert _tried(lines) >= 240


def test_tests_of_one_town_go_to_one_worker_and_all_others_where_there_is_room(
    sample: Path,
) -> None:
    folder = sample / "tests" / "system"
    folder.mkdir()
    for name in ("test_trouble.py", "test_copies.py"):
        (folder / name).write_text(TOGETHER)
    options = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
    lines = _run(sample, *options, "-k", "numbered")
    workers = {
        name: {line.split("]")[0] for line in lines if line.startswith("[gw") and name in line}
        for name in ("test_trouble.py", "test_copies.py")
    }
    assert len(workers["test_trouble.py"]) == 1
    assert len(workers["test_copies.py"]) == 2


def test_every_module_of_one_town_exists() -> None:
    assert not [name for name in ONE_TOWN if not (ROOT / name).exists()]
