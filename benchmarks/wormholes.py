"""magic-wormhole and its mailbox server, as anybody gets them, in an environment of their own.

They are no dependency of ours: each run puts the versions of `wormhole-requirements.txt`, with their
hashes, into a throw-away folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from attrs import define

from benchmarks.lines import Answer, Line

REQUIREMENTS: Final = Path(__file__).with_name("wormhole-requirements.txt")
LONGEST_START: Final = 15.0
"""Seconds a mailbox server may take until it listens."""


class NotInstalled(Exception):
    """The packages could not be had; the text says why."""


@define(eq=False)
class Wormholes:
    """One sender, a wormhole to each receiver, and a process for each of them."""

    sender: Line
    receivers: list[Line]

    def say_at_rest(self, size: int, count: int) -> tuple[Answer, list[Answer]]:
        """Say texts one at a time to all; return the sender's answer and the receivers'."""
        for one in self.receivers:
            one.begin("read_times", **{"with": {"count": count}})
        said = self.sender.ask("say_at_rest", **{"with": {"size": size, "count": count}})
        return said, [one.answer() for one in self.receivers]


def install(folder: Path) -> Path:
    """Make the environment; return its interpreter.

    Raises:
        NotInstalled: there is no uv, no package index, or not these versions.
    """
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise NotInstalled("there is no uv")
    python = folder / "bin" / "python"
    for arguments in (
        ("venv", "--python", sys.executable, str(folder)),
        ("pip", "install", "--python", str(python), "--require-hashes", "-r", str(REQUIREMENTS)),
    ):
        done = subprocess.run([uv, "--quiet", *arguments], capture_output=True, check=False)
        if done.returncode:
            raise NotInstalled(done.stderr.decode(errors="replace").strip().replace("\n", " "))
    return python


@contextmanager
def some_wormholes(python: Path, folder: Path, count: int) -> Iterator[Wormholes]:
    """Run a mailbox server on loopback, one sender, and so many receivers it is joined with."""
    codes = [f"{number}-only-for-benchmarks" for number in range(1, count + 1)]
    with ExitStack() as running:
        url = running.enter_context(_a_mailbox_server(python, folder))

        def side(*arguments: str) -> Line:
            line = Line(("benchmarks.wormhole_side", url, *arguments), python=str(python))
            running.callback(line.end)
            return line

        sender, receivers = side("sender", *codes), [side("receiver", code) for code in codes]
        for one in (sender, *receivers):
            one.answer()
        yield Wormholes(sender, receivers)


@contextmanager
def _a_mailbox_server(python: Path, folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [python, "-m", "twisted", "wormhole-mailbox", f"--port=tcp:{port}:interface=127.0.0.1"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        _await_listener(port, process)
        yield f"ws://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(15)


def _await_listener(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LONGEST_START
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError("the mailbox server does not listen")
