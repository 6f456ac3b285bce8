"""Importing in a thread what was not needed at the start: the loop goes on meanwhile.

One import at a time: two threads that meet in a circle of modules would be handed unfinished ones.

Spec: docs/decisions/0037-what-is-needed-is-loaded-when-it-is-needed.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio

T = TypeVar("T")

_ONE_AT_A_TIME: Final = trio.CapacityLimiter(1)


async def load(fetch: Callable[[], T]) -> T:
    """Call a function that imports something, and return what it returns."""
    return await trio.to_thread.run_sync(fetch, limiter=_ONE_AT_A_TIME)
