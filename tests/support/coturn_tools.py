"""Debian's coturn: its server as another TURN server, and its client as another TURN client."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from toheal_protocol.wire.stun import binding_request

HOST = "127.0.0.1"

SERVER_CONFIG = """
listening-ip=127.0.0.1
relay-ip=127.0.0.1
realm=toheal
use-auth-secret
allow-loopback-peers
no-cli
relay-threads=1
log-file=/dev/null
simple-log
"""


@frozen
class Coturn:
    """A running coturn."""

    pid: int
    port: int


@contextmanager
def coturn_server(secret: str, *more: str) -> Iterator[Coturn]:
    """Run a coturn on loopback that takes credentials made with `secret`.

    `more` are lines of its configuration; without a certificate there is no TLS.
    """
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = Path(folder, "turnserver.conf")
        lines = [
            SERVER_CONFIG,
            f"listening-port={port}",
            f"static-auth-secret={secret}",
            f"userdb={folder}/db",
            f"pidfile={folder}/pid",
            *(more or ("no-tls", "no-dtls")),
        ]
        config.write_text("\n".join(lines) + "\n", encoding="ascii")
        process = subprocess.Popen(
            ["turnserver", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await_answer(port)
            yield Coturn(process.pid, port)
        finally:
            process.kill()
            process.wait()


@frozen
class Counted:
    """What `turnutils_uclient` counted."""

    sent: int
    received: int
    lost: int


def uclient(port: int, secret: str, *options: str, timeout: float = 120) -> Counted:
    """Run coturn's client against a server on loopback, and return what it counted."""
    output = run_uclient(port, "-W", secret, "-u", "test", *options, timeout=timeout)
    counts = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", output)
    lost = re.findall(r"Total lost packets (\d+)", output)
    assert counts, output[-2000:]
    assert lost, output[-2000:]
    return Counted(int(counts[-1][0]), int(counts[-1][1]), int(lost[-1]))


def run_uclient(port: int, *options: str, timeout: float = 120) -> str:
    """Run coturn's client and return all it printed."""
    command: Sequence[str] = ["turnutils_uclient", *options, "-p", str(port), HOST]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    return done.stdout + done.stderr


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _await_answer(port: int) -> None:
    """Wait until a server answers a Binding request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        asking.connect((HOST, port))
        for _ in range(100):
            try:
                asking.send(binding_request(bytes(12)))
                asking.recv(2048)
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
            else:
                return
    raise TimeoutError("coturn does not answer")
