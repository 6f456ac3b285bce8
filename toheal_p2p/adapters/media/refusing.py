"""Why a file cannot be cleaned: codes that the application puts into words."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    "attachment_unknown",
    "attachment_moving",
    "attachment_too_many_pixels",
    "attachment_not_clean",
    "attachment_too_large",
]

REASONS: tuple[Reason, ...] = get_args(Reason)


class Uncleanable(Exception):
    """It cannot be sent. `reason` says why, without a word of what is in it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
