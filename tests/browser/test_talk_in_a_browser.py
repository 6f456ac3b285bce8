"""The talk of a circle in a real browser: by keyboard, with drafts, files and a long past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define

from tests.support.browser import Browser, a_browser
from tests.support.media import a_voice, pixels
from tests.support.pages import Page
from tests.support.processes import PASSPHRASE, PersonProcess, a_town, await_true
from toheal_p2p.locale import load_words

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE_NAME = "me & <img src=x onerror=hit()>\u202egnp.exe.png"


@define(eq=False)
class Talk:
    """Salma's page, in Arabic; Nawras has a program without one and facilitates."""

    page: Page
    browser: Browser
    salma: PersonProcess
    nawras: PersonProcess
    circle: str

    def say(self, key: str, **facts: str) -> str:
        text = load_words("ar").text(key, **facts)
        return "".join(char for char in text if not "\u2066" <= char <= "\u2069")

    def press(self, key: str, **facts: str) -> None:
        self.page.click(self.say(key, **facts))

    def see(self, key: str, **facts: str) -> None:
        self.page.see(self.say(key, **facts))

    def open(self) -> None:
        """Go to the circle, from wherever the page is."""
        self.press("page.my_circles")
        self.page.click("حلقة المساء")
        self.page.wait("document.activeElement.id === 'text'")

    def tab_to(self, words: str) -> None:
        """Press Tab until something that is called so has the focus."""
        named = "(e.getAttribute('aria-label') || e.textContent)"
        plain = f"{named}.replace(/[\\u2066-\\u2069]/g, '').trim()"
        self.tab_until(f"(e => {plain}.startsWith({json.dumps(words)}))(document.activeElement)")

    def tab_until(self, script: str) -> None:
        for _ in range(60):
            self.page.press("Tab")
            if self.page.ask(script):
                return
        raise AssertionError(f"no way by keyboard: {script}")

    def type(self, words: str) -> None:
        self.browser.call("Input.insertText", text=words)


@contextmanager
def a_talk(tmp_path: Path, *flags: str) -> Iterator[Talk]:
    """Let Salma sit before a page of the circle in a browser that was started with these flags."""
    with a_town(tmp_path) as town, a_browser(tmp_path / "browser", *flags) as browser:
        nawras, salma, circle = town.circle_of_two(direct=True)
        page = Page(browser)
        page.watch_policy()
        page.size(360, 740)
        page.open((salma.folder / "home.start.html").as_uri())
        page.wait("!!document.querySelector('#page h1')")
        made = Talk(page, browser, salma, nawras, circle)
        made.open()
        yield made
        assert page.ask("window.blocked || []") == []


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with a_talk(tmp_path) as made:
        yield made


def test_answering_editing_and_taking_back_by_keyboard_alone(talk: Talk) -> None:
    page = talk.page
    first = talk.nawras.say(talk.circle, "كيف كان اليوم؟")
    page.see("كيف كان اليوم؟")
    talk.tab_to(talk.say("page_talk.answer_to", name=talk.nawras.name))
    page.press("Enter")
    page.wait(
        "!!document.querySelector('#composer .quote') && document.activeElement.id === 'text'"
    )
    talk.type("أخف من أمس.")
    talk.tab_to(talk.say("page_circle.send"))
    page.press("Enter")
    await_true(lambda: "أخف من أمس." in talk.nawras.texts(talk.circle))
    [answer] = [
        one
        for one in talk.nawras.ask("read", circle=talk.circle, after=0, follow=False)
        if one["text"] == "أخف من أمس."
    ]
    assert (answer["reply_to"], answer["audience"]) == (first, "circle")
    page.wait("!!document.querySelector('[data-jump]')")
    talk.tab_to(talk.say("page_talk.jump"))
    page.press("Enter")
    page.wait(f"document.activeElement.id === 'm-{first[:12]}'")
    talk.tab_until("!!document.activeElement.closest('.mine')")
    talk.tab_to(talk.say("page_talk.more"))
    page.press("Enter")
    talk.see("page_message.where")
    talk.tab_to(talk.say("page_message.change"))
    page.press("Enter")
    page.wait("!!document.getElementById('words')")
    talk.tab_until("document.activeElement.id === 'words'")
    page.ask("document.activeElement.select()")
    talk.type("أخف من أمس بكثير.")
    talk.tab_to(talk.say("page_edit.save"))
    page.press("Enter")
    talk.see("line.edited")
    page.see("أخف من أمس بكثير.")
    page.wait("document.activeElement.matches('.message.mine')")
    talk.tab_to(talk.say("page_talk.more"))
    page.press("Enter")
    talk.tab_to(talk.say("page_message.take_back"))
    page.press("Enter")
    talk.see("page_retract.hint")
    talk.tab_to(talk.say("page_message.take_back"))
    page.press("Enter")
    talk.see("page_retract.done")
    await_true(lambda: "أخف من أمس بكثير." not in talk.nawras.texts(talk.circle))


def test_what_was_typed_comes_back_for_whom_it_was_and_with_what_it_answers(talk: Talk) -> None:
    page = talk.page
    first = talk.nawras.say(talk.circle, "من يبدأ؟")
    page.see("من يبدأ؟")
    talk.press("page_talk.answer_to", name=talk.nawras.name)
    page.wait("!!document.querySelector('#composer .quote')")
    talk.press("page_talk.to_facilitators", names=talk.nawras.name)
    page.fill("text", "هذا لك وحدك.")
    for way in ("page_circle.members", "page_search.way"):
        talk.press(way)
        page.wait("!document.getElementById('text')")
        talk.press("page.back")
        page.wait("document.getElementById('text')?.value === 'هذا لك وحدك.'")
        assert page.ask("new FormData(document.getElementById('composer')).get('audience')") == (
            "facilitators"
        )
        assert page.ask("document.querySelector('#composer [name=reply]').value") == first
    assert page.ask("document.querySelector('.send').innerText") == talk.say(
        "page_talk.send_facilitators"
    )
    page.ask("document.querySelector('.send').click()")
    page.wait("document.getElementById('text').value === ''")
    await_true(
        lambda: (
            [
                (one["audience"], one["reply_to"])
                for one in talk.nawras.ask("read", circle=talk.circle, after=0, follow=False)
                if one["text"] == "هذا لك وحدك."
            ]
            == [("facilitators", first)]
        )
    )
    talk.press("page_circle.members")
    page.wait("!document.getElementById('text')")
    talk.press("page.back")  # what was sent does not come back
    page.wait("document.getElementById('text')?.value === ''")

    page.fill("text", "لم يصل بعد")
    talk.salma.kill()
    page.ask("document.querySelector('.send')?.click()")  # or the page has noticed by itself
    talk.see("page_talk.unsent")
    assert page.ask("document.getElementById('unsent-text').value") == "لم يصل بعد"


def test_what_was_typed_is_there_after_a_new_page_and_a_lock_and_nowhere_after_it_was_said(
    talk: Talk,
) -> None:
    page, typed = talk.page, "كلام لم يكتمل"
    talk.press("page_talk.to_facilitators", names=talk.nawras.name)
    page.fill("text", typed)
    page.ask("location.reload()")  # at once: it is sealed on the way out
    page.wait("document.readyState === 'complete' && !!document.querySelector('#page h1')")
    for way in ("reload", "lock"):
        if way == "lock":
            talk.press("page.lock")
            page.wait("!!document.getElementById('passphrase')")
            assert typed not in page.text()
            page.fill("passphrase", PASSPHRASE)
            talk.press("page_first.unlock")
            page.wait("!!document.querySelector('[data-open]')")
        talk.open()
        page.wait(f"document.getElementById('text').value === '{typed}'")
        audience = "new FormData(document.getElementById('composer')).get('audience')"
        assert page.ask(audience) == "facilitators", way
    page.ask("document.querySelector('.send').click()")
    page.wait("document.getElementById('text').value === ''")
    page.ask("location.reload()")
    page.wait("document.readyState === 'complete' && !!document.querySelector('#page h1')")
    talk.open()
    assert page.ask("document.getElementById('text').value") == ""


def test_pictures_and_voices_are_sent_fetched_shown_and_saved_on_purpose_only(
    talk: Talk, tmp_path: Path
) -> None:
    page, downloads = talk.page, tmp_path / "saved"
    talk.browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
    named = tmp_path / HOSTILE_NAME
    pixels(320, 200).save(named, "PNG")
    asked = talk.nawras.say(talk.circle, "ما الذي أمامك؟")
    page.see("ما الذي أمامك؟")
    talk.press("page_talk.answer_to", name=talk.nawras.name)
    page.wait("!!document.querySelector('#composer .quote')")
    talk.press("page_talk.to_facilitators", names=talk.nawras.name)
    talk.press("page_file.way")
    page.wait("!!document.getElementById('file')")
    page.ask(
        "(() => { const send = fetch; window.sent = []; window.fetch = async (url, o) => {"
        " if (o?.body instanceof Blob) window.sent.push(url, await o.body.slice(0, 400).text());"
        " return send(url, o); }; })()"
    )
    document = talk.browser.call("DOM.getDocument")["root"]["nodeId"]
    field = talk.browser.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    talk.browser.call("DOM.setFileInputFiles", files=[str(named)], nodeId=field)
    page.fill("about", "كوبان على الطاولة")
    assert page.axe() == []
    page.ask("document.querySelector('.send').click()")
    page.wait("!!document.getElementById('entries')")
    page.see("كوبان على الطاولة")
    sent = str(page.ask("window.sent.join()"))
    assert "/attach" in sent and "exe" not in sent and "onerror" not in sent
    await_true(
        lambda: (
            [
                (one["audience"], one["reply_to"])
                for one in talk.nawras.ask("read", circle=talk.circle, after=0, follow=False)
                if one["text"] == "كوبان على الطاولة" and one["attachment"] is not None
            ]
            == [("facilitators", asked)]
        )
    )

    voice = tmp_path / "voice.ogg"
    voice.write_bytes(a_voice("ogg", "libopus"))
    talk.nawras.cli("attach", talk.circle, str(voice), "--describe", "تحية")
    page.see("تحية")
    assert page.ask("document.querySelectorAll('audio[src], img[src]').length") == 0
    talk.press("page_file.fetch_of", name=talk.nawras.name)
    talk.press("page_file.play")
    page.wait(
        "document.querySelector('audio')?.readyState >= 1 && document.querySelector('audio').duration > 1"
    )
    assert page.ask("document.querySelector('audio').src").startswith("blob:http://127.0.0.1:")
    talk.press("page_file.show")
    page.wait("document.querySelector('.view img')?.naturalWidth === 320")
    assert page.ask("document.querySelector('.view img').alt") == "كوبان على الطاولة"
    assert not downloads.exists()
    page.ask("document.querySelector('.view:has(audio) [data-saves]').click()")
    await_true(lambda: any(one.suffix == ".ogg" for one in downloads.glob("*")))
    assert page.axe() == []

    assert (
        page.ask(  # what is made in the page is shown, and never run
            "new Promise(done => { const s = document.createElement('script');"
            " s.src = URL.createObjectURL(new Blob(['window.hit = 1'], {type: 'text/javascript'}));"
            " s.onload = () => done('ran'); s.onerror = () => done('kept out'); document.head.append(s); })"
        )
        == "kept out"
    )
    page.ask("window.blocked.length = 0")


def test_a_long_past_is_read_without_losing_the_place(talk: Talk) -> None:
    page = talk.page
    for number in range(1, 131):
        talk.salma.say(talk.circle, f"سطر {number:03}")
    page.see("سطر 130")
    talk.open()
    page.ask("scrollTo(0, 0)")
    entry = "[...document.querySelectorAll('#entries .message')].find(e => e.innerText.includes('سطر 082'))"
    page.wait(f"!!{entry}")
    before = page.ask(f"{entry}.getBoundingClientRect().top")
    talk.press("page_circle.earlier")
    page.wait("document.querySelectorAll('#entries .message').length === 130")
    assert abs(page.ask(f"{entry}.getBoundingClientRect().top") - before) < 200
    talk.press("page_search.way")
    page.fill("query", "سطر 007")
    talk.press("page_search.look")
    talk.press("page_search.place")
    page.wait("document.activeElement.innerText?.includes('سطر 007')")
    page.wait(
        "(r => r.top > 0 && r.bottom < innerHeight)(document.activeElement.getBoundingClientRect())",
        5,
    )
    talk.press("page_talk.later")
    page.see("سطر 130")
    page.fill("text", "من هنا")
    talk.press("page_circle.send")
    page.wait(
        "!document.querySelector('#later') && document.querySelector('#entries').innerText.includes('من هنا')"
    )
