"""Pictures: decoded, turned the right way up, and encoded anew from their pixels alone.

Nothing is copied but pixels, so there is nothing to forget to strip: no EXIF, no position, no XMP,
no profile, no comment, no thumbnail, no text, no time.
"""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Any, Final

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_protocol.messages.attachment import Medium
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE

MAX_PIXELS: Final = 50_000_000
"""Pixels of a picture: what the better telephones make. Decoded they take 200 MB."""

MAX_SIDE: Final = 16_384
"""Pixels of one side."""

QUALITIES: Final = (90, 80, 65)
"""Of a JPEG or WebP, one after the other until it is small enough."""

_FORMATS: Final = {
    Medium.JPEG: "JPEG",
    Medium.PNG: "PNG",
    Medium.WEBP: "WEBP",
    Medium.GIF: "GIF",
}


def clean_picture(content: bytes, medium: Medium) -> bytes:
    """Return the picture with nothing but its pixels.

    Raises:
        Uncleanable: it moves, is too large, or is not the picture it says it is.
    """
    try:
        with Image.open(BytesIO(content), formats=(_FORMATS[medium],)) as opened:
            _require_modest(opened, medium)
            opened.load()
            pixels = _only_pixels(opened)
        return _encoded(pixels, medium)
    except Image.DecompressionBombError:
        raise Uncleanable("attachment_too_many_pixels") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError):
        raise Uncleanable("attachment_not_clean") from None  # what Pillow raises at broken bytes


def _require_modest(opened: Image.Image, medium: Medium) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Uncleanable("attachment_too_many_pixels")
    # The further pictures of a JPEG are a telephone's extras; the first one is the picture.
    if medium is not Medium.JPEG and getattr(opened, "n_frames", 1) > 1:
        raise Uncleanable("attachment_moving")


def _only_pixels(opened: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(opened)
    plain = _plain_mode(_in_srgb(upright))
    return Image.frombytes(plain.mode, plain.size, plain.tobytes())


def _in_srgb(image: Image.Image) -> Image.Image:
    """Bring colours to sRGB where a profile says they are others: without it they would look wrong."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    with suppress(ImageCms.PyCMSError, OSError):
        target = ImageCms.createProfile("sRGB")
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        changed = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        return changed if changed is not None else image
    return image  # a profile that cannot be read is not taken along either


def _plain_mode(image: Image.Image) -> Image.Image:
    """Bring every way of keeping pixels to one of four that all formats take."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.point(lambda level: level / 256).convert("L")
    if image.mode == "1":
        return image.convert("L")
    has_alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


def _encoded(pixels: Image.Image, medium: Medium) -> bytes:
    if medium is Medium.JPEG and pixels.mode in ("LA", "RGBA"):
        pixels = pixels.convert("RGB")
    if medium is Medium.WEBP and pixels.mode == "LA":
        pixels = pixels.convert("RGBA")
    ways: tuple[dict[str, Any], ...] = ({},)  # Any: each format has options of its own
    if medium in (Medium.JPEG, Medium.WEBP):
        ways = tuple({"quality": quality} for quality in QUALITIES)
    for options in ways:
        target = BytesIO()
        pixels.save(target, format=_FORMATS[medium], **options)
        if target.tell() <= MAX_FILE_SIZE:
            return target.getvalue()
    raise Uncleanable("attachment_too_large")
