"""A real browser for tests: headless Chromium over its debugging pipe, and nothing else.

Source: https://chromedevtools.github.io/devtools-protocol/ (domains Target and Runtime).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from tests.support.parts import chromium

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
ANSWERS_WITHIN: Final = 60.0
"""Seconds for one answer: a browser that starts on a busy machine takes a while."""

_AS_3_AND_4: Final = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium takes its pipe as the file descriptors 3 and 4."""

Answer = dict[str, Any]
"""What the browser says in JSON. `Any`, because JSON says no more."""


class BrowserFailed(AssertionError):
    """A script raised, or the browser is gone."""


@define(eq=False)
class Browser:
    """A running browser with one page."""

    _reads: int
    _writes: int
    _session: str | None = None
    _last: int = 0
    _buffer: bytearray = field(factory=bytearray)

    def open_page(self, url: str = "about:blank") -> None:
        """Open a page; scripts run in it from now on."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def evaluate(self, script: str) -> Any:
        """Evaluate an expression in the page, wait if it is a promise, and return its value.

        Raises:
            BrowserFailed: it raised.
        """
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise BrowserFailed(answer["exceptionDetails"])
        return answer["result"].get("value")

    def call(self, method: str, /, **parameters: object) -> Answer:
        """Call a method of the protocol and wait for its answer; events in between are dropped."""
        self._last += 1
        message: Answer = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise BrowserFailed(answer["error"])
                result: Answer = answer["result"]
                return result

    def _next(self) -> Answer:
        deadline = time.monotonic() + ANSWERS_WITHIN
        while b"\0" not in self._buffer:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._reads], [], [], left)[0]:
                raise BrowserFailed("no answer")
            piece = os.read(self._reads, 65536)
            if not piece:
                raise BrowserFailed("it ended")
            self._buffer += piece
        message, _, rest = self._buffer.partition(b"\0")
        self._buffer = bytearray(rest)
        read: Answer = json.loads(message)
        return read


@contextmanager
def a_browser(folder: Path, *flags: str) -> Iterator[Browser]:
    """Start a browser with a fresh profile in `folder`, and end it with the block."""
    path = chromium()
    assert path is not None, "the mark `browser` is missing"
    their_reads, our_writes = os.pipe()
    our_reads, their_writes = os.pipe()
    command = [
        *(sys.executable, "-c", _AS_3_AND_4, str(their_reads), str(their_writes)),
        *(path, *FLAGS, *flags, f"--user-data-dir={folder}"),
    ]
    with open(folder.parent / "browser.out", "wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(their_reads, their_writes),
        )
    os.close(their_reads)
    os.close(their_writes)
    browser = Browser(our_reads, our_writes)
    try:
        browser.open_page()
        yield browser
    finally:
        with suppress(OSError):
            os.close(our_writes)  # it ends by itself when nobody speaks to it
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(our_reads)
