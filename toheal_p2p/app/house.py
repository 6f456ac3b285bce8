"""One program around its profile: not made yet, locked, opening, open; and back.

```
 nobody ──make──> opening ──> open ──lock──> locked ──open──> opening
                     └──refused──> locked
```
The page can be there before the vault opens and after it is locked; the application cannot. So the
page knows the house, and the house lends it the application for as long as it lives.

The passphrase passes through here and is kept nowhere.

Docs: docs/page.md, section 3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import trio
from attrs import define, field

from toheal_p2p.adapters.collecting import collect_secrets
from toheal_p2p.app.interface import AppInterface, Serve
from toheal_p2p.app.refusals import Refused, refusal_in

HouseState = Literal["empty", "locked", "opening", "open"]
"""`empty`: there is no profile yet."""


Told = Callable[[int, int], None]
"""Told how many messages are here by now, and how many there are; in whatever thread that is."""


class RunProfile(Protocol):
    """Opens the profile and runs it until it is locked; `opening.run_app` with more to say."""

    async def __call__(
        self, home: Path, passphrase: str, *, serve: Serve, on_ready: Callable[[], None]
    ) -> None:
        """Run. Raises `Refused`."""
        ...


class MakeProfile(Protocol):
    """Makes a profile; takes a second, so it is called in a thread."""

    def __call__(self, home: Path, *, nickname: str, passphrase: str) -> None:
        """Make it. Raises `Refused`."""
        ...


class RestoreProfile(Protocol):
    """Makes a profile out of a backup; called in a thread."""

    def __call__(self, home: Path, path: str, *, words: str, passphrase: str, told: Told) -> None:
        """Make it. Raises `Refused`."""
        ...


def _cannot_wipe(_home: Path) -> None:
    raise Refused("internal")


@define(eq=False)
class _Wish:
    """Somebody waits for the profile to open."""

    passphrase: str = field(repr=False)
    answered: trio.Event = field(factory=trio.Event)
    refusal: Refused | None = None
    is_withdrawn: bool = False

    def answer(self, refusal: Refused | None) -> None:
        if not self.answered.is_set():
            self.refusal = refusal
            self.answered.set()


@define(eq=False)
class House:
    """See the module. `run` lives as long as the program.

    Attributes:
        wipe_profile: erases the profile at once, open or not.
        restore_profile: makes the profile out of a backup.
        serve: the door for commands, which stands open only while the profile is.
        trouble: why the profile closed by itself, until it is opened again.
        was_put_back: an older copy of the vault lies there; the person is told.
        on_close: told whenever the profile was closed: who keeps something of it drops it then.
    """

    home: Path
    run_profile: RunProfile
    make_profile: MakeProfile
    has_profile: Callable[[], bool]
    serve: Serve
    wipe_profile: Callable[[Path], None] = field(default=_cannot_wipe)
    restore_profile: RestoreProfile | None = None
    trouble: Refused | None = field(default=None, init=False)
    was_put_back: bool = field(default=False, init=False)
    on_close: Callable[[], None] = field(default=lambda: None, init=False)
    _app: AppInterface | None = field(default=None, init=False)
    _wish: _Wish | None = field(default=None, init=False)
    _wished: trio.Event = field(factory=trio.Event, init=False)
    _ended: trio.Event = field(factory=trio.Event, init=False)
    _lock_asked: trio.Event = field(factory=trio.Event, init=False)
    _scope: trio.CancelScope | None = field(default=None, init=False)
    _guests: set[trio.CancelScope] = field(factory=set, init=False)
    _stays: bool = field(default=False, init=False)
    _making: trio.Lock = field(factory=trio.Lock, init=False)
    _locked: int = field(default=0, init=False)
    _wiped: int = field(default=0, init=False)
    """How often somebody asked for it: what was begun before opens nothing any more."""

    @property
    def state(self) -> HouseState:
        """How things stand."""
        if self._app is not None:
            return "open"
        if self._wish is not None:
            return "opening"
        return "locked" if self.has_profile() else "empty"

    async def run(
        self, passphrase: str | None = None, *, on_ready: Callable[[], None] = lambda: None
    ) -> None:
        """Open and close the profile as it is asked for; return when the program is to end.

        Args:
            passphrase: open at once with this; None: wait until somebody asks.

        Raises:
            Refused: it did not open with the passphrase that was given here, or failed later.
        """
        if passphrase is not None:
            await self._live(_Wish(passphrase), on_ready)
            if not self._stays:
                return
        while True:
            wish = await self._next_wish()
            try:
                await self._live(wish, on_ready)
            except (Refused, ExceptionGroup) as error:
                refusal = refusal_in(error)
                if refusal is None:
                    raise
                self.trouble = refusal if wish.answered.is_set() else None
                wish.answer(refusal)
                self._stays = True
            if not self._stays:
                return

    async def begin(self, *, nickname: str, passphrase: str) -> None:
        """Make the profile and open it.

        Raises:
            Refused: as `create_profile` and `open`.
        """
        make = partial(self.make_profile, self.home, nickname=nickname, passphrase=passphrase)
        await self._make_and_open(make, passphrase)

    async def restore(
        self,
        path: str,
        *,
        words: str,
        passphrase: str,
        told: Told = lambda _done, _all: None,
    ) -> None:
        """Make the profile that a backup has, and open it.

        Raises:
            Refused: as `restoring.restore_profile` and `open`.
        """
        if self.restore_profile is None:
            raise Refused("internal")
        make = partial(
            self.restore_profile, self.home, path, words=words, passphrase=passphrase, told=told
        )
        await self._make_and_open(make, passphrase)

    async def wipe(self) -> None:
        """Erase the profile from this device; the program goes on, without one.

        Raises:
            Refused: the folder cannot be erased. The profile is locked then.
        """
        self._stays = True
        self._wiped += 1
        self._locked += 1
        self._dismiss()
        self._withdraw()
        try:
            await trio.to_thread.run_sync(self.wipe_profile, self.home)
        finally:  # what cannot be erased is closed at least
            self.trouble, was_running = None, self._scope is not None
            if self._scope is not None:
                ended = self._ended
                self._scope.cancel()
                await ended.wait()
        if was_running:
            await trio.to_thread.run_sync(self.wipe_profile, self.home)  # what came meanwhile

    async def open(self, passphrase: str) -> None:
        """Open the profile; nothing is done where it is open.

        Raises:
            Refused: wrong_passphrase, already_running, and whatever else is wrong with the vault.
        """
        if not passphrase:
            raise Refused("passphrase_empty")
        locked = self._locked
        if self._lock_asked.is_set():
            await self._ended.wait()  # it is still being closed
        if self._locked != locked:
            raise Refused("locked")
        if self._app is not None:
            return
        if self._wish is not None:
            raise Refused("busy")
        wish = self._wish = _Wish(passphrase)
        self._wished.set()
        await wish.answered.wait()
        if wish.refusal is not None:
            raise wish.refusal

    async def lock(self, *, at_once: bool = False) -> None:
        """Close the profile and forget its keys; the program goes on. What is opening stays closed.

        From here on nobody is lent the application. Links may finish what they are sending, for two
        seconds at most.

        Args:
            at_once: let nothing finish, and return when the keys are forgotten.
        """
        self._locked += 1
        self._withdraw()
        if self._app is None or self._scope is None:
            return
        self._stays = True
        self._dismiss()
        if at_once:
            ended = self._ended
            self._scope.cancel()
            await ended.wait()
        else:
            self._lock_asked.set()

    def use(self) -> None:
        """Note that a person uses the profile just now, if it is open."""
        if self._app is not None:
            self._app.idleness.end()

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[AppInterface]:
        """Lend the application. What is done with it ends when the profile closes.

        Raises:
            Refused: locked, before or meanwhile.
        """
        if self._app is None:
            raise Refused("locked")
        scope = trio.CancelScope()
        self._guests.add(scope)
        try:
            with scope:
                yield self._app
        finally:
            self._guests.discard(scope)
        if scope.cancelled_caught:
            raise Refused("locked")

    async def _make_and_open(self, make: Callable[[], None], passphrase: str) -> None:
        locked, wiped = self._locked, self._wiped

        def make_unless_wiped() -> None:
            make()
            if self._wiped != wiped:
                self.wipe_profile(self.home)

        async with self._making:
            await trio.to_thread.run_sync(make_unless_wiped)
        if self._locked != locked:
            raise Refused("locked")
        await self.open(passphrase)

    def _withdraw(self) -> None:
        """Let nobody wait for the profile to open, and have it stay closed."""
        if self._wish is not None:
            self._stays = self._wish.is_withdrawn = True
            if self._scope is not None:
                self._scope.cancel()

    async def _next_wish(self) -> _Wish:
        await self._wished.wait()
        self._wished = trio.Event()
        if self._wish is None:
            raise RuntimeError("woken without a wish")
        return self._wish

    async def _live(self, wish: _Wish, on_ready: Callable[[], None]) -> None:
        self._stays = wish.is_withdrawn
        self._wish = wish
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                if wish.is_withdrawn:
                    nursery.cancel_scope.cancel()
                await self.run_profile(
                    self.home,
                    wish.passphrase,
                    serve=partial(self._serve, nursery),
                    on_ready=on_ready,
                )
                nursery.cancel_scope.cancel()
            wish.answer(Refused("locked"))  # if it never opened
        finally:
            self._scope = self._wish = None
            self._close()

    async def _serve(
        self,
        around: trio.Nursery,
        app: AppInterface,
        home: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve commands, and lend the application meanwhile. Fulfils `Serve`."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.serve, app, home)
            self.trouble, self._app = None, app
            if self._wish is not None:
                self._wish.answer(None)
                self._wish = None
            around.start_soon(self._lock_when_asked, app)
            around.start_soon(app.idleness.lock_when_over, self.lock)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._dismiss()

    async def _lock_when_asked(self, app: AppInterface) -> None:
        await self._lock_asked.wait()
        await app.lock()

    def _dismiss(self) -> None:
        """Take the application back from everybody."""
        self._app = None
        for scope in self._guests:
            scope.cancel()

    def _close(self) -> None:
        self._dismiss()
        self.on_close()
        collect_secrets()
        ended, self._ended, self._lock_asked = self._ended, trio.Event(), trio.Event()
        ended.set()
