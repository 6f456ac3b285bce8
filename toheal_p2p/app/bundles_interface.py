"""Bundles as the doors see them: what a member is owed in a file, and taking such a file.

Docs: docs/command-line.md, section 4.
"""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.progress_view import Report


@frozen
class BundleView:
    """A bundle that was made. `messages`: how many are in it; `left`: how many did not fit."""

    path: str = field(repr=False)
    messages: int
    left: int
    size: int


@frozen
class TakenBundleView:
    """A bundle that was taken. `items`: how many parts it had; `damaged`: how many did not open."""

    circle: str
    circle_name: str = field(repr=False)
    member: str
    member_name: str = field(repr=False)
    items: int
    damaged: int


class BundlesInterface(Protocol):
    """Messages that travel in a file."""

    async def make(self, circle: str, who: str, path: str, *, report: Report) -> BundleView:
        """Write a file for a member. It is of use to nobody else.

        Raises:
            Refused: no_such_circle, no_such_member, ambiguous_name, bundle_not_yet, cannot_write_file,
                and those of a circle we are not in.
        """
        ...

    async def take(self, path: str, *, report: Report) -> TakenBundleView:
        """Take a file that a member made for us. Again does nothing, or brings what was damaged.

        Raises:
            Refused: cannot_read_file, bundle_too_large, bundle_unknown.
        """
        ...
