"""The rule that a required part may not be missing, tried on small runs of pytest itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SAMPLE = """
import pytest

@pytest.mark.redis
def test_that_needs_redis():
    pass

def test_that_skips_itself():
    pytest.skip("I do not feel like it")

def test_that_runs():
    pass
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with our conftest and a few tests, away from the others."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests" / "conftest.py")
    (tmp_path / "tests" / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  redis: needs redis-server\n")
    return tmp_path


def _run(where: Path, require: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=where,
        env={"PYTHONPATH": str(ROOT), "PATH": str(where), "TOHEAL_REQUIRE": require},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("require", "outcome"),
    [
        ("", "1 passed, 2 skipped"),
        ("redis", "1 failed, 1 passed, 1 error"),
        ("coturn", "1 failed, 1 passed, 1 skipped"),
        ("browser,netns,redis,coturn", "1 failed, 1 passed, 1 error"),
        ("wisdom", "ERROR: TOHEAL_REQUIRE names no part of ours: ['wisdom']"),
    ],
)
def test_a_skip_is_a_failure_where_the_part_is_required(
    sample: Path, require: str, outcome: str
) -> None:
    assert outcome in _run(sample, require)
