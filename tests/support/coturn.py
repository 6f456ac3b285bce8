"""coturn, on loopback or in a lab: somebody else's TURN server, to hold our client against.

On loopback it lends addresses on 127.0.0.1 and lets them reach each other, which no relay on the
Internet should do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support.netlab import Namespace
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_relay.tls import fingerprint_of, load_or_make_key

HOST = "127.0.0.1"
SECRET = "a secret of coturn and our tests"
READY_WITHIN = 10.0


@frozen
class Coturn:
    """A running server."""

    port: int
    tls_port: int
    fingerprint: bytes
    log: Path
    host: str = HOST

    def server(self, kind: ServerKind, *, life: int = 3600) -> RelayServer:
        """One of its services, with fresh credentials."""
        username, password = credentials(life)
        return RelayServer(
            self.host,
            self.tls_port if kind is ServerKind.TLS else self.port,
            kind,
            "" if kind is ServerKind.STUN else username,
            "" if kind is ServerKind.STUN else password,
            self.fingerprint if kind is ServerKind.TLS else b"",
        )

    def servers(self) -> tuple[RelayServer, ...]:
        """All its TURN services."""
        return tuple(self.server(kind) for kind in (ServerKind.UDP, ServerKind.TCP, ServerKind.TLS))

    def has_logged(self, text: str) -> bool:
        """Say whether a line of its log holds this."""
        return text in self.log.read_text(errors="replace")


def credentials(life: int = 3600, secret: str = SECRET) -> tuple[str, str]:
    """A username with its end in it, and the password that fits it."""
    username = f"{int(time.time()) + life}:test"
    mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(mac).decode()


def free_port() -> int:
    """A port that nobody has just now, over TCP and UDP."""
    with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind((HOST, 0))
        port = int(one.getsockname()[1])
        other.bind((HOST, port))
        return port


@contextmanager
def a_coturn(
    folder: Path, *options: str, host: str = HOST, inside: Namespace | None = None
) -> Iterator[Coturn]:
    """A server of its own, ended at the end; perhaps in a namespace, at an address of that."""
    key = load_or_make_key(folder / "key")
    log = folder / "coturn.log"
    running = Coturn(free_port(), free_port(), fingerprint_of(key), log, host)
    arguments = [
        *(inside.prefix if inside is not None else ()),
        "turnserver", "-n", "--no-cli", "--no-dtls", "--no-multicast-peers", "--verbose",
        f"--listening-ip={host}", f"--relay-ip={host}",
        *(["--allow-loopback-peers"] if host == HOST else []),
        f"--listening-port={running.port}", f"--tls-listening-port={running.tls_port}",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=toheal",
        f"--cert={key}", f"--pkey={key}", f"--log-file={log}", "--simple-log",
        f"--pidfile={folder / 'coturn.pid'}", *options,
    ]  # fmt: skip
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    ) as process:
        try:
            _await_ready(running, process, inside)
            yield running
        finally:
            process.terminate()


def _await_ready(
    running: Coturn, process: subprocess.Popen[bytes], inside: Namespace | None
) -> None:
    def connect() -> None:
        for port in (running.port, running.tls_port):
            socket.create_connection((running.host, port), timeout=1).close()

    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            inside.inside(connect) if inside is not None else connect()
            return
        except OSError:
            assert process.poll() is None, "coturn ended"
            assert time.monotonic() < deadline, "coturn is not ready"
            time.sleep(0.05)
