"""What the operator of a running relay may ask: one private socket, one question, counts only.

The socket lies in the state folder and its owner alone can open it. Whoever connects gets one line
of JSON: the relay's address and its `Holdings`.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import asdict

from toheal_relay.metrics import Holdings

_FILE: Final = "control"
_LONGEST_ANSWER: Final = 64 * 1024
_ANSWER_DEADLINE: Final = 5.0
"""Seconds a running relay has to answer its own operator."""

_LONGEST_PATH: Final = 100
"""Characters of a path that fit a Unix socket's address everywhere (108 on Linux, 104 on macOS)."""


class AlreadyRunning(Exception):
    """Another relay answers on this state folder's socket."""


class NotRunning(Exception):
    """No relay answers on this state folder's socket."""


async def serve_control(
    listener: trio.SocketListener, address: str, holdings: Callable[[], Holdings]
) -> None:
    """Answer the operator until cancelled."""

    async def answer(stream: trio.SocketStream) -> None:
        line = json.dumps({"address": address, **asdict(holdings())}) + "\n"
        with trio.move_on_after(_ANSWER_DEADLINE):
            try:
                async with stream:
                    await stream.send_all(line.encode("ascii"))
            except trio.BrokenResourceError:
                pass

    await trio.serve_listeners(answer, [listener])


@contextmanager
def open_control(state: Path) -> Iterator[trio.SocketListener | None]:
    """Listen on the private socket; None where there are no such sockets (Windows).

    Raises:
        AlreadyRunning: another relay does.
    """
    if not hasattr(socket, "AF_UNIX"):
        yield None
        return
    try:
        ask_holdings(state)
    except NotRunning:
        pass
    else:
        raise AlreadyRunning
    control = _bind(state)
    try:
        yield trio.SocketListener(trio.socket.from_stdlib_socket(control))
    finally:
        control.close()
        (state / _FILE).unlink(missing_ok=True)


def ask_holdings(state: Path) -> dict[str, str | int]:
    """Ask the relay that runs on this state folder for its address and counts.

    Raises:
        NotRunning: none does, or it does not answer.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise NotRunning
    try:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control,
            _short_path(state) as path,
        ):
            control.settimeout(_ANSWER_DEADLINE)
            control.connect(path)
            with control.makefile("rb") as answers:
                answer: dict[str, str | int] = json.loads(answers.readline(_LONGEST_ANSWER))
                return answer
    except (OSError, ValueError):
        raise NotRunning from None


def _bind(state: Path) -> socket.socket:
    (state / _FILE).unlink(missing_ok=True)  # of a relay that was killed
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with _short_path(state) as path:
            control.bind(path)
    finally:
        os.umask(before)
    control.setblocking(False)
    control.listen(16)
    return control


@contextmanager
def _short_path(state: Path) -> Iterator[str]:
    """Name the socket in few enough characters: by an open folder where the path is too long."""
    path = str(state / _FILE)
    if len(path) <= _LONGEST_PATH:
        yield path
        return
    folder = os.open(state, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{_FILE}"
    finally:
        os.close(folder)
