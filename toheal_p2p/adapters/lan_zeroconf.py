"""Being found on a local network, and finding others: python-zeroconf on one address of one interface.

Import it only when "meet here" opens: nobody else should wait for the library, or hold it in memory.
Everything that touches the library runs on the asyncio loop under trio; news come out by `send_nowait`.

What the library would do by itself and does not do here:

- It probes for a second before it registers. Our names are 80 random bits, so nobody else has them.
- It answers whoever asks by unicast, from any network. `_GroupOnly` sends to the group and nobody else.
- It asks its first question by unicast answer. On a machine where several programs share the port only
  one of them would get that, so we ask for answers to the group.
- It asks at the beginning only. Who comes into radio range later is found because we begin again.

What it sends all the same is listed in the specification.

Source: RFC 6762, RFC 6763. Spec: docs/protocol/lan.md, sections 3 and 7.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import ifaddr
import trio
from attrs import define, field
from zeroconf import (
    DNSQuestionType,
    Error,
    RecordUpdate,
    RecordUpdateListener,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.lan_interfaces import is_on
from toheal_p2p.ports.lan import Appeared, LanFailed, Segment, Vanished
from toheal_protocol.machines.lan_names import LOWEST_PORT, Names, instance_of, service_type

ASK_EVERY: Final = 60.0
"""Seconds after which the four questions of a beginning are asked once more."""

RECORD_LIFE: Final = 120
"""Seconds our records may be remembered for (their TTL); the library remembers pointers for 1125."""

NEWS_MOST: Final = 256
"""News that may wait: a room of ours has 23 instances. What is more is lost until we ask again."""

_EMPTY_TXT: Final = b"\0"

_log = logging.getLogger(__name__)
logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # its messages hold addresses


class _GroupOnly(Zeroconf):
    """Sends to the group of mDNS on its interface, and to no single machine, whoever asks."""

    def async_send(self, out: Any, addr: str | None = None, *_: Any, **__: Any) -> None:
        """Send to the group; an answer to one machine is dropped."""
        if addr is None:
            super().async_send(out)


class _Ear(RecordUpdateListener):
    """Notes whether any other machine's address was announced."""

    def __init__(self, ours: Iterable[str]) -> None:
        self.has_heard_others = False
        self._ours = frozenset(ours)

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Look at what came in one packet."""
        if not self.has_heard_others:
            heard = (update.new for update in records)
            self.has_heard_others = any(_is_of_others(one, self._ours) for one in heard)

    def async_update_records_complete(self) -> None:
        """Nothing to do: it keeps nothing."""


class _Listener(RecordUpdateListener):
    """Tells who announces one of some services by themselves: nothing is ever asked or said of these."""

    def __init__(self, kinds: Iterable[str], tell: Callable[[Zeroconf, str, str], None]) -> None:
        self._kinds = frozenset(kinds)
        self._tell = tell
        self._heard: list[tuple[Zeroconf, str, str]] = []

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Note the pointers of one packet; what they point to is remembered after it."""
        for update in records:
            one = update.new
            kind, alias = one.name.lower(), getattr(one, "alias", None)  # only pointers have one
            is_new = alias is not None and kind in self._kinds and not one.is_expired(now)
            if is_new and len(self._heard) < NEWS_MOST:
                self._heard.append((zc, kind, str(alias)))

    def async_update_records_complete(self) -> None:
        """Tell of what the packet held."""
        heard, self._heard = self._heard, []
        for zc, kind, name in heard:
            self._tell(zc, kind, name)


@define(eq=False)
class Announcement:
    """We hear who is under a label on one segment, and are announced there ourselves if we have names.

    Attributes:
        names: ours, under the same label; None: we only look.
        port: where we listen.
        heard: labels that are listened for and never said.
    """

    segment: Segment
    label: str
    names: Names | None = None
    port: int = 0
    heard: tuple[str, ...] = ()
    news: trio.MemoryReceiveChannel[Appeared | Vanished] = field(init=False)
    _send: trio.MemorySendChannel[Appeared | Vanished] = field(init=False)
    _ear: _Ear = field(init=False)
    _zeroconf: AsyncZeroconf | None = field(default=None, init=False)
    _browser: AsyncServiceBrowser | None = field(default=None, init=False)
    _tasks: list[asyncio.Future[Any]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self.news = trio.open_memory_channel(NEWS_MOST)
        self._ear = _Ear(_addresses_of_this_machine())

    @property
    def has_heard_others(self) -> bool:
        """Whether any other machine announced its address."""
        return self._ear.has_heard_others

    async def open(self) -> None:
        """Begin; it returns before the first packet is sent.

        Raises:
            LanFailed: the system refuses.
        """
        try:
            await aio(self._open)
        except (OSError, RuntimeError, Error) as failure:
            raise LanFailed(type(failure).__name__) from None

    async def aclose(self) -> None:
        """Say goodbye and be silent, after a quarter of a second. A second call does nothing."""
        self._send.close()
        await aio(self._close)

    async def _open(self) -> None:
        zeroconf = _GroupOnly(interfaces=[self.segment.host])
        self._zeroconf = AsyncZeroconf(zc=zeroconf)
        try:
            zeroconf.async_add_listener(self._ear, None)
            if self.heard:
                kinds = map(service_type, self.heard)
                zeroconf.async_add_listener(_Listener(kinds, self._overhear), None)
            await zeroconf.async_wait_for_start()
            if self.names is not None:
                announcing = await zeroconf.async_register_service(
                    self._service(self.names), cooperating_responders=True
                )
                self._tasks.append(asyncio.ensure_future(announcing))
            if not zeroconf.engine.senders:
                raise OSError("no way to send on this interface")
            self._browse(zeroconf)
            again = asyncio.get_running_loop().create_task(self._browse_again(zeroconf))
            self._tasks.append(again)
        except BaseException:
            await self._close()
            raise

    def _service(self, names: Names) -> AsyncServiceInfo:
        kind = service_type(names.label)
        return AsyncServiceInfo(
            kind,
            f"{names.instance}.{kind}",
            port=self.port,
            properties=_EMPTY_TXT,
            server=f"{names.host}.local.",
            host_ttl=RECORD_LIFE,
            other_ttl=RECORD_LIFE,
            parsed_addresses=[self.segment.host],
        )

    def _browse(self, zeroconf: Zeroconf) -> None:
        kind = service_type(self.label)
        handlers: Any = [self._changed]
        self._browser = AsyncServiceBrowser(
            zeroconf, kind, handlers, question_type=DNSQuestionType.QM
        )

    async def _browse_again(self, zeroconf: Zeroconf) -> None:
        """Ask again each minute; what is still remembered is told again as well.

        We are announced again too: who has a newer secret than ours listens for that, and never asks.
        """
        while True:
            await asyncio.sleep(ASK_EVERY)
            if self.names is not None:
                ours = self._service(self.names)
                zeroconf.async_send(zeroconf.generate_service_broadcast(ours, None))
            if self._browser is not None:
                await self._browser.async_cancel()
            self._browse(zeroconf)

    async def _close(self) -> None:
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is None:
            return
        for task in self._tasks:
            task.cancel()
        if self._browser is not None:
            await self._browser.async_cancel()
        await zeroconf.async_close()

    def _overhear(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        self._changed(zeroconf, kind, name, ServiceStateChange.Added)

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        """Tell of a record that changed: called by the library while it reads a packet."""
        try:
            news = self._news_of(zeroconf, service_type, name, state_change)
            if news is not None:
                self._send.send_nowait(news)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            return  # a flood, or the end: we ask again in a minute, or never
        except Exception as error:  # noqa: BLE001 - what strangers wrote must not end the reading
            _log.error("an announcement that cannot be read: %s", type(error).__name__)

    def _news_of(
        self, zeroconf: Zeroconf, kind: str, name: str, change: ServiceStateChange
    ) -> Appeared | Vanished | None:
        labels = (self.label, *self.heard)
        found_in = (instance_of(name, label) for label in labels if service_type(label) == kind)
        instance = next(filter(None, found_in), None)
        if instance is None:
            return None
        if change is ServiceStateChange.Removed:
            return Vanished(instance)
        found = AsyncServiceInfo(kind, f"{instance}.{kind}")
        found.load_from_cache(zeroconf)  # nothing is asked: members announce all of it at once
        if found.port is None or found.port < LOWEST_PORT:
            return None
        hosts = (_host_on(self.segment, one) for one in found.parsed_scoped_addresses())
        host = next(filter(None, hosts), None)
        return None if host is None else Appeared(instance, host, found.port)


def _host_on(segment: Segment, scoped: str) -> str | None:
    """Return an announced address without its scope, if it is one of this very network."""
    host, _, scope = scoped.partition("%")
    if segment.is_v6 and scope != str(segment.index):
        return None
    return host if is_on(segment, host) else None


def _is_of_others(record: object, ours: frozenset[str]) -> bool:
    packed = getattr(record, "address", None)  # records of addresses have one, others have not
    if packed is None or len(packed) not in (4, 16):
        return False
    return str(ipaddress.ip_address(packed)) not in ours


def _addresses_of_this_machine() -> Iterable[str]:
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            yield address.ip if isinstance(address.ip, str) else address.ip[0]
