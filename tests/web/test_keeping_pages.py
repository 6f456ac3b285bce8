"""The pages of keeping and losing, without a browser: what is kept, refused, and forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from tests.support.web_client import PASSPHRASE, a_page
from toheal_p2p.web.pages.keeping import TRIES
from toheal_p2p.web.site import SEEN

pytestmark = [pytest.mark.real, pytest.mark.trio]

TEMPLATES = Path(__file__).parents[2] / "toheal_p2p" / "web" / "templates"


async def test_a_backup_whose_words_nobody_has_is_deleted_again(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        path = tmp_path / "kept"
        shown = await web.post("/backup", {"path": str(path)})
        assert shown.text.count("<li>") == 24 and path.exists()
        for tried in range(TRIES):
            assert path.exists()
            asked = await web.get("/backup/proof")
            fields = re.findall(r'name="(word\d+)"', asked.text)
            assert len(fields) == 3
            answer = await web.post("/backup/proof", dict.fromkeys(fields, "lantern"))
            assert ("another word" in answer.text) is (tried < TRIES - 1)
        assert not path.exists()
        assert "24 words" not in (await web.get("/backup/proof")).text
        assert web.faults == []


async def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        path = tmp_path / "kept"
        path.write_text("mine")
        assert "written over" in (await web.post("/backup", {"path": str(path)})).text
        assert path.read_text() == "mine"


async def test_another_passphrase_needs_the_old_one_and_twice_the_new_one(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        form = {"old": PASSPHRASE, "passphrase": "a new one", "again": "a new one"}
        assert 'role="alert"' in (await web.post("/passphrase", {**form, "again": "x"})).text
        assert 'role="alert"' in (await web.post("/passphrase", {**form, "old": "x"})).text
        assert web.profile.app.passphrase == PASSPHRASE
        assert "in force" in (await web.post("/passphrase", form)).text
        assert web.profile.app.passphrase == "a new one"
        assert web.faults == []


async def test_erasing_ends_the_profile_and_the_page_goes_on_without_its_start_file(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        erased: list[Path] = []

        def erase(home: Path) -> None:
            erased.append(home)
            web.profile.exists = False

        web.house.wipe_profile = erase
        assert "Everything is erased" in (await web.post("/wipe")).text
        assert erased == [tmp_path / "home"]
        assert web.house.state == "empty"
        assert not web.address.start_file.exists()
        assert "an adult" in (await web.get("/now")).text
        assert (await web.get("/state")).text == "empty"
        assert web.faults == []


async def test_what_an_open_page_asks_by_itself_is_no_use_of_the_profile(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create(
            "evening", relays=[], direct=False, charter="We listen.", nickname=None
        )
        idleness, circle = app.idleness, f"/circle/{made.id}"
        before = idleness._last
        assert (await web.get("/state")).text == "open"
        for asked in (f"{circle}/asks", f"{circle}/ways/links", "/meet/state"):
            assert (await web.get(f"{asked}?seen=x")).status == 200
        with trio.move_on_after(0.2):
            await web.get(f"{circle}/live")
        assert idleness._last == before
        await web.get(circle)
        assert idleness._last > before
        before = idleness._last
        assert (await web.post("/used")).status == 204
        assert idleness._last > before


async def test_every_part_that_asks_by_itself_says_what_it_has() -> None:
    asking = 0
    for template in TEMPLATES.glob("*.html"):
        for element in re.findall(r"<[^>]*hx-trigger=[\"']every[^>]*>", template.read_text()):
            [address] = re.findall(r'hx-get="([^"]*)"', element)
            assert f"?{SEEN}=" in address, template.name
            asking += 1
    assert asking == 5


async def test_words_of_a_backup_are_forgotten_once_the_profile_is_locked(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        path = tmp_path / "kept"
        await web.post("/backup", {"path": str(path)})
        await web.house.lock(at_once=True)
        for _ in range(TRIES):
            await web.post("/backup/proof", {"word1": "lantern"})
        assert path.exists()
        await web.house.open(PASSPHRASE)
        assert 'name="word' not in (await web.get("/backup/proof")).text
