"""What the program needs to know of the machine's network: whether it is still the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

Look: TypeAlias = Callable[[], Hashable]
"""Return a value that is equal for as long as the network is the same. Quick, and sends nothing."""
