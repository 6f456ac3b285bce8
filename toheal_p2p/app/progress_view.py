"""What is being tried just now, as a door shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from attrs import field, frozen

from toheal_p2p.app.refusals import Fact
from toheal_p2p.app.vocabulary import ProgressCode


@frozen
class ProgressView:
    """What is being tried just now; its sentence is `progress.<code>` with these facts."""

    code: ProgressCode
    facts: Mapping[str, Fact] = field(factory=dict, repr=False)


Report = Callable[[ProgressView], Awaitable[None]]
"""Told what is being tried, as it changes."""
