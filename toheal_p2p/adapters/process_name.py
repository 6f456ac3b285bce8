"""What lists of processes show of this one: its name, and the words it was started with.

Only Linux lets a process change both. There every user of a machine can read them.

Docs: docs/page.md, section 3.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

NEUTRAL_NAME: Final = "th"
"""What a neutral process is called, as its folder is."""

_THREADS: Final = "/proc/self/task"
"""A folder for each thread of ours. Lists can show these one by one."""

_ARGUMENTS: Final = slice(45, 47)
"""Fields 48 and 49 of /proc/PID/stat, counted from the third: where the arguments begin and end."""


def take_neutral_name() -> None:
    """Have lists of processes show a name that says nothing, where the system lets us."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        # a thread is called as its maker was when it began
        for thread in os.listdir(_THREADS):
            _name_thread(thread)
        _cover_arguments()


def _name_thread(thread: str) -> None:
    with suppress(OSError):  # it may be over by now
        with open(f"{_THREADS}/{thread}/comm", "w", encoding="ascii") as file:
            file.write(NEUTRAL_NAME)


def _cover_arguments() -> None:
    """Write over the place that the system reads our command line from; Python has its own copy."""
    import ctypes

    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    begin, end = map(int, fields[_ARGUMENTS])
    name = NEUTRAL_NAME.encode()
    if 0 < begin < end - len(name):  # the system gives 0 to whom it does not trust with it
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, name, len(name))
