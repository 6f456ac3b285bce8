"""What this machine lets us use: memory and file descriptors, and how we use the memory."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import resource

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's ceiling is told, version 2 and 1."""

_UNKNOWN_MEMORY: Final = 1024 * 1024 * 1024
"""Bytes we assume where the machine does not say."""

_UNKNOWN_DESCRIPTORS: Final = 512
"""Descriptors we assume where the machine does not say (Windows)."""

MOST_DESCRIPTORS: Final = 65_536
"""Descriptors we ask for at most: some machines allow a thousand million."""

_M_PERTURB: Final = -6
_OVERWRITTEN: Final = 0xA5
"""Any byte but zero, which would turn it off."""

_FILLING: Final = bytes([_OVERWRITTEN])
_CACHED_PIECES: Final = 7
_CACHED_SIZES: Final = range(480, 1040, 16)
"""Bytes in objects that Python does not keep itself and the C library does not give back at once (glibc's
`tcache`): with its header an object is 33 bytes larger."""

_COLLECT: Final = (50_000, 100, 1_000)
"""Thresholds of the garbage collector: with thousands of long-lived connections the ordinary ones
took a p99 from 5 ms to 282 ms (measured on a prototype)."""


def memory_ceiling() -> int:
    """Return how many bytes this process may use: the machine's, its container's or its own limit."""
    ceilings = [_physical_memory(), *(_read_number(path) for path in _CGROUP_LIMITS)]
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        ceilings.append(None if soft == resource.RLIM_INFINITY else soft)
    return min((ceiling for ceiling in ceilings if ceiling), default=_UNKNOWN_MEMORY)


def raise_descriptors() -> int:
    """Ask for as many file descriptors as we may have, and return how many that is."""
    if sys.platform == "win32":
        return _UNKNOWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, MOST_DESCRIPTORS)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        return soft
    return allowed


def settle_memory() -> None:
    """Leave what is there now, which stays to the end, out of garbage collections; make these rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def overwrite_freed_memory() -> bool:
    """Have memory that is given back overwritten at once; False where the C library cannot.

    It goes for pieces of more than 512 bytes: Python keeps smaller ones in pools of its own. Every
    sealed frame is larger, and so is whatever it was copied into on its way. It costs nothing that
    we could measure for packets, and a microsecond for a read of 16 kB.

    Source: mallopt(3), M_PERTURB (glibc).
    """
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).mallopt(_M_PERTURB, _OVERWRITTEN))
    except (ImportError, MemoryError, OSError, AttributeError):  # another C library
        return False


def overwrite_cached_memory() -> None:
    """Overwrite what the C library holds back for quick use, and has not overwritten.

    It keeps seven pieces of each size up to 1 kB for every thread. So take more than these and fill them.
    A thirtieth of a millisecond.
    """
    for size in _CACHED_SIZES:
        _pieces = [_FILLING * size for _ in range(_CACHED_PIECES + 1)]


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # absent, or the word "max"
        return None
