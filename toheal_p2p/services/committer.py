"""The committer: what was decided is written, and only then done, in the order it was decided.

    shells ── submit ──> waiting ── at most 64 at once ──> vault.commit ──> act, act, act ...

Deciding and submitting are one synchronous step, so the order of decisions is the order of
commits is the order of acts. While one group is being written the next one gathers, so a busy
client pays one fsync for many decisions and a quiet one waits for none but its own.

In a burst a group waits a few milliseconds until it is worth its transaction: the more are in one,
the fewer pages each of them changes.

A decision that asks for nothing to be done and that nobody waits for, an acknowledgement that came
say, waits a second for company: fourteen members answer one message at fourteen moments.

A vault that fails is the end of the app: `run` raises, and nothing of the failed group or after
it is acted upon.

Spec: docs/vault.md, section 5; docs/decisions/0004-one-transaction-per-group.md and
0113-a-burst-gathers.md.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.vault import Vault, VaultError
from toheal_protocol.machines.records import PutCircle, PutLog, PutPair, PutSetting, Write

MOST_AT_ONCE: Final = 64
"""Decisions in one transaction. More gain little throughput and cost the first one latency."""

MOST_WAITING: Final = 256
"""Decisions after which `room` lets its caller wait: four groups, some tens of milliseconds."""

BURST: Final = 32
"""Writes of a group after which the next one gathers: more than what one message to fourteen others writes."""

WORTHWHILE: Final = 96
"""Writes for which a group waits no longer: some 50 messages. A hundred gain little more."""

GATHERING_LONGEST: Final = 0.005
"""Seconds a group gathers at most: not much longer than writing it takes."""

COMPANY_LONGEST: Final = 1.0
"""Seconds a decision nobody waits for waits for another one: longer than the answers of a circle to one
message are apart. A crash in between is as if what it was decided about had been lost on the way."""


class VaultFailed(Exception):
    """The vault could not write, and the app has to end. `reason` says what the user can do."""

    def __init__(self, reason: VaultError) -> None:
        super().__init__(f"{type(reason).__name__}: {reason}")
        self.reason = reason


@define(eq=False)
class _Decision:
    writes: Sequence[Write] = field(repr=False)
    act: Callable[[], None] | None
    done: trio.Event | None


@define(eq=False)
class Committer:
    """The one writer. Everybody submits; one task runs it."""

    _vault: Vault
    _waiting: deque[_Decision] = field(factory=deque, init=False, repr=False)
    _arrived: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _room: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _flushing: set[trio.Event] = field(factory=set, init=False, repr=False)
    _failure: VaultError | None = field(default=None, init=False)
    _is_awaited: bool = field(default=False, init=False)
    """Something of what waits is not to wait for company."""
    _writes_waiting: int = field(default=0, init=False)
    _is_burst: bool = field(default=False, init=False)
    """The last group held much, and took all that waited."""
    _is_gathering: bool = field(default=False, init=False)
    _patience: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)

    def submit(
        self,
        writes: Sequence[Write],
        act: Callable[[], None] | None = None,
        *,
        done: trio.Event | None = None,
        may_wait: bool = False,
    ) -> None:
        """Take a decision, right after it was made: there must be no await between.

        Args:
            writes: what to put on disk; may be empty if only the order of acts counts.
            act: called once everything submitted up to here is on disk. It must not block; what
                it raises ends the app.
            done: set after `act`. Never set if the vault fails: wait for it beside `run`.
            may_wait: nobody minds if all of it happens `COMPANY_LONGEST` later.

        Raises:
            VaultFailed: an earlier group could not be written.
        """
        self._require_whole()
        self._waiting.append(_Decision(writes, act, done))
        self._writes_waiting += len(writes)
        if not may_wait or len(self._waiting) >= MOST_AT_ONCE:
            self._hurry()
        elif len(self._waiting) == 1:
            self._patience.deadline = trio.current_time() + COMPANY_LONGEST

    async def room(self) -> None:
        """Wait until the backlog is short. A checkpoint in any case.

        Raises:
            VaultFailed: it will never be short again.
        """
        await trio.lowlevel.checkpoint()
        while len(self._waiting) >= MOST_WAITING and self._failure is None:
            await self._room.wait()
        self._require_whole()

    async def flushed(self) -> None:
        """Wait until everything submitted so far is on disk and acted upon.

        Raises:
            VaultFailed: it will never be.
        """
        self._require_whole()
        done = trio.Event()
        self._after_newest(done)
        self._flushing.add(done)
        try:
            await done.wait()
        finally:
            self._flushing.discard(done)
        self._require_whole()

    async def settled(self) -> None:
        """Have what waits for company written: before the vault is asked for what it may change.

        Where nothing waits, this costs nothing.

        Raises:
            VaultFailed: it will never be.
        """
        if self._waiting:
            await self.flushed()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write and act until cancelled. A group that is being written is finished first.

        Raises:
            VaultFailed: the vault could not write.
        """
        task_status.started()
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()
            if not self._is_awaited:
                await self._wait_for_company()
            elif self._is_burst and not self._is_worthwhile():
                await self._gather()
            group = self._next_group()
            await self._commit(group)
            for decision in group:  # no await until all are done: the group is one step
                if decision.act is not None:
                    decision.act()
                if decision.done is not None:
                    decision.done.set()

    def _hurry(self) -> None:
        self._is_awaited = True
        if not self._is_gathering or self._is_worthwhile():
            self._arrived.set()

    async def _wait_for_company(self) -> None:
        self._arrived = trio.Event()
        until = trio.current_time() + COMPANY_LONGEST if self._waiting else math.inf
        with trio.CancelScope(deadline=until) as self._patience:
            await self._arrived.wait()

    async def _gather(self) -> None:
        """Let what is being decided in a burst come along."""
        self._arrived = trio.Event()
        self._is_gathering = True
        try:
            with trio.move_on_after(GATHERING_LONGEST):
                await self._arrived.wait()
        finally:
            self._is_gathering = False

    def _is_worthwhile(self) -> bool:
        return self._writes_waiting >= WORTHWHILE or len(self._waiting) >= MOST_AT_ONCE

    def _after_newest(self, done: trio.Event) -> None:
        """Have an event set after what was submitted last; an empty decision would take its place
        in a group."""
        if self._waiting and self._waiting[-1].done is None:
            self._waiting[-1].done = done
            self._hurry()
        else:
            self.submit((), done=done)

    def _next_group(self) -> list[_Decision]:
        size = min(len(self._waiting), MOST_AT_ONCE)
        group = [self._waiting.popleft() for _ in range(size)]
        self._is_awaited = bool(self._waiting)
        writes = sum([len(decision.writes) for decision in group])
        self._writes_waiting -= writes
        self._is_burst = writes >= BURST and not self._waiting
        if len(self._waiting) < MOST_WAITING:
            self._room.set()
            self._room = trio.Event()
        return group

    async def _commit(self, group: Sequence[_Decision]) -> None:
        writes = coalesce(write for decision in group for write in decision.writes)
        if not writes:
            return
        try:
            await self._vault.commit(writes)
        except VaultError as reason:
            self._failure = reason
            for waiter in (self._room, *self._flushing):
                waiter.set()
            raise VaultFailed(reason) from reason

    def _require_whole(self) -> None:
        if self._failure is not None:
            raise VaultFailed(self._failure)


def coalesce(writes: Iterable[Write]) -> tuple[Write, ...]:
    """Leave out each put that a later one in the same transaction overwrites.

    The last one stays in its own place: what stands between two puts of one key can only take
    the key away, and the later one brings it back.
    """
    kept: dict[object, Write] = {}
    for place, write in enumerate(writes):
        key = _key(write)
        if key is None:
            kept[place] = write
        else:
            kept.pop(key, None)
            kept[key] = write
    return tuple(kept.values())


def _key(write: Write) -> tuple[object, ...] | None:
    match write:
        case PutPair(circle=circle, member=member):
            return PutPair, circle, member
        case PutLog(circle=circle) | PutCircle(circle=circle):
            return type(write), circle
        case PutSetting(name=name):
            return PutSetting, name
        case _:
            return None
