"""Pictures and voice notes that say far too much: made here, with words planted to be looked for."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import av
from PIL import Image, ImageCms, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

PLANTED = b"PLANTED"
"""In everything that must not survive."""

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:li>PLANTED-XMP</rdf:li></x:xmpmeta>'
GPS = 0x8825
EXIF_IFD = 0x8769


def pixels(width: int = 64, height: int = 40, *, mode: str = "RGB") -> Image.Image:
    """Return a picture whose left upper corner is red and whose lower right one is blue."""
    picture = Image.new("RGB", (width, height), (200, 200, 200))
    picture.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    picture.paste((0, 0, 255), (width // 2, height // 2, width, height))
    return picture.convert(mode)


def exif(*, orientation: int = 1) -> Image.Exif:
    """Return what a telephone writes: who, where, when, and a thumbnail's worth of more."""
    said = Image.Exif()
    said[0x010E] = "PLANTED-description"
    said[0x010F] = "PLANTED-maker"
    said[0x0110] = "PLANTED-model"
    said[0x0112] = orientation
    said[0x0132] = "2021:02:03 04:05:06"
    said[0x013B] = "PLANTED-artist"
    said.get_ifd(EXIF_IFD)[0x9003] = "2021:02:03 04:05:06"
    said.get_ifd(EXIF_IFD)[0xA431] = "PLANTED-serial"
    said.get_ifd(EXIF_IFD)[0x927C] = b"PLANTED-makernote"
    gps = said.get_ifd(GPS)
    gps[1], gps[3] = "N", "E"
    gps[2] = gps[4] = tuple(IFDRational(part, 1) for part in (31, 30, 59))
    gps[29] = "PLANTED-place"
    return said


def profile() -> bytes:
    """Return a colour profile with a name in it."""
    named = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = named.find(b"s\x00R\x00G\x00B\x00")
    if at >= 0:
        named[at : at + 7] = PLANTED
    return bytes(named) + b"PLANTED-profile"


def a_jpeg(*, orientation: int = 1, **changes: Any) -> bytes:
    target = BytesIO()
    options = {
        "exif": exif(orientation=orientation),
        "icc_profile": profile(),
        "comment": "PLANTED-comment",
        "quality": 92,
        **changes,
    }
    pixels().save(target, "JPEG", **options)
    whole = target.getvalue()
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    thumbnail = b"JFXX\0\x10" + _thumbnail()
    return whole[:2] + _segment(0xE1, xmp) + _segment(0xE0, thumbnail) + whole[2:] + b"PLANTED-tail"


def _thumbnail() -> bytes:
    target = BytesIO()
    pixels(16, 10).save(target, "JPEG", comment="PLANTED-thumbnail")
    return target.getvalue()


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def a_png(*, mode: str = "RGBA") -> bytes:
    said = PngImagePlugin.PngInfo()
    said.add_text("Author", "PLANTED-text")
    said.add_text("Comment", "PLANTED-ztxt", zip=False)
    said.add_itxt("XML:com.adobe.xmp", XMP.decode())
    said.add(b"tIME", bytes((7, 0xE5, 2, 3, 4, 5, 6)))
    target = BytesIO()
    pixels(mode=mode).save(target, "PNG", pnginfo=said, exif=exif())
    whole = target.getvalue()
    return whole[:-12] + _png_chunk(b"prVt", b"PLANTED-private") + whole[-12:] + b"PLANTED-tail"


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def a_webp(**changes: Any) -> bytes:
    target = BytesIO()
    pixels().save(target, "WEBP", exif=exif(), xmp=XMP, icc_profile=profile(), **changes)
    return target.getvalue()


def a_gif(*, frames: int = 1) -> bytes:
    target = BytesIO()
    others = [pixels(mode="P").rotate(90 * turn) for turn in range(1, frames)]
    pixels(mode="P").save(
        target, "GIF", comment=b"PLANTED-comment", save_all=frames > 1, append_images=others
    )
    return target.getvalue()


TITLES = {
    "title": "PLANTED-title",
    "artist": "PLANTED-artist",
    "comment": "PLANTED-comment",
    "date": "2021-02-03",
    "creation_time": "2021-02-03T04:05:06",
    "location": "PLANTED-place",
    "encoder": "PLANTED-program",
}


def a_voice(
    container: str, codec: str, *, titles: dict[str, str] | None = None, **options: str
) -> bytes:
    """Return two seconds of sound, with everything said about it that the container takes."""
    target = BytesIO()
    with av.open(target, "w", format=container, options=options) as written:
        written.metadata.update(TITLES if titles is None else titles)
        track = written.add_stream(codec, rate=48_000)
        track.layout = "mono"
        track.metadata.update({"title": "PLANTED-track", "handler_name": "PLANTED-handler"})
        samples = track.codec_context.frame_size or 960
        for turn in range(2 * 48_000 // samples):
            for packet in track.encode(_tone(track.codec_context.format.name, samples, turn)):
                written.mux(packet)
        for packet in track.encode(None):
            written.mux(packet)
    return target.getvalue()


def _tone(form: str, samples: int, turn: int) -> av.AudioFrame:
    frame = av.AudioFrame(format=form, layout="mono", samples=samples)
    frame.sample_rate, frame.pts = 48_000, turn * samples
    for plane in frame.planes:
        if form == "u8":
            plane.update(bytes(at % 256 for at in range(plane.buffer_size)))
        elif form.startswith("s16"):
            wave = ((turn * samples + at) % 100 * 300 - 15_000 for at in range(samples))
            plane.update(struct.pack(f"<{samples}h", *wave).ljust(plane.buffer_size, b"\0"))
        else:
            wave_f = (((turn * samples + at) % 100) / 100 - 0.5 for at in range(samples))
            plane.update(struct.pack(f"<{samples}f", *wave_f).ljust(plane.buffer_size, b"\0"))
    return frame


def with_id3(sound: bytes) -> bytes:
    """Put the two kinds of ID3 around an MP3, a picture of a cover included."""
    frames = b"".join(
        name + struct.pack(">I", len(body)) + b"\0\0" + body
        for name, body in (
            (b"TIT2", b"\3PLANTED-id3"),
            (b"GEOB", b"\0PLANTED-object"),
            (b"APIC", b"\0image/jpeg\0\3PLANTED-cover\0" + _thumbnail()),
        )
    )
    size = len(frames)
    sized = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + sized + frames + sound + b"TAG" + b"PLANTED-v1".ljust(125, b" ")


def a_webm(*codecs: str) -> bytes:
    """Return half a second of WebM with these tracks, of sound and of film."""
    target = BytesIO()
    with av.open(target, "w", format="webm") as written:
        tracks = [
            written.add_stream(codec, rate=48_000 if codec[3:5] == "op" else 25) for codec in codecs
        ]
        for track in tracks:
            if track.type == "audio":
                track.layout = "mono"
            else:
                track.width, track.height = 64, 48
        for turn in range(25):
            for track in tracks:
                frame = (
                    _tone(track.codec_context.format.name, 960, turn)
                    if track.type == "audio"
                    else av.VideoFrame(64, 48, "yuv420p")
                )
                for packet in track.encode(frame):
                    written.mux(packet)
    return target.getvalue()


def seconds_of(content: bytes) -> float:
    """Return how long a voice note is."""
    with av.open(BytesIO(content)) as opened:
        return float(opened.duration or 0) / av.time_base


def sound_of(content: bytes) -> bytes:
    """Return the packets of sound in a voice note, one after the other."""
    with av.open(BytesIO(content)) as opened:
        return b"".join(bytes(packet) for packet in opened.demux(audio=0))
