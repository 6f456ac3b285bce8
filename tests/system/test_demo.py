"""The demonstration as somebody who just arrived starts it, in both languages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ENVIRONMENT
from toheal_p2p.cli.demo import FIRST_WORDS, LAST_WORDS, LATER_WORDS, texts_said

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.mark.parametrize("language", ["ar", "en"])
def test_everything_arrives_at_three_people_and_a_latecomer(tmp_path: Path, language: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toheal_p2p", f"--lang={language}", "demo", "--check"],
        capture_output=True,
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        timeout=240,
        check=False,
    )
    told = done.stdout.decode()
    assert done.returncode == 0, told + done.stderr.decode()
    assert len(texts_said()) == len(FIRST_WORDS) + len(LATER_WORDS) + len(LAST_WORDS)
    for text in texts_said():
        late = text in [one for _, one in LAST_WORDS]
        assert told.count(text) == (2 if late else 1), text
    assert "Traceback" not in told and not done.stderr
    assert not list(tmp_path.glob("demo-*")), "the folder is thrown away"
