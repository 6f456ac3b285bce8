"""A real profile behind the page is locked or erased: what is left of it in the process and on disk."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio.testing

from tests.support.processes import CHEAP, PASSPHRASE
from tests.support.web_client import Web, a_page, no_commands, until
from toheal_p2p.adapters.collecting import collected_seldom
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import SqliteVault, create_vault, is_vault
from toheal_p2p.adapters.vault.keyring import Unlocked
from toheal_p2p.app.application import Application
from toheal_p2p.app.erasing import wipe_home
from toheal_p2p.app.house import House
from toheal_p2p.app.interface import EntryView, Serve
from toheal_p2p.app.opening import Running, run_app
from toheal_p2p.services.circle import CircleService
from toheal_protocol.machines.state import Circle

pytestmark = [pytest.mark.real, pytest.mark.trio]

OF_AN_OPEN_PROFILE = (Application, SqliteVault, Unlocked, CircleService, Circle, EntryView)
"""What holds keys or words."""

Held = Callable[[], list[str]]

SAID = "saffron in the attic"


def a_house(home: Path) -> House:
    """Return the house of a real profile."""
    create_vault(home, PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)

    def make_none(*_args: object, **_more: object) -> None:
        raise AssertionError("nobody makes a profile here")

    async def run(
        home: Path, passphrase: str, *, serve: Serve, on_ready: Callable[[], None]
    ) -> None:
        await run_app(home, passphrase, Running(serve, on_ready))

    return House(home, run, make_none, lambda: is_vault(home), no_commands, wipe_profile=wipe_home)


async def talk(web: Web) -> str:
    """Open the profile and say something in a new circle; return the circle's address."""
    await web.enter()
    await web.post("/unlock", {"passphrase": PASSPHRASE})
    await web.post("/circles/new", {"name": "Evening", "nickname": "Noor", "charter": "be kind"})
    found = re.search(r"/circle/[0-9a-f]{64}", (await web.get("/circles")).text)
    assert found is not None
    here = found[0]
    await web.post(f"{here}/say", {"text": SAID, "audience": "circle"})
    assert SAID in (await web.get(here)).text
    return here


def of_open_profiles() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, OF_AN_OPEN_PROFILE)]


@pytest.fixture
def held() -> Iterator[Held]:
    """Return what names all that is there of an open profile, but for what other tests have left.

    Garbage is looked for as seldom as in the program, so what nobody took away is found here.
    """
    gc.collect()
    before = of_open_profiles()

    def names() -> list[str]:
        known = {id(one) for one in before}
        return [type(one).__name__ for one in of_open_profiles() if id(one) not in known]

    with collected_seldom():
        yield names


def names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


@pytest.mark.parametrize("how", ["lock", "exit"])
async def test_nothing_that_holds_keys_or_words_is_left_once_it_is_locked(
    tmp_path: Path, how: str, held: Held
) -> None:
    async with a_page(tmp_path, house=a_house(tmp_path / "home")) as web:
        here = await talk(web)
        assert len(held()) >= len(OF_AN_OPEN_PROFILE)
        await web.post(f"/{how}")
        assert web.house.state == "locked"
        await until(lambda: web.house._scope is None)  # links had two seconds
        await trio.testing.wait_all_tasks_blocked()
        assert held() == []
        assert SAID not in (await web.get(here)).text
        assert web.faults == []


async def test_erasing_takes_a_part_of_a_second_and_leaves_no_key_no_file_and_no_word(
    tmp_path: Path, held: Held
) -> None:
    async with a_page(tmp_path, house=a_house(tmp_path / "home")) as web:
        here = await talk(web)
        assert len(held()) >= len(OF_AN_OPEN_PROFILE)
        began = time.process_time()
        answer = await web.post("/wipe")
        took = time.process_time() - began
        assert "Everything is erased" in answer.text
        assert took < 1, took  # of this process's work: no matter what else the machine does
        assert not (tmp_path / "home").exists()
        assert held() == []
        assert names_in(tmp_path) == ["home.page"]  # of the page that runs
        assert "I am an adult" in (await web.get("/now")).text
        for path in (here, "/circles", f"{here}/live", "/settings", "/backup"):
            assert SAID not in (await web.get(path)).text
        assert web.faults == []
    assert names_in(tmp_path) == []
