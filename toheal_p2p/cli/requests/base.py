"""What every request has: a check on the way in, and a way to carry itself out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface

Give = Callable[[object], Awaitable[None]]
"""Sends one value to the asker; returns when there is room for the next."""

Word = Annotated[str, msgspec.Meta(max_length=4096)]
"""A name, an id, an address, a link: the application says what is too long for each."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command with its arguments."""

    changes: ClassVar[bool] = False
    """Whether it is carried out to its end even if the asker goes away meanwhile."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Ask the application and give what it answers. Raises `Refused`."""
        raise NotImplementedError
