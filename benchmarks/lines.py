"""A process that is driven line by line: one JSON object in, one out."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import Any, cast

from attrs import define, field

Answer = dict[str, Any]
"""What a line of JSON says. `Any`, because JSON says no more."""


@define(eq=False)
class Line:
    """A process that answers lines: a module of ours, under our interpreter or another one."""

    arguments: tuple[str, ...]
    python: str = sys.executable
    _process: subprocess.Popen[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._process = subprocess.Popen(
            [self.python, "-m", *self.arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, ask: str, **arguments: object) -> None:
        """Ask, and do not wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"ask": ask, **arguments}).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> Answer:
        """Wait for one answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.arguments[0]} ended with {self._process.wait()}")
        answer = cast(Answer, json.loads(line))
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer

    def ask(self, ask: str, **arguments: object) -> Answer:
        """Ask and wait for the answer."""
        self.begin(ask, **arguments)
        return self.answer()

    def end(self) -> None:
        """End the process in the ordinary way."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def tell(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)
