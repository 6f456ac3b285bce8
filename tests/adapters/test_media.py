"""What leaves this device says nothing but what is seen and heard; what cannot be cleaned does not leave."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.media import (
    PLANTED,
    TITLES,
    a_gif,
    a_jpeg,
    a_png,
    a_voice,
    a_webm,
    a_webp,
    pixels,
    seconds_of,
    sound_of,
    with_id3,
)
from toheal_p2p.adapters.media import clean_file
from toheal_p2p.adapters.media.pictures import MAX_PIXELS, clean_picture
from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.adapters.media.sniffing import is_webm, sniff
from toheal_p2p.adapters.media.voices import clean_voice
from toheal_protocol.messages.attachment import Medium
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE

PICTURES = {
    "jpeg": (Medium.JPEG, a_jpeg()),
    "jpeg in CMYK": (Medium.JPEG, a_jpeg()),
    "png": (Medium.PNG, a_png()),
    "png of few colours": (Medium.PNG, a_png(mode="P")),
    "png of greys": (Medium.PNG, a_png(mode="LA")),
    "webp": (Medium.WEBP, a_webp()),
    "webp, lossless": (Medium.WEBP, a_webp(lossless=True)),
    "gif": (Medium.GIF, a_gif()),
}

VOICES = {
    "opus": (Medium.OGG, a_voice("ogg", "libopus")),
    "webm, as browsers record": (Medium.OGG, a_voice("webm", "libopus")),
    "mp3": (Medium.MP3, with_id3(a_voice("mp3", "libmp3lame"))),
    "m4a": (Medium.MP4, a_voice("ipod", "aac")),
    "mp4": (Medium.MP4, a_voice("mp4", "aac")),
    "mp4 in pieces, as browsers record": (
        Medium.MP4,
        a_voice("mp4", "aac", movflags="frag_keyframe+empty_moov+default_base_moof"),
    ),
    "mov": (Medium.MP4, a_voice("mov", "aac")),
    "wav": (Medium.WAV, a_voice("wav", "pcm_s16le")),
}

every_picture = pytest.mark.parametrize("name", PICTURES)
every_voice = pytest.mark.parametrize("name", VOICES)


def traces(content: bytes) -> list[bytes]:
    """Return what is left of what was planted, packed or not, and of times and programs."""
    words = (PLANTED, b"2021", b"Exif", b"xmp", b"XMP", b"ICC", b"iCCP", b"tEXt", b"eXIf", b"tIME")
    programs = (b"Lavf", b"Lavc5", b"ID3", b"TAG", b"LIST", b"JFXX", b"Adobe")
    return [word for word in (*words, *programs) if word in content]


@every_picture
def test_no_byte_of_what_was_planted_is_left_in_a_picture(name: str) -> None:
    medium, said = PICTURES[name]
    assert PLANTED in said, "the example says nothing"
    assert sniff(said) is medium
    cleaned = clean_picture(said, medium)
    assert traces(cleaned) == []
    with Image.open(BytesIO(cleaned)) as shown:
        shown.load()
        assert not shown.getexif() and not shown.getexif().get_ifd(0x8825)
        harmless = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "version", "background"}
        harmless |= {"loop", "duration", "timestamp", "transparency"}
        assert set(shown.info) <= harmless


@every_picture
def test_a_picture_shows_what_it_showed(name: str) -> None:
    medium, said = PICTURES[name]
    with Image.open(BytesIO(clean_picture(said, medium))) as shown:
        assert shown.size == (64, 40)
        red, blue = (shown.convert("RGB").getpixel(at) for at in ((5, 5), (60, 35)))
    if "greys" not in name:
        assert red[0] > 200 > red[2] and blue[2] > 200 > blue[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("orientation", "size", "corner"),
    [
        (1, (64, 40), (5, 5)),
        (3, (64, 40), (58, 35)),
        (6, (40, 64), (35, 5)),
        (8, (40, 64), (5, 58)),
    ],
)
def test_a_picture_taken_sideways_stands_upright(
    orientation: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    cleaned = clean_picture(a_jpeg(orientation=orientation), Medium.JPEG)
    with Image.open(BytesIO(cleaned)) as shown:
        assert shown.size == size
        assert shown.convert("RGB").getpixel(corner)[0] > 200  # type: ignore[index]


def test_what_lies_behind_the_pixels_that_are_seen_through_is_kept_as_pixels_only() -> None:
    cleaned = clean_picture(a_png(), Medium.PNG)
    with Image.open(BytesIO(cleaned)) as shown:
        assert shown.mode == "RGBA"
    assert [name for name in _png_chunks(cleaned) if name not in (b"IHDR", b"IDAT", b"IEND")] == []


def _png_chunks(content: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        names.append(name)
        at += 12 + size
    return names


def test_moving_pictures_are_refused() -> None:
    target = BytesIO()
    pixels().save(target, "WEBP", save_all=True, append_images=[pixels().rotate(90)])
    for medium, content in ((Medium.GIF, a_gif(frames=3)), (Medium.WEBP, target.getvalue())):
        with pytest.raises(Uncleanable) as refused:
            clean_picture(content, medium)
        assert refused.value.reason == "attachment_moving"


def a_bomb(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("size", [(60_000, 60_000), (MAX_PIXELS, 1), (7072, 7072)])
def test_a_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(Uncleanable) as refused:
        clean_picture(a_bomb(*size), Medium.PNG)
    assert refused.value.reason == "attachment_too_many_pixels"


@every_voice
def test_no_byte_of_what_was_planted_is_left_in_a_voice_note(name: str) -> None:
    medium, said = VOICES[name]
    assert PLANTED in said, "the example says nothing"
    assert sniff(said) is (None if is_webm(said) else medium)
    assert traces(clean_voice(said, medium)) == []


@every_voice
def test_every_packet_of_a_voice_is_the_same(name: str) -> None:
    medium, said = VOICES[name]
    cleaned = clean_voice(said, medium)
    assert sound_of(cleaned) == sound_of(said)
    assert len(sound_of(cleaned)) > 500
    assert sniff(cleaned) is medium
    assert 1.9 < seconds_of(cleaned) < 2.1


def test_a_film_is_not_a_voice_note() -> None:
    film = b"\0\0\0\x18ftypheic" + bytes(32)
    assert sniff(film) is None


@pytest.mark.parametrize("tracks", [("libopus", "libopus"), ("libopus", "libvpx")])
def test_what_is_recorded_with_more_than_one_track_is_refused(tracks: tuple[str, str]) -> None:
    with pytest.raises(Uncleanable):
        clean_voice(a_webm(*tracks), Medium.OGG)


def test_sound_of_another_codec_is_refused() -> None:
    for container, codec, medium in (
        ("ogg", "flac", Medium.OGG),
        ("matroska", "aac", Medium.OGG),
        ("wav", "pcm_u8", Medium.WAV),
    ):
        with pytest.raises(Uncleanable):
            clean_voice(a_voice(container, codec, titles=dict(TITLES)), medium)


@pytest.mark.parametrize("content", [b"", b"x", b"%PDF-1.4", b"<svg/>", b"MZ", bytes(4096)])
def test_what_is_neither_is_nothing_we_take(content: bytes) -> None:
    assert sniff(content) is None


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_broken_files_are_cleaned_or_refused_and_nothing_else(data: st.DataObject) -> None:
    medium, whole = data.draw(st.sampled_from([*PICTURES.values(), *VOICES.values()]))
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = (
        whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    )
    clean = clean_picture if medium < Medium.OGG else clean_voice
    try:
        cleaned = clean(broken, medium)
    except Uncleanable:
        return
    assert PLANTED not in cleaned


@pytest.mark.real
@pytest.mark.trio
async def test_the_process_of_its_own_says_what_it_is_and_gives_it_back_clean() -> None:
    for medium, said in (
        PICTURES["jpeg"],
        VOICES["opus"],
        VOICES["webm, as browsers record"],
    ):
        found, cleaned = await clean_file(said)
        assert found is medium
        assert traces(cleaned) == []


@pytest.mark.real
@pytest.mark.trio
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"neither", "attachment_unknown"),
        (a_gif(frames=2), "attachment_moving"),
        (a_bomb(60_000, 60_000), "attachment_too_many_pixels"),
        (a_jpeg()[:300], "attachment_not_clean"),
        (bytes(MAX_FILE_SIZE + 1), "attachment_too_large"),
    ],
)
async def test_the_process_of_its_own_says_why_not(content: bytes, reason: str) -> None:
    with pytest.raises(Uncleanable) as refused:
        await clean_file(content)
    assert refused.value.reason == reason


@pytest.mark.real
def test_the_process_of_its_own_can_write_no_file(tmp_path: Path) -> None:
    target = tmp_path / "written"
    program = (
        "from toheal_p2p.adapters.media.__main__ import _give_up_rights as give_up\n"
        f"give_up()\nopen({str(target)!r}, 'w').write('x' * 100000)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=os.environ)
    assert ended.returncode != 0
    assert target.stat().st_size == 0
