"""Let pytest-trio run a test in guest mode: `@pytest.mark.trio(run=guest_run)`.

Hypothesis tests ignore the mark (pytest-trio runs them by `trio.run`): write those as plain
functions that call `bridge.run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from toheal_p2p.adapters import bridge

T = TypeVar("T")


def guest_run(
    main: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """Stand in for `trio.run`."""
    return bridge.run(main, clock=clock, instruments=instruments)
