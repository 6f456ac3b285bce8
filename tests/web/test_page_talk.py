"""What the page of a circle's talk does, asked byte by byte: who gets words, what is kept, what is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from tests.support.fake_app import FakeApp, FakeFiles
from tests.support.fake_values import PICTURE
from tests.support.web_client import Web, a_page, until
from tests.web.test_entries import SAID, page
from toheal_p2p.app.interface import AttachmentView, EntryView, MemberView, QuoteView, Report
from toheal_p2p.app.progress_view import ProgressView
from toheal_p2p.web import live
from toheal_p2p.web.on_page import as_seen
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE

pytestmark = [pytest.mark.real]

FILE = {"content_type": "application/octet-stream"}


class TalkingApp(FakeApp):
    """A circle in which somebody else facilitates, too."""

    my_role = "facilitator"
    facilitates: tuple[str, ...] = ("Sam",)
    compared = 0

    async def read(self, circle: str, **which: Any) -> Sequence[EntryView]:
        self.compared += 1
        return await super().read(circle, **which)

    async def circle_members(self, circle: str) -> list[MemberView]:
        found = list(await super().circle_members(circle))
        ours = evolve(found[0], role=self.my_role)
        return [ours, *(evolve(found[1], name=one, role="facilitator") for one in self.facilitates)]


async def a_circle(web: Web) -> str:
    """Open the profile; return the way to a circle in it."""
    web.profile.app = TalkingApp()
    await web.open()
    made = await web.profile.app.circle_create(
        "evening", relays=[], direct=False, charter="x", nickname=None
    )
    return f"/circle/{made.id}"


def talk(web: Web) -> FakeApp:
    return web.profile.app


# ---- to whom


@pytest.mark.parametrize("audience", ["", "everybody", "Circle", "circle facilitators"])
@pytest.mark.trio
async def test_words_for_nobody_in_particular_go_to_nobody(tmp_path: Path, audience: str) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        await web.post(f"{way}/say", {"text": "private", "audience": audience})
        assert talk(web).entries == []


@pytest.mark.trio
async def test_the_audience_that_was_chosen_is_the_one_that_hears_it_and_stays_chosen(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        for audience in ("facilitators", "circle"):
            answer = await web.post(f"{way}/say", {"text": "a word", "audience": audience})
            assert talk(web).entries[-1].audience == audience
            assert (
                f'value="{audience}" autocomplete="off" spellcheck="false" checked' in answer.text
            )
        assert "Only those who facilitate: \u2068Sam" in answer.text


@pytest.mark.trio
async def test_an_answer_to_a_note_for_facilitators_can_go_to_nobody_else(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        talk(web).add(way[8:], "between us", audience="facilitators", author_name="Sam")
        note = talk(web).entries[0].id
        given = {"answer": note, "text": "half a sent", "audience": "circle", "note-loss": "yes"}
        composer = (await web.post(f"{way}/compose", given)).text
        assert '<input type="hidden" name="audience" value="facilitators">' in composer
        assert 'type="radio"' not in composer
        assert "half a sent" in composer and f'value="{note}"' in composer
        assert re.search(r'name="note-loss" value="yes" checked', composer)


@pytest.mark.trio
async def test_a_listener_writes_to_facilitators_only_and_where_there_is_none_to_nobody(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        assert isinstance(app, TalkingApp)
        app.my_role = "listener"
        shown = (await web.get(way)).text
        assert 'name="audience" value="facilitators"' in shown and 'type="radio"' not in shown
        assert f'hx-post="{way}/attach"' in shown
        file_page = (await web.post(f"{way}/attach", {"audience": "circle"})).text
        assert 'name="audience" value="facilitators"' in file_page
        assert 'type="radio"' not in file_page and "Everybody in the circle" not in file_page
        app.facilitates = ()
        assert 'id="composer"' not in (await web.get(way)).text


@pytest.mark.trio
async def test_what_is_refused_stays_where_it_was_typed(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        app.add(way[8:], "theirs", author_name="Sam")
        app.add(way[8:], "ours")
        theirs, ours = (entry.id for entry in app.entries)
        answer = await web.post("/circle/refuse:disk_full/say", {"text": "x", "audience": "circle"})
        assert answer.headers["hx-retarget"] == "#unsaid"
        refused = await web.post(f"{way}/edit/{theirs}", {"text": "words <i>of mine"})
        assert (
            "words &lt;i&gt;of mine</textarea>" in refused.text and "Only who said" in refused.text
        )
        assert app.entries[0].text == "theirs"
        done = await web.post(f"{way}/edit/{ours}", {"text": "better"})
        assert app.entries[1].text == "better" and "Edited" in done.text


# ---- places


@pytest.mark.trio
async def test_all_of_a_long_talk_can_be_reached_and_each_entry_comes_once(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        for number in range(1, 931):
            talk(web).add(way[8:], f"words {number}")
        shown = (await web.get(way)).text
        seen = re.findall(r"words (\d+)<", shown)
        assert seen == [str(number) for number in range(881, 931)]
        while found := re.search(r'hx-get="([^"]*/before/\d+)"', shown):
            shown = (await web.get(found[1])).text
            seen = re.findall(r"words (\d+)<", shown) + seen
        assert seen == [str(number) for number in range(1, 931)]


@pytest.mark.trio
async def test_a_finding_leads_to_its_place_and_from_there_to_the_end(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        for number in range(1, 301):
            talk(web).add(way[8:], f"words {number}")
        wanted = talk(web).entries[99].id
        found = await web.post(f"{way}/search", {"query": "words 100"})
        assert f'hx-get="{way}/at/{wanted}"' in found.text
        shown = (await web.get(f"{way}/at/{wanted}")).text
        assert f'data-place="m-{wanted[:12]}"' in shown and "&amp;window=1" in shown
        seen = re.findall(r"words (\d+)<", shown)
        assert seen[0] == "80" and seen[20] == "100"
        while found_more := re.search(r'hx-get="([^"]*/after/\d+)"', shown):
            shown = (await web.get(found_more[1])).text
            seen += re.findall(r"words (\d+)<", shown)
        assert seen == [str(number) for number in range(80, 301)]
        near = (await web.get(f"{way}/at/{talk(web).entries[290].id}")).text
        assert "window" not in near.split('<ol id="entries"')[0]


@pytest.mark.trio
async def test_words_said_on_a_page_of_the_past_lead_to_the_newest(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        answer = await web.post(f"{way}/say", {"text": "now", "audience": "circle", "window": "1"})
        assert answer.headers["hx-retarget"] == "#page" and "now" in answer.text


@pytest.mark.trio
async def test_a_circle_opens_where_it_is_new(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        for number in range(1, 201):
            app.add(way[8:], f"words {number}")
        app.entries[119:] = [evolve(entry, is_new=True) for entry in app.entries[119:]]
        shown = (await web.get(way)).text
        above, below = shown.split('id="new"')
        assert "words 119<" in above and "words 120<" not in above
        assert "words 120<" in below and "words 169<" in below and "words 170<" not in below
        app.entries[:] = [evolve(entry, is_new=True) for entry in app.entries]
        assert 'id="new"' not in (await web.get(way)).text, "where all is new that says nothing"


# ---- what an open page drops and refreshes


@pytest.mark.trio
async def test_an_open_page_drops_what_disappeared_and_refreshes_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = web.profile.app
        assert isinstance(app, TalkingApp)
        app.add(way[8:], "goes away")
        app.add(way[8:], "2", kind="gap", author_name="Sam")
        app.add(way[8:], "from hand to hand", passed_on_by="Sam", author_name="Salma")
        app.add(way[8:], "stays")
        gone, gap, passed, same = app.entries
        await web.get(way)
        streamed: list[str] = []

        async def follow() -> None:
            streamed.append((await web.get(f"{way}/live?after=4")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await until(lambda: app.following == 1)
            app.entries[:] = [evolve(passed, passed_on_by=None), same]
            app.compared = 0
            await until(lambda: app.compared > 1)  # the first one is sent when the second begins
            await web.post("/lock")
        for entry in (gone, gap):
            assert f'<li id="m-{entry.id[:12]}" hx-swap-oob="delete">' in streamed[0]
        [again] = re.findall(
            rf'id="m-{passed.id[:12]}" hx-swap-oob="true".*?</li>', streamed[0], re.S
        )
        assert "Passed on" not in again and "from hand to hand" in again
        assert f'id="m-{same.id[:12]}"' not in streamed[0]


def test_time_that_passes_is_no_change_until_it_is_nearly_over() -> None:
    week, near = evolve(SAID, left=604800), evolve(SAID, left=3600)
    assert as_seen(week) == as_seen(evolve(SAID, left=600000, is_new=True))
    assert as_seen(week) != as_seen(near)
    assert "within a day" in page(near) and "within a day" not in page(week)


# ---- content notes


@pytest.mark.parametrize("choice", ["covered", "shown", "hidden"])
@pytest.mark.trio
async def test_content_notes_follow_the_readers_choice_everywhere(
    tmp_path: Path, choice: str
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        await app.settings.set("content-notes", choice)
        app.add(way[8:], "heavy words", notes=("loss",), author_name="Sam")
        heavy = app.entries[0]
        quote = QuoteView("Sam", "heavy words", ("loss",))
        app.add(way[8:], "an answer", about=heavy)
        app.entries[1] = evolve(app.entries[1], quote=quote)
        for shown in (
            (await web.get(way)).text,
            (await web.get(f"{way}/message/{heavy.id}")).text,
            (await web.post(f"{way}/search", {"query": "heavy"})).text,
        ):
            assert ('<details class="covered">' in shown) == (choice == "covered")
            assert ("Hidden, as" in shown) == (choice == "hidden")
            assert (shown.count("heavy words") == 0) == (choice == "hidden")
        log = (await web.get(way)).text
        beside = log.split("an answer")[0].rsplit("<li", 1)[1]
        assert ("heavy words" in beside) == (choice == "shown")
        answering = (await web.post(f"{way}/compose", {"answer": heavy.id})).text
        assert ("heavy words" in answering) == (choice == "shown")


# ---- files


@pytest.mark.trio
async def test_a_file_is_told_of_while_it_is_cleaned_and_sealed_and_keeps_its_name_to_itself(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        answer = await web.ask(
            "POST",
            f"{way}/attach",
            b"about=a+cup&note-loss=yes&audience=circle\n" + PICTURE,
            **FILE,
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        cleaning, sealing = answer.text.index("Taking out"), answer.text.index("Sealing")
        assert cleaning < sealing < answer.text.index(f'hx-get="{way}"')
        assert talk(web).files.attached == [("a cup", ("loss",), PICTURE)]
        assert talk(web).files.for_whom == [(False, None)]


@pytest.mark.trio
async def test_a_file_goes_to_whom_the_words_beside_it_would_have_gone_and_answers_the_same(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        talk(web).add(way[8:], "who begins?", author_name="Sam")
        asked = talk(web).entries[0].id
        chosen = {"audience": "facilitators", "reply": asked, "note-loss": "yes", "text": "typed"}
        form = (await web.post(f"{way}/attach", chosen)).text
        assert 'value="facilitators" autocomplete="off" spellcheck="false" checked' in form
        assert f'name="reply" value="{asked}"' in form and "who begins?" in form
        assert re.search(r'name="note-loss" value="yes" checked', form)
        line = f"about=a+cup&audience=facilitators&reply={asked}\n".encode()
        await web.ask("POST", f"{way}/attach", line + PICTURE, **FILE)
        assert talk(web).files.for_whom == [(True, asked)]


@pytest.mark.trio
async def test_a_file_in_answer_to_a_note_for_facilitators_offers_nobody_else(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        talk(web).add(way[8:], "between us", audience="facilitators", author_name="Sam")
        chosen = {"audience": "circle", "reply": talk(web).entries[0].id}
        form = (await web.post(f"{way}/attach", chosen)).text
        assert '<input type="hidden" name="audience" value="facilitators">' in form
        assert 'type="radio"' not in form


@pytest.mark.parametrize("audience", ["", "&audience=", "&audience=everybody"])
@pytest.mark.trio
async def test_a_file_for_nobody_in_particular_goes_to_nobody(
    tmp_path: Path, audience: str
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        line = f"about=a+cup{audience}\n".encode()
        await web.ask("POST", f"{way}/attach", line + PICTURE, **FILE)
        assert talk(web).files.attached == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"about=x\n",
        b"about=x",
        b"\n\x89PNG" + b"x" * MAX_FILE_SIZE,
        b"a&" * 99 + b"\n\x89PNG",
    ],
)
@pytest.mark.trio
async def test_what_is_no_file_is_refused_in_words_and_sends_nothing(
    tmp_path: Path, body: bytes
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        answer = await web.ask("POST", f"{way}/attach", body, **FILE)
        assert answer.status == 200 and 'role="alert"' in answer.text
        assert talk(web).files.attached == []


@pytest.mark.trio
async def test_a_file_is_fetched_after_a_tap_and_given_with_cookie_and_secret_only(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        app.add(way[8:], "two cups", kind="attachment", author_name="Sam")
        away = AttachmentView("image/png", 2_400_000, "not_fetched", 0)
        message = app.entries[0].id
        app.entries[0] = evolve(app.entries[0], attachment=away)
        shown = (await web.get(way)).text
        assert (
            "A picture, \u20682 MB\u2069, \u2068not fetched" in shown
            or "A picture, 2 MB, not fetched" in shown
        )
        assert "/attached/" not in shown and "<img" not in shown
        app.entries[0] = evolve(app.entries[0], attachment=evolve(away, state="here", percent=100))
        fetched = await web.post(f"{way}/fetch/{message}")
        assert "40 % is here; coming from" in fetched.text
        assert f'id="f-{message[:12]}" hx-swap-oob="true"' in fetched.text
        assert (
            f'data-shows-file="{way}/attached/{message}"' in fetched.text
            and 'alt="two cups"' in fetched.text
        )
        for more in ({"cookie": None}, {"x_page": None}, {"sec_fetch_site": "cross-site"}):
            assert (await web.get(f"{way}/attached/{message}", **more)).status == 403
        content = await web.get(f"{way}/attached/{message}")
        assert content.body == PICTURE and content.headers["content-type"] == "image/png"
        assert content.headers["cache-control"] == "no-store"


@pytest.mark.trio
async def test_a_page_that_goes_away_stops_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = trio.Event(), trio.Event()

    async def fetch_for_ever(*_args: object, **_more: object) -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    monkeypatch.setattr(FakeFiles, "fetch", fetch_for_ever)
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(web.post, f"{way}/fetch/abc")
            await began.wait()
            nursery.cancel_scope.cancel()
        with trio.fail_after(20):
            await ended.wait()
        assert web.faults == []


@pytest.mark.trio
async def test_whoever_brings_a_file_in_driblets_keeps_no_profile_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary, used = FakeFiles.fetch, set[float]()

    async def fetch_slowly(
        self: FakeFiles, circle: str, message: str, *, report: Report
    ) -> AttachmentView:
        for percent in range(0, 40, 10):
            await trio.sleep(0.01)
            await report(ProgressView("fetching_file", {"percent": percent, "name": "Salma"}))
            used.add(web.profile.app.idleness._last)
        return await ordinary(self, circle, message, report=report)

    monkeypatch.setattr(FakeFiles, "fetch", fetch_slowly)
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        await web.post(f"{way}/fetch/abc")
        assert len(used) == 1


# ---- consent


@pytest.mark.trio
async def test_nothing_but_a_yes_is_one_and_nothing_is_exported_without(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        answers: list[bool] = []

        async def share_answer(_circle: str, _share: str, *, yes: bool) -> None:
            answers.append(yes)

        talk(web).share_answer = share_answer  # type: ignore[method-assign,assignment]
        for given in ("yes", "no", "", "YES", "yes no", "on"):
            await web.post(f"{way}/shares/5a/answer", {"answer": given})
        assert answers == [True, False, False, False, False, False]
        shown = (await web.get(f"{way}/shares")).text
        assert "a counsellor" in shown and "I take my agreement back" not in shown
        export = (await web.get(f"{way}/export/sam")).text
        assert "what helped me" in export and "01ab</textarea>" in export
        assert "unless they agree" in (await web.get(f"{way}/export/other")).text
