"""The pages of keeping and losing, without a browser: what is kept, refused, and forgotten."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.support.fake_backups import FakeBackups
from tests.support.fake_bundles import FakeBundles
from tests.support.web_client import PASSPHRASE, a_page, until
from tests.web.test_around_circle import SAM, a_circle
from toheal_p2p.app.erasing import wipe_home
from toheal_p2p.app.keeping_interface import BackupView
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import Language
from toheal_p2p.web.pages import keeping
from toheal_p2p.web.pages.keeping import TRIES
from toheal_p2p.web.site import FILE_TYPE, SEEN, MadeBackup

pytestmark = [pytest.mark.real, pytest.mark.trio]

TEMPLATES = Path(__file__).parents[2] / "toheal_p2p" / "web" / "templates"


async def test_a_backup_whose_words_nobody_has_is_deleted_again(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        path = tmp_path / "kept"
        made = await web.post("/backup", {"path": str(path)})
        assert 'hx-get="/backup/words"' in made.text and path.exists()
        for way in ("/backup/words", "/backup"):  # also for whom the first answer did not reach
            assert (await web.get(way)).text.count("<li>") == 24
        for tried in range(TRIES):
            assert path.exists()
            asked = await web.get("/backup/proof")
            fields = re.findall(r'name="(word\d+)"', asked.text)
            assert len(fields) == 3
            answer = await web.post("/backup/proof", dict.fromkeys(fields, "lantern"))
            assert ("another word" in answer.text) is (tried < TRIES - 1)
        assert not path.exists()
        for way in ("/backup/proof", "/backup/words"):
            assert "24 words" not in (await web.get(way)).text
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
        assert erased == [tmp_path / "home"] * 2  # again for what was being written meanwhile
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
        held = [one for one in gc.get_objects() if isinstance(one, MadeBackup)]
        assert held and all(one.path == str(path) for one in held)
        del held
        await web.house.lock(at_once=True)
        assert not [one for one in gc.get_objects() if isinstance(one, MadeBackup)]
        for _ in range(TRIES):
            await web.post("/backup/proof", {"word1": "lantern"})
        assert path.exists()
        await web.house.open(PASSPHRASE)
        assert 'name="word' not in (await web.get("/backup/proof")).text
        assert "<li>" not in (await web.get("/backup/words")).text


async def test_a_backup_tells_how_far_it_is_and_whoever_waits_for_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary, used = FakeBackups.make, list[float]()

    async def make_slowly(
        self: FakeBackups, path: str, *, language: Language, report: Report
    ) -> BackupView:
        for count in range(3):
            used.append(web.profile.app.idleness._last)
            await trio.sleep(0.01)
            await report(ProgressView("backing_up", {"count": count, "all": 3}))
        return await ordinary(self, path, language=language, report=report)

    monkeypatch.setattr(FakeBackups, "make", make_slowly)
    async with a_page(tmp_path) as web:
        await web.open()
        made = (await web.post("/backup", {"path": str(tmp_path / "kept")})).text
        told = [made.index(f"{count} messages of 3") for count in range(3)]
        assert told == sorted(told) and told[-1] < made.index('hx-get="/backup/words"')
        assert len(set(used)) == 3  # a profile that locks by itself does not do so meanwhile
        assert (await web.get("/backup/words")).text.count("<li>") == 24
        assert web.faults == []


async def test_leaving_the_page_or_locking_ends_a_backup_and_no_words_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def make_for_ever(_self: FakeBackups, path: str, **_more: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(path)

    monkeypatch.setattr(FakeBackups, "make", make_for_ever)
    async with a_page(tmp_path) as web:
        await web.open()
        with trio.move_on_after(0.3):
            await web.post("/backup", {"path": str(tmp_path / "left")})
        await until(lambda: len(ended) == 1)
        answers: list[str] = []

        async def make() -> None:
            answers.append((await web.post("/backup", {"path": str(tmp_path / "locked")})).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(make)
            await trio.sleep(0.3)
            await web.house.lock(at_once=True)
        assert [Path(one).name for one in ended] == ["left", "locked"]
        assert 'hx-get="/now"' in answers[0] and "words" not in answers[0]
        assert "Unlock" in (await web.get("/backup/words")).text
        assert web.faults == []


async def test_bringing_back_tells_how_far_it_is_and_what_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK", 0.02)
    async with a_page(tmp_path, exists=False) as web:
        await web.enter()
        refusals = [Refused("backup_closed")]

        def bring_back(
            home: Path, path: str, *, words: str, passphrase: str, told: Callable[[int, int], None]
        ) -> None:
            for done in range(0, 3000, 1000):
                told(done, 3000)
                time.sleep(0.1)
            if refusals:
                raise refusals.pop()
            web.profile.exists = True

        web.house.restore_profile = bring_back
        form = {"path": "x", "words": "w", "passphrase": PASSPHRASE, "again": PASSPHRASE}
        assert 'role="alert"' in (await web.post("/restore", {**form, "again": "other"})).text
        refused = (await web.post("/restore", form)).text
        assert "2,000 messages of 3,000" in refused or "2000 messages of 3000" in refused
        assert 'role="alert"' in refused and web.house.state == "empty"
        assert 'hx-get="/circles"' in (await web.post("/restore", form)).text
        assert web.house.state == "open"
        assert web.faults == []


def write_late(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sealed")


@pytest.mark.parametrize("way", ["make", "take"])
async def test_erasing_while_a_file_passes_through_leaves_nothing_and_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    under_way, home = trio.Event(), tmp_path / "home"

    async def write_for_ever(
        _self: FakeBundles, *args: str, **_more: object
    ) -> None:  # the last argument is the path
        under_way.set()
        try:
            await trio.sleep_forever()
        finally:  # a thread that was writing when everything went
            write_late(Path(args[-1]))

    monkeypatch.setattr(FakeBundles, way, write_for_ever)
    async with a_page(tmp_path) as web:
        here = await a_circle(web)

        def erase(at: Path) -> None:
            wipe_home(at)
            web.profile.exists = False

        web.house.wipe_profile = erase
        answers: list[str] = []

        async def ask() -> None:
            if way == "make":
                answer = await web.post(f"{here}/file/{SAM}")
            else:
                answer = await web.ask("POST", "/file", b"bundle", content_type=FILE_TYPE)
            answers.append(answer.text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await under_way.wait()
            assert list(home.glob("passing/*"))
            assert "Everything is erased" in (await web.post("/wipe")).text
        assert not home.exists()
        assert "on our side" not in answers[0]
        assert web.faults == []
        assert (await web.get("/state")).text == "empty"
