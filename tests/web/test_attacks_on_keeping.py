"""Files of others, recovery words, and acts of keeping: what a stranger tries without a browser."""

from __future__ import annotations

import io
import itertools
import logging
import re
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.fake_app import FakeFiles
from tests.support.web_client import PASSPHRASE, Web, a_page
from tests.web.test_closing import a_house, names_in, talk
from tests.web.test_page_talk import a_circle
from toheal_p2p.app.interface import AttachmentView
from toheal_p2p.web.guard import FILE_POLICY, HEADERS, POLICY
from toheal_p2p.web.routes import PAGES
from toheal_protocol.messages.attachment import MEDIA_TYPES

pytestmark = [pytest.mark.real, pytest.mark.trio]

HOSTILE = [
    b"<!doctype html><script>fetch('/circles')</script>",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    b"<?xml version='1.0'?><?xml-stylesheet href='/circles'?><x/>",
    b"GIF89a/*\x00\x00*/=0;fetch('/circles')//",
    b"\x89PNG\r\n\x1a\n<html><script>1</script>",
    b"%PDF-1.7 /OpenAction /JavaScript",
    b"",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_file_that_pretends_to_be_a_picture_is_never_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    async def give(*_args: object) -> bytes:
        await trio.lowlevel.checkpoint()
        return content

    monkeypatch.setattr(FakeFiles, "content", give)
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = web.profile.app
        app.add(way.removeprefix("/circle/"), "two cups", kind="attachment", author_name="Sam")
        here = AttachmentView("image/png", len(content), "here", 100)
        app.entries[0] = evolve(app.entries[0], attachment=here)
        answer = await web.get(f"{way}/attached/{app.entries[0].id}")
        assert answer.body == content
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == f"{FILE_POLICY}, {POLICY}"
        assert answer.headers["content-disposition"] == "attachment"
        assert web.faults == []


async def test_no_medium_we_know_is_one_that_a_browser_runs() -> None:
    kinds = set(MEDIA_TYPES.values())
    assert all(re.fullmatch(r"(image|audio)/[a-z0-9-]+", kind) for kind in kinds), kinds
    assert not any("svg" in kind or "xml" in kind for kind in kinds)


async def test_a_worker_that_would_outlive_the_page_is_not_allowed() -> None:
    assert "worker-src 'none'" in POLICY and "default-src 'none'" in POLICY
    for word in ("unsafe", "*", "http:", "https:", "wss:"):
        assert word not in POLICY
    headers = dict(HEADERS)
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"


async def recovery_words(web: Web, path: Path) -> list[str]:
    await web.post("/backup", {"path": str(path)})
    shown = await web.get("/backup/words")
    assert shown.headers["cache-control"] == "no-store"
    words = re.findall(r"</span> (\S+)</li>", shown.text)
    assert len(words) == 24
    return words


async def test_recovery_words_are_in_no_file_no_log_no_address_and_no_later_page(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        async with a_page(tmp_path, house=a_house(tmp_path / "home")) as web:
            await talk(web)
            words = await recovery_words(web, tmp_path / "kept")
            asked = (await web.get("/backup/proof")).text
            places = [int(place) for place in re.findall(r'name="word(\d+)"', asked)]
            form = {f"word{place}": words[place - 1] for place in places}
            done = await web.post("/backup/proof", form)
            assert "The backup is made" in done.text
            later = [done.text] + [
                (await web.get(path)).text
                for path in ("/backup", "/backup/words", "/backup/proof", "/circles", "/", "/now")
            ]
            left = b"".join(each_file(tmp_path))
            assert names_in(tmp_path / "home") and web.faults == []
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    printed = "".join(capfd.readouterr()) + log.getvalue()
    later = [re.sub(r"<[^>]*>", " ", text) for text in later]
    # one word can stand anywhere by chance, two neighbours cannot
    for first, second in itertools.pairwise(words):
        both = re.compile(rf"{first}\W+(\d+\W+)?{second}")
        assert not any(both.search(text) for text in (*later, printed))
        assert not re.search(both.pattern.encode(), left)
    assert all("words" not in path or method == "GET" for method, path, _page in PAGES)


def each_file(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


FOREIGN: list[dict[str, str | None]] = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": None},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},  # another port of this machine
    {"x_page": None},
    {"cookie": None},
    {"host": "rebound.example"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=range(len(FOREIGN)))
async def test_a_foreign_page_keeps_loses_and_changes_nothing(
    tmp_path: Path, foreign: dict[str, str | None]
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        kept = tmp_path / "kept"
        acts: list[tuple[str, dict[str, str]]] = [
            ("/backup", {"path": str(kept)}),
            ("/wipe", {}),
            ("/exit", {}),
            ("/lock", {}),
            ("/restore", {"path": str(kept), "words": "x", "passphrase": "y", "again": "y"}),
            ("/passphrase", {"old": PASSPHRASE, "passphrase": "y", "again": "y"}),
            ("/settings/proxy", {"value": "socks5://127.0.0.1:1"}),
            ("/file", {}),
        ]
        for path, form in acts:
            answer = await web.post(path, form, **foreign)
            assert answer.status in (403, 421)
            assert "text/event-stream" not in answer.headers["content-type"]
        assert web.house.state == "open" and web.house.trouble is None
        app = web.profile.app
        assert (app.passphrase, app.settings.proxy) == (PASSPHRASE, "none")
        assert not kept.exists()
        assert (await web.get("/backup/words")).text.count("<li>") == 0
        assert web.faults == []


async def test_leaving_takes_the_cookie_out_of_the_browser(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        said = (await web.post("/exit")).headers["set-cookie"]
        assert said.startswith(f'p{web.port}=""') and "Max-Age=0" in said
