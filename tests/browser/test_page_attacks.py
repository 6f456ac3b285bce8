"""Other pages, other ports and other names, in a real browser in which our page is open."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from attrs import define, field

from tests.support.browser import Browser, BrowserFailed, a_browser
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.page_visitor import visitor_of
from tests.support.pages import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REBOUND = "rebound.example"


@define(eq=False)
class Neighbour:
    """Another program on this machine, with a page of its own: same site, other port."""

    port: int = 0
    cookies: list[str] = field(factory=list)
    html: str = "<!doctype html><title>neighbour</title><p id=here>here</p>"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def a_neighbour() -> Iterator[Neighbour]:
    neighbour = Neighbour()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            neighbour.cookies.append(self.headers.get("Cookie", ""))
            body = neighbour.html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    neighbour.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield neighbour
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[PageProgram]:
    with a_program(tmp_path / "ours") as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    rules = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
    with a_browser(tmp_path / "browser", rules) as running:
        yield running


@pytest.fixture
def page(program: PageProgram, browser: Browser) -> Page:
    """Our page, open in a circle."""
    page = Page(browser)
    page.watch_policy()
    page.size(360, 740)
    program.come_in(page)
    page.click("English")
    page.click("I am an adult. Continue")
    page.fill("nickname", "Nawras")
    page.fill("passphrase", PASSPHRASE)
    page.fill("again", PASSPHRASE)
    page.click("Continue")
    page.click("Create a circle")
    page.fill("name", "Evening")
    page.click("Create the circle")
    page.click("Enter the circle")
    page.wait("!!document.getElementById('text')")
    return page


TRIES = """
(async () => {
  const ours = "%s", got = [];
  const noted = (name, promise) => promise.then(r => got.push(name + " " + r), () => {});
  for (const path of ["now", "circles", "parts/page.js", "exit"]) {
    await noted("read " + path, fetch(ours + path, {credentials: "include"}).then(r => r.text()));
    await noted("post " + path, fetch(ours + path, {method: "POST", credentials: "include",
      headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: "a=b"}).then(r => r.text()));
    await noted("header " + path, fetch(ours + path, {credentials: "include",
      headers: {"X-Page": "guess"}}).then(r => r.text()));
    await fetch(ours + path, {method: "POST", mode: "no-cors", credentials: "include"}).catch(() => {});
  }
  const element = (tag, attribute, value) => new Promise(done => {
    const made = document.createElement(tag);
    made.onload = () => { got.push(tag + " loaded " + value); done(); };
    made.onerror = done;
    made[attribute] = value;
    document.body.append(made);
    setTimeout(done, 1500);
  });
  await element("script", "src", ours + "parts/page.js");
  await element("img", "src", ours + "parts/icon.svg");
  const frame = document.createElement("iframe");
  frame.src = ours;
  document.body.append(frame);
  await new Promise(done => { frame.onload = done; setTimeout(done, 2000); });
  try { if (frame.contentDocument && frame.contentDocument.getElementById("page")) got.push("framed"); }
  catch (wall) {}
  const stream = new EventSource(ours + "circle/x/live", {withCredentials: true});
  await new Promise(done => { stream.onopen = () => { got.push("stream"); done(); }; stream.onerror = done; });
  stream.close();
  return got;
})()
"""


def test_a_page_of_another_port_reads_nothing_changes_nothing_and_frames_nothing(
    program: PageProgram, browser: Browser, page: Page
) -> None:
    ours = browser._session
    with a_neighbour() as neighbour:
        browser.open_page(neighbour.url)
        page.wait("!!document.getElementById('here')")
        assert page.ask(TRIES % program.url) == []
        # a whole form, as a click would send it: the browser itself adds the cookie it has
        page.ask(
            f"(() => {{ const f = document.createElement('form'); f.method = 'POST';"
            f" f.action = '{program.url}exit'; document.body.append(f); f.submit(); }})()"
        )
        page.wait("document.body.innerText === 'Forbidden'")
    browser._session = ours
    page.fill("text", "still here")
    page.click("Send")
    page.see("still here")


def test_a_neighbour_that_is_sent_our_cookie_gets_in_with_nothing(
    program: PageProgram, browser: Browser, page: Page
) -> None:
    with a_neighbour() as neighbour:
        browser.open_page()
        page.ask(f"location.href = '{neighbour.url}'")
        page.wait("!!document.getElementById('here')")
        page.ask("fetch('/again').then(r => r.text())")
        stolen = [one for one in neighbour.cookies if one]
    assert stolen, "the browser did not send it: then this test shows nothing"
    port = program.url.rstrip("/").rsplit(":", 1)[1]
    for path in ("/now", "/circles", "/circle/x/live"):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        connection.request("GET", path, headers={"Cookie": stolen[-1]})
        assert connection.getresponse().status == 403
        connection.close()


def test_a_name_that_was_bound_to_this_machine_shows_nothing(
    program: PageProgram, browser: Browser, page: Page
) -> None:
    port = program.url.rstrip("/").rsplit(":", 1)[1]
    browser.open_page(f"http://{REBOUND}:{port}/")
    page.wait("document.body.innerText === 'Misdirected Request'")
    answer = page.ask("fetch('/now').then(r => r.status)")
    assert answer == 421


def test_quick_exit_covers_at_once_and_leaves_nothing_behind(
    program: PageProgram, browser: Browser, page: Page
) -> None:
    page.fill("text", "a private sentence")
    page.click("Send")
    page.see("a private sentence")
    with suppress(BrowserFailed):  # the page is gone before it can answer
        page.ask(
            "(() => { const press = () => document.dispatchEvent(new KeyboardEvent('keydown',"
            " {key: 'Escape'})); press(); press(); press();"
            " localStorage.covered = [document.documentElement.classList.contains('gone'),"
            " document.getElementById('page').textContent, sessionStorage.length]; })()"
        )
    page.wait("location.pathname === '/calendar' && !!document.querySelector('table')")
    # in the same turn, before anything is asked of anybody
    assert page.ask("localStorage.covered") == "true,,0"
    entries = browser.call("Page.getNavigationHistory")["entries"]
    seen = [entry["url"] + entry["title"] for entry in entries]
    assert not any("token" in one or "#" in one or "private" in one for one in seen), seen
    assert [one for one in seen if one.startswith(program.url + "Page")] == []
    with suppress(BrowserFailed):
        page.ask("history.back()")
    page.wait("document.readyState === 'complete'")
    assert "private" not in page.text()
    page.open(program.url)
    page.see("This page is closed")
    browser.open_page()
    program.again()
    page.open(program.start_file.as_uri())
    page.see("Locked")
    assert "private" not in page.text()


def test_no_worker_is_left_and_nothing_is_dragged_in(page: Page) -> None:
    for script in ("/parts/page.js", "data:text/javascript,1", "/"):
        worker = f"navigator.serviceWorker.register('{script}').then(() => 'in', () => 'refused')"
        assert page.ask(worker) == "refused"
    assert page.ask("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0
    assert page.ask("caches.keys().then(all => all.length)") == 0
    drop = """
    (() => { const data = new DataTransfer(); %s;
      const event = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
      document.querySelector("%s").dispatchEvent(event); return event.defaultPrevented; })()
    """
    link = "data.setData('text/uri-list', 'http://127.0.0.1:1/')"
    file = "data.items.add(new File(['x'], 'x.html', {type: 'text/html'}))"
    assert page.ask(drop % (link, "#entries")) is True
    assert page.ask(drop % (file, "#entries")) is True
    assert page.ask(drop % (file, "#text")) is True
    assert page.ask(drop % (link, "#text")) is False  # words may be dragged into a field


def test_a_page_that_was_left_and_came_back_is_made_anew(program: PageProgram, page: Page) -> None:
    page.fill("text", "a private sentence")
    page.click("Send")
    page.see("a private sentence")
    page.ask("void window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert "private" not in page.text()
    with a_neighbour() as neighbour:
        page.ask(f"void (location.href = '{neighbour.url}')")
        page.wait("!!document.getElementById('here')")
        assert page.ask("document.referrer") == ""
        with suppress(BrowserFailed):
            page.ask("history.back()")
        page.wait("!!document.querySelector('#page h1')")
        page.see("Evening")
        page.ask(f"void (location.href = '{neighbour.url}')")
        page.wait("!!document.getElementById('here')")
        program.again()
        visitor_of(program).post("/lock")
        with suppress(BrowserFailed):
            page.ask("history.back()")
        page.see("This page is closed")
        assert "private" not in str(page.ask("document.documentElement.outerHTML"))


HOSTILE = (
    "<script>window.hit=1</script><img src=x onerror='window.hit=1'>"
    "<b hx-get='/exit' hx-trigger='load'>b</b><a href='javascript:window.hit=1'>a</a>"
    "\u202etxt.exe\u2066\u200b{{7*7}}"
)


def test_hostile_words_are_shown_and_not_obeyed(page: Page) -> None:
    page.fill("text", HOSTILE)
    page.click("Send")
    page.see("{{7*7}}")
    page.see("<script>window.hit=1</script>")
    assert page.ask("window.hit") is None
    assert (
        page.ask("document.querySelectorAll('#entries script, #entries img, #entries a').length")
        == 0
    )
    shown = page.ask("document.querySelector('#entries .text').textContent")
    assert not set(shown) & set("\u202e\u2066\u200b")
    assert page.blocked() == []


def test_a_very_long_message_is_refused_in_words_and_not_lost(page: Page) -> None:
    long = "سطر " * 100_000
    page.ask(f"document.getElementById('text').value = {long!r}")
    page.click("Send")
    page.see("too long")
    page.ask("document.getElementById('text').value = 'x'.repeat(59000)")
    page.click("Send")
    page.wait("document.querySelectorAll('#entries .message').length === 1")
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")


def test_words_turn_with_their_own_direction_and_an_empty_box_with_the_page(page: Page) -> None:
    page.fill("text", "مرحبًا John, أهلًا")
    page.click("Send")
    page.see("John")
    direction = "getComputedStyle(document.querySelector('#entries .text')).direction"
    assert page.ask(direction) == "rtl"
    page.click("العربية · English")
    page.see("اللغة")
    page.click("العربية")
    page.wait("document.documentElement.dir === 'rtl'")
    page.click("Evening")
    page.wait("!!document.getElementById('text')")
    style = "getComputedStyle(document.getElementById('text'))"
    assert page.ask(f"[{style}.direction, {style}.unicodeBidi]") == ["rtl", "isolate"]
    page.fill("text", "hello")
    assert page.ask("getComputedStyle(document.getElementById('text')).direction") == "ltr"
