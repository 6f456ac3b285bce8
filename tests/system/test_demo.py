"""The demonstration as somebody who just arrived starts it, in both languages."""

from __future__ import annotations

import html
import http.client
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.processes import ENVIRONMENT, Program, await_true
from toheal_p2p.cli.demo import FIRST_WORDS, LAST_WORDS, LATER_WORDS, texts_said
from toheal_p2p.cli.demo_page import ANSWERS

pytestmark = [pytest.mark.real, pytest.mark.slow]


def command(language: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "toheal_p2p", f"--lang={language}", "demo", *options]


@pytest.mark.slow(20)
def test_everything_arrives_at_three_people_and_a_latecomer(tmp_path: Path) -> None:
    done = subprocess.run(
        command("ar", "--check"),
        capture_output=True,
        env={**ENVIRONMENT, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        timeout=240,
        check=False,
    )
    told = done.stdout.decode()
    assert done.returncode == 0, told + done.stderr.decode()
    assert not done.stderr
    assert_told(told)
    assert not list(tmp_path.glob("demo-*")), "the folder is thrown away"


def assert_told(told: str) -> None:
    assert len(texts_said()) == len(FIRST_WORDS) + len(LATER_WORDS) + len(LAST_WORDS)
    for text in texts_said():
        late = text in [one for _, one in LAST_WORDS]
        assert told.count(text) == (2 if late else 1), text
    assert "Traceback" not in told


@pytest.mark.slow(20)
def test_a_page_of_one_of_the_three_stays_open_and_is_answered(tmp_path: Path) -> None:
    demo = Program(
        command("en", "--check", "--page", "--no-browser")[1:],
        tmp_path / "demo.out",
        {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    demo.launch()
    try:
        told = demo.await_line("To see the page", 240)
        start = Path(told.rsplit(": ", 1)[1].strip("\u2068\u2069"))
        assert stat.S_IMODE(start.stat().st_mode) == 0o600
        page = PageClient(start)
        [circle] = set(re.findall(r'hx-get="(/circle/[0-9a-f]{64})"', page.get("/circles")))
        shown = page.get(circle)
        assert all(html.escape(text) in shown for _, text in (*FIRST_WORDS, *LATER_WORDS))
        page.post(f"{circle}/say", text="I am looking.", audience="circle")
        await_true(lambda: ANSWERS[0][1] in page.get(circle), 30)
        assert "On \u2068Salma" in page.get(circle)
        assert demo.stop() == 0
    finally:
        demo.make_sure_it_ended()
    assert_told((tmp_path / "demo.out").read_text(encoding="utf-8"))
    assert not list(tmp_path.glob("demo-*")), "the folder is thrown away"


class PageClient:
    """Comes in by a start file as a browser does, and asks with cookie and secret."""

    def __init__(self, start: Path) -> None:
        address = re.search(r"url=(http://127\.0\.0\.1:(\d+))/start#([^\"]+)", start.read_text())
        assert address is not None
        self.origin, self.port = address[1], int(address[2])
        self.keys: dict[str, str] = {}
        content, cookie = self._ask("POST", "/enter", {"token": address[3]})
        self.keys = {"Cookie": cookie.split(";")[0], "X-Page": json.loads(content)["secret"]}

    def get(self, path: str) -> str:
        return self._ask("GET", path, {})[0]

    def post(self, path: str, **form: str) -> str:
        return self._ask("POST", path, form)[0]

    def _ask(self, method: str, path: str, form: dict[str, str]) -> tuple[str, str]:
        """Return what came back, and the cookie that was set."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Origin": self.origin, "Connection": "close", **self.keys}
        connection.request(method, path, urlencode(form).encode(), headers)
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        assert answer.status == 200, (path, answer.status)
        return content, answer.getheader("Set-Cookie", "")
