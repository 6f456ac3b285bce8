"""What lists of processes show of one that took a neutral name, read from outside as they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process be called anew"),
]

TELLING = "toheal"

PROGRAM = """
import sys, threading
from toheal_p2p.adapters.process_name import take_neutral_name
open("/proc/self/comm", "w").write(sys.argv[1])
over = threading.Event()
before = threading.Thread(target=over.wait)
before.start()
take_neutral_name()
after = threading.Thread(target=over.wait)
after.start()
print(sys.argv[1], flush=True)
sys.stdin.readline()
over.set()
"""


def test_neither_the_process_nor_a_thread_nor_its_arguments_tell_what_runs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, TELLING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        own = running.stdout.readline().decode().strip()
        seen = Path(f"/proc/{running.pid}")
        threads = [(one / "comm").read_text().strip() for one in (seen / "task").iterdir()]
        arguments = (seen / "cmdline").read_bytes().rstrip(b"\0")
        running.stdin.close()
    assert running.returncode == 0
    assert threads == ["th"] * 3
    assert arguments == b"th"
    assert own == TELLING  # Python's own copy is whole
