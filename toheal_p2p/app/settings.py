"""What a person can set: read, checked, kept in the vault, and put into effect at once.

The vault has the truth. What sentences and pages look like is copied into a small file beside it, because
both are there before any vault opens (`app.look`).

Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from toheal_p2p.adapters.socks import ProxyAddress, parse_proxy
from toheal_p2p.adapters.tor import find_tor
from toheal_p2p.app.look import Look, write_look
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.settings_interface import UNSET, SettingView
from toheal_p2p.app.vocabulary import SettingName
from toheal_p2p.care.helplines import countries
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.records import PutSetting, Write
from toheal_protocol.model import CircleId


@frozen
class Setting:
    """One setting. `choices` empty: free text."""

    name: SettingName
    default: str
    choices: tuple[str, ...] = ()


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("proxy", UNSET),
    Setting("language", UNSET, ("ar", "en", UNSET)),
    Setting("digits", "latin", ("latin", "arabic")),
    Setting("colours", "system", ("system", "light", "dark")),
    Setting("neutral", "off", ("off", "on")),
    Setting("content-notes", "covered", ("covered", "shown", "hidden")),
    Setting("country", UNSET, (*countries(), UNSET)),
    Setting("auto-lock", UNSET, ("5", "15", "60", "240", UNSET)),
)

_KNOWN: Final[Mapping[str, Setting]] = {one.name: one for one in SETTINGS}

Keep = Callable[[Sequence[Write]], Awaitable[None]]
"""Writes into the vault and returns when it is on disk. Raises `Refused`."""


async def _keep_nowhere(_writes: Sequence[Write]) -> None:
    raise RuntimeError("the application is not running")


@define(eq=False)
class Settings:
    """The settings of one opened profile. Fulfils `SettingsInterface`.

    Attributes:
        on_neutral: called when the look becomes neutral: the running process has a name too.
    """

    home: Path
    network: NetworkPolicy
    on_neutral: Callable[[], None] = lambda: None
    _keep: Keep = field(default=_keep_nowhere, init=False)
    _values: dict[str, str] = field(factory=dict, init=False, repr=False)

    def begin(
        self, stored: Mapping[str, bytes], keep: Keep, circles: Mapping[CircleId, RunningCircle]
    ) -> None:
        """Take over what the vault has, before anything is sent to anybody.

        Args:
            circles: those that run, now and later: their links close and open as the way allows.

        Raises:
            Refused: vault_damaged. A proxy that cannot be read must not become none.
        """
        self._keep = keep
        self.network.on_change(partial(_change_ways, circles, self.network))
        for setting in SETTINGS:
            value = stored.get(_key(setting.name), setting.default.encode()).decode()
            self._values[setting.name] = value
        try:
            self.network.use_proxy(_read_proxy(self._values["proxy"]))
        except RemoteError:
            raise Refused("vault_damaged") from None

    @property
    def minutes_until_locked(self) -> int | None:
        """After how many minutes without use the profile locks; None: never."""
        value = self._values.get("auto-lock", UNSET)
        return int(value) if value.isdecimal() else None

    async def offered_proxy(self) -> str | None:
        """Return a proxy of Tor on this machine that is not in use, if one answers."""
        return await find_tor() if self.network.proxy is None else None

    async def list(self) -> Sequence[SettingView]:
        """Return every setting."""
        return [self._view(setting) for setting in SETTINGS]

    async def get(self, name: str) -> SettingView:
        """Return one setting."""
        return self._view(_find(name))

    async def set(self, name: str, value: str) -> SettingView:
        """Keep a value and put it into effect."""
        setting, value = _find(name), value.strip()
        if setting.choices:
            value = value.lower()
        if setting.choices and value not in setting.choices:
            choices = ", ".join(setting.choices)
            raise Refused("setting_unfit", name=name, choices=choices)
        try:
            proxy = _read_proxy(value) if setting.name == "proxy" else self.network.proxy
        except RemoteError:
            raise Refused("proxy_malformed") from None
        await self._keep([PutSetting(_key(setting.name), value.encode())])
        self._values[setting.name] = value
        self.network.use_proxy(proxy)
        if setting.name in ("language", "digits", "colours", "neutral", "country"):
            self._write_look()
        if self._values["neutral"] == "on":
            self.on_neutral()
        return self._view(setting)

    def _view(self, setting: Setting) -> SettingView:
        value = self._values.get(setting.name, setting.default)
        if setting.name == "proxy" and value != UNSET:
            value = parse_proxy(value).shown
        return SettingView(setting.name, value, setting.choices)

    def _write_look(self) -> None:
        chosen = {name: value for name, value in self._values.items() if value != UNSET}
        is_neutral = self._values["neutral"] == "on"
        look = Look(
            chosen.get("language"),
            self._values["digits"],
            self._values["colours"],
            self._values["neutral"],
            None if is_neutral else chosen.get("country"),  # it leads to help lines
        )
        try:
            write_look(str(self.home), look)
        except OSError:
            raise Refused("storage_failed") from None


def _change_ways(circles: Mapping[CircleId, RunningCircle], network: NetworkPolicy) -> None:
    """Close every link where none is allowed any more; look for ways at once where they are again."""
    for running in circles.values():
        if network.may_open_links:
            running.service.take(machine.NetworkChanged())
        else:
            running.service.close_links()


def _find(name: str) -> Setting:
    if name not in _KNOWN:
        raise Refused("no_such_setting", name=name[:200])
    return _KNOWN[name]


def _read_proxy(value: str) -> ProxyAddress | None:
    return None if value == UNSET else parse_proxy(value)


def _key(name: str) -> str:
    return f"setting.{name}"
