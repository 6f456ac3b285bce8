"""What a command does with whatever was raised."""

from __future__ import annotations

import contextlib
import os

from toheal_p2p.app.refusals import refusal_in as refusal_in


def is_interrupt(error: BaseException) -> bool:
    """Tell whether the person pressed Ctrl-C, also where a nursery wrapped it."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_interrupt, error.exceptions))
    return isinstance(error, KeyboardInterrupt)


def describe_fault(error: BaseException) -> str:
    """Return where a fault happened: types and places in the code, never values or messages.

    What an exception says can hold what somebody wrote, and this text leaves the machine in bug
    reports.
    """
    import traceback  # only here: a command that goes well does not load it

    lines = [type(error).__name__]
    for place in traceback.extract_tb(error.__traceback__):
        lines.append(f"  {place.filename}:{place.lineno} {place.name}")
    if isinstance(error, BaseExceptionGroup):
        lines += map(describe_fault, error.exceptions)
    if error.__cause__ is not None:
        lines += ["because of", describe_fault(error.__cause__)]
    elif error.__context__ is not None and not error.__suppress_context__:
        lines += ["while in", describe_fault(error.__context__)]
    return "\n".join(lines)


def note_fault(error: BaseException, path: str | None) -> None:
    """Add where a fault happened to the file of `--debug`, if there is one."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, mode=0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(describe_fault(error) + "\n")
