"""The guard as the outermost ASGI application: what it refuses reaches nothing else of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from attrs import define

from toheal_p2p.web.guard import HEADERS, SECRET_HEADER, Head, judge
from toheal_p2p.web.keys import Keys

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

_RAW_HEADERS: Final = [(name.encode(), value.encode()) for name, value in HEADERS]


@define(eq=False)
class Gate:
    """Asks the guard, and puts our headers on every answer."""

    app: ASGI
    authority: str
    keys: Keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        status = judge(self._head(scope), authority=self.authority, keys=self.keys)
        if status is None:
            await self.app(scope, receive, _with_headers(send))
        else:
            await _refuse(status, send)

    def _head(self, scope: Scope) -> Head:
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        found = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        ]

        def every(wanted: str) -> tuple[str, ...]:
            return tuple(value for name, value in found if name == wanted)

        return Head(
            method=scope["method"],
            path=scope["path"],
            hosts=every("host"),
            origins=every("origin"),
            sites=every("sec-fetch-site"),
            cookie=_cookie("; ".join(every("cookie")), self.keys.cookie_name),
            secret=next(iter(every(SECRET_HEADER)), ""),
        )


def _cookie(header: str, name: str) -> str:
    """Return one cookie's value; the jar is shared with whatever else runs on this machine."""
    for pair in header.split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_RAW_HEADERS]
        await send(message)

    return send_with_headers


async def _refuse(status: HTTPStatus, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_RAW_HEADERS]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": status.phrase.encode()})
