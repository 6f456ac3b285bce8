"""Voice notes: the same packets of sound in a container written anew.

The container's titles, times, pictures, chapters and the name of the program stay behind. What is
written is read once more and looked through, so that a habit of the library cannot let one pass.
What a browser recorded comes as WebM and leaves as Ogg.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.adapters.media.sniffing import is_webm
from toheal_protocol.messages.attachment import Medium

_READ: Final = {
    Medium.OGG: "ogg",
    Medium.MP3: "mp3",
    Medium.MP4: "mov",
    Medium.WAV: "wav",
}

_WRITE: Final = {
    Medium.OGG: "ogg",
    Medium.MP3: "mp3",
    Medium.MP4: "mp4",
    Medium.WAV: "wav",
}

_CODECS: Final = {
    Medium.OGG: ("opus",),
    Medium.MP3: ("mp3", "mp3float"),
    Medium.MP4: ("aac",),
    Medium.WAV: ("pcm_s16le",),
}

_OPTIONS: Final = {
    Medium.OGG: {},
    Medium.MP3: {"id3v2_version": "0", "write_id3v1": "0", "write_xing": "0"},
    Medium.MP4: {},
    Medium.WAV: {},
}

_HARMLESS: Final = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "language", "handler_name", "vendor_id"}
)
"""What a container has to say of itself. Their values are looked at as well."""

_OF_THE_LIBRARY: Final = frozenset(
    {"isom", "iso2", "mp41", "512", "isomiso2mp41", "und", "SoundHandler", "[0][0][0][0]"}
)
"""The values our own container gives them."""


def clean_voice(content: bytes, medium: Medium) -> bytes:
    """Return the sound without anything beside it.

    Raises:
        Uncleanable: it is not such a voice note, or something of it would stay.
    """
    try:
        cleaned = _remuxed(content, medium)
        _require_clean(cleaned, medium)
    except (av.FFmpegError, ValueError, IndexError, MemoryError):
        raise Uncleanable("attachment_not_clean") from None  # what PyAV raises at broken bytes
    return cleaned


def _remuxed(content: bytes, medium: Medium) -> bytes:
    target = BytesIO()
    container = "matroska" if is_webm(content) else _READ[medium]
    with av.open(BytesIO(content), mode="r", format=container) as source:
        sound = _only_sound(source, medium)
        options = {"fflags": "+bitexact", **_OPTIONS[medium]}
        with av.open(target, mode="w", format=_WRITE[medium], options=options) as written:
            _copy_packets(source, sound, written)
    return target.getvalue()


def _copy_packets(source: InputContainer, sound: AudioStream, written: OutputContainer) -> None:
    written.metadata.clear()
    track = written.add_stream_from_template(sound)
    track.metadata.clear()
    for packet in source.demux(sound):
        if packet.dts is not None:  # the last one is empty and says that there is no more
            packet.stream = track
            written.mux(packet)


def _only_sound(source: InputContainer, medium: Medium) -> AudioStream:
    is_film = source.format.name.startswith("matroska") and len(source.streams) > 1
    if is_film or len(source.streams.audio) != 1:
        raise Uncleanable("attachment_not_clean")
    sound = source.streams.audio[0]
    if sound.codec_context.name not in _CODECS[medium]:
        raise Uncleanable("attachment_unknown")
    return sound


def _require_clean(cleaned: bytes, medium: Medium) -> None:
    """Look through what was written: one track of sound, and no word beside it."""
    with av.open(BytesIO(cleaned), mode="r", format=_READ[medium]) as written:
        said = {**written.metadata, **written.streams[0].metadata}
        is_lone = len(written.streams) == 1
        words = {key: value for key, value in said.items() if value not in _OF_THE_LIBRARY}
        if not is_lone or any(key not in _HARMLESS or value for key, value in words.items()):
            raise Uncleanable("attachment_not_clean")
