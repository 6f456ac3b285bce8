"""A channel whose faults stay inside it: whatever its adapter raises, the channel is lost.

Adapters stand on libraries that meet a peer's bytes. A fault there may end one link; without this
it would end the application.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import define, field

from toheal_p2p.ports.channels import Channel, ChannelFailed

T = TypeVar("T")

_log = logging.getLogger(__name__)


@define(eq=False)
class ContainedChannel:
    """`ports.channels.Channel` around another one."""

    channel: Channel
    _is_faulty: bool = field(default=False, init=False)

    @property
    def exporter(self) -> bytes:
        """See `ports.channels.Channel`."""
        return self.channel.exporter

    @property
    def is_relayed(self) -> bool:
        """See `ports.channels.Channel`."""
        return self.channel.is_relayed

    @property
    def progress(self) -> int:
        """See `ports.channels.Channel`."""
        return self.channel.progress

    def send_nowait(self, record: bytes) -> None:
        """Send one message; after a fault it is swallowed, as by any lost channel."""
        if self._is_faulty:
            return
        try:
            self.channel.send_nowait(record)
        except Exception as error:  # noqa: BLE001  an adapter's fault ends this link and no more
            self._note(error)

    async def room(self) -> None:
        """See `ports.channels.Channel`."""
        await self._contain(self.channel.room)

    async def receive(self) -> tuple[bytes, ...]:
        """See `ports.channels.Channel`."""
        return await self._contain(self.channel.receive)

    async def aclose(self) -> None:
        """See `ports.channels.Channel`."""
        try:
            await self.channel.aclose()
        except Exception as error:  # noqa: BLE001  it is as closed as it will ever be
            self._note(error)

    async def _contain(self, wait: Callable[[], Awaitable[T]]) -> T:
        if self._is_faulty:
            raise ChannelFailed("the adapter failed")
        try:
            return await wait()
        except ChannelFailed:
            raise
        except Exception as error:  # noqa: BLE001  an adapter's fault ends this link and no more
            self._note(error)
            raise ChannelFailed("the adapter failed") from None

    def _note(self, error: Exception) -> None:
        self._is_faulty = True
        _log.error("a channel: %s", type(error).__name__)
