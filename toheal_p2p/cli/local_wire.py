"""What the commands and the running process say to each other: one JSON value per line.

```
request   {"v": 1, "command": "say", "args": {...}}
answers   {"item": {...}}                      none, one or many
          {"progress": {"code": "connecting", "facts": {...}}}     what is being tried meanwhile
last      {"done": true}   or   {"refused": "disk_full", "facts": {...}}
```
One request per connection. Both sides load this; so it imports nothing but the standard library.

Docs: docs/command-line.md, section 7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

VERSION: Final = 1
"""The form of requests. Both ends come from one installation, except during an upgrade."""

MAX_LINE: Final = 1 << 20
"""Bytes of one line, its end included: a text of the largest size with every character escaped."""


def encode_line(value: Mapping[str, object]) -> bytes:
    """Write one line, in ASCII, so that no text whatever can break it."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"
