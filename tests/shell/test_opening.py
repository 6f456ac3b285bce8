"""A profile is opened while what runs it is loaded: whichever is first, and whatever ends it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.processes import CHEAP, PASSPHRASE
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import create_vault, open_vault
from toheal_p2p.app import opening
from toheal_p2p.app.refusals import Refused

pytestmark = [pytest.mark.trio, pytest.mark.real]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_vault(tmp_path / "home", PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)
    return tmp_path / "home"


async def no_door(*_: object, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep_forever()


async def test_a_wrong_passphrase_is_refused_by_name_and_nothing_runs(home: Path) -> None:
    with pytest.raises(Refused) as refused:
        await opening.run_app(home, "another", opening.Running(no_door, pytest.fail))
    assert refused.value.code == "wrong_passphrase"


async def test_whoever_ends_it_while_it_is_loaded_leaves_the_vault_closed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, cancelled = trio.Event(), trio.Event()
    vaults: list[Any] = []

    async def open_and_tell(*args: Any, **named: Any) -> Any:
        vaults.append(await open_vault(*args, **named))
        opened.set()
        return vaults[0]

    async def load_until_cancelled(_fetch: object) -> None:
        await cancelled.wait()

    monkeypatch.setattr(opening, "open_vault", open_and_tell)
    monkeypatch.setattr(opening, "load", load_until_cancelled)
    running = opening.Running(no_door, lambda: None)
    run = partial(opening.run_app, home, PASSPHRASE, running)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await opened.wait()
        nursery.cancel_scope.cancel()
        cancelled.set()
    try:
        again = await open_vault(home, PASSPHRASE, entropy=SystemEntropy())
        await again.aclose()
    finally:
        await vaults[0].aclose()  # its thread would keep a failing test from ending
