"""What the doors see of the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import SettingName

UNSET: Final = "none"
"""The word for what was not chosen: a proxy, a country, what the system's locale decides."""


@frozen
class SettingView:
    """One setting; a password in it is not shown.

    Attributes:
        choices: the values it takes; empty: anything that makes sense.
    """

    name: SettingName
    value: str = field(repr=False)
    choices: tuple[str, ...]


class SettingsInterface(Protocol):
    """What a person can set."""

    async def list(self) -> Sequence[SettingView]:
        """Return every setting."""
        ...

    async def get(self, name: str) -> SettingView:
        """Return one setting: no_such_setting."""
        ...

    async def offered_proxy(self) -> str | None:
        """Return a proxy of Tor that runs on this machine and is not in use; None: there is none."""
        ...

    async def set(self, name: str, value: str) -> SettingView:
        """Keep a value; it is in effect on return.

        Raises:
            Refused: no_such_setting, setting_unfit, proxy_malformed.
        """
        ...
