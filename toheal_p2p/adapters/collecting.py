"""How often Python looks for garbage that reference counts do not find.

By default it looks whenever there are 700 objects more than the last time. A decision makes some
sixty, and all of them die when it is committed; with a hundred decisions under way nothing of what
was looked at was ever garbage, and looking was a fifth of what a message cost its author.

Spec: docs/decisions/0039-what-a-message-asks-of-python.md.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 20_000
"""Objects more than the last time before the young ones are looked at: what 128 decisions under way
hold is half of it. Two or three megabytes at most."""

ROUNDS: Final = (5, 2)
"""Looks at the young objects before the middle-aged are looked at, and of these before all are: all of
them after some 200 000 objects more, 70 000 by default. A link that is over leaves a few thousand."""


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Look for garbage seldom inside, and afterwards as before."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, *ROUNDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collect_secrets() -> None:
    """Look at everything once: a profile that was closed leaves its keys in rings, and who is at rest
    afterwards would not look for hours. A tenth of a second."""
    gc.collect()
