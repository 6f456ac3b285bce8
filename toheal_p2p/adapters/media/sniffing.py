"""What a file is, by how it begins: never by its name."""

from __future__ import annotations

from toheal_protocol.messages.attachment import Medium


def sniff(content: bytes) -> Medium | None:
    """Return what this is, or None where it is nothing we take."""
    head = content[:16]
    if head.startswith(b"\xff\xd8\xff"):
        return Medium.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Medium.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Medium.GIF
    if head.startswith(b"RIFF"):
        return {b"WEBP": Medium.WEBP, b"WAVE": Medium.WAV}.get(head[8:12])
    if head.startswith(b"OggS"):
        return Medium.OGG
    if head[4:8] == b"ftyp":
        return _sniff_boxes(head[8:12])
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return Medium.MP3  # 11 bits of synchronisation, and layer III
    return None


def is_webm(content: bytes) -> bool:
    """Say whether this is WebM, in which browsers record. Nobody sends it: it becomes Ogg here."""
    return content.startswith(b"\x1a\x45\xdf\xa3")


def _sniff_boxes(brand: bytes) -> Medium | None:
    """Tell sound from pictures that come in the same boxes (HEIC, AVIF)."""
    is_picture = brand[:3] in (b"hei", b"hev", b"mif", b"msf", b"avi", b"avc")
    return None if is_picture else Medium.MP4
