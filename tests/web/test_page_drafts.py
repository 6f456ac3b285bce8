"""What was typed and not sent: back after a lock and a new page, and gone when it has to be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.web_client import PASSPHRASE, Web, a_page
from tests.web.test_page_talk import a_circle, talk
from toheal_p2p.app.interface import AppInterface
from toheal_p2p.web.drafts import MOST, Drafts

pytestmark = [pytest.mark.real, pytest.mark.trio]

TYPED = {"text": "half a <b>sentence\nand more", "audience": "facilitators", "note-loss": "yes"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Drafts]:
    """The drafts of the page, once something was kept."""
    found: list[Drafts] = []
    keep = Drafts.keep

    async def noting(drafts: Drafts, app: AppInterface, circle: str, form: dict[str, str]) -> None:
        found[:] = [drafts]
        await keep(drafts, app, circle, form)

    monkeypatch.setattr(Drafts, "keep", noting)
    return found


async def in_box(web: Web, way: str) -> str:
    """Return what stands in the place to write of a page that is opened now."""
    shown = (await web.get(way)).text
    [typed] = re.findall(r'<textarea id="text"[^>]*>(.*?)</textarea>', shown, re.S)
    return str(typed)


async def test_what_was_typed_is_back_after_a_lock_for_whom_it_was_and_with_what_it_answers(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        talk(web).add(way[8:], "who begins?", author_name="Sam")
        asked = talk(web).entries[0].id
        assert (await web.post(f"{way}/draft", {**TYPED, "reply": asked})).status == 204
        await web.post("/lock")
        assert "half a" not in (await web.get(way)).text
        await web.post("/unlock", {"passphrase": PASSPHRASE})
        assert await in_box(web, way) == "half a &lt;b&gt;sentence\nand more"
        shown = (await web.get(way)).text
        assert 'value="facilitators" autocomplete="off" spellcheck="false" checked' in shown
        assert f'name="reply" value="{asked}"' in shown
        assert re.search(r'name="note-loss" value="yes" checked', shown)
        assert "data-sent" not in shown


async def test_what_was_said_or_given_up_does_not_come_back_and_what_was_refused_does(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        for end in ("said", "emptied"):
            await web.post(f"{way}/draft", TYPED)
            assert await in_box(web, way) != ""
            if end == "said":
                await web.post(f"{way}/say", {**TYPED, "audience": "nobody"})
                assert await in_box(web, way) != ""
                await web.post(f"{way}/say", {**TYPED, "audience": "circle"})
            else:
                await web.post(f"{way}/draft", {**TYPED, "text": " \n"})
            assert await in_box(web, way) == "", end


@pytest.mark.parametrize("leaving", ["/exit", "/wipe"])
async def test_leaving_early_and_erasing_forget_what_was_typed(
    tmp_path: Path, seen: list[Drafts], leaving: str
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        await web.post(f"{way}/draft", TYPED)
        [drafts] = seen
        assert drafts.back(talk(web), way[8:]) is not None
        await web.post(leaving)
        assert drafts.back(talk(web), way[8:]) is None


async def test_no_word_of_it_is_kept_open_and_another_profile_or_circle_cannot_open_it(
    tmp_path: Path, seen: list[Drafts]
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        other = await talk(web).circle_create(
            "morning", relays=[], direct=False, charter="x", nickname=None
        )
        await web.post(f"{way}/draft", TYPED)
        [drafts] = seen
        kept = drafts._sealed
        assert b"sentence" not in b"".join(kept.values()) and len(kept) == 1
        kept[other.id] = kept[way[8:]]
        assert drafts.back(talk(web), other.id) is None
        talk(web).stored.clear()
        assert await in_box(web, way) == ""


async def test_many_circles_with_something_typed_are_bounded(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        for number in range(MOST + 1):
            made = await app.circle_create(
                f"c{number}", relays=[], direct=False, charter="x", nickname=None
            )
            await web.post(f"/circle/{made.id}/draft", TYPED)
        boxes = [await in_box(web, f"/circle/{one.id}") for one in app.circles[1:]]
        assert boxes[0] == "" and "" not in boxes[1:]
        for unknown in ("none", "0" * 64):
            await web.post(f"/circle/{unknown}/draft", TYPED)
        assert await in_box(web, f"/circle/{app.circles[2].id}") != ""
        assert await in_box(web, way) == ""
