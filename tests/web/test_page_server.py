"""The real server with a profile in memory: who comes in, what comes out, and what cannot end it."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import h11
import pytest
import trio
from attrs import evolve

from tests.support.web_client import PASSPHRASE, Web, a_page, until
from toheal_p2p.app.page_interface import read_record
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web import connections, door
from toheal_p2p.web.connections import MAX_CONNECTIONS
from toheal_p2p.web.guard import HEADERS
from toheal_p2p.web.site import MAX_FORM

pytestmark = [pytest.mark.real, pytest.mark.trio]


async def test_a_browser_comes_in_by_the_start_file_once(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        token = web.address.start_file.read_text().split("#")[1].split('"')[0]
        await web.enter()
        assert "Locked" in (await web.get("/now")).text
        again = await web.post("/enter", {"token": token})
        assert again.status == 403


async def test_the_start_file_and_the_record_are_for_their_owner_and_go_with_the_page(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        files = [web.address.start_file, tmp_path / "home.page"]
        for path in files:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert not (tmp_path / "home").exists()  # the vault wants an empty folder
    assert [path for path in files if path.exists()] == []


async def test_the_cookie_is_closed_to_scripts_and_to_other_sites(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        token = web.address.start_file.read_text().split("#")[1].split('"')[0]
        answer = await web.post("/enter", {"token": token})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"p{web.port}=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Domain" not in cookie
        assert json.loads(answer.body)["secret"] not in cookie


@pytest.mark.parametrize(
    "path", ["/", "/start", "/calendar", "/now", "/parts/look.css", "/nothing"]
)
async def test_every_answer_carries_our_headers(tmp_path: Path, path: str) -> None:
    async with a_page(tmp_path) as web:
        for more in ({}, {"host": "rebound.example"}):
            answer = await web.get(path, **more)
            assert HEADERS[0][0] in answer.headers
            assert dict(HEADERS).items() <= answer.headers.items()
            assert "server" not in answer.headers


async def test_the_shell_holds_nothing_whatever_is_open(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        await web.profile.app.circle_create(
            "evening", relays=[], direct=False, charter="x", nickname="Nawras"
        )
        for path in ("/", "/start", "/calendar"):
            shell = await web.get(path, cookie=None, x_page=None, sec_fetch_site="cross-site")
            assert shell.status == 200
            for secret in ("evening", "Nawras", web.secret, web.cookie):
                assert secret not in shell.text


async def test_content_and_the_stream_need_cookie_and_secret(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        made = await web.profile.app.circle_create(
            "evening", relays=[], direct=False, charter="x", nickname=None
        )
        for path in ("/circles", f"/circle/{made.id}", f"/circle/{made.id}/live"):
            assert (await web.get(path, x_page=None)).status == 403
            assert (await web.get(path, cookie=None)).status == 403
            assert (await web.get(path, origin="http://evil.example")).status == 403
        assert (await web.get("/circles")).status == 200


async def test_a_foreign_form_says_nothing_in_a_circle(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create("e", relays=[], direct=False, charter="x", nickname=None)
        say = f"/circle/{made.id}/say"
        for more in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": None},
            {"sec_fetch_site": "cross-site"},
            {"x_page": None},
            {"host": "rebound.example"},
        ):
            assert (await web.post(say, {"text": "forged"}, **more)).status in (403, 421)
        assert app.entries == []
        mine = {"text": "mine", "audience": "circle"}
        assert (await web.post(say, mine)).status == 200
        assert [entry.text for entry in app.entries] == ["mine"]


async def test_a_second_start_opens_the_page_anew_for_whoever_can_read_the_record(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        record = read_record(tmp_path / "home")
        assert record is not None
        assert record.port == web.port
        for wrong in (None, "", record.secret[:-1]):
            assert (await web.post("/again", x_again=wrong)).status == 403
        before = web.address.start_file.read_text()
        answer = await web.post("/again", x_again=record.secret, cookie=None, x_page=None)
        assert json.loads(answer.body)["start"] == str(web.address.start_file)
        assert web.address.start_file.read_text() != before
        await web.enter()


# ---- what cannot end it


GARBAGE = [
    b"\0" * 5000,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
    b"GET " + b"/" * 70000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n\x01",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: !!\r\nConnection: Upgrade\r\n\r\n",
    b"POST /now HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
    b"",
]


async def knock(web: Web, garbage: bytes) -> None:
    with trio.move_on_after(5):
        async with await web.connect() as stream:
            try:
                await stream.send_all(garbage)
                await stream.send_eof()
                while await stream.receive_some(65536):
                    pass
            except trio.BrokenResourceError:
                pass  # it closed on us, as it may


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_on_the_port_ends_its_own_connection_only(
    tmp_path: Path, garbage: bytes
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(knock, web, garbage)
        assert (await web.get("/circles")).status == 200
        assert web.house.state == "open"


async def test_whoever_hoards_connections_is_bounded_and_forgotten(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        hoarded = [await web.connect() for _ in range(MAX_CONNECTIONS + 20)]
        for stream in hoarded:
            await stream.aclose()
        with trio.fail_after(10):
            while True:
                try:
                    answer = await web.get("/circles")
                    break
                except (trio.BrokenResourceError, h11.RemoteProtocolError):
                    await trio.sleep(0.05)
        assert answer.status == 200


async def test_the_page_that_falls_is_there_again_on_its_port_and_with_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falls = [True]
    ordinary = connections.Connections.serve

    async def serve(self: object, listening: object) -> None:
        if falls.pop() if falls else False:
            raise RuntimeError("a private sentence")
        await ordinary(self, listening)  # type: ignore[arg-type]

    monkeypatch.setattr(connections.Connections, "serve", serve)
    async with a_page(tmp_path) as web:
        await web.open()
        assert [type(fault) for fault in web.faults] == [RuntimeError]


async def test_a_page_that_does_not_load_ends_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, ordinary = [OSError(24, "no file left"), ImportError("a disk")], door._load_page

    def load_page() -> object:
        if fails:
            raise fails.pop()
        return ordinary()

    monkeypatch.setattr(door, "_load_page", load_page)
    async with a_page(tmp_path) as web:
        await trio.sleep(0.05)
        assert len(fails) == 2  # nobody has knocked
        await web.open()
        assert [type(fault) for fault in web.faults] == [ImportError, OSError]


async def test_a_fault_in_a_page_is_one_answer(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        web.profile.app.circles = None  # type: ignore[assignment]
        answer = await web.get("/circles")
        assert "on our side" in answer.text
        assert [type(fault) for fault in web.faults] == [TypeError]
        web.profile.app.circles = []
        assert "No circle yet" in (await web.get("/circles")).text


async def test_a_reader_that_does_not_read_does_not_keep_the_program_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 120)
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create("e", relays=[], direct=False, charter="x", nickname=None)
        app.circles = [evolve(made, id="endless")]  # more is said there than any socket takes
        stream = await web.connect()
        head = "".join(f"{n}: {v}\r\n" for n, v in web.head("GET", "", b""))
        await stream.send_all(f"GET /circle/endless/live HTTP/1.1\r\n{head}\r\n".encode())
        produced = -1
        while app.produced != produced:  # until its sender is stuck
            produced = app.produced
            await trio.sleep(1)
        assert produced > 100
        assert (await web.get("/circles")).status == 200
        began = trio.current_time()
    assert trio.current_time() - began < 60
    await stream.aclose()


# ---- what people send


async def test_a_text_too_long_is_refused_and_a_form_too_long_is_not_read(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create("e", relays=[], direct=False, charter="x", nickname=None)
        answer = await web.ask("POST", f"/circle/{made.id}/say", b"text=" + b"a" * (MAX_FORM + 1))
        assert "too long" in answer.text
        assert app.entries == []


@pytest.mark.parametrize(
    "form", [b"\xff\xfe", b"text", b"&" * 1000, b"a=1&" * 1000, b"text=%", b"text=%ff%00"]
)
async def test_no_form_makes_a_fault(tmp_path: Path, form: bytes) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        for path in ("/circles/new", "/join/look", "/language", "/unlock", "/circle/x/say"):
            assert (await web.ask("POST", path, form)).status in (200, 400)
        assert web.faults == []


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}\u202egnp.exe\u200b\x00\x1b[31m"
)


async def test_what_others_wrote_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create(
            HOSTILE, relays=[], direct=False, charter="x", nickname=HOSTILE
        )
        app.add(made.id, HOSTILE, author_name=HOSTILE, passed_on_by=HOSTILE, notes=("loss",))
        for kind in ("joined", "gap", "crossed", "later<b>"):
            app.add(made.id, HOSTILE, kind=kind, author_name=HOSTILE)
        for path in ("/circles", f"/circle/{made.id}", f"/circle/{made.id}/leave"):
            text = (await web.get(path)).text
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            assert "&lt;script&gt;" in text
            assert not set(text) & set("\u202e\u200b\x00\x1b")
            assert "{{7*7}}" in text


# ---- locking


async def test_locking_ends_the_stream_and_every_page_asks_for_the_passphrase(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        made = await web.profile.app.circle_create(
            "evening", relays=[], direct=False, charter="x", nickname=None
        )
        streamed: list[str] = []

        async def follow() -> None:
            streamed.append((await web.get(f"/circle/{made.id}/live")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await until(lambda: web.profile.app.following == 1)
            assert "Locked" in (await web.post("/lock")).text
        assert 'hx-get="/now"' in streamed[0]
        assert web.profile.app.following == 0
        for path in ("/circles", f"/circle/{made.id}"):
            text = (await web.get(path)).text
            assert "Unlock" in text
            assert "evening" not in text
        assert "Passphrase" in (await web.post(f"/circle/{made.id}/say", {"text": "late"})).text
        assert web.profile.app.entries == []


async def test_unlocking_while_it_is_still_being_locked_waits_and_works(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        leave, web.profile.app.end = web.profile.app.end, lambda: None
        assert "Locked" in (await web.post("/lock")).text  # at once, though links still drain
        await until(lambda: "lock" in web.profile.app.calls)
        async with trio.open_nursery() as nursery:
            answers: list[str] = []

            async def unlock() -> None:
                answers.append((await web.post("/unlock", {"passphrase": PASSPHRASE})).text)

            nursery.start_soon(unlock)
            await trio.sleep(0.1)
            assert answers == []
            leave()
        assert "My circles" in answers[0]
        assert web.house.state == "open"


async def test_help_and_calm_are_there_before_unlocking(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.enter()
        shown = (await web.get("/help?country=eg")).text
        assert "08008880700" in shown
        assert not re.search(r"\d-\d", re.sub("<[^>]*>", "", shown)), "a date that could be broken"
        assert "five things" in (await web.get("/calm")).text


async def test_help_begins_with_the_country_of_the_settings_and_tells_how_to_find_another(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        await web.enter()
        assert "findahelpline.com" in (await web.get("/help")).text
        assert "findahelpline.com" in (await web.get("/help?country=sd")).text  # no line is known
        await web.open_again()
        web.profile.app.settings.country = "eg"
        asked = (await web.get("/help")).text
        assert "08008880700" not in asked  # what was asked for in this run goes first
        web.house.home.mkdir()
        (web.house.home / "look").write_text('{"country": "eg"}')
    async with a_page(tmp_path) as web:
        await web.enter()
        for _ in ("locked", "open"):
            shown = (await web.get("/help")).text
            assert "08008880700" in shown and "findahelpline.com" not in shown
            await web.open_again()
            web.profile.app.settings.country = "eg"
            (web.house.home / "look").unlink(missing_ok=True)
        assert "08008880700" not in (await web.get("/help?country=lb")).text
        assert "08008880700" not in (await web.get("/help")).text
        assert web.faults == []


async def test_a_wrong_passphrase_is_a_sentence_and_the_right_one_works_after_it(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        await web.enter()
        for wrong in ("", "wrong", PASSPHRASE + " "):
            answer = await web.post("/unlock", {"passphrase": wrong})
            assert 'role="alert"' in answer.text
            assert wrong == "" or wrong not in answer.text.replace("Passphrase", "")
        assert "My circles" in (await web.post("/unlock", {"passphrase": PASSPHRASE})).text


async def test_a_profile_that_fails_is_told_of_on_the_page(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        web.profile.ends_with = Refused("disk_full")
        web.profile.ending.set()
        await until(lambda: web.house.state == "locked")
        assert "disk is full" in (await web.get("/now")).text
        web.profile.ending = trio.Event()
        await web.post("/unlock", {"passphrase": PASSPHRASE})
        assert web.house.trouble is None
        assert web.house.state == "open"


async def test_quick_exit_locks_and_shuts_every_door(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        began = trio.current_time()
        assert (await web.post("/exit")).status == 204
        assert trio.current_time() - began < 2
        assert web.house.state == "locked"
        assert (await web.get("/now")).status == 403
        assert (await web.get("/calendar")).status == 200
        assert "lock" not in web.profile.app.calls  # it did not wait for links


async def test_the_first_start_makes_a_profile_and_opens_it(tmp_path: Path) -> None:
    async with a_page(tmp_path, exists=False, language=None) as web:
        await web.enter()
        assert "العربية" in (await web.get("/now")).text
        assert (await web.post("/language", {"language": "en"})).headers["hx-refresh"] == "true"
        assert "I am an adult" in (await web.get("/now")).text
        form = {"nickname": "Nawras", "passphrase": PASSPHRASE, "again": "another"}
        assert "differ" in (await web.post("/begin", form)).text
        assert web.house.state == "empty"
        answer = await web.post("/begin", {**form, "again": PASSPHRASE})
        assert "No circle yet" in answer.text
        assert PASSPHRASE not in answer.text


async def test_two_who_unlock_at_once_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.enter()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(web.post, "/unlock", {"passphrase": PASSPHRASE})
        assert web.house.state == "open"
        assert web.faults == []


async def test_what_is_taken_back_or_changed_is_so_on_a_page_that_is_open(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        made = await app.circle_create("e", relays=[], direct=False, charter="x", nickname=None)
        app.add(made.id, "first words")
        app.add(made.id, "other words")
        first, second = (entry.id for entry in app.entries)
        await web.get(f"/circle/{made.id}")
        streamed: list[str] = []

        async def follow() -> None:
            streamed.append((await web.get(f"/circle/{made.id}/live?after=2")).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await until(lambda: app.following == 1)
            await app.retract(made.id, first)
            await app.edit(made.id, second, "new <b>words</b>")
            await trio.sleep(0.2)
            await web.post("/lock")
        assert f'id="m-{first[:12]}" hx-swap-oob="true"' in streamed[0]
        assert "Taken back" in streamed[0]
        assert f'id="m-{second[:12]}" hx-swap-oob="true"' in streamed[0]
        assert "new &lt;b&gt;words" in streamed[0]
        await web.post("/unlock", {"passphrase": PASSPHRASE})
        shown = (await web.get(f"/circle/{made.id}")).text
        assert "first words" not in shown
        assert "hx-swap-oob" not in shown.split("<ol")[1].split("</ol>")[0]
        assert "disappears with its readers after seven days" in shown
