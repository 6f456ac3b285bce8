"""`toheal-relay` as its operator meets it: what it prints, writes, holds, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from tests.support.relays import HOST, Caller, calling, relay_command, relay_process
from toheal_protocol.wire.relay_address import parse_relay_address

pytestmark = pytest.mark.real

SECONDS = 20


def operate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toheal_relay", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def start_in_vain(state: Path, *options: str) -> str:
    """Start a relay that cannot run; return its one line of complaint."""
    done = subprocess.run(
        relay_command(state, *options), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("toheal-relay: ")
    return line


def test_it_is_ready_when_it_says_so_and_ends_when_it_is_told(tmp_path: Path) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT):
        with relay_process(tmp_path) as relay:
            with socket.create_connection((relay.address.host, relay.address.port)):
                pass
            began = time.monotonic()
            relay.process.send_signal(ending)
            assert relay.process.wait(SECONDS) == 0
            assert time.monotonic() - began < 10
            assert relay.process.stdout is not None
            assert relay.process.stderr is not None
            assert relay.process.stdout.read() + relay.process.stderr.read() == ""


def test_it_ends_soon_though_somebody_stays_connected(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:

        async def stay() -> None:
            async with calling(relay.address) as caller:
                await caller.open()
                relay.process.send_signal(signal.SIGTERM)
                with trio.fail_after(10):
                    while relay.process.poll() is None:  # noqa: ASYNC110
                        await trio.sleep(0.02)

        trio.run(stay)
        assert relay.process.returncode == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        with socket.create_connection((relay.address.host, relay.address.port)):
            relay.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            began = time.monotonic()
            relay.process.send_signal(signal.SIGINT)
            assert relay.process.wait(SECONDS) == 0
            assert time.monotonic() - began < 2
            assert relay.process.stderr is not None
            assert relay.process.stderr.read() == ""


def test_its_address_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with relay_process(tmp_path) as first:
        running = operate("address", "--state", str(tmp_path))
        assert running.stdout == f"{first.address}\n"
        port = str(first.address.port)
    with relay_process(tmp_path, "--port", port) as second:
        assert second.address == first.address
    stopped = operate("address", "--state", str(tmp_path), "--public", f"relay.example:{port}")
    assert parse_relay_address(stopped.stdout.strip()).fingerprint == first.address.fingerprint
    assert stopped.stdout.startswith(f"toheal-relay://relay.example:{port}#")


def test_it_tells_others_the_public_name(tmp_path: Path) -> None:
    with relay_process(tmp_path, "--public", "Relay.Example:443") as relay:
        assert (relay.address.host, relay.address.port) == ("relay.example", 443)


def test_json_is_one_object_per_line(tmp_path: Path) -> None:
    with subprocess.Popen(
        relay_command(tmp_path, "--json"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        asked = operate("address", "--json", "--state", str(tmp_path))
        assert json.loads(asked.stdout) == {"address": ready["address"]}
        process.terminate()


def test_holdings_are_counts_and_nothing_else(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        trio.run(_leave_three_items, relay.address)
        counts = json.loads(operate("holdings", "--json", "--state", str(tmp_path)).stdout)
        assert all(type(count) is int for count in counts.values())
        assert (counts["mailboxes"], counts["items"], counts["strays"]) == (1, 3, 0)
        assert counts["faults"] == 0
        lines = operate("holdings", "--state", str(tmp_path)).stdout.splitlines()
        assert {line.split()[-1] for line in lines} <= {str(count) for count in counts.values()}
        assert len(lines) == len(counts)


async def _leave_three_items(address: object) -> None:
    async with calling(address) as caller:  # type: ignore[arg-type]
        await caller.open()
        await caller.deposit(caller, b"one", b"two", b"three")
        await caller.settle()


def test_only_its_owner_can_read_what_it_writes(tmp_path: Path) -> None:
    state = tmp_path / "new"
    with relay_process(state):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
        assert modes == {"relay.pem": 0o600, "control": 0o600}
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_state_folder_with_a_long_path_is_no_trouble(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30)
    with relay_process(state):
        assert operate("holdings", "--state", str(state)).returncode == 0


def test_it_says_plainly_why_it_cannot_start(tmp_path: Path) -> None:
    with relay_process(tmp_path / "one") as running:
        port = str(running.address.port)
        assert "in use" in start_in_vain(tmp_path / "other", "--port", port)
        assert "already running" in start_in_vain(tmp_path / "one")
    readable = tmp_path / "one" / "relay.pem"
    readable.chmod(0o644)
    assert "read by others" in start_in_vain(tmp_path / "one")
    readable.chmod(0o600)
    readable.write_text("nonsense")
    assert "does not hold a key" in start_in_vain(tmp_path / "one")
    file = tmp_path / "file"
    file.write_text("")
    assert str(file) in start_in_vain(file / "below")
    assert "cannot listen" in start_in_vain(tmp_path / "two", "--host", "192.0.2.77")
    assert "no host" in start_in_vain(tmp_path / "two", "--public", "not_a_host")


def test_a_relay_that_was_killed_starts_again(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        relay.process.kill()
        relay.process.wait()
    assert (tmp_path / "control").exists()
    with relay_process(tmp_path) as again:
        assert again.address.fingerprint == relay.address.fingerprint


def test_nobody_answers_for_a_relay_that_does_not_run(tmp_path: Path) -> None:
    done = operate("holdings", "--state", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "toheal-relay: no relay is running on this state folder\n"


@pytest.mark.parametrize(
    "wrong",
    [["--port", "70000"], ["--nonsense"], ["--public", "a:b"], ["--show-deposits"]],
    ids=["port", "nonsense", "public", "show deposits to others"],
)
def test_wrong_usage_exits_with_two(wrong: list[str]) -> None:
    done = operate(*wrong)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_relay_needs_nothing_of_the_client() -> None:
    code = "import sys, toheal_relay.cli; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    loaded = set(done.stdout.split())
    assert "toheal_relay" in loaded
    assert not loaded & {"toheal_p2p", "aiortc", "aioice", "av", "apsw", "segno", "uvloop"}


def test_it_is_the_same_program_by_its_name(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("toheal-relay")
    done = subprocess.run(
        [str(program), "holdings", "--state", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1


MARKER = b"\xa5\x5aMARKER-nobody-may-find-this"


def test_logs_and_state_folder_hold_nothing_of_its_clients(tmp_path: Path) -> None:
    """A busy relay with markers in everything it is given, its folder and output searched."""
    markers: list[bytes] = [MARKER, HOST.encode() + b":"]
    with relay_process(tmp_path) as relay:
        markers += trio.run(_be_busy, relay.address)
        said = operate("holdings", "--json", "--state", str(tmp_path)).stdout.encode()
        relay.process.send_signal(signal.SIGTERM)
        relay.process.wait(SECONDS)
        assert relay.process.stdout is not None
        assert relay.process.stderr is not None
        said += relay.process.stdout.read().encode() + relay.process.stderr.read().encode()
    kept = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    assert b"PRIVATE KEY" in kept
    for marker in markers:
        for form in (marker, marker.hex().encode(), base64.b64encode(marker)[:-4]):
            assert form not in said
            assert form not in kept


async def _be_busy(address: object) -> list[bytes]:
    async with calling(address) as reader, calling(address) as writer:  # type: ignore[arg-type]
        reader.seed = type(reader.seed)(MARKER.ljust(32, b"!"))
        await reader.open()
        await writer.deposit(reader, *(MARKER + bytes([number]) for number in range(50)))
        await writer.settle()
        mail = await reader.next_mail()
        await reader.say(*reader.session.delete(reader.seed, [mail.item]))
        await reader.settle()
        stranger = Caller(
            writer.channel, writer.session, writer.hello, type(reader.seed)(os.urandom(32))
        )
        await writer.deposit(stranger, MARKER)
        await writer.settle()
        return [reader.mailbox.address, reader.token, reader.mailbox.token_hash, reader.seed]
