"""The shell around one link: queues before it, hands over behind it, and lets the machine decide.

Sending never waits: `send_nowait` puts a frame into a bounded queue. What is queued in one pass of
the scheduler leaves in one record, and while the channel is busy more gathers for the next.
"""

from __future__ import annotations

from collections import deque
from typing import Final, assert_never

import trio
from attrs import define, field

from toheal_p2p.ports.channels import Channel, ChannelFailed
from toheal_protocol.errors import LocalError
from toheal_protocol.machines import link as machine
from toheal_protocol.model import MAX_FRAME_SIZE, Frame, Instant
from toheal_protocol.wire.link_record import LinkKeys

QUEUE_MOST: Final = 512 * 1024
"""Bytes of frames that wait here. A frame is taken while fewer wait, so the largest always fits."""
BATCH_MOST: Final = 64 * 1024
"""Bytes of frames given to the machine at once: what a channel holds before it has no room."""
INCOMING_BATCHES: Final = 8
"""Batches in `incoming` before the peer's credit is no longer renewed."""


@define(eq=False)
class Link:
    """One way to reach one peer now, over one channel.

    `run` owns the machine's state. Every step and its effects are one synchronous call, so the
    tasks inside `run` may each take one without a queue between them, and other tasks never do.

    When the link breaks, frames on the way are gone: whoever needs them to arrive keeps them until
    the peer has acknowledged them, and sends them again on another link.
    """

    channel: Channel
    keys: LinkKeys = field(repr=False)
    incoming: trio.MemoryReceiveChannel[tuple[Frame, ...]] = field(init=False)
    """The peer's frames in order, a tuple per record. Ends when the link does."""
    ending: machine.Ending | None = field(default=None, init=False)
    """Why the link is over; None before."""
    closed: trio.Event = field(factory=trio.Event, init=False, repr=False)
    """Set once the link is over and everything is freed."""

    _state: machine.State | None = field(default=None, init=False, repr=False)
    _round_trip: float | None = field(default=None, init=False)
    _queue: deque[Frame] = field(factory=deque, init=False, repr=False)
    _queued: int = field(default=0, init=False)
    _is_draining: bool = field(default=False, init=False)
    _arrived: deque[machine.Deliver] = field(factory=deque, init=False, repr=False)
    _is_handing_over: bool = field(default=False, init=False)
    _hand_over: trio.MemorySendChannel[tuple[Frame, ...]] = field(init=False, repr=False)
    _alarm: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _tasks: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)
    _opened: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _may_write: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _may_queue: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _may_hand_over: trio.Event = field(factory=trio.Event, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._hand_over, self.incoming = trio.open_memory_channel(INCOMING_BATCHES)

    @property
    def round_trip(self) -> float | None:
        """Seconds to the peer and back, smoothed; None until it was measured."""
        return self._round_trip

    @property
    def is_open(self) -> bool:
        """Whether the peer has proved itself and the link is not over or draining."""
        return self._opened.is_set() and not self._is_draining and self.ending is None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until the link is over; `ending` then says why. Closes the channel.

        Started once both sides have proved themselves: `await nursery.start(link.run)`.

        Raises:
            ChannelFailed: it was over before that.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._tasks = nursery.cancel_scope
                if self.ending is not None:  # closed before it began
                    nursery.cancel_scope.cancel()
                self._take(machine.begin(self.keys, exporter=self.channel.exporter, now=_now()))
                nursery.start_soon(self._read)
                nursery.start_soon(self._wake)
                await self._opened.wait()
                task_status.started()
                nursery.start_soon(self._write)
                nursery.start_soon(self._deliver)
        finally:
            self._release()
            try:
                await self.channel.aclose()
            finally:
                self.closed.set()
        if not self._opened.is_set():
            raise ChannelFailed("the link was over before it was open")

    def send_nowait(self, frame: Frame) -> None:
        """Queue a frame for the peer. Order is kept.

        Raises:
            trio.WouldBlock: the queue is full; `room` waits.
            trio.ClosedResourceError: the link is over or draining.
            LocalError: an empty frame, or one beyond the limit.
        """
        if self._is_draining or self.ending is not None:
            raise trio.ClosedResourceError
        if self._queued >= QUEUE_MOST:
            raise trio.WouldBlock
        if not 0 < len(frame) <= MAX_FRAME_SIZE:
            raise LocalError("a frame that is empty or longer than its limit")
        self._queue.append(frame)
        self._queued += len(frame)
        self._may_write.set()

    async def room(self, *, below: int = QUEUE_MOST) -> None:
        """Wait until `send_nowait` would take a frame.

        Args:
            below: wait until fewer bytes than this are queued; 1: until nothing is.

        Raises:
            trio.ClosedResourceError: it never will: the link is over or draining.
        """
        while not self._is_draining and self.ending is None:
            if self._queued < below:
                await trio.lowlevel.checkpoint()
                return
            if self._may_queue.is_set():
                self._may_queue = trio.Event()
            await self._may_queue.wait()
        raise trio.ClosedResourceError

    def probe(self) -> None:
        """Make sure that the peer is still there; if it does not answer soon, the link is over."""
        self._feed(machine.Doubted(self.channel.progress))

    async def drain(self) -> None:
        """Take no more frames, let both sides take what is on the way, and wait for the end.

        The peer may be slow, or dead: put a deadline around the call, and `aclose` after it.
        """
        self._stop_queueing()
        await self.closed.wait()

    async def aclose(self) -> None:
        """End the link now; what is on the way is lost. Returns when `run` has cleaned up."""
        if self._state is None:
            self._release()
            self.closed.set()
            await self.channel.aclose()
            return
        self._end(machine.Ending.LEFT)
        await self.closed.wait()

    async def _read(self) -> None:
        try:
            while True:
                for record in await self.channel.receive():
                    self._feed(machine.RecordArrived(record))
        except ChannelFailed:
            self._feed(machine.ChannelLost())

    async def _write(self) -> None:
        try:
            while await self._has_work():
                await self.channel.room()
                batch = self._take_batch()
                if batch:
                    self._feed(machine.FramesReady(batch))
                    self._may_queue.set()
        except ChannelFailed:
            return  # the reader meets it too, after the last records
        self._feed(machine.DrainAsked())

    async def _deliver(self) -> None:
        """Hand over what found `incoming` full: its reader is slower than the peer."""
        try:
            while True:
                while not self._arrived:
                    self._may_hand_over = trio.Event()
                    await self._may_hand_over.wait()
                self._is_handing_over = True
                delivered = self._arrived.popleft()
                await self._hand_over.send(delivered.frames)
                self._is_handing_over = False
                self._feed(machine.Consumed(delivered.size))
        except trio.BrokenResourceError:
            self._end(machine.Ending.LEFT)  # whoever read `incoming` has closed it

    async def _wake(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._alarm.deadline) as self._alarm:
                await trio.sleep_forever()
            self._feed(machine.Woke(self.channel.progress))

    async def _has_work(self) -> bool:
        """Wait until frames can leave; False when the last one has left and none may follow."""
        while True:
            if not self._queue and self._is_draining:
                return False
            if self._queue and self._state is not None and machine.can_send(self._state):
                return True
            self._may_write = trio.Event()
            await self._may_write.wait()

    def _take_batch(self) -> tuple[Frame, ...]:
        batch: list[Frame] = []
        size = 0
        while self._queue and size < BATCH_MOST:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        self._queued -= size
        return tuple(batch)

    def _feed(self, event: machine.Event) -> None:
        if self._state is not None and self.ending is None:
            self._take(machine.step(self._state, event, now=_now()))

    def _take(self, step: machine.Step) -> None:
        self._state, effects = step
        for effect in effects:
            self._perform(effect)
        self._hand_over_now()
        if isinstance(self._state, machine.Open):
            self._round_trip = self._state.pulse.round_trip
            if self._state.outbound.can_send:
                self._may_write.set()

    def _perform(self, effect: machine.Effect) -> None:
        match effect:
            case machine.Transmit(records):
                for record in records:
                    self.channel.send_nowait(record)
            case machine.Deliver():
                self._arrived.append(effect)
            case machine.WakeAt(at):
                self._alarm.deadline = at
            case machine.Opened():
                self._opened.set()
            case machine.PeerDrains():
                self._stop_queueing()
            case machine.Close(ending):
                self._end(ending)
            case _:
                assert_never(effect)

    def _hand_over_now(self) -> None:
        """Hand over without a detour through another task, as long as `incoming` takes it."""
        if self._is_handing_over:
            return
        self._is_handing_over = True
        try:
            while self._arrived:
                self._hand_over.send_nowait(self._arrived[0].frames)
                self._feed(machine.Consumed(self._arrived.popleft().size))
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._may_hand_over.set()
        finally:
            self._is_handing_over = False

    def _stop_queueing(self) -> None:
        self._is_draining = True
        self._may_write.set()
        self._may_queue.set()

    def _end(self, ending: machine.Ending) -> None:
        """Note why, and let `run` end."""
        if self.ending is None:
            self.ending = ending
        self._tasks.cancel()

    def _release(self) -> None:
        """Forget what is queued and let go of everybody who waits."""
        self._end(machine.Ending.LEFT)
        self._queue.clear()
        self._queued = 0
        self._hand_over.close()
        self._may_queue.set()


def _now() -> Instant:
    return Instant(trio.current_time())
