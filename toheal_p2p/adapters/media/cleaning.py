"""Having a file cleaned: the end that waits for the process."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import trio

from toheal_p2p.adapters.media.refusing import REASONS, Uncleanable
from toheal_protocol.messages.attachment import Medium

PATIENCE: Final = 90.0
"""Seconds a cleaning may take, on a slow machine under load."""


async def clean_file(content: bytes) -> tuple[Medium, bytes]:
    """Return what a file is, and its bytes without metadata.

    Raises:
        Uncleanable: it cannot be cleaned, so it cannot be sent.
    """
    # -P: nothing is imported from the folder in which the person happens to be
    command = [sys.executable, "-P", "-m", "toheal_p2p.adapters.media"]
    with trio.move_on_after(PATIENCE):
        ended = await trio.run_process(
            command, stdin=content, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
        )
        return _answer(bytes(ended.stdout or b""))
    raise Uncleanable("attachment_not_clean")


def _answer(answer: bytes) -> tuple[Medium, bytes]:
    code, has_answer, cleaned = answer.partition(b"\n")
    name = code.decode("ascii", "replace")
    if has_answer and name.isdecimal() and cleaned:
        return Medium(int(name)), cleaned
    if name in REASONS:
        raise Uncleanable(name)
    raise Uncleanable("attachment_not_clean")  # it died over it
