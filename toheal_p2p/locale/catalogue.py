"""Reading a gettext `.po` file at run time: small enough that nothing has to be compiled.

The catalogues are ours and are checked by the tests, so a fault in one is a bug (`ValueError`).
Message contexts and obsolete entries are not used here and not understood.

Source: GNU gettext manual, "The Format of PO Files" and "The Format of GNU MO Files".
"""

from __future__ import annotations

import gettext
import io
import re
import struct
from typing import Final

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[\d\])\s+)?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

Entry = dict[str, str]
"""One entry: `msgid`, perhaps `msgid_plural`, and `msgstr` or `msgstr[0]`, `msgstr[1]`…"""


def parse_po(text: str) -> list[Entry]:
    """Return the entries in the order of the file; the header is the one with an empty `msgid`."""
    entries: list[Entry] = []
    keyword = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None or not (parts[1] or keyword):
            raise ValueError(f"line {number} is not of a .po file")
        if parts[1] == "msgid":
            entries.append({})
        keyword = parts[1] or keyword
        entries[-1][keyword] = entries[-1].get(keyword, "") + _ESCAPE.sub(_unescape, parts[2])
    return entries


def load_po(text: str) -> gettext.GNUTranslations:
    """Return the catalogue as the standard library's gettext reads it."""
    return gettext.GNUTranslations(io.BytesIO(_compile(parse_po(text))))


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPED[match[1]]


def _compile(entries: list[Entry]) -> bytes:
    """Write the `.mo` form: header, two tables of (length, offset), strings ended by a zero."""
    pairs = sorted(map(_key_and_value, entries))
    tables, strings = b"", b""
    start = 28 + 16 * len(pairs)
    for side in (0, 1):
        for pair in pairs:
            tables += struct.pack("<II", len(pair[side]), start + len(strings))
            strings += pair[side] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + tables + strings


def _key_and_value(entry: Entry) -> tuple[bytes, bytes]:
    if "msgid_plural" not in entry:
        return entry["msgid"].encode(), entry["msgstr"].encode()
    forms = [form for keyword, form in sorted(entry.items()) if keyword.startswith("msgstr")]
    key = f"{entry['msgid']}\0{entry['msgid_plural']}"
    return key.encode(), "\0".join(forms).encode()
