"""Somebody who visits the page of a running program without a browser."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import urlencode

from attrs import define, field

from tests.support.page_program import PageProgram


@define(eq=False)
class Visitor:
    """Somebody who came in by the start file, without a browser."""

    port: int
    start_file: Path
    headers: dict[str, str] = field(factory=dict)

    def come_in(self) -> None:
        token = self.start_file.read_text().split("#")[1].split('"')[0]
        self.headers = {"Origin": f"http://127.0.0.1:{self.port}"}
        answer, cookie = self._ask("POST", "/enter", {"token": token})
        self.headers |= {"X-Page": json.loads(answer)["secret"], "Cookie": cookie.split(";")[0]}

    def get(self, path: str) -> str:
        return self._ask("GET", path, {})[0]

    def post(self, path: str, /, **form: str) -> str:
        return self._ask("POST", path, form)[0]

    def _ask(self, method: str, path: str, form: dict[str, str]) -> tuple[str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, urlencode(form) or None, self.headers)
            answer = connection.getresponse()
            return answer.read().decode(), answer.headers.get("Set-Cookie", "")
        finally:
            connection.close()


def visitor_of(program: PageProgram) -> Visitor:
    visitor = Visitor(int(program.url.rstrip("/").rsplit(":", 1)[1]), program.start_file)
    visitor.come_in()
    return visitor
