"""Ten megabytes between two programs, killed on both sides in the middle, and the same at the end."""

from __future__ import annotations

import random
import stat
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.media import PLANTED, a_jpeg, a_voice, exif
from tests.support.processes import ENVIRONMENT, PersonProcess, a_town, await_true, await_value

pytestmark = [pytest.mark.real, pytest.mark.slow]

SIDE = 1850
"""Pixels of each side of noise: ten megabytes however well it is packed."""


def noise() -> Image.Image:
    return Image.frombytes("RGB", (SIDE, SIDE), random.Random(5).randbytes(SIDE * SIDE * 3))


def file_of(person: PersonProcess, circle: str, message: str) -> dict[str, Any] | None:
    entries = person.ask("read", circle=circle, after=0, follow=False)
    return next((one["attachment"] for one in entries if one["id"] == message), None)


def start_fetching(person: PersonProcess, circle: str, message: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "toheal_p2p", f"--home={person.home}", "fetch"]
    return subprocess.Popen(
        [*command, circle, message],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_ten_megabytes_survive_kills_on_both_sides(tmp_path: Path) -> None:
    picture = noise()
    source, target, folder = tmp_path / "me in Gaza.png", tmp_path / "got.png", tmp_path / "out"
    picture.save(source, "PNG", exif=exif(), compress_level=0)
    assert source.stat().st_size > 10_000_000
    folder.mkdir()
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=True)
        [message] = ours.cli("attach", circle, str(source), "--describe", "ضجيج")
        await_true(lambda: file_of(theirs, circle, message) is not None)
        for person in (theirs, ours):
            fetching = start_fetching(theirs, circle, message)
            before = (file_of(theirs, circle, message) or {})["percent"]
            await_value(lambda least=before + 5: _percent(theirs, circle, message) >= least, 60)
            person.kill()
            if person is theirs:
                assert fetching.wait(20) == 1
            else:
                fetching.terminate()
                fetching.wait(20)
            fetching.communicate()
            kept = before if person is theirs else _percent(theirs, circle, message)
            person.start()
            assert _percent(theirs, circle, message) >= kept
        assert _percent(theirs, circle, message) < 100
        assert theirs.cli("fetch", circle, message, "--to", str(target)) == [str(target)]
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        [written] = ours.cli("fetch", circle, message, "--to", str(folder))
        assert Path(written).read_bytes() == target.read_bytes()
        assert Path(written).name == f"{message[:12]}.png"
    with Image.open(target) as shown:
        assert shown.tobytes() == picture.tobytes()
    assert PLANTED not in target.read_bytes()


def _percent(person: PersonProcess, circle: str, message: str) -> int:
    found = file_of(person, circle, message)
    return 0 if found is None else int(found["percent"])


def test_a_picture_and_a_voice_by_what_a_person_types(tmp_path: Path) -> None:
    photo, voice = tmp_path / "photo.jpg", tmp_path / "voice.ogg"
    photo.write_bytes(a_jpeg(orientation=6))
    voice.write_bytes(a_voice("ogg", "libopus"))
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=True)
        for path, kind in ((photo, "image/jpeg"), (voice, "audio/ogg")):
            [message] = ours.cli("attach", circle, str(path), "--note", "loss")
            await_true(lambda m=message: file_of(theirs, circle, m) is not None)
            [fetched] = theirs.cli_json("fetch", circle, message, "--to", str(tmp_path / kind[:5]))
            assert (fetched["media_type"], fetched["state"]) == (kind, "here")
            content = Path(fetched["path"]).read_bytes()
            assert PLANTED not in content
        with Image.open(BytesIO((tmp_path / "image").read_bytes())) as shown:
            assert shown.size == (40, 64)
        [entry, _] = [e for e in theirs.cli_json("read", circle) if e["kind"] == "attachment"]
        assert entry["notes"] == ["loss"] and "photo" not in str(entry)
        there = theirs.cli_whole("fetch", circle, entry["id"], "--to", str(tmp_path / "image"))
        assert there.returncode == 1
        assert theirs.cli("fetch", circle, entry["id"], "--remove") == []
        assert _percent(theirs, circle, entry["id"]) == 0
        for person in (ours, theirs):
            for file in person.home.rglob("*"):
                if file.is_file():
                    stored = file.read_bytes()
                    assert PLANTED not in stored and content[:200] not in stored
