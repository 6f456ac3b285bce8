"""A voice note recorded in the page, with the microphone that Chromium has for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.test_talk_in_a_browser import Talk, a_talk
from tests.support.media import seconds_of
from tests.support.processes import await_true
from toheal_p2p.adapters.media.sniffing import sniff
from toheal_protocol.messages.attachment import Medium

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

WATCH = """
(() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async wanted => {
    if (window.refusal) throw new DOMException("", window.refusal);
    const stream = await ask(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
  const send = window.fetch;
  window.fetch = (url, more) => { if (url === "/used") window.used = true; return send(url, more); };
})()
"""
LIVE = "window.tracks.filter(one => one.readyState === 'live').length"
HERE = "document.getElementById('file').files.length"


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with a_talk(tmp_path, *MICROPHONE) as made:
        made.page.ask(WATCH)
        yield made


def test_a_voice_is_recorded_heard_discarded_and_sent_by_keyboard_alone(
    talk: Talk, tmp_path: Path
) -> None:
    page = talk.page
    talk.press("page_file.way")
    talk.see("page_record.hint")
    assert page.ask("window.tracks.length") == 0, "nobody was asked before it was wanted"
    for ending in ("discard", "send"):
        talk.tab_to(talk.say("page_record.start"))
        page.press("Enter")
        talk.see("page_record.on")
        assert page.ask("document.querySelector('.send').disabled")
        assert page.axe() == []
        page.wait("document.querySelector('.time').textContent === '0:01'")
        assert page.ask(LIVE) == 1
        page.press("Enter")  # the focus is on the button that ends it
        talk.see("page_record.done")
        assert (page.ask(LIVE), page.ask(HERE)) == (0, 1)
        page.wait("document.querySelector('.record audio').readyState >= 1")
        assert page.ask("document.querySelector('.record audio').src").startswith("blob:")
        assert page.axe() == []
        if ending == "discard":
            talk.tab_to(talk.say("page_record.discard"))
            page.press("Enter")
            talk.see("page_record.hint")
            assert page.ask(HERE) == 0 and not page.ask("document.querySelector('.send').disabled")
    page.fill("about", "تحية بصوتي")
    page.ask("document.querySelector('.send').click()")
    page.wait("!!document.getElementById('entries')")
    page.see("تحية بصوتي")

    def heard() -> list[str]:
        entries = talk.nawras.ask("read", circle=talk.circle, after=0, follow=False)
        said = [one for one in entries if one["text"] == "تحية بصوتي" and one["attachment"]]
        return [one["id"] for one in said if one["attachment"]["media_type"] == "audio/ogg"]

    await_true(lambda: len(heard()) == 1)
    target = tmp_path / "heard"
    talk.nawras.cli("fetch", talk.circle, heard()[0], "--to", str(target))
    content = target.read_bytes()
    assert sniff(content) is Medium.OGG and 0.5 < seconds_of(content) < 30


def test_leaving_ends_a_recording_and_it_ends_by_itself_and_no_is_an_answer(talk: Talk) -> None:
    page = talk.page
    talk.press("page_file.way")
    assert not page.ask("window.used")
    talk.press("page_record.start")
    talk.see("page_record.on")
    page.wait("window.used")  # whoever speaks is here: nothing locks meanwhile
    talk.press("page.back")
    page.wait(f"!!document.getElementById('entries') && {LIVE} === 0")

    talk.press("page_file.way")
    talk.see("page_record.hint")
    page.ask("document.querySelector('.record').dataset.seconds = 1")
    talk.press("page_record.start")
    talk.see("page_record.done")
    assert (page.ask(LIVE), page.ask(HERE)) == (0, 1)
    talk.press("page_record.discard")

    for name, said in (("NotAllowedError", "refused"), ("NotFoundError", "missing")):
        page.ask(f"window.refusal = '{name}'")
        talk.press("page_record.start")
        talk.see(f"page_record.{said}")
        assert page.ask(HERE) == 0
        assert page.axe() == []
    page.ask("delete window.refusal")
    talk.press("page_record.start")
    talk.see("page_record.on")
    talk.press("page.quick_exit")
    page.wait("location.pathname === '/calendar'")
