"""What lets one browser page in: a token used once, a cookie, and a secret the page keeps.

```
 start file (0600) ── token, once, within TOKEN_LIFE ──> cookie  (every tab of the browser has it)
                                                     └─> secret  (only the page has it)
```
A cookie alone opens nothing: browsers send it to every port of 127.0.0.1, where another program
may listen. The secret lies in the page's own storage, which belongs to one port.
A new token that is used shuts out the page before it.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import secrets
from typing import Final

from attrs import define, field

TOKEN_LIFE: Final = 60.0
"""Seconds from writing the start file until its token is worthless."""

_SIZE: Final = 32


@define(eq=False)
class Keys:
    """The keys of one port."""

    port: int
    _token: str | None = field(default=None, init=False, repr=False)
    _token_ends: float = field(default=0.0, init=False)
    _cookie: str | None = field(default=None, init=False, repr=False)
    _secret: str | None = field(default=None, init=False, repr=False)

    @property
    def cookie_name(self) -> str:
        """The cookie's name: cookies of different ports share one jar."""
        return f"p{self.port}"

    def new_token(self, now: float) -> str:
        """Return a token that opens the page once; the one before opens nothing any more."""
        self._token, self._token_ends = secrets.token_urlsafe(_SIZE), now + TOKEN_LIFE
        return self._token

    def redeem(self, token: str, now: float) -> tuple[str, str] | None:
        """Return a fresh cookie and secret for the right token, None for any other."""
        if not _same(token, self._token) or now >= self._token_ends:
            return None
        self._token = None
        self._cookie, self._secret = secrets.token_urlsafe(_SIZE), secrets.token_urlsafe(_SIZE)
        return self._cookie, self._secret

    def opens(self, cookie: str, secret: str) -> bool:
        """Say whether this page may see content."""
        # both are compared, whatever the first one says
        return _same(cookie, self._cookie) & _same(secret, self._secret)

    def forget_token(self) -> None:
        """Let the token that was written last open nothing; whoever is in stays in."""
        self._token = None

    def revoke(self) -> None:
        """Let nobody in until a new token is used."""
        self._token = self._cookie = self._secret = None


def _same(given: str, ours: str | None) -> bool:
    return secrets.compare_digest(given.encode(), (ours or "").encode()) and bool(ours)
