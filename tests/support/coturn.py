"""Debian's coturn as somebody else's TURN server, with credentials as our relays give them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define

from tests.support.netlab import Namespace
from tests.support.processes import await_true
from toheal_relay.tls import fingerprint_of, load_or_make_key

SECRET: Final = "a secret of the tests"
REALM: Final = "toheal"
LIFE: Final = 3600
"""Seconds for which credentials are good."""


@define(eq=False)
class Coturn:
    """A running server: UDP and TCP on one port, TLS on the next."""

    host: str
    port: int
    fingerprint: bytes
    """Of the key it shows over TLS."""
    process: subprocess.Popen[bytes]

    @property
    def tls_port(self) -> int:
        return self.port + 1

    def credentials(self) -> tuple[str, str]:
        """Return a username and a password that are good for an hour."""
        username = f"{int(time.time()) + LIFE}:{self.port}"
        seal = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
        return username, base64.b64encode(seal).decode()


@contextmanager
def a_coturn(
    folder: Path,
    host: str,
    port: int = 3478,
    *,
    inside: Namespace | None = None,
    more: Sequence[str] = (),
) -> Iterator[Coturn]:
    """Run a server until the block ends; the test is marked `coturn`."""
    key = load_or_make_key(folder / "key")
    log = folder / "coturn.log"
    command = [
        *(inside.prefix if inside is not None else ()),
        *("turnserver", "-n", "--no-cli", "--no-dtls", "--use-auth-secret"),
        f"--static-auth-secret={SECRET}",
        f"--realm={REALM}",
        f"--listening-ip={host}",
        f"--relay-ip={host}",
        f"--listening-port={port}",
        f"--tls-listening-port={port + 1}",
        f"--cert={key}",
        f"--pkey={key}",
        f"--userdb={folder / 'turndb'}",
        f"--pidfile={folder / 'pid'}",
        "--log-file=stdout",
        *more,
    ]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        await_true(lambda: _listens(inside, port) and _listens(inside, port + 1))
        yield Coturn(host, port, fingerprint_of(key), process)
    finally:
        process.kill()
        process.wait()


def _listens(inside: Namespace | None, port: int) -> bool:
    """Say whether somebody there listens on this TCP port."""

    def look() -> bool:
        table = Path("/proc/thread-self/net/tcp").read_text(encoding="ascii")
        rows = [line.split() for line in table.splitlines()[1:]]
        return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)

    return inside.inside(look) if inside is not None else look()
