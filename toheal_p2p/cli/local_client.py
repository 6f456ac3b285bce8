"""The commands' end of the local channel: plain sockets, so that a command starts quickly.

Docs: docs/command-line.md, section 7.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from toheal_p2p.app.refusals import CODES, RefusalCode, Refused
from toheal_p2p.cli.local_path import find_socket, has_profile
from toheal_p2p.cli.local_wire import MAX_LINE, VERSION, encode_line

Item = Mapping[str, Any]
"""One value that came back. `Any`, because JSON says no more; each command knows its own."""

PATIENCE: Final = 1.0
"""Seconds of silence before the person is told what is being waited for."""

_PIECE: Final = 65536


def ask(
    home: str,
    command: str,
    args: Mapping[str, object],
    *,
    still_waiting: Callable[[float], None] | None,
    progress: Callable[[str, Item], None] | None = None,
) -> Iterator[Item]:
    """Have the running process carry out a command, and give what comes back as it comes.

    Args:
        still_waiting: told, about once a second, how many seconds nothing came; None where
            silence is ordinary.
        progress: told the code and the facts of what is being tried.

    Raises:
        Refused: what the running process refused; or not_running, no_profile, connection_lost,
            not_supported_here.
    """
    with _connect(home) as connection:
        try:
            connection.sendall(encode_line({"v": VERSION, "command": command, "args": args}))
            silence = _Silence(still_waiting)
            for line in _lines(connection, silence):
                answer = _read_answer(line)
                if "item" in answer:
                    yield answer["item"]
                    silence.begin()
                elif "progress" in answer:
                    _tell_progress(answer["progress"], progress)
                elif "done" in answer:
                    return
                else:
                    raise _refusal(answer)
        except OSError:
            raise Refused("connection_lost") from None
    raise Refused("connection_lost")


def _connect(home: str) -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise Refused("not_supported_here")
    path = find_socket(home)
    if path is None:
        raise _nobody_there(home)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise _nobody_there(home) from None
    return connection


def _nobody_there(home: str) -> Refused:
    return Refused("not_running") if has_profile(home) else Refused("no_profile")


class _Silence:
    """How long a person has been waiting for a value; what is tried meanwhile is none."""

    def __init__(self, still_waiting: Callable[[float], None] | None) -> None:
        self.still_waiting: Final = still_waiting
        self.begin()

    def begin(self) -> None:
        self.began = time.monotonic()


def _tell_progress(tried: object, progress: Callable[[str, Item], None] | None) -> None:
    if isinstance(tried, dict) and progress is not None:
        code, facts = tried.get("code"), tried.get("facts")
        if isinstance(code, str) and isinstance(facts, dict):
            progress(code, facts)


def _lines(connection: socket.socket, silence: _Silence) -> Iterator[bytes]:
    buffer = bytearray()
    while piece := _receive(connection, silence):
        buffer += piece
        *lines, rest = buffer.split(b"\n")
        yield from map(bytes, lines)
        buffer = rest
        if len(buffer) > MAX_LINE:
            raise Refused("internal")


def _receive(connection: socket.socket, silence: _Silence) -> bytes:
    if silence.still_waiting is None:
        return connection.recv(_PIECE)
    while True:
        waited = time.monotonic() - silence.began
        connection.settimeout(PATIENCE - waited % PATIENCE)  # at each whole second, news or not
        try:
            return connection.recv(_PIECE)
        except TimeoutError:
            silence.still_waiting(time.monotonic() - silence.began)


def _read_answer(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("internal") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("item", {}), dict):
        raise Refused("internal")
    return cast("dict[str, Any]", answer)


def _refusal(answer: Mapping[str, Any]) -> Refused:
    code, facts = answer.get("refused"), answer.get("facts")
    if code not in CODES or not isinstance(facts, dict):
        return Refused("internal")
    known = {name: fact for name, fact in facts.items() if isinstance(fact, str | int)}
    return Refused(cast("RefusalCode", code), **known)
